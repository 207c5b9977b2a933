//! A node: whether it lives, whether it is ready, where it is found.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Time;

/// The name of the file in the data folder by which a running node is found.
pub const NODE_FILE: &str = "node.json";

/// The node answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The node's name.
    pub node: String,
    /// Of the program.
    pub version: String,
}

/// Whether the node takes work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// `ready`.
    pub status: String,
    /// How many actions are installed.
    pub actions: u64,
}

/// What [`NODE_FILE`] says; the file is there while the node runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFile {
    /// Of the process.
    pub pid: u32,
    /// Where the API is, e.g. `http://127.0.0.1:7474`.
    pub address: String,
    /// When it began.
    pub started_at: Time,
}
