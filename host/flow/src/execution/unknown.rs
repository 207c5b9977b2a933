//! Attempts of which nobody knows what became, and that must not be tried again:
//! a node crashed, a call took too long, a connection was lost. They wait until a
//! person says.

use crate::event::{Event, Failure, FailureKind, Usage};
use crate::id::StepKey;
use crate::plan::Task;
use crate::ports::{InboxRow, Message, Resolution};

use super::Execution;

/// Why nobody needs to say what became of a step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Resolved {
    /// The execution has no such step, or not yet, or no longer.
    #[error("the execution has no step `{0}` that runs")]
    NoStep(StepKey),
    /// Its outcome is known, or will be.
    #[error("the outcome of step `{0}` is not unknown")]
    Known(StepKey),
    /// The execution is over, or about to be.
    #[error("the execution is over")]
    Over,
}

impl Execution {
    /// The attempt of a step whose outcome a person has to say.
    ///
    /// # Errors
    /// When there is none.
    pub fn unknown_attempt(&self, step: &StepKey) -> Result<u32, Resolved> {
        let is_stopping = self.cancel.is_some() && !self.is_undoing();
        if self.end.is_some() || is_stopping || self.is_cut_off(step) {
            return Err(Resolved::Over);
        }
        if self.locate(step).is_err() {
            return Err(Resolved::NoStep(step.clone()));
        }
        match self.ready(step) {
            Some(ready) if ready.unknown.is_some() => Ok(ready.attempt),
            _ => Err(Resolved::Known(step.clone())),
        }
    }

    /// The event that follows for an attempt which is recorded as started and that
    /// nothing runs any more, if it must not be tried again.
    #[must_use]
    pub fn cut_off(&self, step: &StepKey) -> Option<Event> {
        let ready = self.ready(step).filter(|ready| ready.started)?;
        let message = "the node stopped while this attempt ran";
        self.is_at_most_once(step).then(|| Event::StepUnknown {
            step: step.clone(),
            attempt: ready.attempt,
            error: Failure::new(FailureKind::Host, message),
            usage: Usage::default(),
        })
    }

    /// Whether an attempt that ended like this may have had its effects, and must
    /// not be tried again.
    pub(super) fn is_unknown(&self, step: &StepKey, error: &Failure, usage: Usage) -> bool {
        let is_said = match error.kind {
            FailureKind::InvalidInput
            | FailureKind::Permanent
            | FailureKind::Retryable
            | FailureKind::Cancelled
            | FailureKind::Capability
            | FailureKind::Component
            | FailureKind::IterationLimit
            | FailureKind::Expression => true,
            // The guest never ran.
            FailureKind::Host => usage.fuel == 0,
            FailureKind::FuelExhausted
            | FailureKind::MemoryLimit
            | FailureKind::TimedOut
            | FailureKind::Trapped
            | FailureKind::InvalidOutput => false,
        };
        !is_said && self.is_at_most_once(step)
    }

    fn is_at_most_once(&self, step: &StepKey) -> bool {
        matches!(self.task(step), Some(Task::Action(task)) if task.at_most_once)
    }

    pub(super) fn on_step_unknown(
        &mut self,
        key: &StepKey,
        attempt: u32,
        error: &Failure,
    ) -> Result<(), String> {
        if !self.is_at_most_once(key) {
            return Err(format!("step `{key}` may be tried again"));
        }
        let ready = self.ready_mut(key, attempt)?;
        if !ready.started || ready.unknown.is_some() {
            return Err(format!("attempt {attempt} of `{key}` is not under way"));
        }
        ready.unknown = Some(Box::new(error.clone()));
        Ok(())
    }

    /// The event that a person's word is; none if it is not asked for.
    pub(super) fn resolved(&self, row: &InboxRow) -> Option<Event> {
        let Message::Resolve {
            step,
            attempt,
            resolution,
        } = &row.message
        else {
            return None;
        };
        if self.unknown_attempt(step) != Ok(*attempt) {
            return None;
        }
        let (step, attempt, usage) = (step.clone(), *attempt, Usage::default());
        Some(match resolution {
            Resolution::Succeeded { output } => Event::StepSucceeded {
                step,
                attempt,
                output: output.clone(),
                port: None,
                usage,
            },
            Resolution::Failed { reason } => Event::StepFailed {
                step,
                attempt,
                error: Failure::new(FailureKind::Permanent, reason.clone()),
                usage,
            },
            Resolution::Retry { reason } => Event::AttemptFailed {
                step,
                attempt,
                error: Failure::new(FailureKind::Retryable, reason.clone()),
                retry_at: row.at,
                usage,
            },
        })
    }
}
