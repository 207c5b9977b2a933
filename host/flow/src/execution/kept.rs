//! What an execution keeps of the one that it goes on with: every step that ended
//! there, unless it is the failure that is to be mended.

use crate::event::{Event, Kept, Recorded};
use crate::id::StepKey;
use crate::plan::{NodeIndex, Task};

use super::fold::contradicts;
use super::graph::End;
use super::step::Step;
use super::{Decided, Execution};

impl Execution {
    /// The events that follow the start of an execution which goes on with this
    /// one, of whose history these are all, or a page of it.
    ///
    /// Kept are nodes that ended, with the connections that they decided, and of a
    /// map that did not end well the items that did. Not kept is a failure that
    /// nothing took, and what was under way at the end.
    #[must_use]
    pub fn kept(&self, history: &[Recorded]) -> Vec<Event> {
        let keeps = self.keeps();
        history
            .iter()
            .filter_map(|recorded| self.kept_of(&recorded.event, &keeps))
            .collect()
    }

    fn kept_of(&self, event: &Event, keeps: &[bool]) -> Option<Event> {
        let (step, outcome) = match event {
            Event::ConnectionDecided { connection, .. } => {
                let source = self.plan.connections.get(*connection as usize)?.from;
                return keeps[source].then(|| event.clone());
            }
            Event::MapStarted { step, .. } => {
                let node = self.plan.index(&step.node)?;
                let open = step.path.is_empty() && self.begins_anew(node, keeps);
                return open.then(|| event.clone());
            }
            Event::StepKept { step, outcome } => (step, outcome.clone()),
            Event::StepSucceeded {
                step, output, port, ..
            } => {
                let (output, port) = (output.clone(), port.clone());
                (step, Kept::Succeeded { output, port })
            }
            Event::StepFailed { step, error, .. } => {
                let error = error.clone();
                (step, Kept::Failed { error })
            }
            Event::StepSkipped { step, reason, .. } => {
                let reason = reason.clone();
                (step, Kept::Skipped { reason })
            }
            _ => return None,
        };
        self.keeps_step(step, &outcome, keeps)
            .then(|| Event::StepKept {
                // It is one step, however often its action was called.
                step: step.in_iteration(0),
                outcome,
            })
    }

    fn keeps_step(&self, step: &StepKey, outcome: &Kept, keeps: &[bool]) -> bool {
        let Some(node) = self.plan.index(&step.node) else {
            return false;
        };
        match (step.path.len(), &self.plan.nodes[node].task) {
            (0, _) => keeps[node],
            (1, Task::Map { continues, .. }) => {
                let failed = matches!(outcome, Kept::Failed { .. });
                self.begins_anew(node, keeps) && (*continues || !failed)
            }
            // What is deeper belongs to an item that is kept, or runs again.
            _ => false,
        }
    }

    /// Whether a node is not kept, and all that leads to it is.
    fn begins_anew(&self, node: NodeIndex, keeps: &[bool]) -> bool {
        let mut incoming = self.plan.nodes[node].incoming.iter();
        !keeps[node] && incoming.all(|index| keeps[self.plan.connections[*index].from])
    }

    /// Which nodes are kept: those that ended well, and behind none that did not. (A
    /// failure that a condition did not take has decided what is behind it.)
    fn keeps(&self) -> Vec<bool> {
        let mut keeps: Vec<bool> = (0..self.nodes.len()).map(|n| self.ended_well(n)).collect();
        let mut lost: Vec<NodeIndex> = (0..keeps.len()).filter(|node| !keeps[*node]).collect();
        while let Some(node) = lost.pop() {
            for &index in &self.plan.nodes[node].outgoing {
                let target = self.plan.connections[index].to;
                if std::mem::take(&mut keeps[target]) {
                    lost.push(target);
                }
            }
        }
        keeps
    }

    /// Whether a node ended, and not in a failure that nothing took.
    fn ended_well(&self, node: NodeIndex) -> bool {
        match &self.nodes[node].step {
            _ if self.plan.nodes[node].undoes.is_some() => false,
            Step::Succeeded(_) | Step::Skipped => true,
            Step::Failed(_) => {
                let outgoing = &self.plan.nodes[node].outgoing;
                let has = |state| outgoing.iter().any(|i| self.connections[*i] == state);
                let goes_on = self.plan.nodes[node].continues && !has(Decided::Asked);
                has(Decided::Fired) || goes_on
            }
            _ => false,
        }
    }

    pub(super) fn on_step_kept(&mut self, key: &StepKey, outcome: &Kept) -> Result<(), String> {
        if self.origin().is_none() {
            return Err("the execution goes on with no other".into());
        }
        match self.locate(key)?.1 {
            Step::Wanted | Step::Unfired(_) => {}
            other => return contradicts(key, other),
        }
        match outcome {
            Kept::Succeeded { output, port } => self.end_step(
                key,
                Step::Succeeded(output.clone()),
                End::Succeeded(port.as_deref()),
            ),
            Kept::Failed { error } => {
                self.end_step(key, Step::Failed(Box::new(error.clone())), End::Failed)
            }
            Kept::Skipped { .. } => self.end_step(key, Step::Skipped, End::Skipped),
        }
    }
}
