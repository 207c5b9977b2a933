//! What is in the cache, by name and version.

use nebula_flow::Digest;
use semver::Version;

use super::{Attached, FetchError, Found, Hub, SUBJECT, versions};
use crate::artifact::{Descriptor, MAX_MANIFEST};
use crate::cache::CacheError;
use crate::oci::Manifest;
use crate::package::PackageName;

/// The image specification's word for what a manifest of a layout is called.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const PACKAGE: &str = "dev.nebula.package.name";
const VERSION: &str = "dev.nebula.package.version";
const REGISTRY: &str = "dev.nebula.package.registry";

impl Hub {
    /// Names a version in the cache, with all that is needed to install it
    /// without a registry. To be called once it was accepted.
    ///
    /// # Errors
    /// When the cache cannot be written.
    pub fn keep(&self, found: &Found, attached: &Attached) -> Result<(), CacheError> {
        let _using = self.cache.using()?;
        self.cache.put(&found.manifest.bytes)?;
        // The config of every bundle's manifest.
        self.cache.put(b"{}")?;
        let parts = found.parts.iter().chain(&attached.manifests);
        for (_, bytes) in parts {
            self.cache.put(bytes)?;
        }
        let document = &found.document;
        let (namespace, name) = (document.name.namespace(), document.name.name());
        let reference = format!("{namespace}.{name}.{}", document.version);
        let registry = found.registry.clone().unwrap_or_default();
        let top = Descriptor::of(&found.manifest.media_type, &found.manifest.bytes)
            .annotated(REF_NAME, reference.clone())
            .annotated(PACKAGE, document.name.as_str())
            .annotated(VERSION, document.version.to_string())
            .annotated(REGISTRY, registry);
        self.cache.change(|all| {
            all.retain(|entry| entry.annotations.get(REF_NAME) != Some(&reference));
            all.push(top);
            for (descriptor, _) in attached.manifests.iter().step_by(2) {
                if all.iter().all(|entry| entry.digest != descriptor.digest) {
                    let subject = found.manifest.digest.to_string();
                    all.push(descriptor.clone().annotated(SUBJECT, subject));
                }
            }
        })
    }

    pub(super) fn cached_versions(&self, name: &PackageName) -> Result<Vec<Version>, FetchError> {
        let index = self.cache.index()?;
        let of_it = |entry: &&Descriptor| is_of(entry, name);
        let tags: Vec<String> = index
            .iter()
            .filter(of_it)
            .filter_map(|entry| entry.annotations.get(VERSION).cloned())
            .collect();
        let versions = versions(&tags);
        if versions.is_empty() {
            return Err(self.unknown(name));
        }
        Ok(versions)
    }

    pub(super) fn find_cached(
        &self,
        name: &PackageName,
        version: &Version,
        expected: Option<Digest>,
    ) -> Result<Option<Found>, FetchError> {
        let text = version.to_string();
        let index = self.cache.index()?;
        let entry = index.into_iter().find(|entry| {
            is_of(entry, name)
                && entry.annotations.get(VERSION) == Some(&text)
                && expected.is_none_or(|digest| entry.digest == digest)
        });
        let Some(entry) = entry else { return Ok(None) };
        let Some(bytes) = self.cache.blob(entry.digest, MAX_MANIFEST)? else {
            return Ok(None);
        };
        let manifest = Manifest {
            media_type: entry.media_type,
            digest: entry.digest,
            bytes,
        };
        // Everything is in the cache, so nothing is waited for.
        let reading = self.read(None, name, version, manifest);
        let found = futures_util::FutureExt::now_or_never(reading);
        found.transpose()
    }
}

fn is_of(entry: &Descriptor, name: &PackageName) -> bool {
    entry.annotations.get(PACKAGE).map(String::as_str) == Some(name.as_str())
}
