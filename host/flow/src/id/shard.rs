//! The parts of a log.

use serde::{Deserialize, Serialize};

/// How many shards executions hash to. Fixed for the life of a log.
pub const SHARDS: u8 = 64;

/// One of [`SHARDS`] parts of a log; each has one owner at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shard(pub u8);

impl Shard {
    /// Every shard of a log.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(Self)
    }
}
