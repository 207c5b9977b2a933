//! What starts a workflow by itself, as it is written.
//!
//! - `check`: what can be wrong with it.
//! - `webhook`: triggers that a request fires; `on_end`: and the end of an execution.
//! - `poll`: triggers that look for what is new.
//! - `read`: from a value; `schema`: the JSON Schema of that value.
//! - `builder`: [`TriggerBuilder`].

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod builder;
mod check;
mod on_end;
mod poll;
mod read;
mod schema;
mod webhook;

pub use builder::TriggerBuilder;
pub(crate) use check::{input, secrets};
pub use on_end::OnEnd;
pub(crate) use on_end::followed;
pub use poll::Poll;
pub(crate) use poll::polls;
pub(super) use schema::triggers as schema;
pub use webhook::{Webhook, WebhookAuth, WebhookReply};

use crate::schedule::{Schedule, ScheduleError};

/// The most triggers of a workflow.
pub const MAX_TRIGGERS: usize = 32;

/// What starts a workflow by itself: exactly one of `cron`, `webhook`,
/// `on_end` and `poll`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// By the clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<Cron>,
    /// By a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// By the end of an execution of another workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_end: Option<OnEnd>,
    /// By what an action finds that looks for what is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll: Option<Poll>,
    /// Template of the workflow's input over `$trigger`, the trigger's event;
    /// absent: the event itself; of `poll`, what the action found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
}

/// When a workflow starts by the clock. Its event is `{"slot": <instant>}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cron {
    /// Five fields, or six with the second in front.
    pub schedule: String,
    /// By its name in the IANA database; UTC if absent.
    #[serde(default = "utc", skip_serializing_if = "is_utc")]
    pub timezone: String,
    /// What to do while the execution of an earlier slot has not ended.
    #[serde(default, skip_serializing_if = "Overlap::is_default")]
    pub overlap: Overlap,
    /// What to do with slots that were missed.
    #[serde(default, skip_serializing_if = "CatchUp::is_default")]
    pub catch_up: CatchUp,
}

/// What becomes of a slot while the execution of an earlier one has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It starts nothing.
    #[default]
    Skip,
    /// It starts another execution.
    Allow,
}

/// What becomes of slots that no node was there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// Nothing.
    None,
    /// The last one starts an execution, unless a slot is due just now.
    #[default]
    Last,
    /// Each starts an execution, the last hundred of them if there are more.
    All,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn is_utc(zone: &str) -> bool {
    zone == "UTC"
}

impl Overlap {
    const fn is_default(&self) -> bool {
        matches!(self, Self::Skip)
    }
}

impl CatchUp {
    const fn is_default(&self) -> bool {
        matches!(self, Self::Last)
    }
}

impl Trigger {
    /// The name of its kind, e.g. `cron`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self {
                webhook: Some(_), ..
            } => "webhook",
            Self {
                on_end: Some(_), ..
            } => "on_end",
            Self { poll: Some(_), .. } => "poll",
            _ => "cron",
        }
    }
}

impl Cron {
    /// When it is due.
    ///
    /// # Errors
    /// When it is no schedule, never fires, or its time zone is not known.
    pub fn schedule(&self) -> Result<Schedule, ScheduleError> {
        Schedule::parse(&self.schedule, &self.timezone)
    }
}

#[cfg(test)]
mod tests;
