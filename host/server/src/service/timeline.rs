//! The timeline of one execution: a fold of its events into what each node
//! and each step did, when, and what it cost.

use indexmap::IndexMap;
use nebula_api::Time;
use nebula_api::execution as wire;
use nebula_flow::definition::{Node, WorkflowDefinition};
use nebula_flow::event::{Event, Failure, Recorded, Usage};
use nebula_flow::{NodeId, Payload, StepKey, Timestamp};

use super::Result;
use super::values::{self, Values};

/// Steps that an answer shows at most; the events have them all.
const MAX_STEPS: usize = 500;

/// The fold.
pub(crate) struct Timeline {
    nodes: IndexMap<NodeId, NodeFold>,
    steps: IndexMap<StepKey, StepFold>,
    usage: wire::Usage,
    input: Option<Payload>,
    output: Option<Payload>,
    failed_node: Option<NodeId>,
}

struct NodeFold {
    action: Option<String>,
    status: State,
    items: Option<u64>,
    items_done: u64,
    usage: wire::Usage,
}

#[derive(Default)]
struct StepFold {
    status: State,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    attempts: Vec<wire::Attempt>,
    usage: wire::Usage,
    output: Option<Payload>,
    port: Option<String>,
    reason: Option<String>,
    error: Option<Failure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Pending,
    Running,
    Waiting,
    Succeeded,
    Failed,
    Skipped,
}

impl State {
    // What has no end of its own when its execution ends was cut short by that.
    const fn name(self, over: bool) -> &'static str {
        match self {
            Self::Pending | Self::Running | Self::Waiting if over => "cancelled",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl Timeline {
    /// Before the first event.
    pub(crate) fn new(definition: &WorkflowDefinition) -> Self {
        let fold = |node: &Node| NodeFold {
            action: action(node),
            status: State::Pending,
            items: None,
            items_done: 0,
            usage: wire::Usage::default(),
        };
        Self {
            nodes: definition
                .nodes
                .iter()
                .map(|(id, node)| (id.clone(), fold(node)))
                .collect(),
            steps: IndexMap::new(),
            usage: wire::Usage::default(),
            input: None,
            output: None,
            failed_node: None,
        }
    }

    /// Folds one event in.
    pub(crate) fn apply(&mut self, recorded: Recorded) {
        let at = recorded.at;
        match recorded.event {
            Event::Started { input, .. } => self.input = Some(input),
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
                self.set(&step, State::Waiting);
                self.spend(&step, usage);
                if let Some(fold) = self.steps.get_mut(&step) {
                    let attempt = fold.end_attempt(attempt, at, usage);
                    attempt.error = Some(values::failure(error));
                    attempt.retry_at = Some(values::time(retry_at));
                }
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
            Event::ConnectionDecided { .. }
            | Event::Warning { .. }
            | Event::CancelRequested { .. }
            | Event::Cancelled { .. } => {}
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
            "succeeded" | "failed" | "cancelled"
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

    fn set(&mut self, step: &StepKey, state: State) {
        if step.path.is_empty()
            && let Some(node) = self.nodes.get_mut(&step.node)
        {
            node.status = state;
        }
        if let Some(fold) = self.steps.get_mut(step) {
            fold.status = state;
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

impl NodeFold {
    fn finish(self, id: &NodeId, over: bool) -> wire::NodeState {
        wire::NodeState {
            node: id.to_string(),
            action: self.action,
            status: self.status.name(over).into(),
            items: self.items,
            items_done: self.items.map(|_| self.items_done),
            usage: self.usage,
        }
    }
}

impl StepFold {
    fn attempt(&mut self, number: u32) -> &mut wire::Attempt {
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

    fn end_attempt(&mut self, number: u32, at: Timestamp, usage: Usage) -> &mut wire::Attempt {
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
    fn end_last(&mut self, number: u32, at: Timestamp, usage: Usage) -> Option<&mut wire::Attempt> {
        (number > 0).then(|| self.end_attempt(number, at, usage))
    }

    async fn finish(
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
            started_at: self.started_at.map(values::time),
            finished_at: self.finished_at.map(values::time),
            attempts: self.attempts,
            usage: self.usage,
            output,
            output_omitted,
            port: self.port,
            reason: self.reason,
            error: self.error.map(values::failure),
        })
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

#[cfg(test)]
mod tests;
