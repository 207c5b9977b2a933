//! Packages as OCI artifacts, in the layout of the CNCF's working group for
//! Wasm: config [`WASM_CONFIG`], one layer [`WASM`] per component.
//!
//! - [`manifest`]: manifests, indexes, descriptors.
//! - [`build`]: from a package to the artifact.
//! - [`read`]: from an artifact to the package.

use bytes::Bytes;
use nebula_flow::Digest;

use crate::package::{PackageDocument, PackageError};

pub mod build;
pub mod manifest;
pub mod read;

#[cfg(test)]
mod tests;

pub use build::{Part, build};
pub use manifest::{Descriptor, ImageIndex, ImageManifest, MAX_MANIFEST};

/// Media type of a component.
pub const WASM: &str = "application/wasm";
/// Media type of a component's config.
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// Media type of a package document, and artifact type of a pack.
pub const PACKAGE: &str = "application/vnd.nebula.package.v1+json";
/// Where a package of one component has its document.
pub const PACKAGE_ANNOTATION: &str = "dev.nebula.package";
/// The image specification's word for a name.
const TITLE: &str = "org.opencontainers.image.title";

/// Everything that is pushed for a package but its signatures.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// The package.
    pub document: PackageDocument,
    /// Configs, components, the document.
    pub blobs: Vec<Blob>,
    /// Manifests that the top one lists.
    pub manifests: Vec<Blob>,
    /// What the version's tag names.
    pub top: Blob,
}

/// Bytes that are pushed, and what they are.
#[derive(Debug, Clone)]
pub struct Blob {
    media_type: &'static str,
    digest: Digest,
    bytes: Bytes,
}

impl Blob {
    /// Takes the bytes and computes their digest.
    #[must_use]
    pub fn new(media_type: &'static str, bytes: Bytes) -> Self {
        Self {
            media_type,
            digest: Digest::of(&bytes),
            bytes,
        }
    }

    /// What it is.
    #[must_use]
    pub const fn media_type(&self) -> &'static str {
        self.media_type
    }

    /// Of its bytes.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How a manifest speaks of it.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: self.media_type.to_owned(),
            digest: self.digest,
            size: self.bytes.len() as u64,
            artifact_type: None,
            annotations: std::collections::BTreeMap::new(),
        }
    }
}

/// Why an artifact is not a package.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// It is something else.
    #[error("it is {0}, not a package; ask whoever published it for its name")]
    NotAPackage(String),
    /// Its parts do not fit each other.
    #[error("its parts contradict each other: {0}")]
    Contradiction(String),
    /// It is for another kind of machine.
    #[error("its component is for {architecture}/{os}; a node runs components for wasm/wasip2")]
    Architecture {
        /// As its config says.
        architecture: String,
        /// As its config says.
        os: String,
    },
    /// A part says that it is larger than any.
    #[error("a {what} has {size} bytes or entries; at most {limit} are taken")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// As its descriptor says.
        size: u64,
        /// As many as are taken.
        limit: u64,
    },
    /// A manifest that is none.
    #[error("one of its manifests does not read: {0}")]
    Unreadable(String),
    /// Its document.
    #[error(transparent)]
    Package(#[from] PackageError),
}
