//! How the end of a node decides its connections, and what a failure stops.
//!
//! A failure holds back the node's other connections until it is known whether
//! a connection takes it. If one does, the others do not fire; if none does,
//! they stay open for ever, so that nothing behind the failed node begins;
//! unless the node says `continue_on_failure`: then those for success fire.

use crate::definition::On;
use crate::event::Failure;
use crate::plan::NodeIndex;

use super::step::Step;
use super::{Decided, Execution, Halt};

/// How a node ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum End<'a> {
    /// With the port it branched to, if any.
    Succeeded(Option<&'a str>),
    Failed,
    Skipped,
}

impl End<'_> {
    /// Whether a connection follows this end. An answer on a port fires that
    /// port's connections only, not those for plain success.
    fn matches(self, on: &On) -> bool {
        match (self, on) {
            (Self::Succeeded(None), On::Success)
            | (Self::Failed, On::Failure)
            | (Self::Skipped, On::Skip) => true,
            (Self::Succeeded(Some(port)), On::Port(name)) => port == name,
            _ => false,
        }
    }
}

impl Execution {
    /// A node ended: its connections are decided, or asked.
    pub(super) fn leave(&mut self, node: NodeIndex, end: End<'_>) {
        let plan = self.plan.clone();
        for &index in &plan.nodes[node].outgoing {
            let connection = &plan.connections[index];
            if !end.matches(&connection.on) {
                if !matches!(end, End::Failed) {
                    self.decided(index, false);
                }
            } else if connection.when.is_some() {
                self.connections[index] = Decided::Asked;
                self.asked.insert(index);
            } else {
                self.decided(index, true);
            }
        }
        if matches!(end, End::Failed) {
            self.weigh_failure(node);
        }
    }

    /// A `when` was evaluated.
    pub(super) fn connection_decided(
        &mut self,
        connection: u32,
        fired: bool,
        error: Option<&Failure>,
    ) -> Result<(), String> {
        let index = connection as usize;
        if self.connections.get(index) != Some(&Decided::Asked) {
            return Err(format!("connection {connection} is not being evaluated"));
        }
        if fired && error.is_some() {
            return Err(format!("connection {connection} cannot fire and err"));
        }
        if let Some(error) = error {
            self.erred.insert(index, error.clone());
        }
        self.asked.remove(&index);
        self.decided(index, fired);
        let source = self.plan.connections[index].from;
        if self.plan.connections[index].on == On::Failure {
            self.weigh_failure(source);
        }
        Ok(())
    }

    fn decided(&mut self, index: usize, fired: bool) {
        self.connections[index] = if fired {
            Decided::Fired
        } else {
            Decided::NotFired
        };
        let target = self.plan.connections[index].to;
        let node = &mut self.nodes[target];
        node.fired |= fired;
        node.open = node.open.saturating_sub(1);
        if node.open == 0 && node.step == Step::Pending {
            self.arrive(target);
        }
    }

    /// All connections into a node are decided.
    pub(super) fn arrive(&mut self, node: NodeIndex) {
        let incoming = &self.plan.nodes[node].incoming;
        let error = incoming.iter().find_map(|index| self.erred.get(index));
        let step = match error {
            Some(error) => Step::Unfired(Some(Box::new(error.clone()))),
            None if self.nodes[node].fired || incoming.is_empty() => Step::Wanted,
            None => Step::Unfired(None),
        };
        self.nodes[node].step = step;
        self.active.insert(node);
    }

    /// Looks whether a connection takes the failure of a node.
    fn weigh_failure(&mut self, node: NodeIndex) {
        let plan = self.plan.clone();
        let outgoing = &plan.nodes[node].outgoing;
        let has = |state| {
            outgoing
                .iter()
                .any(|&index| self.connections[index] == state)
        };
        if has(Decided::Fired) {
            for &index in outgoing {
                if self.connections[index] == Decided::Open {
                    self.decided(index, false);
                }
            }
        } else if has(Decided::Asked) {
            // Whether one takes it is not known yet.
        } else if plan.nodes[node].continues {
            self.go_on(node);
        } else {
            self.halt(node);
        }
    }

    /// Nobody took the failure of this node, and it says that this does not
    /// matter: what waits for its success goes on.
    fn go_on(&mut self, node: NodeIndex) {
        let plan = self.plan.clone();
        for &index in &plan.nodes[node].outgoing {
            let connection = &plan.connections[index];
            if self.connections[index] != Decided::Open {
                continue;
            }
            if connection.on == On::Success && connection.when.is_some() {
                self.connections[index] = Decided::Asked;
                self.asked.insert(index);
            } else {
                self.decided(index, connection.on == On::Success);
            }
        }
    }

    /// Nobody took the failure of this node: the execution will fail.
    ///
    /// The failure that is reported is the first in node order, and that must
    /// not hang on which of two nodes was faster. So what lies before the
    /// failed node, or leads there, still runs; nothing else begins.
    fn halt(&mut self, node: NodeIndex) {
        if self.halt.as_ref().is_some_and(|halt| halt.node <= node) {
            return;
        }
        let mut useful = vec![false; self.nodes.len()];
        useful[..node].fill(true);
        let mut queue: Vec<NodeIndex> = (0..node).collect();
        while let Some(target) = queue.pop() {
            for &index in &self.plan.nodes[target].incoming {
                let source = self.plan.connections[index].from;
                if !useful[source] {
                    useful[source] = true;
                    queue.push(source);
                }
            }
        }
        self.halt = Some(Halt { node, useful });
    }

    /// Whether a node may begin.
    pub(super) fn may_begin(&self, node: NodeIndex) -> bool {
        if self.is_undoing() {
            return self.plan.nodes[node].undoes.is_some();
        }
        self.halt.as_ref().is_none_or(|halt| halt.useful[node])
    }

    /// Whether it matters if a connection fires. That of a failure decides for
    /// all others of its source, not for its own target alone.
    pub(super) fn matters(&self, index: usize) -> bool {
        let connection = &self.plan.connections[index];
        let node = match connection.on {
            On::Failure => connection.from,
            _ => connection.to,
        };
        self.may_begin(node)
    }
}
