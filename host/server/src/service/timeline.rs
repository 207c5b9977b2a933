//! The timeline of one execution: a fold of its events into what each node
//! and each step did, when, and what it cost.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use nebula_api::execution as wire;
use nebula_flow::definition::{Node, WorkflowDefinition};
use nebula_flow::event::{Event, Kept, Origin, Recorded, Usage};
use nebula_flow::{NodeId, Payload, StepKey, Timestamp};

use super::Result;
use super::values::{self, Values};

mod fold;

use fold::{NodeFold, State, StepFold};

/// Steps that an answer shows at most; the events have them all.
const MAX_STEPS: usize = 500;

/// The fold.
pub(crate) struct Timeline {
    nodes: IndexMap<NodeId, NodeFold>,
    /// The steps that undo nodes, with their actions: nodes once they begin.
    undos: BTreeMap<NodeId, String>,
    steps: IndexMap<StepKey, StepFold>,
    usage: wire::Usage,
    origin: Option<Origin>,
    input: Option<Payload>,
    output: Option<Payload>,
    failed_node: Option<NodeId>,
}

impl Timeline {
    /// Before the first event.
    pub(crate) fn new(definition: &WorkflowDefinition) -> Self {
        Self {
            nodes: definition
                .nodes
                .iter()
                .map(|(id, node)| (id.clone(), NodeFold::new(action(node))))
                .collect(),
            undos: undos(definition).collect(),
            steps: IndexMap::new(),
            usage: wire::Usage::default(),
            origin: None,
            input: None,
            output: None,
            failed_node: None,
        }
    }

    /// Folds one event in.
    pub(crate) fn apply(&mut self, recorded: Recorded) {
        let at = recorded.at;
        match recorded.event {
            Event::Started { input, origin, .. } => {
                self.input = Some(input);
                self.origin = origin;
            }
            Event::StepKept { step, outcome } => self.keep(&step, outcome, at),
            Event::Succeeded { output } => self.output = Some(output),
            Event::Failed { node, .. } => self.failed_node = node,
            Event::StepReady { step, .. } => self.begin(&step, at),
            Event::MapStarted { step, count, .. } => {
                self.begin(&step, at);
                if let Some(node) = self
                    .nodes
                    .get_mut(&step.node)
                    .filter(|_| step.path.is_empty())
                {
                    node.items = Some(u64::from(count));
                }
            }
            Event::WaitStarted {
                step,
                signal,
                until,
            } => {
                self.begin(&step, at);
                let waits_for = wire::WaitsFor {
                    signal: signal.map(|s| s.to_string()),
                    until: until.map(values::time),
                    ..wire::WaitsFor::default()
                };
                self.waits(&step, State::Waiting, waits_for);
            }
            Event::ChildStarted { step, execution } => {
                let waits_for = wire::WaitsFor {
                    execution: Some(execution.to_string()),
                    ..wire::WaitsFor::default()
                };
                self.waits(&step, State::Waiting, waits_for);
            }
            Event::AttemptStarted { step, attempt } => {
                self.set(&step, State::Running);
                if let Some(fold) = self.steps.get_mut(&step) {
                    fold.attempt(attempt).started_at = Some(values::time(at));
                }
            }
            Event::AttemptFailed {
                step,
                attempt,
                error,
                retry_at,
                usage,
            } => {
                let waits_for = wire::WaitsFor {
                    attempt: Some(attempt.saturating_add(1)),
                    until: Some(values::time(retry_at)),
                    ..wire::WaitsFor::default()
                };
                self.waits(&step, State::Waiting, waits_for);
                self.spend(&step, usage);
                if let Some(fold) = self.steps.get_mut(&step) {
                    let attempt = fold.end_attempt(attempt, at, usage);
                    attempt.error = Some(values::failure(error));
                    attempt.retry_at = Some(values::time(retry_at));
                }
            }
            Event::StepUnknown {
                step,
                attempt,
                error,
                usage,
            } => {
                let waits_for = wire::WaitsFor {
                    attempt: Some(attempt),
                    unknown: Some(values::failure(error)),
                    ..wire::WaitsFor::default()
                };
                self.waits(&step, State::Unknown, waits_for);
                self.spend(&step, usage);
            }
            Event::StepSucceeded {
                step,
                attempt,
                output,
                port,
                usage,
            } => {
                let shown = self
                    .steps
                    .get_index_of(&step)
                    .is_none_or(|place| place < MAX_STEPS);
                if let Some(fold) = self.end(&step, State::Succeeded, at, usage) {
                    fold.end_last(attempt, at, usage);
                    fold.output = shown.then_some(output);
                    fold.port = port;
                }
            }
            Event::StepContinued {
                step,
                attempt,
                signal,
                until,
                usage,
                ..
            } => {
                let waits = signal.is_some() || until.is_some();
                let waits_for = wire::WaitsFor {
                    signal: signal.map(|s| s.to_string()),
                    until: until.map(values::time),
                    ..wire::WaitsFor::default()
                };
                self.spend(&step, usage);
                if let Some(fold) = self.steps.get_mut(&step) {
                    fold.end_attempt(attempt, at, usage);
                }
                if waits {
                    self.waits(&step, State::Waiting, waits_for);
                } else {
                    self.goes_on(&step.in_iteration(step.iteration.saturating_add(1)), at);
                }
            }
            Event::StepResumed { step } => self.goes_on(&step, at),
            Event::StepFailed {
                step,
                attempt,
                error,
                usage,
            } => {
                if let Some(fold) = self.end(&step, State::Failed, at, usage) {
                    if let Some(attempt) = fold.end_last(attempt, at, usage) {
                        attempt.error = Some(values::failure(error.clone()));
                    }
                    fold.error = Some(error);
                }
            }
            Event::StepSkipped {
                step,
                reason,
                usage,
            } => {
                if let Some(fold) = self.end(&step, State::Skipped, at, usage) {
                    fold.reason = reason;
                }
            }
            Event::SignalReceived { .. }
            | Event::ConnectionDecided { .. }
            | Event::UndoStarted { .. }
            | Event::Warning { .. }
            | Event::CancelRequested { .. }
            | Event::Paused { .. }
            | Event::Resumed { .. }
            | Event::Stepped { .. }
            | Event::Cancelled { .. }
            | Event::Terminated { .. } => {}
        }
    }

    /// The execution as it is after the events so far.
    pub(crate) async fn finish(
        self,
        mut summary: wire::ExecutionSummary,
        values: &mut Values<'_>,
    ) -> Result<wire::Execution> {
        let over = matches!(
            summary.status.as_str(),
            "succeeded" | "failed" | "cancelled" | "terminated"
        );
        if let Some(error) = &mut summary.error {
            error.node = self.failed_node.map(|n| n.to_string());
        }
        let input = optional(self.input, values).await?;
        let output = optional(self.output, values).await?;
        let steps_total = self.steps.len() as u64;
        let mut steps = Vec::with_capacity(self.steps.len().min(MAX_STEPS));
        for (key, step) in self.steps.into_iter().take(MAX_STEPS) {
            steps.push(step.finish(&key, over, values).await?);
        }
        Ok(wire::Execution {
            summary,
            origin: self.origin.map(values::origin),
            input,
            output,
            nodes: self
                .nodes
                .into_iter()
                .map(|(id, node)| node.finish(&id, over))
                .collect(),
            steps,
            steps_total,
            usage: self.usage,
        })
    }

    /// A step ended in the execution that this one goes on with.
    fn keep(&mut self, step: &StepKey, outcome: Kept, at: Timestamp) {
        let state = match &outcome {
            Kept::Succeeded { .. } => State::Succeeded,
            Kept::Failed { .. } => State::Failed,
            Kept::Skipped { .. } => State::Skipped,
        };
        let shown = self.steps.len() < MAX_STEPS;
        let Some(fold) = self.end(step, state, at, Usage::default()) else {
            return;
        };
        fold.kept = true;
        match outcome {
            Kept::Succeeded { output, port } => {
                fold.output = shown.then_some(output);
                fold.port = port;
            }
            Kept::Failed { error } => fold.error = Some(error),
            Kept::Skipped { reason } => fold.reason = reason,
        }
    }

    /// An iteration begins, and so the one before it has ended.
    fn goes_on(&mut self, step: &StepKey, at: Timestamp) {
        let before = step.in_iteration(step.iteration.saturating_sub(1));
        self.set(&before, State::Continued);
        if let Some(fold) = self.steps.get_mut(&before) {
            fold.finished_at = Some(at);
        }
        self.begin(step, at);
    }

    fn begin(&mut self, step: &StepKey, at: Timestamp) {
        self.set(step, State::Running);
        if let Some(fold) = self.steps.get_mut(step) {
            fold.started_at = Some(at);
        }
    }

    fn end(
        &mut self,
        step: &StepKey,
        state: State,
        at: Timestamp,
        usage: Usage,
    ) -> Option<&mut StepFold> {
        self.set(step, state);
        self.spend(step, usage);
        if let [_] = step.path[..]
            && let Some(node) = self.nodes.get_mut(&step.node)
        {
            node.items_done += 1;
        }
        let fold = self.steps.get_mut(step)?;
        fold.finished_at = Some(at);
        Some(fold)
    }

    fn waits(&mut self, step: &StepKey, state: State, waits_for: wire::WaitsFor) {
        self.set(step, state);
        let waits_for = Some(waits_for);
        if let Some(node) = self.nodes.get_mut(&step.node)
            && step.path.is_empty()
        {
            node.waits_for.clone_from(&waits_for);
        }
        if let Some(fold) = self.steps.get_mut(step) {
            fold.waits_for = waits_for;
        }
    }

    fn set(&mut self, step: &StepKey, state: State) {
        if let Some(action) = self.undos.remove(&step.node) {
            let fold = NodeFold::new(Some(action));
            self.nodes.insert(step.node.clone(), fold);
        }
        if step.path.is_empty()
            && let Some(node) = self.nodes.get_mut(&step.node)
        {
            (node.status, node.waits_for) = (state, None);
        }
        if let Some(fold) = self.steps.get_mut(step) {
            (fold.status, fold.waits_for) = (state, None);
        } else {
            self.steps.insert(
                step.clone(),
                StepFold {
                    status: state,
                    ..StepFold::default()
                },
            );
        }
    }

    fn spend(&mut self, step: &StepKey, usage: Usage) {
        let usage = values::usage(usage);
        self.usage.add(usage);
        if let Some(node) = self.nodes.get_mut(&step.node) {
            node.usage.add(usage);
        }
        if let Some(fold) = self.steps.get_mut(step) {
            fold.usage.add(usage);
        }
    }
}

async fn optional(
    payload: Option<Payload>,
    values: &mut Values<'_>,
) -> Result<Option<nebula_flow::Value>> {
    match payload {
        Some(payload) => values.decode(&payload).await.map(Some),
        None => Ok(None),
    }
}

/// The action of a node; that of its items for a map.
fn action(node: &Node) -> Option<String> {
    match (&node.action, &node.each) {
        (Some(action), _) => Some(action.id.to_string()),
        (None, Some(each)) => action(each),
        (None, None) => None,
    }
}

/// The steps that undo nodes, with their actions.
fn undos(definition: &WorkflowDefinition) -> impl Iterator<Item = (NodeId, String)> {
    let nodes = definition.nodes.iter();
    nodes.filter_map(|(id, node)| Some((id.undo()?, action(node.undo.as_deref()?)?)))
}

#[cfg(test)]
mod tests;
