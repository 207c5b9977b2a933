//! Why something failed, and what it cost.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why an attempt, a step or an execution failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Failure {
    /// What sort of failure; decides whether it is tried again.
    pub kind: FailureKind,
    /// For people; names the limit and its value, or the field. No secrets.
    pub message: String,
    /// The guest's wish for the delay before the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Failure {
    /// A failure without a wish for its retry.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            retry_after_ms: None,
        }
    }
}

/// The sorts of failure; the names are part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The action refused its input.
    InvalidInput,
    /// The action failed and trying again will not help.
    Permanent,
    /// The action failed and trying again may help.
    Retryable,
    /// The action noticed that it was cancelled.
    Cancelled,
    /// An expression erred.
    Expression,
    /// The call used all its fuel.
    FuelExhausted,
    /// The call asked for more memory than its limit.
    MemoryLimit,
    /// A call, a wait for a signal or the workflow took longer than its time-out.
    TimedOut,
    /// The guest trapped: unreachable, out-of-bounds access, stack overflow.
    Trapped,
    /// An input or output is over its cap, or not what the contract says.
    InvalidOutput,
    /// The action was called again more often than its node allows.
    IterationLimit,
    /// The component cannot be loaded, or lacks the action.
    Component,
    /// A capability is missing: a credential that is not stored, say.
    Capability,
    /// The host's own trouble: a full pool, storage. Tried again by the host.
    Host,
}

impl FailureKind {
    /// The name it has in the log and the API, e.g. `fuel_exhausted`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::Permanent => "permanent",
            Self::Retryable => "retryable",
            Self::Cancelled => "cancelled",
            Self::Expression => "expression",
            Self::FuelExhausted => "fuel_exhausted",
            Self::MemoryLimit => "memory_limit",
            Self::TimedOut => "timed_out",
            Self::Trapped => "trapped",
            Self::InvalidOutput => "invalid_output",
            Self::IterationLimit => "iteration_limit",
            Self::Component => "component",
            Self::Capability => "capability",
            Self::Host => "host",
        }
    }
}

impl std::fmt::Display for FailureKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What one call cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Fuel that the guest burned.
    pub fuel: u64,
    /// Peak of its linear memories and tables, bytes.
    pub memory_bytes: u64,
    /// Wall time, microseconds.
    pub duration_us: u64,
    /// CPU time, the host's on behalf of the guest included, microseconds.
    #[serde(default)]
    pub cpu_us: u64,
}

impl Usage {
    /// The wall time.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        Duration::from_micros(self.duration_us)
    }
}
