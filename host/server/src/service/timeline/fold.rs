//! What a timeline keeps of each node and each step.

use nebula_api::Time;
use nebula_api::execution as wire;
use nebula_flow::event::{Failure, Usage};
use nebula_flow::{NodeId, Payload, StepKey, Timestamp};

use super::super::Result;
use super::super::values::{self, Values};
use super::optional;

pub(super) struct NodeFold {
    pub(super) action: Option<String>,
    pub(super) status: State,
    pub(super) waits_for: Option<wire::WaitsFor>,
    pub(super) items: Option<u64>,
    pub(super) items_done: u64,
    pub(super) usage: wire::Usage,
}

#[derive(Default)]
pub(super) struct StepFold {
    pub(super) status: State,
    pub(super) waits_for: Option<wire::WaitsFor>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) attempts: Vec<wire::Attempt>,
    pub(super) usage: wire::Usage,
    pub(super) output: Option<Payload>,
    pub(super) port: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) kept: bool,
    pub(super) error: Option<Failure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    #[default]
    Pending,
    Running,
    Waiting,
    Unknown,
    Continued,
    Succeeded,
    Failed,
    Skipped,
}

impl State {
    // What has no end of its own when its execution ends was cut short by that.
    pub(super) const fn name(self, over: bool) -> &'static str {
        match self {
            Self::Pending | Self::Running | Self::Waiting | Self::Unknown if over => "cancelled",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Unknown => "unknown",
            Self::Continued => "continued",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl NodeFold {
    pub(super) fn new(action: Option<String>) -> Self {
        Self {
            action,
            status: State::Pending,
            waits_for: None,
            items: None,
            items_done: 0,
            usage: wire::Usage::default(),
        }
    }

    pub(super) fn finish(self, id: &NodeId, over: bool) -> wire::NodeState {
        wire::NodeState {
            node: id.to_string(),
            action: self.action,
            status: self.status.name(over).into(),
            waits_for: self.waits_for.filter(|_| !over),
            items: self.items,
            items_done: self.items.map(|_| self.items_done),
            usage: self.usage,
        }
    }
}

impl StepFold {
    pub(super) fn attempt(&mut self, number: u32) -> &mut wire::Attempt {
        let place = self
            .attempts
            .iter()
            .position(|a| a.attempt == number)
            .unwrap_or_else(|| {
                self.attempts.push(wire::Attempt {
                    attempt: number,
                    started_at: None,
                    finished_at: None,
                    usage: wire::Usage::default(),
                    error: None,
                    retry_at: None,
                });
                self.attempts.len() - 1
            });
        &mut self.attempts[place]
    }

    pub(super) fn end_attempt(
        &mut self,
        number: u32,
        at: Timestamp,
        usage: Usage,
    ) -> &mut wire::Attempt {
        let attempt = self.attempt(number);
        attempt.finished_at = Some(values::time(at));
        // The start of an attempt without effects is not an event of its own.
        let began = || {
            let millis = u64::try_from(usage.duration().as_millis()).unwrap_or(u64::MAX);
            Time::from_millis(at.as_millis().saturating_sub(millis))
        };
        attempt.started_at.get_or_insert_with(began);
        attempt.usage = values::usage(usage);
        attempt
    }

    // Attempt 0 is that of a step that never ran, or of a map.
    pub(super) fn end_last(
        &mut self,
        number: u32,
        at: Timestamp,
        usage: Usage,
    ) -> Option<&mut wire::Attempt> {
        (number > 0).then(|| self.end_attempt(number, at, usage))
    }

    pub(super) async fn finish(
        self,
        key: &StepKey,
        over: bool,
        values: &mut Values<'_>,
    ) -> Result<wire::Step> {
        let output_omitted = self.output.as_ref().is_some_and(|o| !values.affords(o));
        let output = optional(self.output.filter(|_| !output_omitted), values).await?;
        Ok(wire::Step {
            step: key.to_string(),
            node: key.node.to_string(),
            status: self.status.name(over).into(),
            waits_for: self.waits_for.filter(|_| !over),
            started_at: self.started_at.map(values::time),
            finished_at: self.finished_at.map(values::time),
            attempts: self.attempts,
            usage: self.usage,
            output,
            output_omitted,
            port: self.port,
            reason: self.reason,
            kept: self.kept,
            error: self.error.map(values::failure),
        })
    }
}
