//! Finding packages: in the configured registries in order, or without any of
//! them in the cache. What comes from here is whole and of the digest that was
//! asked for; that somebody vouches for it is [`verify`](crate::verify)'s word.
//!
//! - `listing`: what registries say they have, signed where that is asked for.
//! - `parts`: what a manifest leads to.
//! - `attached`: what hangs on it.
//! - `kept`: what is in the cache.
//! - `error`: why a package was not found.

mod attached;
mod error;
mod kept;
mod listing;
mod parts;
#[cfg(test)]
mod tests;

pub use error::{FetchError, Moved};

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use nebula_flow::Digest;
use semver::Version;

use crate::artifact::Descriptor;
use crate::artifact::read::Layer;
use crate::cache::Cache;
use crate::cosign::SimpleSignature;
use crate::index::Index;
use crate::oci::{Manifest, RegistryError, Remote};
use crate::package::{PackageDocument, PackageName};
use crate::reference::is_loopback;

/// In the cache's index: to which manifest another refers.
const SUBJECT: &str = "dev.nebula.subject";

/// Where packages are looked for.
#[derive(Debug)]
pub struct Hub {
    /// What was pulled.
    pub cache: Cache,
    /// In order; none to be offline.
    pub remotes: Vec<Remote>,
    /// The signed indexes of those that have one, or why it did not come.
    listings: BTreeMap<String, Result<Index, RegistryError>>,
}

/// A version of a package, as it was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its top manifest.
    pub manifest: Manifest,
    /// What it is and has.
    pub document: PackageDocument,
    /// The components' layers.
    pub layers: Vec<Layer>,
    /// Where it was found; none for the cache.
    pub registry: Option<String>,
    /// Further blobs that lead to it, for the cache.
    parts: Vec<(Descriptor, Bytes)>,
}

/// What hangs on a manifest. None of it is trusted.
#[derive(Debug, Clone, Default)]
pub struct Attached {
    /// Bundles that refer to it.
    pub bundles: Vec<Vec<u8>>,
    /// Signatures under cosign's tag.
    pub simple: Vec<SimpleSignature>,
    /// The bundles' manifests, for the cache.
    manifests: Vec<(Descriptor, Bytes)>,
}

impl Hub {
    /// These registries, in order, with this cache. Nothing is asked yet.
    #[must_use]
    pub const fn new(cache: Cache, remotes: Vec<Remote>) -> Self {
        Self {
            cache,
            remotes,
            listings: BTreeMap::new(),
        }
    }

    /// The versions of a package, the newest first.
    ///
    /// # Errors
    /// When no registry has the package, or none that may have it answers.
    pub async fn versions(&self, name: &PackageName) -> Result<Vec<Version>, FetchError> {
        if self.remotes.is_empty() {
            return self.cached_versions(name);
        }
        let mut trouble = None;
        for remote in &self.remotes {
            match self.listed(remote, name).await {
                Ok(versions) if versions.is_empty() => {}
                Ok(versions) => return Ok(versions),
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        match trouble {
            Some(error) => Err(error.into()),
            None => Err(self.unknown(name)),
        }
    }

    /// A version of a package; `expected` is its manifest if that is known.
    ///
    /// # Errors
    /// When there is none, it is another than expected, or no package.
    pub async fn find(
        &self,
        name: &PackageName,
        version: &Version,
        expected: Option<Digest>,
    ) -> Result<Found, FetchError> {
        let mut trouble: Option<FetchError> = None;
        for remote in &self.remotes {
            match self.find_in(remote, name, version, expected).await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(FetchError::Registry(error)) => {
                    trouble = trouble.or(Some(error.into()));
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(found) = self.find_cached(name, version, expected)? {
            return Ok(found);
        }
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        let there = self.versions(name).await?;
        Err(FetchError::UnknownVersion {
            name: name.clone(),
            version: version.clone(),
            there: list(&there),
        })
    }

    async fn find_in(
        &self,
        remote: &Remote,
        name: &PackageName,
        version: &Version,
        expected: Option<Digest>,
    ) -> Result<Option<Found>, FetchError> {
        let listed = match self.listing(remote)? {
            Some(index) => match index.entry(name, version) {
                Some(entry) => Some(entry.manifest),
                None => return Ok(None),
            },
            None => None,
        };
        let moved = |expected, found| {
            let moved = Moved {
                name: name.clone(),
                version: version.clone(),
                expected,
                found,
                registry: remote.registry().to_string(),
            };
            Err(Box::new(moved).into())
        };
        if let (Some(expected), Some(listed)) = (expected, listed)
            && expected != listed
        {
            return moved(expected, listed);
        }
        let expected = expected.or(listed);
        let Some(manifest) = remote.tag(name, &version.to_string()).await? else {
            // A copy of what is locked, under another tag or none.
            return match expected {
                Some(digest) => match remote.pinned(name, digest).await? {
                    Some(manifest) => self
                        .read(Some(remote), name, version, manifest)
                        .await
                        .map(Some),
                    None => Ok(None),
                },
                None => Ok(None),
            };
        };
        if let Some(expected) = expected
            && manifest.digest != expected
        {
            return moved(expected, manifest.digest);
        }
        self.read(Some(remote), name, version, manifest)
            .await
            .map(Some)
    }

    fn remote(&self, registry: Option<&str>) -> Option<&Remote> {
        let mut remotes = self.remotes.iter();
        remotes.find(|remote| Some(remote.registry().to_string().as_str()) == registry)
    }

    /// Whether it came from this machine.
    #[must_use]
    pub fn is_loopback(&self, found: &Found) -> bool {
        let remote = self.remote(found.registry.as_deref());
        remote.is_some_and(|remote| is_loopback(remote.registry().host()))
    }

    fn unknown(&self, name: &PackageName) -> FetchError {
        let places: Vec<_> = self
            .remotes
            .iter()
            .map(|r| r.registry().to_string())
            .collect();
        FetchError::UnknownPackage {
            name: name.clone(),
            places: if places.is_empty() {
                "the cache, and no registry is asked offline".to_owned()
            } else {
                places.join(", ")
            },
        }
    }
}

impl Found {
    /// The components, by digest.
    #[must_use]
    pub fn components(&self) -> BTreeSet<Digest> {
        self.layers.iter().map(|l| l.component.digest).collect()
    }
}

/// Tags that are versions, the newest first; others are not ours.
fn versions(tags: &[String]) -> Vec<Version> {
    let mut versions: Vec<_> = tags
        .iter()
        .filter_map(|tag| Version::parse(tag).ok())
        .filter(|version| version.build.is_empty())
        .collect();
    versions.sort_by(|one, other| other.cmp(one));
    versions.dedup();
    versions
}

/// Some versions, for a message.
pub(crate) fn list(versions: &[Version]) -> String {
    let shown: Vec<_> = versions.iter().take(8).map(Version::to_string).collect();
    match versions.len() {
        0 => "none".to_owned(),
        n if n > shown.len() => format!("{} and {} older ones", shown.join(", "), n - shown.len()),
        _ => shown.join(", "),
    }
}

fn not_cached(name: &PackageName, digest: Digest) -> FetchError {
    FetchError::Registry(RegistryError::Missing {
        registry: "the cache".to_owned(),
        what: format!("{digest} of {name}, and no registry is asked offline"),
    })
}
