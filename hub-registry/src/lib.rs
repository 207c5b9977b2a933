//! Where components come from, and the proof that each was checked: the only
//! place that makes a [`Verified`](nebula_flow::Verified).
//!
//! Modules in the order a newcomer should read them:
//!
//! - [`package`]: what an author publishes, and its name.
//! - [`key`]: keys that sign, and keys that check.
//! - [`statement`]: what a publisher signs about a version of a package.
//! - [`envelope`]: the form in which signed documents travel.
//! - [`cosign`]: the signatures that other tools make and check.
//! - [`trust`]: which keys this node trusts, and with what.
//! - [`verify`]: the checks of what was fetched, each with its result.
//! - [`index`]: the signed list of what a hub offers.
//! - [`artifact`]: packages as OCI artifacts.
//! - [`reference`]: registries, and packages within them.
//! - [`oci`]: talking to a registry.
//! - [`cache`]: what was pulled, on disk by digest.
//! - [`publish`]: pushing a package with its signatures, all or nothing.
//! - [`fetch`]: finding packages in registries, or in the cache.
//! - [`resolve`]: which versions go together.
//! - [`lock`]: the file `nebula.lock`.
//! - [`install`]: what would come, and how it comes.
//! - [`installed`]: what is here, as it is recorded.
//! - [`source`]: components embedded in this binary, in a file, in the store.
//! - [`structure`]: what a file must be before anything compiles it.
//! - [`catalog`]: the actions of this node, by name.
//! - [`demand`]: components that are pulled when they are needed.
//! - [`error`]: why a component, or a set of them, was refused.
//! - [`serve`]: a hub of one's own, a registry over a folder.

pub mod artifact;
pub mod cache;
pub mod catalog;
pub mod cosign;
pub mod demand;
pub mod envelope;
pub mod error;
pub mod fetch;
pub mod index;
pub mod install;
pub mod installed;
mod instant;
pub mod key;
pub mod lock;
pub mod oci;
pub mod package;
pub mod publish;
pub mod reference;
pub mod resolve;
pub mod serve;
pub mod source;
pub mod statement;
pub mod structure;
pub mod trust;
pub mod verify;

#[cfg(test)]
mod tests;

pub use catalog::Catalog;
pub use error::HubError;
pub use package::PackageName;
pub use source::{built, embedded, local, stored};
