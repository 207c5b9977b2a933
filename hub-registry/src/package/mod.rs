//! What an author publishes.
//!
//! - [`name`]: `namespace/name`, and which names a person may confuse.
//! - [`manifest`]: `nebula.toml`, the author's folder.
//! - [`document`]: the package as it is published.
//! - [`template`]: workflows with typed holes.

pub mod document;
pub mod manifest;
pub mod name;
pub mod template;

#[cfg(test)]
mod tests;

pub use document::{ComponentEntry, PackageDocument, read_version};
pub use manifest::PackageManifest;
pub use name::{InvalidName, PackageName};
pub use template::{Hole, HoleType, Template};

/// Why something is not a package.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// A file cannot be read.
    #[error("`{path}` cannot be read: {error}")]
    Read {
        /// Which file.
        path: String,
        /// In the system's words.
        error: std::io::Error,
    },
    /// `nebula.toml`, or a file that it names.
    #[error("`{path}`: {what}")]
    Manifest {
        /// Which file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// A package document.
    #[error("the package document {0}")]
    Document(String),
    /// A template, or what its holes are filled with.
    #[error("the template `{template}` {what}")]
    Template {
        /// Which.
        template: String,
        /// What is wrong with it.
        what: String,
    },
    /// A version that cannot be published.
    #[error("the version `{version}` {reason}")]
    Version {
        /// As it was given.
        version: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A name that no package has.
    #[error(transparent)]
    Name(#[from] InvalidName),
}
