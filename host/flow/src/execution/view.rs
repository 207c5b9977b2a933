//! What others read of an execution.

use std::sync::Arc;

use crate::event::{Event, Failure, Follows, Origin};
use crate::id::{ExecutionId, NodeId, StepKey};
use crate::payload::Payload;
use crate::plan::{Plan, Task};
use crate::ports::{Resumption, Status};
use crate::time::Timestamp;

use super::step::{Mapping, Ready, Step};
use super::{Decided, Execution};

/// Where a step or a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepStatus<'a> {
    /// Not begun: its connections are not all decided, or its execution ended before.
    Pending,
    /// Begun: its input is evaluated, it runs, or it waits for its next attempt.
    Running,
    /// Waits for a time, a signal or another execution.
    Waiting,
    /// What became of its attempt is unknown: a person has to say.
    Unknown(&'a Failure),
    /// Ended well.
    Succeeded,
    /// Failed for good.
    Failed(&'a Failure),
    /// No connection fired, or its action said so.
    Skipped,
    /// Begun, and cut off by the end of its execution.
    Cancelled,
}

impl StepStatus<'_> {
    /// The name it has in `$nodes.<id>.status`, the API and the UI.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Unknown(_) => "unknown",
            Self::Succeeded => "succeeded",
            Self::Failed(_) => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The execution as a whole.
impl Execution {
    /// Which execution.
    #[must_use]
    pub const fn id(&self) -> ExecutionId {
        self.id
    }

    /// What it is decided by.
    #[must_use]
    pub const fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Version of the last event; 0 before the first.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Where it stands, and when it is due if it does nothing but wait, and
    /// that not for signals alone.
    #[must_use]
    pub fn status(&self) -> (Status, Option<Timestamp>) {
        let status = match (self.end.as_deref(), &self.started) {
            (Some(Event::Succeeded { .. }), _) => Status::Succeeded,
            (Some(Event::Cancelled { .. }), _) => Status::Cancelled,
            (Some(Event::Terminated { .. }), _) => Status::Terminated,
            (Some(_), _) => Status::Failed,
            (None, None) => Status::Queued,
            (None, Some(_)) if self.paused => Status::Paused,
            (None, Some(_)) => match crate::decide::only_waits(self, self.updated_at) {
                Some(due) => return (Status::Waiting, due),
                None => Status::Running,
            },
        };
        (status, None)
    }

    /// The workflow's input; absent before the start.
    #[must_use]
    pub fn input(&self) -> Option<&Payload> {
        self.started.as_ref().map(|started| &started.input)
    }

    /// When it started.
    #[must_use]
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started.as_ref().map(|started| started.at)
    }

    /// The execution that it goes on with or repeats.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        self.started.as_ref()?.origin
    }

    /// The execution whose end started it, or one that led to it.
    #[must_use]
    pub fn follows(&self) -> Option<Follows> {
        self.started.as_ref()?.follows
    }

    /// When it has taken longer than its workflow allows.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let timeout = self.plan.definition().timeout?;
        Some(self.started_at()?.plus(timeout.0))
    }

    /// Whether it has taken longer than that.
    pub(crate) fn is_overdue(&self, now: Timestamp) -> bool {
        self.deadline().is_some_and(|at| at <= now)
    }

    /// The latest time of its events.
    #[must_use]
    pub const fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    /// The reason of the first cancel that was requested.
    #[must_use]
    pub fn cancel_requested(&self) -> Option<&str> {
        self.cancel.as_deref()
    }

    /// Whether it is paused once one more step has ended: nothing begins beside that.
    #[must_use]
    pub const fn is_stepping(&self) -> bool {
        self.stepping
    }

    /// Whether an attempt of a step is known to have started.
    pub(crate) fn has_started(&self, key: &StepKey) -> bool {
        matches!(self.locate(key), Ok((_, Step::Ready(ready))) if ready.started)
    }

    /// Whether it is paused: what is under way may end, and nothing more begins.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// The event that ended it.
    #[must_use]
    pub fn final_event(&self) -> Option<&Event> {
        self.end.as_deref()
    }
}

/// Its nodes.
impl Execution {
    /// Where a node stands; absent for a node that the plan has not.
    #[must_use]
    pub fn node_status(&self, node: &NodeId) -> Option<StepStatus<'_>> {
        self.step_status(&StepKey::root(node.clone()))
    }

    /// A node's result, if it succeeded.
    #[must_use]
    pub fn output_of(&self, node: &NodeId) -> Option<&Payload> {
        self.step_output(&StepKey::root(node.clone()))
    }

    /// The sources whose connection into this node fired, in node order, each once.
    #[must_use]
    pub fn fired_sources(&self, node: &NodeId) -> Vec<&NodeId> {
        let incoming = self
            .plan
            .index(node)
            .map_or(&[][..], |index| &self.plan.nodes[index].incoming);
        let fired = |index: &&usize| self.connections[**index] == Decided::Fired;
        let mut sources: Vec<_> = incoming
            .iter()
            .filter(fired)
            .map(|index| self.plan.connections[*index].from)
            .collect();
        sources.sort_unstable();
        sources.dedup();
        sources
            .into_iter()
            .map(|source| &self.plan.nodes[source].id)
            .collect()
    }
}

/// Its steps.
impl Execution {
    /// What a step does; absent for one that does not exist (yet, or no
    /// longer: a map that ended forgets its items).
    #[must_use]
    pub fn task(&self, step: &StepKey) -> Option<&Task> {
        Some(self.find(step).ok()?.0)
    }

    /// Where a step stands; absent as for [`task`](Self::task).
    #[must_use]
    pub fn step_status(&self, step: &StepKey) -> Option<StepStatus<'_>> {
        let cut_off = self.end.is_some() || self.is_cut_off(step);
        Some(match self.find(step).ok()?.1 {
            Step::Pending | Step::Unfired(_) => StepStatus::Pending,
            Step::Wanted if !self.goes_on(step) => StepStatus::Pending,
            Step::Ready(_) | Step::Mapping(_) | Step::Waiting(_) | Step::Child(_) if cut_off => {
                StepStatus::Cancelled
            }
            Step::Ready(ready) if let Some(error) = &ready.unknown => StepStatus::Unknown(error),
            Step::Wanted | Step::Ready(_) | Step::Mapping(_) => StepStatus::Running,
            Step::Waiting(_) | Step::Child(_) => StepStatus::Waiting,
            Step::Succeeded(_) => StepStatus::Succeeded,
            Step::Failed(error) => StepStatus::Failed(error),
            Step::Skipped => StepStatus::Skipped,
        })
    }

    /// Whether a step whose input is wanted will get it.
    fn goes_on(&self, step: &StepKey) -> bool {
        self.end.is_none()
            && (!step.path.is_empty()
                || self
                    .plan
                    .index(&step.node)
                    .is_some_and(|n| self.may_begin(n)))
    }

    /// The evaluated input of a step that is ready or runs.
    #[must_use]
    pub fn step_input(&self, step: &StepKey) -> Option<&Payload> {
        self.ready(step).map(|ready| &ready.input)
    }

    /// When a step that has not ended became ready: its virtual time.
    #[must_use]
    pub fn ready_at(&self, step: &StepKey) -> Option<Timestamp> {
        self.ready(step).map(|ready| ready.at)
    }

    /// Whether `AttemptStarted` is recorded for the step's present attempt: if
    /// nothing runs it, it was cut off by a crash and its outcome is unknown.
    #[must_use]
    pub fn attempt_started(&self, step: &StepKey) -> bool {
        self.ready(step).is_some_and(|ready| ready.started)
    }

    /// Why the step's action is called again; none in its first iteration.
    #[must_use]
    pub fn resumption(&self, step: &StepKey) -> Option<&Resumption<Payload>> {
        self.ready(step)?.resumption.as_deref()
    }

    /// A step's result, if it succeeded (an item's only until its map ends).
    #[must_use]
    pub fn step_output(&self, step: &StepKey) -> Option<&Payload> {
        output_of(self.find(step).ok()?.1)
    }

    /// The list of a map that runs.
    #[must_use]
    pub fn items(&self, step: &StepKey) -> Option<&Payload> {
        self.mapping(step).map(|mapping| &mapping.items)
    }

    /// How many items a map that runs has.
    #[must_use]
    pub fn item_count(&self, step: &StepKey) -> Option<u32> {
        self.mapping(step).map(|mapping| mapping.count)
    }

    /// The results to gather of a map that runs, in order; `None` for an item
    /// that was skipped (its place in the gathered list is `null`) and for one
    /// that has not ended.
    #[must_use]
    pub fn item_outputs(&self, step: &StepKey) -> Vec<Option<&Payload>> {
        let steps = self.mapping(step).map_or(&[][..], |m| &m.steps);
        steps.iter().map(output_of).collect()
    }

    fn mapping(&self, step: &StepKey) -> Option<&Mapping> {
        match self.find(step).ok()?.1 {
            Step::Mapping(mapping) => Some(mapping),
            _ => None,
        }
    }

    pub(super) fn ready(&self, step: &StepKey) -> Option<&Ready> {
        match self.find(step).ok()?.1 {
            Step::Ready(ready) => Some(ready),
            _ => None,
        }
    }
}

/// What `decide` looks at.
impl Execution {
    /// Nodes that are neither pending nor ended and may go on, in node order.
    pub(crate) fn active_nodes(&self) -> impl Iterator<Item = (&NodeId, &Step)> {
        let goes_on = |node: &&usize| match self.nodes[**node].step {
            Step::Unfired(_) | Step::Wanted => self.may_begin(**node),
            _ => true,
        };
        let name = |node: &usize| (&self.plan.nodes[*node].id, &self.nodes[*node].step);
        self.active.iter().filter(goes_on).map(name)
    }

    /// Connections whose `when` is to be evaluated.
    pub(crate) fn asked_connections(&self) -> impl Iterator<Item = u32> {
        let matters = |index: &&usize| self.matters(**index);
        self.asked
            .iter()
            .filter(matters)
            .map(|index| u32::try_from(*index).unwrap_or(u32::MAX))
    }

    /// The failure that the execution will end with, if nothing earlier fails.
    pub(crate) fn reported_failure(&self) -> Option<(&NodeId, &Failure)> {
        let node = self.halt.as_ref()?.node;
        match &self.nodes[node].step {
            Step::Failed(error) => Some((&self.plan.nodes[node].id, error)),
            _ => None,
        }
    }

    /// Whether every node has ended.
    pub(crate) fn all_ended(&self) -> bool {
        self.ended == self.plan.own_nodes().len()
    }
}

const fn output_of(step: &Step) -> Option<&Payload> {
    match step {
        Step::Succeeded(output) => Some(output),
        _ => None,
    }
}
