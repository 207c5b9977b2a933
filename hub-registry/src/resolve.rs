//! Which versions go together: the newest of each package that all ranges
//! allow, by PubGrub, which explains in words why there are none.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use pubgrub::{
    DefaultStringReporter, Dependencies, DependencyConstraints, DependencyProvider,
    PackageResolutionStatistics, PubGrubError, Ranges, Reporter as _,
};
use semver::{Version, VersionReq};
use tokio::runtime::Handle;

use crate::fetch::{FetchError, Found, Hub};
use crate::package::PackageName;
use crate::reference::Wanted;

/// Packages of one solution.
const MAX_PACKAGES: usize = 500;

/// What is asked for, and what is fixed.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// By a person.
    pub wanted: Vec<Wanted>,
    /// Versions to keep where they fit, from a lock or from what is installed.
    pub preferred: BTreeMap<PackageName, Version>,
    /// Manifests that are known already.
    pub pinned: BTreeMap<PackageName, (Version, nebula_flow::Digest)>,
}

/// Why nothing goes together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SolveError {
    /// No version of a package is in its range.
    #[error("no version of {name} is in {range}; it has {there}")]
    NoVersion {
        /// Which package.
        name: PackageName,
        /// As it was asked for.
        range: VersionReq,
        /// What there is.
        there: String,
    },
    /// The ranges exclude each other.
    #[error("no versions of these packages go together: {0}")]
    Conflict(String),
    /// A package could not be read.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// More than any workflow has.
    #[error("more than {MAX_PACKAGES} packages depend on each other; ask for fewer")]
    TooMany,
}

/// The versions that go together, dependencies before what depends on them.
///
/// # Errors
/// When there are none, or a package cannot be read.
pub async fn solve(hub: std::sync::Arc<Hub>, question: Question) -> Result<Vec<Found>, SolveError> {
    let handle = Handle::current();
    // PubGrub asks for one thing after another: it gets a thread to wait on.
    let solving = tokio::task::spawn_blocking(move || {
        let provider = Provider {
            hub: &hub,
            handle,
            question: &question,
            versions: RefCell::default(),
            found: RefCell::default(),
        };
        provider.solve()
    });
    match solving.await {
        Ok(solved) => solved,
        Err(_) => Err(SolveError::Conflict("the solver ended unexpectedly".into())),
    }
}

/// A package, or what a person asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Node {
    Asked,
    Package(PackageName),
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Asked => f.write_str("what you ask for"),
            Self::Package(name) => name.fmt(f),
        }
    }
}

struct Provider<'a> {
    hub: &'a Hub,
    handle: Handle,
    question: &'a Question,
    versions: RefCell<HashMap<PackageName, Vec<Version>>>,
    found: RefCell<HashMap<(PackageName, Version), Found>>,
}

impl Provider<'_> {
    fn solve(&self) -> Result<Vec<Found>, SolveError> {
        for wanted in &self.question.wanted {
            let there = self.versions(&wanted.name)?;
            if !there.iter().any(|version| wanted.range.matches(version)) {
                return Err(SolveError::NoVersion {
                    name: wanted.name.clone(),
                    range: wanted.range.clone(),
                    there: crate::fetch::list(&there),
                });
            }
        }
        match pubgrub::resolve(self, Node::Asked, Version::new(0, 0, 0)) {
            Ok(chosen) => {
                let names: Vec<_> = chosen
                    .into_iter()
                    .filter_map(|(node, version)| match node {
                        Node::Package(name) => Some((name, version)),
                        Node::Asked => None,
                    })
                    .collect();
                self.in_order(names)
            }
            Err(PubGrubError::NoSolution(mut tree)) => {
                tree.collapse_no_versions();
                let words = DefaultStringReporter::report(&tree);
                let words =
                    words.replace(&format!("{} 0.0.0", Node::Asked), &Node::Asked.to_string());
                Err(SolveError::Conflict(words))
            }
            Err(
                PubGrubError::ErrorChoosingVersion { source, .. }
                | PubGrubError::ErrorRetrievingDependencies { source, .. }
                | PubGrubError::ErrorInShouldCancel(source),
            ) => Err(source),
        }
    }

    /// Dependencies first; packages that depend on each other in any order.
    fn in_order(&self, chosen: Vec<(PackageName, Version)>) -> Result<Vec<Found>, SolveError> {
        let mut waiting: BTreeMap<PackageName, Found> = BTreeMap::new();
        for (name, version) in chosen {
            let found = self.found(&name, &version)?;
            waiting.insert(name, found);
        }
        let mut ordered = Vec::new();
        while !waiting.is_empty() {
            let ready = waiting.iter().find(|(_, found)| {
                let mut names = found.document.dependencies.keys();
                !names.any(|name| waiting.contains_key(name))
            });
            let next = ready.or_else(|| waiting.iter().next());
            let Some(name) = next.map(|(name, _)| name.clone()) else {
                break;
            };
            ordered.extend(waiting.remove(&name));
        }
        Ok(ordered)
    }

    fn versions(&self, name: &PackageName) -> Result<Vec<Version>, SolveError> {
        if let Some(versions) = self.versions.borrow().get(name) {
            return Ok(versions.clone());
        }
        let mut versions = self.handle.block_on(self.hub.versions(name))?;
        // A prerelease counts only where a range names one.
        let asked = self.question.wanted.iter().filter(|w| w.name == *name);
        let mut comparators = asked.flat_map(|wanted| &wanted.range.comparators);
        if !comparators.any(|comparator| !comparator.pre.is_empty()) {
            versions.retain(|version| version.pre.is_empty());
        }
        let mut all = self.versions.borrow_mut();
        all.insert(name.clone(), versions.clone());
        Ok(versions)
    }

    fn found(&self, name: &PackageName, version: &Version) -> Result<Found, SolveError> {
        let key = (name.clone(), version.clone());
        if let Some(found) = self.found.borrow().get(&key) {
            return Ok(found.clone());
        }
        if self.found.borrow().len() >= MAX_PACKAGES {
            return Err(SolveError::TooMany);
        }
        let pinned = self.question.pinned.get(name);
        let expected = pinned
            .filter(|(pinned, _)| pinned == version)
            .map(|(_, d)| *d);
        let found = self
            .handle
            .block_on(self.hub.find(name, version, expected))?;
        self.found.borrow_mut().insert(key, found.clone());
        Ok(found)
    }
}

impl DependencyProvider for Provider<'_> {
    type P = Node;
    type V = Version;
    type VS = Ranges<Version>;
    type M = String;
    type Err = SolveError;
    type Priority = (u32, Reverse<usize>);

    fn prioritize(
        &self,
        node: &Node,
        range: &Ranges<Version>,
        conflicts: &PackageResolutionStatistics,
    ) -> Self::Priority {
        let count = match node {
            Node::Asked => 0,
            Node::Package(name) => self
                .versions(name)
                .map_or(0, |all| all.iter().filter(|v| range.contains(v)).count()),
        };
        (conflicts.conflict_count(), Reverse(count))
    }

    fn choose_version(
        &self,
        node: &Node,
        range: &Ranges<Version>,
    ) -> Result<Option<Version>, SolveError> {
        let Node::Package(name) = node else {
            return Ok(Some(Version::new(0, 0, 0)));
        };
        let versions = self.versions(name)?;
        let preferred = self.question.preferred.get(name);
        let kept = preferred.filter(|v| range.contains(v) && versions.contains(v));
        Ok(kept
            .or_else(|| versions.iter().find(|version| range.contains(version)))
            .cloned())
    }

    fn get_dependencies(
        &self,
        node: &Node,
        version: &Version,
    ) -> Result<Dependencies<Node, Ranges<Version>, String>, SolveError> {
        let ranges: Vec<(PackageName, VersionReq)> = match node {
            Node::Asked => {
                let wanted = self.question.wanted.iter();
                wanted.map(|w| (w.name.clone(), w.range.clone())).collect()
            }
            Node::Package(name) => {
                let found = self.found(name, version)?;
                found.document.dependencies.into_iter().collect()
            }
        };
        let mut constraints = HashMap::new();
        for (name, range) in ranges {
            let both = constraints
                .entry(Node::Package(name))
                .or_insert_with(Ranges::full);
            *both = both.intersection(&Ranges::from_req(range));
        }
        let constraints: DependencyConstraints<_, _> = constraints.into_iter().collect();
        Ok(Dependencies::Available(constraints))
    }
}
