//! The door of Nebula, and the one room that knows all others: it puts a node
//! together, serves its API and takes it down again.
//!
//! Modules in the order a newcomer should read them:
//!
//! - [`config`]: what a node is told.
//! - `node`, `running`: [`build`] wires every room once, [`Server::spawn`] serves,
//!   [`Running::drain`] ends.
//! - `serve`: connections: how many, how long, TLS.
//! - [`hub`]: the registry beside the API, or alone.
//! - `rest`: who may do what, HTTP to use cases and back.
//! - `service`: the use cases, one file each.
//! - `app`, `watch`: what requests share, and who waits for which execution.
//! - `metrics`: the node's figures.
//! - `versions`: deployed versions that were read lately.
//! - `sealed`, `keys`: credentials at rest, and the node's own key.
//! - `reached`, `hooked`: what actions have reached and webhooks have done, kept
//!   every few seconds.
//! - `packages`: what requests about packages share.
//! - `packs`: the components that this binary brings along.

mod app;
mod build_error;
pub mod config;
mod hooked;
pub mod hub;
mod keys;
mod metrics;
mod node;
mod node_file;
mod packages;
mod packs;
mod reached;
mod rest;
mod running;
mod sealed;
mod serve;
mod service;
mod versions;
mod watch;

pub use build_error::BuildError;
pub use config::{
    Auth, Config, HttpConfig, HubConfig, Layers, LogConfig, LogFormat, PORT, PackagesConfig,
    Settings, TlsConfig,
};
pub use keys::KeyError;
/// What a node holds for actions.
pub use nebula_resources;
pub use node::{Server, build, check, embedded};
pub use packs::PACKS;
pub use rest::routes::openapi;
pub use running::Running;
pub use sealed::SealedRecords;
pub use serve::tls::TlsError;

#[cfg(test)]
mod tests;
