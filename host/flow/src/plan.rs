//! A deployed definition, pinned and compiled for deciding: node indices,
//! parsed templates, incoming and outgoing connections.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::definition::diagnostic::child;
use crate::definition::{
    Code, DEFAULT_CONCURRENCY, Diagnostic, Due, Node, On, RetryPolicy, Wait, WorkflowDefinition,
};
use crate::deploy::DeployedWorkflow;
use crate::expression::{Expression, ExpressionError, Template};
use crate::id::{NodeId, SignalName};
use crate::ports::ResolvedAction;

/// Index of a node in [`Plan::nodes`], which is the definition's order.
pub type NodeIndex = usize;

/// What an execution is decided by. Immutable and shared.
#[derive(Debug)]
pub struct Plan {
    /// The deployed version that this is compiled from.
    pub deployed: Arc<DeployedWorkflow>,
    /// In the definition's order.
    pub nodes: Vec<PlanNode>,
    /// In the definition's order; [`Event::ConnectionDecided`](crate::Event) names the index.
    pub connections: Vec<PlanConnection>,
    /// Every signal that a node waits for.
    pub signals: BTreeMap<SignalName, PlanSignal>,
    /// Of the workflow's output; absent: an object of the results of the nodes
    /// that no connection leaves.
    pub output: Option<Template>,
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
    /// Of one attempt.
    pub timeout: Option<Duration>,
    /// The node's, else the workflow's, else one that retries host trouble only.
    pub retry: Option<RetryPolicy>,
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
        })
    }

    /// The index of a node.
    #[must_use]
    pub fn index(&self, node: &NodeId) -> Option<NodeIndex> {
        self.deployed.definition.nodes.get_index_of(node)
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
                Task::Action(_) | Task::Delay(_) | Task::Signal { .. } => return None,
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

/// Compiles part by part and keeps what is wrong, so that all of it is said at once.
struct Compiler<'a> {
    deployed: &'a DeployedWorkflow,
    problems: Vec<Diagnostic>,
}

impl Compiler<'_> {
    fn nodes(&mut self) -> Option<Vec<PlanNode>> {
        let deployed = self.deployed;
        let compiled = deployed.definition.nodes.iter().map(|(id, node)| {
            let task = self.task(&child("/nodes", id.as_str()), node)?;
            Some(PlanNode {
                id: id.clone(),
                task,
                continues: node.continue_on_failure,
                incoming: Vec::new(),
                outgoing: Vec::new(),
            })
        });
        // All of them, so that every problem is found.
        compiled.collect::<Vec<_>>().into_iter().collect()
    }

    fn task(&mut self, pointer: &str, node: &Node) -> Option<Task> {
        match (&node.action, &node.map, &node.each, &node.wait) {
            (Some(action), None, None, None) => self.action(pointer, node, &action.to_string()),
            (None, None, None, Some(wait)) => self.wait(&child(pointer, "wait"), wait),
            (None, Some(items), Some(each), None) => {
                let items = self.list(&child(pointer, "map"), items);
                let continues = each.continue_on_failure;
                let each = self.task(&child(pointer, "each"), each);
                let concurrency = node.concurrency.unwrap_or(DEFAULT_CONCURRENCY).max(1);
                Some(Task::Map {
                    items: items?,
                    concurrency,
                    each: Box::new(each?),
                    continues,
                })
            }
            _ => {
                let message = "a node is an action, a map with `each`, or a wait";
                self.problem(Code::InvalidValue, pointer.to_owned(), message.to_owned());
                None
            }
        }
    }

    fn action(&mut self, pointer: &str, node: &Node, reference: &str) -> Option<Task> {
        let resolved = self.deployed.actions.get(reference).cloned();
        if resolved.is_none() {
            self.problem(
                Code::UnknownAction,
                child(pointer, "action"),
                format!("action `{reference}` is not pinned"),
            );
        }
        let input = match &node.input {
            None => None,
            Some(value) => Some(self.template(&child(pointer, "input"), value)?),
        };
        Some(Task::Action(Box::new(ActionTask {
            action: resolved?,
            input,
            credentials: node.credentials.clone(),
            timeout: node.timeout.map(|span| span.0),
            retry: node
                .retry
                .clone()
                .or_else(|| self.deployed.definition.retry.clone()),
        })))
    }

    fn wait(&mut self, pointer: &str, wait: &Wait) -> Option<Task> {
        match (wait.due(), &wait.signal) {
            (Some(Ok(due)), None) => Some(Task::Delay(due)),
            (None, Some(name)) => Some(Task::Signal {
                name: name.clone(),
                timeout: wait.timeout.map(|span| span.0),
            }),
            (due, _) => {
                let message = match due {
                    Some(Err(wrong)) => wrong.to_string(),
                    _ => "a wait is for one of `for`, `until` and `signal`".to_owned(),
                };
                self.problem(Code::InvalidValue, pointer.to_owned(), message);
                None
            }
        }
    }

    fn connections(&mut self) -> Option<Vec<PlanConnection>> {
        let definition = &self.deployed.definition;
        let mut compiled = Vec::with_capacity(definition.connections.len());
        for (index, connection) in definition.connections.iter().enumerate() {
            let pointer = format!("/connections/{index}");
            let mut node = |id: &NodeId, field: &str| {
                let found = definition.nodes.get_index_of(id);
                if found.is_none() {
                    self.problem(
                        Code::UnknownNode,
                        child(&pointer, field),
                        format!("there is no node `{id}`"),
                    );
                }
                found
            };
            let (from, to) = (node(&connection.from, "from"), node(&connection.to, "to"));
            let when = match &connection.when {
                None => None,
                Some(source) => match Expression::parse_bare_or_wrapped(source) {
                    Ok(expression) => Some(expression),
                    Err(error) => {
                        self.expression_problem(&child(&pointer, "when"), error);
                        continue;
                    }
                },
            };
            if let (Some(from), Some(to)) = (from, to) {
                compiled.push(PlanConnection {
                    from,
                    to,
                    on: connection.on.clone(),
                    when,
                });
            }
        }
        (compiled.len() == definition.connections.len()).then_some(compiled)
    }

    fn template(&mut self, pointer: &str, value: &Value) -> Option<Template> {
        Template::parse(value)
            .map_err(|error| self.expression_problem(pointer, error))
            .ok()
    }

    fn list(&mut self, pointer: &str, value: &Value) -> Option<Template> {
        Template::parse_list(value)
            .map_err(|error| self.expression_problem(pointer, error))
            .ok()
    }

    fn expression_problem(&mut self, pointer: &str, error: ExpressionError) {
        self.problems.push(
            Diagnostic::new(Code::InvalidExpression, pointer, error.message).maybe_hint(error.hint),
        );
    }

    fn problem(&mut self, code: Code, pointer: String, message: String) {
        self.problems.push(Diagnostic::new(code, pointer, message));
    }
}
