//! The words on the wire: what the REST API takes and gives. Ids are strings
//! here, so that a client needs no other room of the house.
//!
//! Modules in the order a newcomer should read them:
//!
//! - [`workflow`]: deploying, validating and listing workflows.
//! - [`execution`]: starting executions, watching them, what each step cost.
//! - [`trigger`]: what starts workflows by itself.
//! - [`action`]: the actions that are installed.
//! - [`package`]: packages, planned and installed.
//! - [`access`]: credentials and grants.
//! - [`key`]: keys of the API, and what each role may do.
//! - [`node`]: health, readiness, and the file by which a node is found.
//! - [`problem`]: how every refusal looks.
//! - [`page`], [`time`]: pages of lists, instants.

pub mod access;
pub mod action;
pub mod execution;
pub mod key;
pub mod node;
pub mod package;
pub mod page;
pub mod problem;
pub mod time;
pub mod trigger;
pub mod workflow;

pub use page::Page;
pub use problem::{Code, Problem};
pub use time::Time;

/// Where every route begins.
pub const PREFIX: &str = "/api/v1";
