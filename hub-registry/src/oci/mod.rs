//! Talking to registries, through `oci-client`: everything has a cap, a time-out
//! and a bounded number of tries.
//!
//! - [`remote`]: one registry, what is asked of it.
//! - `json`: small documents (manifests, lists) under a cap.
//! - [`credentials`]: who asks.
//! - [`error`]: what a registry refused, or did not do.

pub mod credentials;
pub mod error;
mod json;
pub mod remote;

pub use credentials::Credentials;
pub use error::RegistryError;
pub use remote::{Manifest, Remote, Sink};
