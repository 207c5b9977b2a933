//! The executions that steps start, and what an execution tells others. What it
//! tells is on disk with the event that says so, or not at all: a child is started
//! once, and its end is heard once.

use serde_json::json;

use crate::deploy::PinnedWorkflow;
use crate::event::{Event, Failure, FailureKind, Parent, Usage};
use crate::id::{Digest, ExecutionId, StepKey, WorkflowName};
use crate::payload::{self, Payload};
use crate::plan::Task;
use crate::ports::{Message, Outgoing};
use crate::time::Timestamp;

use super::Execution;
use super::fold::contradicts;
use super::step::Step;

/// How many executions may stand above one that a step starts.
pub const MAX_DEPTH: u32 = 32;

impl Execution {
    /// The step of another execution that started this one.
    #[must_use]
    pub fn parent(&self) -> Option<&Parent> {
        self.started.as_ref()?.parent.as_ref()
    }

    /// The execution that a step started, or would start now.
    #[must_use]
    pub fn child(&self, step: &StepKey) -> Option<ExecutionId> {
        match self.locate(step).ok()? {
            (Task::Child(_), Step::Child(_)) => Some(child_id(self.id, step)),
            _ => None,
        }
    }

    /// What an event that follows now tells other executions.
    #[must_use]
    pub fn outgoing(&self, event: &Event) -> Vec<Outgoing> {
        match event {
            Event::ChildStarted { step, execution } => {
                self.start_of(step, *execution).into_iter().collect()
            }
            Event::UndoStarted { .. } => self.stop_children(event),
            _ if event.is_final() => self.last_words(event),
            _ => Vec::new(),
        }
    }

    /// What follows for a step whose input is there.
    pub(crate) fn child_starts(&self, step: &StepKey) -> Option<Event> {
        let depth = self.depth();
        if depth <= MAX_DEPTH {
            return Some(Event::ChildStarted {
                step: step.clone(),
                execution: self.child(step)?,
            });
        }
        let message = format!("it would be execution {depth} in a row; {MAX_DEPTH} are allowed");
        Some(failed(step, Failure::new(FailureKind::Permanent, message)))
    }

    /// What follows for a step whose child runs and that does not wait for it.
    pub(crate) fn detached(&self, step: &StepKey) -> Option<Event> {
        let child = self.child(step)?.to_string();
        let output = payload::encode(&json!({ "execution": child })).ok()?;
        Some(succeeded(step, Payload::Inline(output)))
    }

    /// The event that the end of a child is; none if no step waits for it.
    pub(super) fn child_ended(
        &self,
        step: &StepKey,
        execution: ExecutionId,
        result: &Result<Payload, Failure>,
    ) -> Option<Event> {
        let (Task::Child(task), Step::Child(child)) = self.locate(step).ok()? else {
            return None;
        };
        if task.detach || !child.started || self.child(step) != Some(execution) {
            return None;
        }
        Some(match result {
            Ok(output) => succeeded(step, output.clone()),
            Err(error) => failed(step, error.clone()),
        })
    }

    pub(super) fn on_child_started(
        &mut self,
        key: &StepKey,
        execution: ExecutionId,
    ) -> Result<(), String> {
        let expected = self.child(key);
        match self.step_mut(key)? {
            Step::Child(child) if !child.started => {
                if expected != Some(execution) {
                    return Err(format!("step `{key}` starts another execution"));
                }
                child.started = true;
                Ok(())
            }
            other => contradicts(key, other),
        }
    }

    fn depth(&self) -> u32 {
        self.parent().map_or(0, |parent| parent.depth) + 1
    }

    fn start_of(&self, step: &StepKey, execution: ExecutionId) -> Option<Outgoing> {
        let (Task::Child(task), Step::Child(child)) = self.locate(step).ok()? else {
            return None;
        };
        let parent = Parent {
            execution: self.id,
            step: step.clone(),
            depth: self.depth(),
            waits: !task.detach,
        };
        let message = self.start(&task.name, task.pinned, child.input.clone(), Some(parent));
        Some(Outgoing { execution, message })
    }

    /// The end: the parent hears of it, children stop, and a workflow may be
    /// started because this one failed.
    fn last_words(&self, event: &Event) -> Vec<Outgoing> {
        let mut outbox = Vec::new();
        outbox.extend(
            self.parent()
                .and_then(|parent| to_parent(parent, self.id, event)),
        );
        outbox.extend(self.stop_children(event));
        outbox.extend(self.on_failure(event));
        outbox
    }

    /// Children stop, because this execution has ended, or will.
    fn stop_children(&self, event: &Event) -> Vec<Outgoing> {
        let stop = |execution| {
            let reason = format!("execution {}, which started it, has ended", self.id);
            let message = match event {
                Event::Terminated { .. } => Message::Terminate { reason },
                _ => Message::Cancel { reason },
            };
            Outgoing { execution, message }
        };
        self.open_children().into_iter().map(stop).collect()
    }

    /// Children that a step waits for.
    fn open_children(&self) -> Vec<ExecutionId> {
        let mut open = Vec::new();
        for node in &self.active {
            let key = StepKey::root(self.plan.nodes[*node].id.clone());
            self.open_below(&self.nodes[*node].step, key, &mut open);
        }
        open
    }

    fn open_below(&self, step: &Step, mut key: StepKey, open: &mut Vec<ExecutionId>) {
        match step {
            Step::Child(child) if child.started && !self.is_detached(&key) => {
                open.push(child_id(self.id, &key));
            }
            Step::Mapping(mapping) => {
                for index in &mapping.running {
                    key.path.push(*index);
                    self.open_below(&mapping.steps[*index as usize], key.clone(), open);
                    key.path.pop();
                }
            }
            _ => {}
        }
    }

    pub(crate) fn is_detached(&self, step: &StepKey) -> bool {
        matches!(self.task(step), Some(Task::Child(task)) if task.detach)
    }

    /// The start of the workflow that the definition names for a failure.
    fn on_failure(&self, event: &Event) -> Option<Outgoing> {
        let (name, pinned) = self.plan.on_failure.as_ref()?;
        let Event::Failed { node, error } = event else {
            return None;
        };
        let deployed = &self.plan.deployed;
        let input = json!({
            "workflow": deployed.definition.name,
            "version": deployed.version,
            "execution": self.id.to_string(),
            "node": node,
            "error": { "kind": error.kind.name(), "message": error.message },
        });
        let input = Payload::Inline(payload::encode(&input).ok()?);
        let at = self.started_at().unwrap_or_default();
        Some(Outgoing {
            execution: mint("on_failure", self.id, "", at.max(self.updated_at)),
            message: self.start(name, *pinned, input, None),
        })
    }

    /// The start of an execution that this one leads to.
    fn start(
        &self,
        name: &WorkflowName,
        pinned: PinnedWorkflow,
        input: Payload,
        parent: Option<Parent>,
    ) -> Message {
        Message::Start {
            workflow: pinned.id,
            name: name.clone(),
            version: pinned.version,
            input,
            parent,
            origin: None,
            follows: self.follows(),
            // Its owner knows both, and says them.
            priority: 0,
            slot: None,
            paused: false,
        }
    }
}

/// What a parent that waits is told of the end of a child, also of one that
/// cannot be loaded; none if the event is no end.
#[must_use]
pub fn to_parent(parent: &Parent, child: ExecutionId, end: &Event) -> Option<Outgoing> {
    let cancelled = |what: &str, reason: &str| {
        let message = format!("execution {child} was {what}: {reason}");
        Err(Failure::new(FailureKind::Cancelled, message))
    };
    let result = match end {
        _ if !parent.waits => return None,
        Event::Succeeded { output } => Ok(output.clone()),
        Event::Failed { error, .. } => Err(Failure::new(
            error.kind,
            format!("execution {child}: {}", error.message),
        )),
        Event::Terminated { reason } => cancelled("terminated", reason),
        Event::Cancelled { reason } => cancelled("cancelled", reason),
        _ => return None,
    };
    Some(Outgoing {
        execution: parent.execution,
        message: Message::ChildEnded {
            step: parent.step.clone(),
            execution: child,
            result,
        },
    })
}

/// The id of a child follows from the step that starts it and from nothing else:
/// it is the same whoever decides it, when, and however often.
pub(super) fn child_id(parent: ExecutionId, step: &StepKey) -> ExecutionId {
    mint("child", parent, &step.to_string(), parent.minted_at())
}

pub(crate) fn mint(what: &str, execution: ExecutionId, step: &str, at: Timestamp) -> ExecutionId {
    let digest = Digest::of(format!("{what}\0{execution}\0{step}").as_bytes());
    let mut entropy = [0; 16];
    entropy.copy_from_slice(&digest.as_bytes()[..16]);
    ExecutionId::mint(at, u128::from_be_bytes(entropy))
}

fn succeeded(step: &StepKey, output: Payload) -> Event {
    Event::StepSucceeded {
        step: step.clone(),
        attempt: 0,
        output,
        port: None,
        usage: Usage::default(),
    }
}

fn failed(step: &StepKey, error: Failure) -> Event {
    Event::StepFailed {
        step: step.clone(),
        attempt: 0,
        error,
        usage: Usage::default(),
    }
}
