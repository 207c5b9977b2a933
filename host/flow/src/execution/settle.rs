//! Which event the end of an attempt or of an evaluation is.

use crate::decide::Target;
use crate::event::{Event, Failure, Usage};
use crate::id::StepKey;
use crate::payload::Payload;
use crate::plan::Task;
use crate::ports::Outcome;
use crate::retry;
use crate::time::Timestamp;

use super::Execution;

impl Execution {
    /// The event that this end of an attempt is: success, skip, another
    /// attempt later, or failure. The payload is the outcome's output as it is
    /// stored; for a skip it is not read.
    #[must_use]
    pub fn settle(
        &self,
        step: &StepKey,
        attempt: u32,
        result: Result<(Outcome, Payload), Failure>,
        usage: Usage,
        now: Timestamp,
    ) -> Event {
        let step = step.clone();
        let (port, output) = match result {
            Ok((Outcome::Success(_), output)) => (None, output),
            Ok((Outcome::Branch(port, _), output)) => (Some(port), output),
            Ok((Outcome::Skip(reason), _)) => {
                let reason = reason.unwrap_or_else(|| "its action skipped it".into());
                return Event::StepSkipped {
                    step,
                    reason: Some(reason),
                    usage,
                };
            }
            Err(error) => return self.settle_failure(step, attempt, error, usage, now),
        };
        Event::StepSucceeded {
            step,
            attempt,
            output,
            port,
            usage,
        }
    }

    fn settle_failure(
        &self,
        step: StepKey,
        attempt: u32,
        error: Failure,
        usage: Usage,
        now: Timestamp,
    ) -> Event {
        let delay = match (self.task(&step), self.ready(&step)) {
            (Some(Task::Action(task)), Some(ready)) => retry::delay_after(
                &error,
                &retry::Tries {
                    attempt,
                    by_host: ready.host_failures,
                },
                task.action.effect,
                task.retry.as_ref(),
                &retry::seed(self.id, &step, attempt),
            ),
            _ => None,
        };
        match delay {
            Some(delay) => Event::AttemptFailed {
                step,
                attempt,
                error,
                retry_at: now.plus(delay),
                usage,
            },
            None => Event::StepFailed {
                step,
                attempt,
                error,
                usage,
            },
        }
    }

    /// The event that an evaluation which erred is. A gathering that erred is
    /// [`Target::Items`] of the map's step.
    #[must_use]
    pub fn erred(&self, target: &Target, error: Failure) -> Event {
        match target {
            Target::Input(step) | Target::Items(step) => Event::StepFailed {
                step: step.clone(),
                attempt: 0,
                error,
                usage: Usage::default(),
            },
            Target::Connection(connection) => Event::ConnectionDecided {
                connection: *connection,
                fired: false,
                error: Some(error),
            },
            Target::Output => Event::Failed { node: None, error },
        }
    }
}
