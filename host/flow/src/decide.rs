//! What must happen next. [`decide`] looks at an execution and says what
//! follows from it without any work (events) and which work is outstanding
//! (commands). It is level-triggered: the same state gives the same answer, so
//! after a crash the owner simply asks again; a command that is in flight and
//! no longer in the list is to be stopped.

use crate::event::{Event, Failure, Usage};
use crate::execution::Execution;
use crate::execution::step::{Mapping, Step};
use crate::id::StepKey;
use crate::plan::Task;
use crate::time::Timestamp;

/// What follows, and what is outstanding.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// To be applied and recorded; then [`decide`] is asked again.
    pub events: Vec<Event>,
    /// All work that is outstanding, whether in flight already or not. Empty
    /// while `events` is not.
    pub commands: Vec<Command>,
}

/// A piece of work. Its end is an event; equal commands are the same work.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Command {
    /// Evaluate a template or an expression.
    Evaluate(Target),
    /// Run an attempt. Effectful ones commit `AttemptStarted` first.
    Run {
        /// Which step; its input is in the execution.
        step: StepKey,
        /// 1 for the first.
        attempt: u32,
    },
    /// Put the results of a map's items together, in order.
    Gather(StepKey),
    /// Look again at this instant.
    Wake(Timestamp),
}

/// What is to be evaluated, and so which event its value becomes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A step's input → `StepReady`.
    Input(StepKey),
    /// A map's list → `MapStarted`.
    Items(StepKey),
    /// A connection's `when`, by index → `ConnectionDecided`.
    Connection(u32),
    /// The workflow's output → `Succeeded`.
    Output,
}

/// Decides. `now` tells which retries are due; those that are not become one
/// [`Command::Wake`], at the earliest of them.
///
/// An execution that has ended, or not begun, has nothing to decide.
#[must_use]
pub fn decide(execution: &Execution, now: Timestamp) -> Decision {
    let mut walk = Walk {
        execution,
        now: now.max(execution.updated_at()),
        events: Vec::new(),
        commands: Vec::new(),
        wake: None,
    };
    walk.all();
    if !walk.events.is_empty() {
        walk.commands.clear();
    } else if let Some(at) = walk.wake {
        walk.commands.push(Command::Wake(at));
    }
    Decision {
        events: walk.events,
        commands: walk.commands,
    }
}

/// The instant at which an execution is due, if it does nothing but wait.
pub(crate) fn only_waits(execution: &Execution, now: Timestamp) -> Option<Timestamp> {
    let decision = decide(execution, now);
    match decision.commands[..] {
        [Command::Wake(at)] => Some(at),
        _ => None,
    }
}

/// Visits what is neither pending nor ended, and nothing else: its cost is
/// that of what is outstanding, not of the workflow or of a map's list.
struct Walk<'a> {
    execution: &'a Execution,
    now: Timestamp,
    events: Vec<Event>,
    commands: Vec<Command>,
    wake: Option<Timestamp>,
}

impl Walk<'_> {
    fn all(&mut self) {
        let execution = self.execution;
        if execution.input().is_none() || execution.final_event().is_some() {
            return;
        }
        if let Some(reason) = execution.cancel_requested() {
            let reason = reason.to_owned();
            self.events.push(Event::Cancelled { reason });
            return;
        }
        for (id, step) in execution.active_nodes() {
            self.step(step, &mut StepKey::root(id.clone()));
        }
        for connection in execution.asked_connections() {
            let target = Target::Connection(connection);
            self.commands.push(Command::Evaluate(target));
        }
        if self.events.is_empty() && self.commands.is_empty() && self.wake.is_none() {
            self.end();
        }
    }

    fn step(&mut self, step: &Step, key: &mut StepKey) {
        match step {
            Step::Unfired(error) => self.events.push(unfired(key.clone(), error.as_deref())),
            Step::Wanted => {
                let target = match self.execution.task(key) {
                    Some(Task::Map { .. }) => Target::Items(key.clone()),
                    _ => Target::Input(key.clone()),
                };
                self.commands.push(Command::Evaluate(target));
            }
            Step::Ready(ready) => match ready.retry_at {
                Some(at) if at > self.now => {
                    self.wake = Some(self.wake.map_or(at, |earliest| earliest.min(at)));
                }
                _ => self.commands.push(Command::Run {
                    step: key.clone(),
                    attempt: ready.attempt,
                }),
            },
            Step::Mapping(mapping) => self.mapping(mapping, key),
            Step::Pending | Step::Succeeded(_) | Step::Failed(_) | Step::Skipped => {}
        }
    }

    fn mapping(&mut self, mapping: &Mapping, key: &mut StepKey) {
        if !mapping.is_drained() {
            for &index in &mapping.running {
                key.path.push(index);
                self.step(&mapping.steps[index as usize], key);
                key.path.pop();
            }
        } else if let Some(error) = mapping.failure() {
            self.events.push(failed(key.clone(), error));
        } else {
            self.commands.push(Command::Gather(key.clone()));
        }
    }

    /// Nothing is outstanding.
    fn end(&mut self) {
        match self.execution.reported_failure() {
            Some((node, error)) => self.events.push(Event::Failed {
                node: Some(node.clone()),
                error: error.clone(),
            }),
            None if self.execution.all_ended() => {
                self.commands.push(Command::Evaluate(Target::Output));
            }
            // Only a plan with a cycle gets here, and none compiles.
            None => {}
        }
    }
}

fn unfired(step: StepKey, error: Option<&Failure>) -> Event {
    match error {
        Some(error) => failed(step, error.clone()),
        None => Event::StepSkipped {
            step,
            reason: None,
            usage: Usage::default(),
        },
    }
}

fn failed(step: StepKey, error: Failure) -> Event {
    Event::StepFailed {
        step,
        attempt: 0,
        error,
        usage: Usage::default(),
    }
}
