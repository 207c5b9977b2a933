//! Actions that are called again: an iteration leaves its state, and what it waits
//! for if it does; the next one begins with both.

use crate::component::Effect;
use crate::definition::MAX_WAIT;
use crate::event::{Event, Failure, FailureKind, Usage};
use crate::id::StepKey;
use crate::payload::Payload;
use crate::plan::{ActionTask, Task};
use crate::ports::{Resumption, Wake, Woken};
use crate::time::{Span, Timestamp};

use super::Execution;
use super::fold::{contradicts, same_attempt};
use super::step::{Caller, Ready, Step, Waiting};

impl Execution {
    /// Whether it would be the end of a step's wait that no signal came in time.
    #[must_use]
    pub fn lacks_signal(&self, step: &StepKey) -> bool {
        matches!(self.find(step), Ok((_, Step::Waiting(waiting)))
            if waiting.signal.is_some() && waiting.answer.is_none())
    }

    /// The event that an answer is which wants another call: the step goes on, or
    /// it fails because it was called too often or would wait too long.
    pub(super) fn continued(
        &self,
        (step, attempt): (StepKey, u32),
        wake: Option<Wake>,
        state: Payload,
        usage: Usage,
        now: Timestamp,
    ) -> Event {
        let longest = match &wake {
            None | Some(Wake::Signal(_, None)) => None,
            Some(Wake::After(long) | Wake::Signal(_, Some(long))) => Some(*long),
            Some(Wake::At(at)) => Some(at.since(now)),
        };
        let refused = match self.task(&step) {
            Some(Task::Action(task)) if step.iteration.saturating_add(1) >= task.max_iterations => {
                let message = format!(
                    "the action was called {} times and wants another call: if that is meant, \
                     raise `max_iterations` of node `{}`",
                    task.max_iterations, step.node
                );
                Some(Failure::new(FailureKind::IterationLimit, message))
            }
            _ if longest.is_some_and(|long| long > MAX_WAIT) => {
                let message = format!(
                    "the action wants to wait for longer than {}",
                    Span(MAX_WAIT)
                );
                Some(Failure::new(FailureKind::InvalidOutput, message))
            }
            _ => None,
        };
        if let Some(error) = refused {
            return Event::StepFailed {
                step,
                attempt,
                error,
                usage,
            };
        }
        let (signal, until) = match wake {
            None => (None, None),
            Some(Wake::After(long)) => (None, Some(now.plus(long))),
            Some(Wake::At(at)) => (None, Some(at)),
            Some(Wake::Signal(name, timeout)) => (Some(name), timeout.map(|long| now.plus(long))),
        };
        Event::StepContinued {
            step,
            attempt,
            state,
            signal,
            until,
            usage,
        }
    }

    pub(super) fn on_step_continued(
        &mut self,
        key: &StepKey,
        attempt: u32,
        event: &Event,
        at: Timestamp,
        version: u64,
    ) -> Result<(), String> {
        let Event::StepContinued {
            state,
            signal,
            until,
            ..
        } = event
        else {
            return Err("it is no such event".into());
        };
        let input = match self.locate(key)? {
            (Task::Action(task), Step::Ready(ready)) => {
                may_answer(key, attempt, task, ready)?;
                ready.input.clone()
            }
            (_, other) => return contradicts(key, other),
        };
        let iteration = (key.iteration.checked_add(1))
            .ok_or_else(|| format!("step `{key}` can have no further iteration"))?;
        let caller = Caller {
            input,
            iteration,
            state: state.clone(),
        };
        let next = if signal.is_none() && until.is_none() {
            caller.called(Woken::Continued, at)
        } else {
            let signals = &mut self.signals;
            let answer =
                (signal.as_ref()).and_then(|name| signals.wait(name, key, version, *until));
            Step::Waiting(Box::new(Waiting {
                since: version,
                until: *until,
                signal: signal.clone(),
                answer,
                caller: Some(Box::new(caller)),
            }))
        };
        *self.step_mut(key)? = next;
        Ok(())
    }

    pub(super) fn on_step_resumed(&mut self, key: &StepKey, at: Timestamp) -> Result<(), String> {
        let (waiting, caller) = match self.find(key)?.1 {
            Step::Waiting(waiting) => match &waiting.caller {
                Some(caller) if caller.iteration == key.iteration => (waiting, caller),
                _ => return Err(format!("step `{key}` does not wait to be called")),
            },
            other => return contradicts(key, other),
        };
        let is_over = waiting.until.is_some_and(|until| until <= at);
        let woken = match (&waiting.answer, &waiting.signal) {
            (Some(answer), _) => Woken::Signal(answer.clone()),
            (None, None) if is_over => Woken::Time,
            (None, Some(_)) if is_over => Woken::TimedOut,
            _ => return Err(format!("what `{key}` waits for is not here")),
        };
        let next = caller.clone().called(woken, at);
        self.leave_wait(&key.in_iteration(key.iteration - 1));
        *self.step_mut(key)? = next;
        Ok(())
    }
}

/// Whether an attempt of an action may answer.
pub(super) fn may_answer(
    key: &StepKey,
    attempt: u32,
    task: &ActionTask,
    ready: &Ready,
) -> Result<(), String> {
    same_attempt(key, attempt, ready.attempt)?;
    if task.action.effect == Effect::Effectful && !ready.started {
        return Err(format!(
            "attempt {attempt} of `{key}` has effects and was not recorded as started"
        ));
    }
    Ok(())
}

impl Caller {
    /// The action in its next iteration.
    fn called(self, woken: Woken<Payload>, at: Timestamp) -> Step {
        let resumption = Resumption {
            state: self.state,
            woken,
        };
        Step::Ready(Box::new(Ready {
            iteration: self.iteration,
            resumption: Some(Box::new(resumption)),
            ..Ready::new(self.input, at)
        }))
    }
}
