//! What is asked of an execution, and how that is answered.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Why an execution is to be cancelled, paused, resumed or terminated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// For people; at most 1,000 characters.
    #[serde(default)]
    pub reason: String,
}

/// What was asked of an execution is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Asked {
    /// Which execution.
    pub id: String,
    /// Its status when it was accepted.
    pub status: String,
}

/// What became of an attempt whose outcome is unknown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// Which step: `fetch`, `totals[3]`.
    pub step: String,
    /// `succeeded`: it ended well, with `output`. `failed`: the step fails, for this
    /// `reason`. `retry`: it is tried again.
    #[serde(rename = "as")]
    pub verdict: ResolveAs,
    /// The result, for `succeeded`; null if absent.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schema(value_type = Value, required = false)]
    pub output: Value,
    /// For people, for the others.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What is said of an attempt whose outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResolveAs {
    /// It ended well.
    Succeeded,
    /// The step fails.
    Failed,
    /// It is tried again.
    Retry,
}

/// What was said of an attempt is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResolvedStep {
    /// Of which execution.
    pub id: String,
    /// Which step.
    pub step: String,
    /// Which attempt.
    pub attempt: u32,
}

/// What became of a signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Signalled {
    /// Which execution takes it.
    pub id: String,
    /// Which signal.
    pub signal: String,
}
