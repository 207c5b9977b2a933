//! Where components come from, and the proof that each was checked: the only
//! place that makes a [`Verified`](nebula_flow::Verified).
//!
//! Modules in the order a newcomer should read them:
//!
//! - [`package`]: what an author publishes, and its name.
//! - [`source`]: components embedded in this binary, in a file, in the store.
//! - [`structure`]: what a file must be before anything compiles it.
//! - [`catalog`]: the actions of this node, by name.
//! - [`error`]: why a component, or a set of them, was refused.

pub mod catalog;
pub mod error;
pub mod package;
pub mod source;
pub mod structure;

#[cfg(test)]
mod tests;

pub use catalog::Catalog;
pub use error::HubError;
pub use package::PackageName;
pub use source::{embedded, local, stored};
