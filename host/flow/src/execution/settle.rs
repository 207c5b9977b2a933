//! Which event the end of an attempt or of an evaluation is.

use serde_json::Value;

use crate::decide::Target;
use crate::definition::{Due, duration};
use crate::event::{Event, Failure, FailureKind, Usage};
use crate::id::StepKey;
use crate::payload::Payload;
use crate::plan::Task;
use crate::ports::Outcome;
use crate::retry;
use crate::time::Timestamp;

use super::Execution;

impl Execution {
    /// The event that this end of an attempt is: success, skip, another call or
    /// another attempt later, or failure. The payload is the outcome's output or
    /// state as it is stored; for a skip it is not read.
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
            Ok((Outcome::Wait(wake, _), state)) => {
                return self.continued((step, attempt), Some(wake), state, usage, now);
            }
            Ok((Outcome::Continue(_), state)) => {
                return self.continued((step, attempt), None, state, usage, now);
            }
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
        if self.is_unknown(&step, &error, usage) {
            return Event::StepUnknown {
                step,
                attempt,
                error,
                usage,
            };
        }
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

    /// The event that the evaluated time of a wait is: the wait begins, or it
    /// fails because the value is no time. `now` is the time of the event.
    #[must_use]
    pub fn waits_until(&self, step: &StepKey, value: &Value, now: Timestamp) -> Event {
        let until = match (self.task(step), value) {
            (Some(Task::Delay(Due::Duration(_))), Value::String(text)) => duration(text)
                .map(|long| now.plus(long))
                .map_err(|e| e.to_string()),
            (Some(Task::Delay(Due::Instant(_))), Value::String(text)) => {
                text.parse::<Timestamp>().map_err(|e| e.to_string())
            }
            _ => Err("the expression of a wait gave no text".to_owned()),
        };
        match until {
            Ok(until) => Event::WaitStarted {
                step: step.clone(),
                signal: None,
                until: Some(until),
            },
            Err(message) => {
                let error = Failure::new(FailureKind::Expression, message);
                self.erred(&Target::Until(step.clone()), error)
            }
        }
    }

    /// The event that an evaluation which erred is. A gathering that erred is
    /// [`Target::Items`] of the map's step.
    #[must_use]
    pub fn erred(&self, target: &Target, error: Failure) -> Event {
        match target {
            Target::Input(step) | Target::Items(step) | Target::Until(step) => Event::StepFailed {
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
            Target::Output => self.ending(Event::Failed { node: None, error }),
        }
    }
}
