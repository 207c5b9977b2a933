//! Taking back what an execution's nodes did, before it ends in failure or by a
//! cancel: each node that succeeded and has an `undo`, the last first, one after
//! the other. One that cannot be undone keeps no other from it.

use crate::event::{Event, Failure};
use crate::id::{NodeId, StepKey};
use crate::plan::NodeIndex;

use super::Execution;
use super::step::Step;
use super::wait::Signals;

/// How an execution ends once all is undone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Undoing {
    node: Option<NodeId>,
    error: Option<Failure>,
}

impl Execution {
    /// Whether what its nodes did is being undone.
    #[must_use]
    pub const fn is_undoing(&self) -> bool {
        self.undoing.is_some()
    }

    /// What follows instead of this end: the end itself, unless there is something
    /// to undo first.
    pub(crate) fn ending(&self, end: Event) -> Event {
        if self.undoable.is_empty() {
            return end;
        }
        match end {
            Event::Failed { node, error } => Event::UndoStarted {
                node,
                error: Some(error),
            },
            Event::Cancelled { .. } => Event::UndoStarted {
                node: None,
                error: None,
            },
            other => other,
        }
    }

    /// The end, once all is undone.
    pub(crate) fn undone(&self) -> Option<Event> {
        let undoing = self.undoing.as_ref()?;
        let left: String = self.not_undone().collect();
        Some(match &undoing.error {
            Some(error) => Event::Failed {
                node: undoing.node.clone(),
                error: Failure {
                    message: format!("{}{left}", error.message),
                    ..error.clone()
                },
            },
            None => Event::Cancelled {
                reason: format!("{}{left}", self.cancel.as_deref().unwrap_or_default()),
            },
        })
    }

    /// What could not be undone, as the end says it.
    fn not_undone(&self) -> impl Iterator<Item = String> {
        let own = self.plan.own_nodes().len();
        let undos = self.plan.nodes.iter().zip(&self.nodes).skip(own);
        undos.filter_map(|(node, state)| match &state.step {
            Step::Failed(error) => {
                let undone = &self.plan.nodes[node.undoes?].id;
                Some(format!("; `{undone}` is not undone: {error}"))
            }
            _ => None,
        })
    }

    /// Whether a step was cut off because what its execution did is undone.
    pub(super) fn is_cut_off(&self, step: &StepKey) -> bool {
        let undoes = |node: NodeIndex| self.plan.nodes[node].undoes.is_some();
        self.is_undoing() && !self.plan.index(&step.node).is_some_and(undoes)
    }

    pub(super) fn on_undo_started(
        &mut self,
        node: Option<&NodeId>,
        error: Option<&Failure>,
    ) -> Result<(), String> {
        if self.is_undoing() {
            return Err("it is being undone already".into());
        }
        if self.undoable.is_empty() {
            return Err("nothing of it can be undone".into());
        }
        self.active.clear();
        self.asked.clear();
        self.signals = Signals::default();
        self.undoing = Some(Undoing {
            node: node.cloned(),
            error: error.cloned(),
        });
        self.undo_next();
        Ok(())
    }

    /// A node succeeded: it may have to be undone.
    pub(super) fn remember_to_undo(&mut self, node: NodeIndex) {
        if self.plan.nodes[node].undo.is_some() {
            self.undoable.push(node);
        }
    }

    /// Lets the undo begin of the last node that is not undone.
    pub(super) fn undo_next(&mut self) {
        if let Some(undo) = self
            .undoable
            .pop()
            .and_then(|node| self.plan.nodes[node].undo)
        {
            self.nodes[undo].step = Step::Wanted;
            self.active.insert(undo);
        }
    }

    /// Whether this event may end the execution while it is being undone.
    pub(super) fn ends_undoing(&self, event: &Event) -> Result<(), String> {
        let Some(undoing) = &self.undoing else {
            return Ok(());
        };
        if !self.active.is_empty() {
            return Err("what it did is being undone".into());
        }
        match event {
            Event::Failed { node, .. } if undoing.error.is_some() && *node == undoing.node => {
                Ok(())
            }
            Event::Cancelled { .. } if undoing.error.is_none() => Ok(()),
            _ => Err("it was undone because of another end".into()),
        }
    }
}
