//! What registries say they have. One whose index somebody is trusted to sign
//! (`indexes` in trust.toml) is taken at that index's word, and not at its own.

use nebula_flow::Timestamp;
use semver::Version;

use super::{FetchError, Hub, versions};
use crate::index::{self, Index, IndexError};
use crate::oci::{RegistryError, Remote};
use crate::package::PackageName;
use crate::trust::Policy;

impl Hub {
    /// Reads the index of each registry for which the policy has somebody who
    /// signs it. The serials that were seen are kept with the cache.
    ///
    /// # Errors
    /// When an index is missing, old, expired, or not signed by who should.
    pub async fn consulting(mut self, policy: &Policy, now: Timestamp) -> Result<Self, FetchError> {
        for remote in &self.remotes {
            let source = remote.registry().to_string();
            if !policy.signs_index(&source) {
                continue;
            }
            let refused = |error| FetchError::Index {
                registry: source.clone(),
                error: Box::new(error),
            };
            let read = match index::pull(remote).await {
                Ok(Some(bytes)) => {
                    let seen = self.cache.seen(&source)?;
                    let read = Index::verify(&bytes, &source, policy, seen, now);
                    let read = read.map_err(refused)?;
                    self.cache.saw(&source, read.serial)?;
                    Ok(read)
                }
                Ok(None) => return Err(refused(IndexError::Missing)),
                // Another registry may do.
                Err(error) => Err(error),
            };
            self.listings.insert(source, read);
        }
        Ok(self)
    }

    /// The signed index of a registry, if it has one.
    ///
    /// # Errors
    /// Why it did not come.
    pub fn listing(&self, remote: &Remote) -> Result<Option<&Index>, RegistryError> {
        match self.listings.get(&remote.registry().to_string()) {
            Some(Ok(index)) => Ok(Some(index)),
            Some(Err(error)) => Err(error.clone()),
            None => Ok(None),
        }
    }

    /// The versions that a registry has of a package, the newest first.
    pub(super) async fn listed(
        &self,
        remote: &Remote,
        name: &PackageName,
    ) -> Result<Vec<Version>, RegistryError> {
        match self.listing(remote)? {
            Some(index) => Ok(index.versions_of(name)),
            None => Ok(versions(&remote.tags(name).await?)),
        }
    }
}
