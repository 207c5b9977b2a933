//! Talking to registries: everything has a cap, a time-out and a bounded number of
//! tries. What is pulled is read here, under its cap and from nowhere that a
//! registry should not send us to; what is pushed goes through `oci-client`.
//!
//! - [`remote`]: one registry, and who asks it.
//! - `ask`: one request, and its answer under a cap.
//! - `token`: what a registry wants to see before it answers.
//! - `elsewhere`: where a registry may send us, and where not.
//! - `lists`: manifests, tags, names, referrers.
//! - `blobs`: blobs, chunk by chunk.
//! - `push`: pushing and deleting.
//! - [`patience`]: how long a registry is waited for, and how often.
//! - [`credentials`]: who asks.
//! - [`error`]: what a registry refused, or did not do.

mod ask;
mod blobs;
pub mod credentials;
mod elsewhere;
pub mod error;
mod lists;
pub mod patience;
mod push;
pub mod remote;
mod token;

pub use blobs::Sink;
pub use credentials::Credentials;
pub use error::RegistryError;
pub use lists::Manifest;
pub use patience::Patience;
pub use remote::Remote;
