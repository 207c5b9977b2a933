//! Finding packages: in the configured registries in order, or without any of
//! them in the cache. What comes from here is whole and of the digest that was
//! asked for; that somebody vouches for it is [`verify`](crate::verify)'s word.

use std::collections::BTreeSet;

use bytes::Bytes;
use nebula_flow::Digest;
use semver::Version;

use crate::artifact::read::{self, Layer, Top};
use crate::artifact::{ArtifactError, Descriptor, MAX_MANIFEST};
use crate::cache::{Cache, CacheError};
use crate::cosign::attach::{self, MAX_SIGNATURES};
use crate::cosign::{CosignError, SimpleSignature};
use crate::oci::{Manifest, RegistryError, Remote, Sink};
use crate::package::{PackageDocument, PackageName};
use crate::reference::is_loopback;
use crate::statement::MAX_STATEMENT;
use crate::structure::MAX_COMPONENT;

/// The image specification's word for what a manifest of a layout is called.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const PACKAGE: &str = "dev.nebula.package.name";
const VERSION: &str = "dev.nebula.package.version";
const REGISTRY: &str = "dev.nebula.package.registry";
const SUBJECT: &str = "dev.nebula.subject";
/// Base64 of a statement, and the envelope around it.
const MAX_BUNDLE: u64 = 2 * MAX_STATEMENT as u64;
const MAX_PAYLOAD: u64 = 64 << 10;

/// Where packages are looked for.
#[derive(Debug)]
pub struct Hub {
    /// What was pulled.
    pub cache: Cache,
    /// In order; none to be offline.
    pub remotes: Vec<Remote>,
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

/// Why a package was not found, or is not one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No registry has it.
    #[error("no package {name} is in {places}; look for its name with `nebula hub search`")]
    UnknownPackage {
        /// Which.
        name: PackageName,
        /// Where it was looked for.
        places: String,
    },
    /// It has no such version.
    #[error("{name} has no version {version}; it has {there}")]
    UnknownVersion {
        /// Which package.
        name: PackageName,
        /// As it was asked for.
        version: Version,
        /// What it has.
        there: String,
    },
    /// The tag names another manifest than it did.
    #[error(transparent)]
    Moved(#[from] Box<Moved>),
    /// It says that it is another.
    #[error("what is published as {asked} says that it is {says}; do not use it")]
    OtherName {
        /// As it was asked for.
        asked: String,
        /// As its document says.
        says: String,
    },
    /// What is there is not a package.
    #[error("{name} cannot be used: {error}")]
    Artifact {
        /// Which package.
        name: PackageName,
        /// Why.
        error: ArtifactError,
    },
    /// No registry is configured.
    #[error(
        "no registry is configured; name one with --registry, or set NEBULA_PACKAGES_REGISTRIES"
    )]
    NoRegistry,
    /// A registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A signature's manifest that does not read.
    #[error(transparent)]
    Cosign(#[from] CosignError),
}

/// A tag that was moved.
#[derive(Debug, thiserror::Error)]
#[error(
    "{name} {version} is {found} in {registry} now, and was {expected}: its tag was moved. A version never changes; \
     ask its publisher, and install nothing of it until you know why"
)]
pub struct Moved {
    /// Which package.
    pub name: PackageName,
    /// Which version.
    pub version: Version,
    /// As it was.
    pub expected: Digest,
    /// As it is.
    pub found: Digest,
    /// Where.
    pub registry: String,
}

impl Hub {
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
            match remote.tags(name).await {
                Ok(tags) => {
                    let versions = versions(&tags);
                    if !versions.is_empty() {
                        return Ok(versions);
                    }
                }
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
            let moved = Moved {
                name: name.clone(),
                version: version.clone(),
                expected,
                found: manifest.digest,
                registry: remote.registry().to_string(),
            };
            return Err(Box::new(moved).into());
        }
        self.read(Some(remote), name, version, manifest)
            .await
            .map(Some)
    }

    /// Reads what a manifest leads to but the components themselves.
    async fn read(
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
                    small(remote, name, wanted, MAX_MANIFEST).await?
                }
            }
        };
        parts.push((wanted.clone(), bytes.clone()));
        Ok(bytes)
    }

    /// What hangs on a manifest, from the registry where it was found, or from
    /// the cache.
    ///
    /// # Errors
    /// When the registry does not answer, or offers more than is looked at.
    pub async fn attached(&self, found: &Found) -> Result<Attached, FetchError> {
        let subject = found.manifest.digest;
        let name = &found.document.name;
        let Some(remote) = self.remote(found.registry.as_deref()) else {
            return self.cached_attached(subject);
        };
        let mut attached = Attached::default();
        let (referrers, _) = remote.referrers(name, subject).await?;
        for referrer in referrers.into_iter().take(MAX_SIGNATURES + 1) {
            let Some(manifest) = remote.pinned(name, referrer.digest).await? else {
                continue;
            };
            let Some(blob) = attach::read_bundle(&manifest.bytes, subject)? else {
                continue;
            };
            let bundle = small(remote, name, &blob, MAX_BUNDLE).await?;
            attached.bundles.push(bundle.to_vec());
            let whole = Descriptor::of(&manifest.media_type, &manifest.bytes);
            attached.manifests.push((whole, manifest.bytes));
            attached.manifests.push((blob, bundle));
        }
        if let Some(manifest) = remote.tag(name, &attach::simple_tag(subject)).await? {
            for layer in attach::read_simple(&manifest.bytes)? {
                let payload = layer.payload;
                let payload = small(remote, name, &payload, MAX_PAYLOAD).await?;
                attached.simple.push(SimpleSignature {
                    payload: payload.to_vec(),
                    signature: layer.signature,
                });
            }
        }
        Ok(attached)
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

    /// The bytes of a component that was stated, through the cache.
    ///
    /// # Errors
    /// When no registry has it, or sends other bytes.
    pub async fn component(
        &self,
        name: &PackageName,
        wanted: &Descriptor,
    ) -> Result<Bytes, FetchError> {
        if let Some(bytes) = self.cache.blob(wanted.digest, MAX_COMPONENT)? {
            return Ok(bytes);
        }
        let mut trouble = None;
        for remote in &self.remotes {
            let mut sink = self.cache.sink()?;
            let pulled = match remote.blob(name, wanted, &mut sink).await {
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

    fn cached_versions(&self, name: &PackageName) -> Result<Vec<Version>, FetchError> {
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

    fn find_cached(
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

    fn cached_attached(&self, subject: Digest) -> Result<Attached, FetchError> {
        let text = subject.to_string();
        let mut attached = Attached::default();
        for entry in self.cache.index()? {
            if entry.annotations.get(SUBJECT) != Some(&text) {
                continue;
            }
            let Some(manifest) = self.cache.blob(entry.digest, MAX_MANIFEST)? else {
                continue;
            };
            if let Some(blob) = attach::read_bundle(&manifest, subject)?
                && let Some(bundle) = self.cache.blob(blob.digest, MAX_BUNDLE)?
            {
                attached.bundles.push(bundle.to_vec());
                attached.manifests.push((entry, manifest));
                attached.manifests.push((blob, bundle));
            }
        }
        Ok(attached)
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

fn is_of(entry: &Descriptor, name: &PackageName) -> bool {
    entry.annotations.get(PACKAGE).map(String::as_str) == Some(name.as_str())
}

/// A small blob, in memory.
async fn small(
    remote: &Remote,
    name: &PackageName,
    wanted: &Descriptor,
    limit: u64,
) -> Result<Bytes, RegistryError> {
    let registry = remote.registry().to_string();
    if wanted.size > limit {
        return Err(RegistryError::TooLarge {
            registry,
            what: wanted.digest.to_string(),
            limit,
        });
    }
    let mut bytes = Memory(Vec::new());
    remote.blob(name, wanted, &mut bytes).await?;
    let actual = Digest::of(&bytes.0);
    if actual != wanted.digest {
        return Err(RegistryError::Altered {
            registry,
            expected: wanted.digest,
            actual,
        });
    }
    Ok(bytes.0.into())
}

struct Memory(Vec<u8>);

impl Sink for Memory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn restart(&mut self) -> std::io::Result<()> {
        self.0.clear();
        Ok(())
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
