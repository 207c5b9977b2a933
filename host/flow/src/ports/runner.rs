//! One call of an action, from what it may use to how it ended.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::component::{ActionMetadata, Component, Effect, Verified};
use crate::event::{Failure, Usage};
use crate::grant::Capabilities;
use crate::id::{ActionId, Digest, ExecutionId, SignalName, StepKey, TenantId, WorkflowName};
use crate::time::Timestamp;

use super::Pulse;

/// Runs components in the sandbox.
#[async_trait]
pub trait Runner: Send + Sync + 'static {
    /// Checks, compiles (or loads from the cache) and describes a component.
    async fn prepare(&self, component: &Verified<Component>) -> Result<Prepared, Failure>;

    /// Runs one attempt to its end. Dropping the future stops the guest.
    async fn run(&self, call: Call) -> Report;
}

/// What the sandbox knows of a component once it is compiled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prepared {
    /// Its actions, as it describes them.
    pub actions: Vec<ActionMetadata>,
    /// Known from its imports.
    pub effect: Effect,
    /// The interfaces it imports, e.g. `nebula:action/log@0.1.0`.
    pub imports: Vec<String>,
}

/// One attempt of one step.
#[derive(Debug, Clone)]
pub struct Call {
    /// On whose account.
    pub tenant: TenantId,
    /// What runs.
    pub component: Verified<Component>,
    /// Which of its actions.
    pub action: ActionId,
    /// MessagePack.
    pub input: Bytes,
    /// Who it is, for its context, keys and seed.
    pub identity: Identity,
    /// When its step became ready: the virtual time of a pure call.
    pub ready_at: Timestamp,
    /// Why it is called again, MessagePack; none for a step's first iteration.
    pub resumption: Option<Resumption<Bytes>>,
    /// What it may cost.
    pub limits: Limits,
    /// What it may reach; empty for a pure call.
    pub capabilities: Arc<Capabilities>,
    /// Its heartbeats, and whether it is cancelled; of this call alone.
    pub pulse: Arc<Pulse>,
}

/// Which attempt of which step of which execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Name of the workflow.
    pub workflow: WorkflowName,
    /// Which execution.
    pub execution: ExecutionId,
    /// Which step.
    pub step: StepKey,
    /// 1 for the first.
    pub attempt: u32,
    /// How often an operator restarted the step; part of idempotency keys.
    pub restarts: u32,
}

impl Identity {
    /// The execution, but for a trigger's poll, which has none.
    #[must_use]
    pub fn of_execution(&self) -> Option<ExecutionId> {
        (!self.step.node.is_of_trigger()).then_some(self.execution)
    }

    /// The seed of the step's randomness: equal on every attempt.
    #[must_use]
    pub fn seed(&self) -> [u8; 32] {
        *Digest::of(format!("seed\0{}\0{}", self.execution, self.step).as_bytes()).as_bytes()
    }

    /// The explicit idempotency key for an operation: equal on every attempt.
    #[must_use]
    pub fn idempotency_key(&self, op: &str) -> String {
        let text = format!(
            "key\0{}\0{}\0{}\0{op}",
            self.execution, self.step, self.restarts
        );
        Digest::of(text.as_bytes()).hex()
    }
}

/// What one call may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Fuel units; about one for each Wasm instruction.
    pub fuel: u64,
    /// Bytes of linear memory and tables, over the whole store.
    pub memory_bytes: u64,
    /// Wall time.
    pub timeout: Duration,
}

impl Default for Limits {
    /// 10⁹ units, 64 MiB, 30 s (`sandbox.md`).
    fn default() -> Self {
        Self {
            fuel: 1_000_000_000,
            memory_bytes: 64 << 20,
            timeout: Duration::from_secs(30),
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone)]
pub struct Report {
    /// What it gave.
    pub result: Result<Outcome, Failure>,
    /// What it cost.
    pub usage: Usage,
    /// What it logged: level and message, in order, already capped.
    pub lines: Vec<(String, String)>,
}

impl Report {
    /// The level of a line that is a figure of the call.
    pub const METRIC: &'static str = "metric";

    /// A figure as the text of such a line; `None` if the name is none
    /// (`[a-z][a-z0-9_]{0,63}`) or the value is not finite.
    #[must_use]
    pub fn metric_line(name: &str, value: f64) -> Option<String> {
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
        let rest = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
        let is_name = begins && name.len() <= 64 && name.bytes().all(rest);
        // `1e300`, not 300 digits.
        let text = format!("{value:?}");
        let text = text.strip_suffix(".0").unwrap_or(&text);
        (is_name && value.is_finite()).then(|| format!("{name} {text}"))
    }

    /// The figure in the text of such a line.
    #[must_use]
    pub fn metric(line: &str) -> Option<(&str, f64)> {
        let (name, value) = line.split_once(' ')?;
        Some((name, value.parse().ok()?))
    }

    /// The figures of the call, in order.
    pub fn metrics(&self) -> impl Iterator<Item = (&str, f64)> {
        let lines = self.lines.iter();
        let metrics = lines.filter(|(level, _)| level == Self::METRIC);
        metrics.filter_map(|(_, line)| Self::metric(line))
    }
}

/// What an action answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Its output, MessagePack.
    Success(Bytes),
    /// The node counts as skipped.
    Skip(Option<String>),
    /// Its output, and the port whose connections fire.
    Branch(String, Bytes),
    /// It is to be called again with this state, MessagePack, when this is here.
    Wait(Wake, Bytes),
    /// It is to be called again with this state, MessagePack, at once.
    Continue(Bytes),
}

/// What an action waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// So much time from when it answered.
    After(Duration),
    /// An instant.
    At(Timestamp),
    /// A signal; for ever, or for so long.
    Signal(SignalName, Option<Duration>),
}

/// What an iteration after the first begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumption<T> {
    /// As the iteration before it left it.
    pub state: T,
    /// Why it is called again.
    pub woken: Woken<T>,
}

/// Why an action is called again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Woken<T> {
    /// It wanted to be, at once.
    Continued,
    /// The time that it waited for has come.
    Time,
    /// The signal that it waited for, and what that says.
    Signal(T),
    /// The signal that it waited for did not come in time.
    TimedOut,
}
