//! What a manifest leads to: its parts in memory, its components through the
//! cache.

use bytes::Bytes;
use semver::Version;

use super::{FetchError, Found, Hub, not_cached};
use crate::artifact::read::{self, Top};
use crate::artifact::{Descriptor, MAX_MANIFEST};
use crate::cache::BlobSink;
use crate::oci::{Manifest, RegistryError, Remote, Sink};
use crate::package::{PackageDocument, PackageName};
use crate::structure::MAX_COMPONENT;

impl Hub {
    /// Reads what a manifest leads to but the components themselves.
    pub(super) async fn read(
        &self,
        remote: Option<&Remote>,
        name: &PackageName,
        version: &Version,
        manifest: Manifest,
    ) -> Result<Found, FetchError> {
        let wrong = |error| FetchError::Artifact {
            name: name.clone(),
            error,
        };
        let mut parts = Vec::new();
        let top = read::top(&manifest.media_type, &manifest.bytes).map_err(wrong)?;
        let (document, layers) = match top {
            Top::One(document, layer) => (*document, vec![layer]),
            Top::Pack {
                document,
                components,
            } => {
                let bytes = self.part(remote, name, &document, true, &mut parts).await?;
                let layer = read::document_layer(&bytes).map_err(wrong)?;
                let text = self.part(remote, name, &layer, false, &mut parts).await?;
                let document = PackageDocument::read(&text).map_err(|e| wrong(e.into()))?;
                let mut manifests = Vec::new();
                for component in &components {
                    manifests.push(self.part(remote, name, component, true, &mut parts).await?);
                }
                let layers = read::component_layers(&document, &manifests).map_err(wrong)?;
                (document, layers)
            }
        };
        if (&document.name, &document.version) != (name, version) {
            return Err(FetchError::OtherName {
                asked: format!("{name} {version}"),
                says: format!("{} {}", document.name, document.version),
            });
        }
        for layer in &layers {
            let config = self
                .part(remote, name, &layer.config, false, &mut parts)
                .await?;
            read::check_config(&config, layer.component.digest).map_err(wrong)?;
        }
        Ok(Found {
            manifest,
            document,
            layers,
            registry: remote.map(|remote| remote.registry().to_string()),
            parts,
        })
    }

    /// A small part, from the cache or the registry.
    async fn part(
        &self,
        remote: Option<&Remote>,
        name: &PackageName,
        wanted: &Descriptor,
        is_manifest: bool,
        parts: &mut Vec<(Descriptor, Bytes)>,
    ) -> Result<Bytes, FetchError> {
        let bytes = match self.cache.blob(wanted.digest, MAX_MANIFEST)? {
            Some(bytes) => bytes,
            None => {
                let remote = remote.ok_or_else(|| not_cached(name, wanted.digest))?;
                if is_manifest {
                    let manifest = remote.pinned(name, wanted.digest).await?;
                    let missing = || RegistryError::Missing {
                        registry: remote.registry().to_string(),
                        what: format!("manifest {} of {name}", wanted.digest),
                    };
                    manifest.ok_or_else(missing)?.bytes
                } else {
                    remote.small(name, wanted, MAX_MANIFEST).await?
                }
            }
        };
        parts.push((wanted.clone(), bytes.clone()));
        Ok(bytes)
    }

    /// The bytes of a component that was stated, through the cache.
    ///
    /// # Errors
    /// When no registry has it, or sends other bytes.
    pub async fn component(
        &self,
        name: &PackageName,
        wanted: &Descriptor,
    ) -> Result<Bytes, FetchError> {
        self.watched_component(name, wanted, &|_| {}).await
    }

    /// The same; `seen` is told how many bytes have come, again and again.
    pub(crate) async fn watched_component(
        &self,
        name: &PackageName,
        wanted: &Descriptor,
        seen: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Bytes, FetchError> {
        if let Some(bytes) = self.cache.blob(wanted.digest, MAX_COMPONENT)? {
            return Ok(bytes);
        }
        let mut trouble = None;
        for remote in &self.remotes {
            let mut sink = self.cache.sink()?;
            let mut watched = Watched {
                sink: &mut sink,
                seen,
            };
            let pulled = match remote.blob(name, wanted, &mut watched).await {
                Ok(()) => sink
                    .keep(wanted.digest, wanted.size)
                    .map_err(FetchError::from),
                Err(error) => Err(error.into()),
            };
            match pulled {
                Ok(()) => {
                    let bytes = self.cache.blob(wanted.digest, MAX_COMPONENT)?;
                    return bytes.ok_or_else(|| not_cached(name, wanted.digest));
                }
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        Err(trouble.unwrap_or_else(|| not_cached(name, wanted.digest)))
    }
}

/// A sink of which somebody hears how much it has.
struct Watched<'a> {
    sink: &'a mut BlobSink,
    seen: &'a (dyn Fn(u64) + Send + Sync),
}

impl Sink for Watched<'_> {
    fn len(&self) -> u64 {
        self.sink.len()
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.sink.write(bytes)?;
        (self.seen)(self.sink.len());
        Ok(())
    }

    fn restart(&mut self) -> std::io::Result<()> {
        self.sink.restart()
    }
}
