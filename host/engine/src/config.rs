//! What an engine is made of, and what its rooms share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nebula_flow::definition::Retention;
use nebula_flow::id::SHARDS;
use nebula_flow::ports::{Clock, Components, EventLog, Limits, Records, Runner};
use nebula_flow::{Shard, WorkflowId};
use tokio::runtime::Handle;

use crate::followers::Followers;
use crate::pinned::Pinned;
use crate::watch::Watch;

/// The ready-built ports of an engine and its bounds.
#[derive(Clone)]
pub struct EngineConfig {
    /// Where executions are kept.
    pub log: Arc<dyn EventLog>,
    /// Where definitions, grants, credentials and blobs are kept.
    pub records: Arc<dyn Records>,
    /// Runs components.
    pub runner: Arc<dyn Runner>,
    /// The components that may run.
    pub components: Arc<dyn Components>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Of one call; a node's own time-out takes the place of this one's.
    pub limits: Limits,
    /// Under which name this engine holds shards; unique among living engines.
    pub owner: String,
    /// How many executions are in memory at once; the others stay in the log.
    pub max_active: usize,
    /// Which finished executions are kept of workflows that do not say.
    pub retention: Retention,
}

/// Of one expression that a component runs.
pub const EXPRESSION_LIMITS: Limits = Limits {
    fuel: 100_000_000,
    memory_bytes: 64 << 20,
    timeout: Duration::from_secs(5),
};

impl std::fmt::Debug for EngineConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineConfig")
            .field("limits", &self.limits)
            .field("owner", &self.owner)
            .field("max_active", &self.max_active)
            .finish_non_exhaustive()
    }
}

/// What the tasks of one engine share.
pub(crate) struct Core {
    pub(crate) config: EngineConfig,
    pub(crate) pinned: Pinned,
    pub(crate) watch: Watch,
    pub(crate) followers: Followers,
    pub(crate) runtime: Handle,
    /// Whether the engine takes no new work any more.
    pub(crate) stopping: AtomicBool,
    /// The shards that the owner holds, a bit each.
    held: AtomicU64,
}

impl Core {
    pub(crate) fn new(config: EngineConfig, watch: Watch) -> Self {
        Self {
            config,
            pinned: Pinned::default(),
            watch,
            followers: Followers::default(),
            runtime: Handle::current(),
            stopping: AtomicBool::new(false),
            held: AtomicU64::new(0),
        }
    }

    /// Whether this engine holds a shard, as far as it knows.
    pub(crate) fn holds(&self, shard: Shard) -> bool {
        self.held.load(Ordering::Relaxed) >> shard.0 & 1 == 1
    }

    /// Whether this engine does what is to be done once for a workflow: its id has
    /// a shard, as those of executions have.
    pub(crate) fn leads(&self, workflow: WorkflowId) -> bool {
        #[expect(clippy::cast_possible_truncation, reason = "the value is below 64")]
        let shard = Shard((workflow.as_u128() % u128::from(SHARDS)) as u8);
        self.holds(shard)
    }

    /// Remembers which shards it holds.
    pub(crate) fn hold(&self, shards: impl Iterator<Item = Shard>) {
        let bits = shards.fold(0, |bits, shard| bits | 1 << shard.0);
        self.held.store(bits, Ordering::Relaxed);
    }
}

impl std::ops::Deref for Core {
    type Target = EngineConfig;
    fn deref(&self) -> &EngineConfig {
        &self.config
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.config.fmt(f)
    }
}
