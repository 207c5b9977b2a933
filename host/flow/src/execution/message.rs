//! What a message becomes, and which signals may be sent.

use crate::event::{Event, RULES};
use crate::id::{SignalName, StepKey};
use crate::payload::Payload;
use crate::plan::{NodeIndex, Task};
use crate::ports::{InboxRow, Message, Status};
use crate::time::Timestamp;

use super::Execution;
use super::step::Step;

/// How many signals an execution keeps that no wait has taken yet.
pub const MAX_KEPT: usize = 1_000;

/// How many bytes of MessagePack these have together.
pub const MAX_KEPT_BYTES: u64 = 16 << 20;

/// Why a signal may not be sent to an execution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has ended.
    #[error("the execution has {} already", .0.name())]
    Ended(Status),
    /// It is about to end: it was cancelled, or has taken too long.
    #[error("the execution is about to end")]
    Ending,
    /// No node of its workflow ever waits for this signal, and no action does now.
    #[error("no node of the workflow waits for a signal `{name}`")]
    Unknown {
        /// Which.
        name: SignalName,
        /// The signals that nodes wait for, and actions now.
        awaited: Vec<SignalName>,
    },
    /// Each wait for it has its answer.
    #[error("the signal `{0}` was answered already, and no other wait for it is to come")]
    Answered(SignalName),
    /// Its waits timed out or were skipped.
    #[error("nothing waits for the signal `{0}` any more: its wait timed out or was skipped")]
    Over(SignalName),
    /// Too much is kept already.
    #[error(
        "the execution keeps {count} signals of {bytes} bytes that no wait has taken; at most \
         {MAX_KEPT} of {MAX_KEPT_BYTES} bytes together are kept"
    )]
    Full {
        /// How many are kept.
        count: usize,
        /// Bytes that they have together, with the one that is refused.
        bytes: u64,
    },
}

impl Execution {
    /// The event that a message becomes; none when it changes nothing.
    #[must_use]
    pub fn taken(&self, row: &InboxRow) -> Option<Event> {
        if self.end.is_some() {
            return None;
        }
        match (&row.message, self.started.is_some()) {
            (
                Message::Start {
                    workflow,
                    version,
                    input,
                    parent,
                    origin,
                    follows,
                    ..
                },
                false,
            ) => Some(Event::Started {
                workflow: *workflow,
                workflow_version: *version,
                input: input.clone(),
                rules: RULES,
                parent: parent.clone(),
                origin: *origin,
                follows: *follows,
            }),
            (
                Message::ChildEnded {
                    step,
                    execution,
                    result,
                },
                true,
            ) => self.child_ended(step, *execution, result),
            (Message::Resolve { .. }, true) => self.resolved(row),
            (Message::Cancel { reason }, true) if self.cancel.is_none() => {
                Some(Event::CancelRequested {
                    reason: reason.clone(),
                })
            }
            (Message::Pause { reason }, true) if !self.paused && self.cancel.is_none() => {
                Some(Event::Paused {
                    reason: reason.clone(),
                })
            }
            (Message::Resume { reason }, true) if self.paused || self.stepping => {
                Some(Event::Resumed {
                    reason: reason.clone(),
                })
            }
            (Message::Step { reason }, true) if self.paused => Some(Event::Stepped {
                reason: reason.clone(),
            }),
            (Message::Terminate { reason }, true) => Some(Event::Terminated {
                reason: reason.clone(),
            }),
            (Message::Signal { name, payload }, true) if self.knows(name) => {
                Some(Event::SignalReceived {
                    name: name.clone(),
                    payload: payload.clone(),
                    received_at: row.at,
                })
            }
            _ => None,
        }
    }

    /// Whether a signal of so many bytes that is accepted at this instant can
    /// still be taken by a wait: by one that has begun, or by one to come, if
    /// not so many signals are kept for them already.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn admits(&self, name: &SignalName, bytes: u64, at: Timestamp) -> Result<(), Refused> {
        if self.end.is_some() {
            return Err(Refused::Ended(self.status().0));
        }
        if self.cancel.is_some() || self.is_undoing() || self.is_overdue(at) {
            return Err(Refused::Ending);
        }
        if !self.knows(name) {
            let mut awaited: Vec<_> = self.plan.signals.keys().cloned().collect();
            awaited.extend(self.signals.awaited().cloned());
            awaited.sort_unstable();
            awaited.dedup();
            return Err(Refused::Unknown {
                name: name.clone(),
                awaited,
            });
        }
        let nodes = self.plan.signals.get(name).map_or(&[][..], |s| &s.nodes);
        let kept = self.signals.kept(name);
        let called_again = |step: &&StepKey| matches!(self.task(step), Some(Task::Action(_)));
        let actions = self.signals.takers(name, at).filter(called_again).count();
        let open = nodes.iter().fold(actions, |sum: usize, node| {
            sum.saturating_add(self.open(*node, at))
        });
        if kept >= open {
            let answered = |node: &NodeIndex| is_answered(&self.nodes[*node].step);
            return Err(if kept > 0 || nodes.iter().any(answered) {
                Refused::Answered(name.clone())
            } else {
                Refused::Over(name.clone())
            });
        }
        let count = self.signals.all_kept().count();
        let bytes = self.signals.all_kept().map(size).sum::<u64>() + bytes;
        if count >= MAX_KEPT || bytes > MAX_KEPT_BYTES {
            return Err(Refused::Full { count, bytes });
        }
        Ok(())
    }

    /// How many signals a node may still take.
    fn open(&self, node: NodeIndex, at: Timestamp) -> usize {
        match &self.nodes[node].step {
            Step::Pending | Step::Wanted if !self.may_begin(node) => 0,
            step => open(step, &self.plan.nodes[node].task, at),
        }
    }
}

/// How many signals a step may still take.
fn open(step: &Step, task: &Task, at: Timestamp) -> usize {
    match (task, step) {
        (Task::Signal { .. }, Step::Pending | Step::Wanted) => 1,
        (Task::Signal { .. }, Step::Waiting(waiting)) => {
            let is_over = waiting.until.is_some_and(|until| until <= at);
            usize::from(waiting.answer.is_none() && !is_over)
        }
        // How many items its list will have is not known yet.
        (Task::Map { .. }, Step::Pending | Step::Wanted) => usize::MAX,
        (Task::Map { each, .. }, Step::Mapping(mapping)) => {
            let each_to_come = open(&Step::Wanted, each, at);
            let to_come = (mapping.to_come() as usize).saturating_mul(each_to_come);
            let running = mapping.running.iter().map(|index| {
                let step = &mapping.steps[*index as usize];
                open(step, each, at)
            });
            running.fold(to_come, usize::saturating_add)
        }
        _ => 0,
    }
}

/// Whether a signal of this node was answered.
fn is_answered(step: &Step) -> bool {
    match step {
        Step::Succeeded(_) => true,
        Step::Waiting(waiting) => waiting.answer.is_some(),
        Step::Mapping(mapping) => mapping.steps.iter().any(is_answered),
        _ => false,
    }
}

const fn size(payload: &Payload) -> u64 {
    match payload {
        Payload::Inline(bytes) => bytes.len() as u64,
        Payload::Blob { size, .. } => *size,
    }
}
