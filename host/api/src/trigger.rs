//! Triggers: what starts workflows by itself, and where each stands.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::time::Time;

/// A trigger of a workflow's newest version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Trigger {
    /// Name of the workflow and name of the trigger, with `/` between them.
    pub id: String,
    /// Name of the workflow.
    pub workflow: String,
    /// The workflow's newest version.
    pub workflow_version: u32,
    /// As the document names it.
    pub name: String,
    /// `cron`, `webhook`, `on_end` or `poll`.
    pub kind: String,
    /// Its switch: whether it starts anything.
    pub enabled: bool,
    /// When it starts an execution or is polled next; absent when it is switched off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Time>,
    /// The schedule of a cron trigger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The time zone of the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Where requests to a webhook are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How the sender of such a request proves who it is: `hmac`, `bearer` or `basic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
    /// The workflow whose ends fire an on_end trigger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// The action that a poll trigger calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// How often it does, e.g. `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// When the last poll that ended well began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polled_at: Option<Time>,
    /// How many events polls have found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Where the next poll begins; not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<serde_json::Value>,
    /// What it did last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_event: Option<TriggerEvent>,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<TriggerFailure>,
    /// How often something went wrong.
    pub errors: u64,
}

/// Something that a trigger did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TriggerEvent {
    /// When.
    pub at: Time,
    /// `started`, `skipped` (an earlier execution had not ended, so that a slot started
    /// nothing or nothing was polled) or `tested` (by hand).
    pub outcome: String,
    /// For which slot of its schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Time>,
    /// What it started; for a skipped slot, what was in its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TriggerFailure {
    /// When.
    pub at: Time,
    /// What.
    pub message: String,
}

/// A try of a trigger.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestTrigger {
    /// Whether to start an execution; else nothing is started, and the answer says
    /// what would be.
    #[serde(default)]
    pub fire: bool,
    /// The event, `$trigger` in its input; absent: one as the trigger's kind has it, and
    /// for one that polls what a poll finds now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<serde_json::Value>,
}

/// What a try of a trigger gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TestedTrigger {
    /// The next times of a schedule, five at most, whether it is switched on or off.
    pub next: Vec<Time>,
    /// What a poll found: nothing was started by it, and the cursor stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll: Option<TestedPoll>,
    /// The input that an execution has, as far as it can be made; of a poll, that of its
    /// first event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<serde_json::Value>,
    /// What was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
}

/// What a poll that was tried found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TestedPoll {
    /// What is new, in order.
    pub events: Vec<serde_json::Value>,
    /// Where the next poll would begin.
    pub cursor: serde_json::Value,
    /// Whether there is more already.
    pub more: bool,
    /// What the action logged, with the level in front of each line.
    pub lines: Vec<String>,
}

/// Which triggers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TriggersQuery {
    /// Only those of this workflow, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most this many; 50 if absent, 200 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}
