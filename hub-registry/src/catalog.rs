//! The actions of this node, by name: those embedded in the binary, those in
//! files that were named on the command line, and those of installed packages.
//! What a deployed version pinned and this binary has no more comes from the
//! store, and what the store has lost from a registry.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::future::try_join_all;
use nebula_flow::component::Origin;
use nebula_flow::id::TenantId;
use nebula_flow::ports::{
    Components, Prepared, RecordError, Records, ResolveError, ResolvedAction, Runner,
};
use nebula_flow::{ActionId, Component, Digest, Verified};
use semver::VersionReq;

use crate::demand::Demand;
use crate::error::HubError;
use crate::installed::{self, InstalledPackage};
use crate::source;

/// First segments of action names that only embedded components may use.
pub const RESERVED: [&str; 19] = [
    "condition",
    "crypto",
    "database",
    "html",
    "http",
    "json",
    "kv",
    "markdown",
    "nebula",
    "notification",
    "rss",
    "table",
    "template",
    "text",
    "transform",
    "validation",
    "weather",
    "xml",
    "zip",
];

/// How many components that only the store has are kept in memory.
const KEPT: usize = 64;

/// The components of this node, prepared and ready to run.
pub struct Catalog {
    records: Arc<dyn Records>,
    actions: BTreeMap<ActionId, ResolvedAction>,
    components: HashMap<Digest, Verified<Component>>,
    pinned: Mutex<HashMap<Digest, Verified<Component>>>,
    demand: Option<Demand>,
}

/// A component under the name that messages call it by.
struct Named {
    name: String,
    component: Verified<Component>,
}

impl Catalog {
    /// Checks and prepares the embedded packs (name and bytes) and the files,
    /// all at once, and lists their actions.
    ///
    /// # Errors
    /// When one is not a component of ours or cannot be prepared, when two have
    /// the same action, or when a file claims a name that belongs to Nebula.
    pub async fn build(
        runner: Arc<dyn Runner>,
        records: Arc<dyn Records>,
        embedded: &[(&str, &'static [u8])],
        local: &[PathBuf],
    ) -> Result<Self, HubError> {
        let mut sources = Vec::new();
        for (name, bytes) in embedded {
            sources.push(Named {
                name: format!("the embedded pack `{name}`"),
                component: source::embedded(bytes)?,
            });
        }
        for path in local {
            let component = source::local(path)?;
            // The same file twice is the same component, not a second claimant.
            if sources
                .iter()
                .all(|other| other.component.digest() != component.digest())
            {
                sources.push(Named {
                    name: path.display().to_string(),
                    component,
                });
            }
        }
        let prepared = prepare_all(&*runner, &sources).await?;
        for (source, prepared) in sources.iter().zip(&prepared) {
            refuse_reserved(source, prepared)?;
        }
        Self::listing(records, sources, prepared)
    }

    /// Prepares components under the names that messages call them by, and lists their
    /// actions: those of whoever built them all, such as a test, which may have any name.
    ///
    /// # Errors
    /// When one cannot be prepared or has no action, or two have the same.
    pub async fn of(
        runner: &dyn Runner,
        records: Arc<dyn Records>,
        components: impl IntoIterator<Item = (String, Verified<Component>)>,
    ) -> Result<Self, HubError> {
        let named = |(name, component)| Named { name, component };
        let sources: Vec<Named> = components.into_iter().map(named).collect();
        let prepared = prepare_all(runner, &sources).await?;
        Self::listing(records, sources, prepared)
    }

    fn listing(
        records: Arc<dyn Records>,
        sources: Vec<Named>,
        prepared: Vec<Prepared>,
    ) -> Result<Self, HubError> {
        let mut catalog = Self {
            records,
            actions: BTreeMap::new(),
            components: HashMap::new(),
            pinned: Mutex::default(),
            demand: None,
        };
        let mut claims = HashMap::new();
        for (source, prepared) in sources.iter().zip(prepared) {
            catalog.add(source, prepared, &mut claims)?;
        }
        Ok(catalog)
    }

    /// With registries from which components come that the store has lost.
    #[must_use]
    pub fn with_demand(mut self, demand: Demand) -> Self {
        self.demand = Some(demand);
        self
    }

    fn add(
        &mut self,
        source: &Named,
        prepared: Prepared,
        claims: &mut HashMap<ActionId, String>,
    ) -> Result<(), HubError> {
        let Named { name, component } = source;
        if prepared.actions.is_empty() {
            return Err(HubError::NoActions { name: name.clone() });
        }
        for metadata in prepared.actions {
            let action = metadata.id.clone();
            if let Some(first) = claims.insert(action.clone(), name.clone()) {
                return Err(HubError::Duplicate {
                    action,
                    first,
                    second: name.clone(),
                });
            }
            let resolved = ResolvedAction {
                digest: component.digest(),
                effect: prepared.effect,
                metadata: Arc::new(metadata),
                origin: component.origin().clone(),
            };
            self.actions.insert(action, resolved);
        }
        self.components
            .insert(component.digest(), component.clone());
        Ok(())
    }

    /// The installed action whose name is nearest, if it is near enough to be a
    /// slip of the pen.
    fn similar(&self, action: &ActionId, packages: &[InstalledPackage]) -> Option<ActionId> {
        let wanted = action.as_str();
        let components = packages.iter().flat_map(|package| &package.components);
        let installed = components.flat_map(|c| c.actions.iter().map(|action| &action.id));
        let distances = self
            .actions
            .keys()
            .chain(installed)
            .map(|id| (strsim::osa_distance(wanted, id.as_str()), id));
        let (distance, id) = distances.min_by_key(|(distance, _)| *distance)?;
        (distance <= 2.max(wanted.len() / 3)).then(|| id.clone())
    }

    async fn packages(&self, tenant: &TenantId) -> Result<Vec<InstalledPackage>, ResolveError> {
        installed::list(&*self.records, tenant, None)
            .await
            .map_err(trouble)
    }

    /// The bytes of a component that is not one of the binary's: from the store,
    /// or from a registry if the store has lost them.
    async fn stored(
        &self,
        tenant: &TenantId,
        digest: Digest,
    ) -> Result<(bytes::Bytes, Origin), ResolveError> {
        let bytes = self.records.blob(digest).await.map_err(trouble)?;
        if let Some(bytes) = bytes {
            // Where it came from was recorded with the version that pinned it;
            // here it counts as what needs the least trust.
            return Ok((bytes, Origin::Unsigned));
        }
        let unknown = ResolveError::UnknownComponent(digest);
        let Some(demand) = &self.demand else {
            return Err(unknown);
        };
        let packages = self.packages(tenant).await?;
        let has = |package: &&InstalledPackage| {
            let mut components = package.components.iter();
            components.any(|component| component.digest == digest)
        };
        let package = packages.iter().find(has).ok_or(unknown)?;
        let bytes = demand.pull(package, digest).await?;
        self.records
            .put_blob(bytes.clone())
            .await
            .map_err(trouble)?;
        Ok((bytes, package.origin.clone()))
    }

    fn pinned(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Verified<Component>>> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.actions.keys()).finish()
    }
}

async fn prepare_all(runner: &dyn Runner, sources: &[Named]) -> Result<Vec<Prepared>, HubError> {
    try_join_all(sources.iter().map(|source| prepare(runner, source))).await
}

/// Refuses names that belong to Nebula in a component that is not of this binary.
fn refuse_reserved(source: &Named, prepared: &Prepared) -> Result<(), HubError> {
    if *source.component.origin() == Origin::Embedded {
        return Ok(());
    }
    for metadata in &prepared.actions {
        let prefix = installed::segment(&metadata.id);
        if RESERVED.contains(&prefix) {
            return Err(HubError::Reserved {
                name: source.name.clone(),
                action: metadata.id.clone(),
                prefix: prefix.to_owned(),
            });
        }
    }
    Ok(())
}

async fn prepare(runner: &dyn Runner, source: &Named) -> Result<Prepared, HubError> {
    let prepared = runner.prepare(&source.component).await;
    prepared.map_err(|failure| HubError::Prepare {
        name: source.name.clone(),
        failure,
    })
}

#[async_trait]
impl Components for Catalog {
    async fn resolve(
        &self,
        tenant: &TenantId,
        action: &ActionId,
        range: &VersionReq,
    ) -> Result<ResolvedAction, ResolveError> {
        let own = self.actions.get(action);
        if let Some(found) = own
            && range.matches(&found.metadata.version)
        {
            return Ok(found.clone());
        }
        let packages = self.packages(tenant).await?;
        let mut offered: Vec<_> = packages.iter().filter_map(|p| p.action(action)).collect();
        offered.sort_by(|one, other| other.metadata.version.cmp(&one.metadata.version));
        let fits = |found: &&ResolvedAction| range.matches(&found.metadata.version);
        if let Some(found) = offered.iter().find(fits) {
            return Ok(found.clone());
        }
        match own.or(offered.first()) {
            Some(found) => Err(ResolveError::NoVersion {
                action: action.clone(),
                range: range.clone(),
                installed: found.metadata.version.clone(),
            }),
            None => Err(ResolveError::UnknownAction {
                action: action.clone(),
                similar: self.similar(action, &packages),
            }),
        }
    }

    async fn component(
        &self,
        tenant: &TenantId,
        digest: Digest,
    ) -> Result<Verified<Component>, ResolveError> {
        if let Some(component) = self.components.get(&digest) {
            return Ok(component.clone());
        }
        if let Some(component) = self.pinned().get(&digest) {
            return Ok(component.clone());
        }
        let (bytes, origin) = self.stored(tenant, digest).await?;
        let component = source::stored(bytes, digest, origin)
            .map_err(|error| ResolveError::Damaged(error.to_string()))?;
        let mut pinned = self.pinned();
        if pinned.len() >= KEPT {
            pinned.clear();
        }
        pinned.insert(digest, component.clone());
        Ok(component)
    }

    async fn actions(
        &self,
        tenant: &TenantId,
    ) -> Result<BTreeMap<ActionId, ResolvedAction>, ResolveError> {
        let mut all = BTreeMap::new();
        // The newest of a package comes first, and this binary's own last.
        for package in self.packages(tenant).await?.iter().rev() {
            all.extend(package.actions());
        }
        all.extend(self.actions.clone());
        Ok(all)
    }
}

fn trouble(error: RecordError) -> ResolveError {
    match error {
        RecordError::Unavailable(_) => ResolveError::Unavailable(error.to_string()),
        _ => ResolveError::Damaged(error.to_string()),
    }
}
