//! The fold of an execution's events. Pure: the same events give the same
//! state, and an event that cannot follow is a typed error.
//!
//! - `step`: the states of steps.
//! - `fold`: what each event changes, and when it cannot follow.
//! - `graph`: how the end of a node decides connections, and what a failure stops.
//! - `view`: what others read.
//! - `wait`: which signal goes to which wait.
//! - `iterate`: actions that are called again.
//! - `child`: the executions that its steps start, and what it tells others.
//! - `kept`: what an execution keeps of the one that it goes on with.
//! - `message`: what a message becomes, and which signals may be sent.
//! - `undo`: taking back what its nodes did, before it ends.
//! - `unknown`: attempts of which nobody knows what became.
//! - `settle`: which event the end of an attempt or of an evaluation is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::event::{Event, Failure, Follows, Origin, Parent, Recorded};
use crate::id::ExecutionId;
use crate::payload::Payload;
use crate::plan::{NodeIndex, Plan};
use crate::time::Timestamp;

mod child;
mod fold;
mod graph;
mod iterate;
mod kept;
mod message;
mod settle;
pub(crate) mod step;
#[cfg(test)]
mod tests;
mod undo;
mod unknown;
mod view;
mod wait;

pub(crate) use child::mint;
pub use child::{MAX_DEPTH, to_parent};
pub use message::{MAX_KEPT, MAX_KEPT_BYTES, Refused};
use step::Step;
use undo::Undoing;
pub use unknown::Resolved;
pub use view::StepStatus;
use wait::Signals;

/// One execution as its events have made it.
#[derive(Debug, Clone)]
pub struct Execution {
    id: ExecutionId,
    plan: Arc<Plan>,
    version: u64,
    started: Option<Started>,
    updated_at: Timestamp,
    /// As [`Plan::nodes`].
    nodes: Vec<Node>,
    /// As [`Plan::connections`].
    connections: Vec<Decided>,
    /// Nodes that are neither pending nor ended.
    active: BTreeSet<NodeIndex>,
    /// Connections whose `when` is to be evaluated.
    asked: BTreeSet<usize>,
    /// Connections whose `when` erred.
    erred: BTreeMap<usize, Failure>,
    /// Waits for signals, and signals that no wait has taken.
    signals: Signals,
    /// How many nodes have ended.
    ended: usize,
    /// Nodes that succeeded and can be undone, the last one last.
    undoable: Vec<NodeIndex>,
    /// Set while what its nodes did is undone.
    undoing: Option<Undoing>,
    /// Set by the first failure that no connection takes.
    halt: Option<Halt>,
    cancel: Option<String>,
    paused: bool,
    /// Set until one more step has ended; then it is paused.
    stepping: bool,
    end: Option<Box<Event>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Started {
    input: Payload,
    at: Timestamp,
    parent: Option<Parent>,
    origin: Option<Origin>,
    follows: Option<Follows>,
}

#[derive(Debug, Clone, PartialEq)]
struct Node {
    step: Step,
    /// How many incoming connections are undecided.
    open: usize,
    /// Whether an incoming connection fired.
    fired: bool,
}

/// What became of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decided {
    /// Its source has not ended, or failed and nobody took that (yet).
    Open,
    /// Its `when` is to be evaluated.
    Asked,
    Fired,
    NotFired,
}

/// The execution will fail.
#[derive(Debug, Clone, PartialEq)]
struct Halt {
    /// The first node, in node order, whose failure no connection took.
    node: NodeIndex,
    /// Nodes that lie before it or lead to one that does: only these may
    /// still begin, since only they may change which failure is reported.
    useful: Vec<bool>,
}

/// An event that cannot follow those before it: the log is damaged, or a rule
/// is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {version} (`{event}`) cannot follow: {why}")]
pub struct IllegalEvent {
    /// Its place.
    pub version: u64,
    /// Its name.
    pub event: &'static str,
    /// What it contradicts.
    pub why: String,
}

impl Execution {
    /// Before its first event.
    #[must_use]
    pub fn new(id: ExecutionId, plan: Arc<Plan>) -> Self {
        let node = |node: &crate::plan::PlanNode| Node {
            step: Step::Pending,
            open: node.incoming.len(),
            fired: false,
        };
        Self {
            id,
            version: 0,
            started: None,
            updated_at: Timestamp::default(),
            nodes: plan.nodes.iter().map(node).collect(),
            connections: vec![Decided::Open; plan.connections.len()],
            active: BTreeSet::new(),
            asked: BTreeSet::new(),
            erred: BTreeMap::new(),
            signals: Signals::default(),
            ended: 0,
            undoable: Vec::new(),
            undoing: None,
            halt: None,
            cancel: None,
            paused: false,
            stepping: false,
            end: None,
            plan,
        }
    }

    /// Folds one event in.
    ///
    /// # Errors
    /// When it cannot follow; the state is then unchanged.
    pub fn apply(&mut self, recorded: &Recorded) -> Result<(), IllegalEvent> {
        self.fold(recorded).map_err(|why| IllegalEvent {
            version: recorded.version,
            event: recorded.event.name(),
            why,
        })?;
        self.version = recorded.version;
        self.updated_at = self.updated_at.max(recorded.at);
        Ok(())
    }
}

/// Equal when they are the same execution in the same state; plans are
/// compared by identity.
impl PartialEq for Execution {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.plan, &other.plan)
            && (self.id, self.version, self.updated_at)
                == (other.id, other.version, other.updated_at)
            && self.started == other.started
            && self.nodes == other.nodes
            && self.connections == other.connections
            && self.active == other.active
            && self.asked == other.asked
            && self.erred == other.erred
            && self.signals == other.signals
            && self.ended == other.ended
            && self.undoable == other.undoable
            && self.undoing == other.undoing
            && self.halt == other.halt
            && self.cancel == other.cancel
            && (self.paused, self.stepping) == (other.paused, other.stepping)
            && self.end == other.end
    }
}
