//! A deployed definition, pinned and compiled for deciding: node indices,
//! parsed templates, incoming and outgoing connections. `compile` makes it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::definition::{Code, Diagnostic, Due, On, RetryPolicy, Wait, WorkflowDefinition};
use crate::deploy::{DeployedWorkflow, PinnedWorkflow};
use crate::expression::{Expression, Template};
use crate::id::{NodeId, SignalName, WorkflowName};
use crate::ports::ResolvedAction;

mod compile;

use compile::Compiler;

/// Index of a node in [`Plan::nodes`].
pub type NodeIndex = usize;

/// What an execution is decided by. Immutable and shared.
#[derive(Debug)]
pub struct Plan {
    /// The deployed version that this is compiled from.
    pub deployed: Arc<DeployedWorkflow>,
    /// In the definition's order, and behind them those that undo others.
    pub nodes: Vec<PlanNode>,
    /// In the definition's order; [`Event::ConnectionDecided`](crate::Event) names the index.
    pub connections: Vec<PlanConnection>,
    /// Every signal that a node waits for.
    pub signals: BTreeMap<SignalName, PlanSignal>,
    /// Of the workflow's output; absent: an object of the results of the nodes
    /// that no connection leaves.
    pub output: Option<Template>,
    /// Started whenever an execution has failed.
    pub on_failure: Option<(WorkflowName, PinnedWorkflow)>,
}

/// A node, compiled.
#[derive(Debug)]
pub struct PlanNode {
    /// Its name.
    pub id: NodeId,
    /// What it does.
    pub task: Task,
    /// Whether a failure that no connection takes lets the execution go on.
    pub continues: bool,
    /// The node that undoes this one.
    pub undo: Option<NodeIndex>,
    /// The node that this one undoes.
    pub undoes: Option<NodeIndex>,
    /// Indices of the connections that enter it.
    pub incoming: Vec<usize>,
    /// Indices of the connections that leave it.
    pub outgoing: Vec<usize>,
}

/// What a node does.
#[derive(Debug)]
pub enum Task {
    /// Runs an action.
    Action(Box<ActionTask>),
    /// Runs a task for each item of a list.
    Map {
        /// Gives the list.
        items: Template,
        /// How many at once, at least 1.
        concurrency: u32,
        /// For each item.
        each: Box<Task>,
        /// Whether an item that fails lets the others go on.
        continues: bool,
    },
    /// Runs another workflow as an execution of its own.
    Child(Box<ChildTask>),
    /// Waits for a time.
    Delay(Due),
    /// Waits for a signal.
    Signal {
        /// Which.
        name: SignalName,
        /// How long; for ever if absent.
        timeout: Option<Duration>,
    },
}

/// A signal that nodes wait for.
#[derive(Debug, Default)]
pub struct PlanSignal {
    /// JSON Schema of its payload; absent accepts anything.
    pub schema: Option<Value>,
    /// The nodes that wait for it, themselves or in their maps.
    pub nodes: Vec<NodeIndex>,
}

/// An action with everything its calls need.
#[derive(Debug)]
pub struct ActionTask {
    /// Fixed at deploy.
    pub action: ResolvedAction,
    /// Of its input; absent: the default of [`Node::input`](crate::definition::Node::input).
    pub input: Option<Template>,
    /// The name that the action's code uses → the stored credential.
    pub credentials: std::collections::BTreeMap<String, String>,
    /// The name that the action's code uses → the resource of the node's host.
    pub resources: std::collections::BTreeMap<String, String>,
    /// Of one attempt.
    pub timeout: Option<Duration>,
    /// How long an attempt may go without a heartbeat.
    pub heartbeat: Option<Duration>,
    /// The node's, else the workflow's, else one that retries host trouble only.
    pub retry: Option<RetryPolicy>,
    /// Whether an attempt whose outcome is unknown must not be tried again.
    pub at_most_once: bool,
    /// How often it may be called in one step, where it wants to be called again.
    pub max_iterations: u32,
}

/// Another workflow with all that its executions need.
#[derive(Debug)]
pub struct ChildTask {
    /// Its name when this was deployed.
    pub name: WorkflowName,
    /// Which version.
    pub pinned: PinnedWorkflow,
    /// Of its input; absent: the default of [`Node::input`](crate::definition::Node::input).
    pub input: Option<Template>,
    /// Whether the step does not wait for its end.
    pub detach: bool,
}

/// A connection, compiled.
#[derive(Debug)]
pub struct PlanConnection {
    /// The source.
    pub from: NodeIndex,
    /// The target.
    pub to: NodeIndex,
    /// What must become of the source.
    pub on: On,
    /// What must hold besides.
    pub when: Option<Expression>,
}

impl Plan {
    /// Compiles a deployed version.
    ///
    /// # Errors
    /// What [`check`](crate::definition::check) would have said at deploy: only
    /// a store that was tampered with, or an older rule set, gets here.
    pub fn compile(deployed: Arc<DeployedWorkflow>) -> Result<Self, Vec<Diagnostic>> {
        let mut compiler = Compiler {
            deployed: &deployed,
            problems: Vec::new(),
        };
        let nodes = compiler.nodes();
        let connections = compiler.connections();
        let output = deployed
            .definition
            .output
            .as_ref()
            .and_then(|v| compiler.template("/output", v));
        let on_failure = deployed.definition.on_failure.as_ref();
        let on_failure = on_failure.and_then(|name| {
            let pinned = compiler.pinned("/on_failure", name)?;
            Some((name.clone(), pinned))
        });
        if !compiler.problems.is_empty() {
            return Err(compiler.problems);
        }
        let (Some(mut nodes), Some(connections)) = (nodes, connections) else {
            return Err(vec![Diagnostic::new(
                Code::InvalidValue,
                "",
                "the definition does not compile",
            )]);
        };
        for (index, connection) in connections.iter().enumerate() {
            nodes[connection.from].outgoing.push(index);
            nodes[connection.to].incoming.push(index);
        }
        Ok(Self {
            signals: signals(&deployed.definition),
            deployed,
            nodes,
            connections,
            output,
            on_failure,
        })
    }

    /// The index of a node.
    #[must_use]
    pub fn index(&self, node: &NodeId) -> Option<NodeIndex> {
        let own = self.definition().nodes.get_index_of(node);
        own.or_else(|| {
            let undo = self.nodes[self.definition().nodes.len()..].iter();
            Some(self.definition().nodes.len() + undo.map(|n| &n.id).position(|id| id == node)?)
        })
    }

    /// The nodes of the definition, without those that undo others.
    #[must_use]
    pub fn own_nodes(&self) -> &[PlanNode] {
        &self.nodes[..self.definition().nodes.len()]
    }

    /// The definition.
    #[must_use]
    pub fn definition(&self) -> &WorkflowDefinition {
        &self.deployed.definition
    }

    /// The task of a step: a map's path leads into its `each`.
    #[must_use]
    pub fn task(&self, node: NodeIndex, depth: usize) -> Option<&Task> {
        let mut task = &self.nodes.get(node)?.task;
        for _ in 0..depth {
            match task {
                Task::Map { each, .. } => task = each,
                Task::Action(_) | Task::Child(_) | Task::Delay(_) | Task::Signal { .. } => {
                    return None;
                }
            }
        }
        Some(task)
    }
}

fn signals(definition: &WorkflowDefinition) -> BTreeMap<SignalName, PlanSignal> {
    let mut signals: BTreeMap<_, PlanSignal> = BTreeMap::new();
    for (index, node) in definition.nodes.values().enumerate() {
        let mut innermost = node;
        while let Some(each) = &innermost.each {
            innermost = each;
        }
        if let Some(Wait {
            signal: Some(name),
            schema,
            ..
        }) = &innermost.wait
        {
            let signal = signals.entry(name.clone()).or_default();
            signal.schema.clone_from(schema);
            signal.nodes.push(index);
        }
    }
    signals
}
