//! Executions: starting them, watching them, what each step cost.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::time::Time;

mod asked;
mod restart;

pub use asked::{Asked, Reason, Resolve, ResolveAs, ResolvedStep, Signalled};
pub use restart::{Origin, ReplayQuery, Restart};

/// How an execution is started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExecuteQuery {
    /// Wait for the end: `true` (60 s), or for how long, e.g. `30s`; 10 minutes at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
    /// Which version; the newest if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1)]
    pub version: Option<u32>,
    /// Which goes first among those that wait for a place: -100 to 100; the workflow's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Paused as soon as it has started, to be stepped through.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

/// An execution as its starter sees it: with its result, if it has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExecutionResult {
    /// `exec-` and a ULID.
    pub id: String,
    /// Id of the workflow.
    pub workflow_id: String,
    /// Name of the workflow.
    pub workflow: String,
    /// Which version runs.
    pub workflow_version: u32,
    /// `queued`, `running`, `waiting`, `paused`, `succeeded`, `failed`,
    /// `cancelled` or `terminated`; `removed` in the answer to a repeated request
    /// whose execution has ended and was removed since.
    pub status: String,
    /// When it was accepted.
    pub created_at: Time,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// The workflow's output, if it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// Why an attempt, a step or an execution failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// `invalid_input`, `permanent`, `retryable`, `cancelled`, `expression`,
    /// `fuel_exhausted`, `memory_limit`, `timed_out`, `trapped`, `iteration_limit`,
    /// `invalid_output`, `component`, `capability` or `host`.
    pub kind: String,
    /// For people.
    pub message: String,
    /// The node that failed, where that is not said beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// An execution as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExecutionSummary {
    /// `exec-` and a ULID.
    pub id: String,
    /// Id of the workflow.
    pub workflow_id: String,
    /// Name of the workflow.
    pub workflow: String,
    /// Which version runs.
    pub workflow_version: u32,
    /// `queued`, `running`, `waiting`, `paused`, `succeeded`, `failed`,
    /// `cancelled` or `terminated`.
    pub status: String,
    /// Version of the last event.
    pub version: u64,
    /// When it was accepted.
    pub created_at: Time,
    /// When its last event was decided.
    pub updated_at: Time,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// When it is due, if it waits for a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Time>,
    /// Which goes first among those that wait: the highest.
    #[serde(default)]
    pub priority: i8,
    /// Whether it is queued because its workflow's concurrency limit lets no more
    /// run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits_for_slot: bool,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// Everything about one execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Execution {
    /// As lists show it.
    #[serde(flatten)]
    pub summary: ExecutionSummary,
    /// The execution that this one goes on with or repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The workflow's input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// The workflow's output, if it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Each node's status, in the workflow's order.
    pub nodes: Vec<NodeState>,
    /// The timeline: steps in the order in which they became ready.
    pub steps: Vec<Step>,
    /// How many steps there are; more than `steps` has, when there are too
    /// many to show: all of them are in the events.
    pub steps_total: u64,
    /// What all attempts together cost.
    pub usage: Usage,
}

/// Where a node of an execution stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeState {
    /// Which node.
    pub node: String,
    /// Its action; that of the items for a map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// `pending`, `running`, `waiting` (for a time, a signal, an execution or its
    /// next attempt), `unknown` (a person has to say what became of it), `succeeded`, `failed`, `skipped` or `cancelled`.
    pub status: String,
    /// What it waits for, while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<WaitsFor>,
    /// For a map: how many items it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
    /// For a map: how many of them are done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items_done: Option<u64>,
    /// What its attempts together cost.
    pub usage: Usage,
}

/// What a step waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaitsFor {
    /// The signal, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// The next attempt, if it is that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The execution that it started, if it waits for that one's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
    /// Why it is not known what became of its attempt, if a person has to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<Failure>,
    /// When it is over; for a signal, its time-out, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// One step: a node, or one item of a map, in one of its iterations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// `fetch`, `totals[3]`; `fetch#1` when its action was called again.
    pub step: String,
    /// Its node.
    pub node: String,
    /// As of a node; `continued` when its next iteration has begun.
    pub status: String,
    /// What it waits for, while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<WaitsFor>,
    /// When its input was ready, or its wait began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// Its attempts; for one without effects only those that ended are known.
    pub attempts: Vec<Attempt>,
    /// What its attempts together cost.
    pub usage: Usage,
    /// Its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Set when the result is left out because the answer would be too long.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub output_omitted: bool,
    /// The port that it branched to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Set when it ended in the execution that this one goes on with, and did not
    /// run here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// One try of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// 1 for the first.
    pub attempt: u32,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// What it cost.
    pub usage: Usage,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// When the next attempt is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Time>,
}

/// What calls cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Fuel that was burned; about one for each Wasm instruction.
    pub fuel: u64,
    /// Peak of linear memories and tables, bytes; the largest of several calls.
    pub memory_bytes: u64,
    /// Wall time, microseconds.
    pub duration_us: u64,
}

impl Usage {
    /// Adds another call's cost.
    pub fn add(&mut self, other: Self) {
        self.fuel = self.fuel.saturating_add(other.fuel);
        self.memory_bytes = self.memory_bytes.max(other.memory_bytes);
        self.duration_us = self.duration_us.saturating_add(other.duration_us);
    }
}

/// Which executions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExecutionsQuery {
    /// Only those of this workflow: its name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Only those with this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most this many; 50 if absent, 200 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}

/// Which part of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// `next_cursor` of the page before; with a stream as good as `Last-Event-ID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most this many; 100 if absent, 500 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
}

/// Something that happened to an execution. Which fields are present follows
/// from `type`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// 1 for the first; the id in a stream.
    pub version: u64,
    /// When it was decided.
    pub at: Option<Time>,
    /// `started`, `step_kept`, `step_ready`, `map_started`, `wait_started`, `child_started`,
    /// `signal_received`, `attempt_started`, `attempt_failed`, `step_unknown`, `step_succeeded`,
    /// `step_continued`, `step_resumed`, `step_failed`, `step_skipped`, `connection_decided`,
    /// `warning`, `undo_started`, `cancel_requested`,
    /// `paused`, `resumed`, `succeeded`, `failed`, `cancelled` or `terminated`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which step: `fetch`, `totals[3]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Which node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Which attempt; 0 when none was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The execution that the step started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
    /// The execution that started this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The execution that this one goes on with or repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The execution whose end started this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// The input of the workflow or the step; the list of a map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// The output of the workflow or the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// What the step's next iteration begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Value>,
    /// How many items a map has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// When the next attempt is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Time>,
    /// The signal that is waited for, or that was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// What the signal says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// When the signal was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Time>,
    /// When the wait is over; for a signal, its time-out, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// What the attempt cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The port that the step branched to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Why it was skipped, cancelled, paused, resumed or terminated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the warning says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Place of the connection in the workflow's list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<u32>,
    /// Whether the connection fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fired: Option<bool>,
    /// Id of the workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// Version of the workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_version: Option<u32>,
}

/// A line that an action logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// Its place; the id in a stream.
    pub seq: u64,
    /// When.
    pub at: Time,
    /// `trace`, `debug`, `info`, `warn`, `error`, `metric`, `stdout` or `stderr`.
    pub level: String,
    /// Which step.
    pub step: String,
    /// Which attempt.
    pub attempt: u32,
    /// What it said.
    pub message: String,
}
