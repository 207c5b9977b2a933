//! Why a package was not found, or is not one.

use nebula_flow::Digest;
use semver::Version;

use crate::artifact::ArtifactError;
use crate::cache::CacheError;
use crate::cosign::CosignError;
use crate::index::IndexError;
use crate::oci::RegistryError;
use crate::package::PackageName;

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
    /// A registry's signed index, without which it is not asked.
    #[error("the index of {registry} cannot be used: {error}")]
    Index {
        /// Which registry.
        registry: String,
        /// Why.
        error: Box<IndexError>,
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
