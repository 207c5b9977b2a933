//! Workflows written in Rust. The chain never fails: what is wrong with a name
//! is kept in [`WorkflowDefinition::problems`] and reported by
//! [`check`](super::check), together with all else that deploying refuses.

use std::time::Duration;

use serde_json::Value;

use super::diagnostic::{Code, Diagnostic, child};
use super::{ActionRef, Connection, Node, On, RetryPolicy, Wait, WorkflowDefinition};
use crate::id::{NodeId, SignalName, WorkflowName};
use crate::time::Span;

/// Builds a [`WorkflowDefinition`].
///
/// ```
/// use nebula_flow::WorkflowBuilder;
///
/// let workflow = WorkflowBuilder::new("weather-notification")
///     .add_node("fetch", "weather.fetch")
///     .add_node("notify", "notification.send")
///     .connect_conditional("fetch", "notify", "$nodes.fetch.result.temp > 30")
///     .build();
/// assert_eq!(workflow.nodes.len(), 2);
/// ```
#[derive(Debug, Clone)]
pub struct WorkflowBuilder {
    definition: WorkflowDefinition,
}

/// Builds one node of a workflow.
#[derive(Debug, Clone)]
pub struct NodeBuilder {
    node: Node,
    problems: Vec<(&'static str, String)>,
}

// --------------------------------------------------------- the workflow --

impl WorkflowBuilder {
    /// Begins a workflow of this name.
    #[must_use]
    pub fn new(name: impl AsRef<str>) -> Self {
        let mut problems = Vec::new();
        let name = WorkflowName::new(name).unwrap_or_else(|error| {
            problems.push(Diagnostic::new(
                Code::InvalidName,
                "/name",
                error.to_string(),
            ));
            WorkflowName::new("invalid").expect("the text keeps the rule")
        });
        Self {
            definition: WorkflowDefinition {
                problems,
                ..WorkflowDefinition::empty(name)
            },
        }
    }

    /// For people.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.definition.description = text.into();
        self
    }

    /// JSON Schema of the input.
    #[must_use]
    pub fn input_schema(mut self, schema: Value) -> Self {
        self.definition.input = Some(schema);
        self
    }

    /// A constant, `$vars.<name>` in expressions.
    #[must_use]
    pub fn var(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.definition.vars.insert(name.into(), value.into());
        self
    }

    /// Retry policy of the nodes that have none.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.definition.retry = Some(policy);
        self
    }

    /// Of a whole execution, from its start.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.definition.timeout = Some(Span(timeout));
        self
    }

    /// Adds a node: an action reference (`weather.fetch@^1`) or a [`NodeBuilder`].
    #[must_use]
    pub fn add_node(mut self, id: impl AsRef<str>, node: impl Into<NodeBuilder>) -> Self {
        let node = node.into();
        let pointer = child("/nodes", id.as_ref());
        for (field, message) in node.problems {
            self.problem(Code::InvalidName, format!("{pointer}{field}"), message);
        }
        match NodeId::new(id) {
            Err(error) => self.problem(Code::InvalidName, pointer, error.to_string()),
            Ok(id) if self.definition.nodes.contains_key(&id) => {
                self.problem(
                    Code::DuplicateNode,
                    pointer,
                    format!("node `{id}` is added twice"),
                );
            }
            Ok(id) => {
                self.definition.nodes.insert(id, node.node);
            }
        }
        self
    }

    /// Adds a map: `each` runs once for each item of the list that the
    /// expression gives.
    #[must_use]
    pub fn map(
        self,
        id: impl AsRef<str>,
        items: impl Into<Value>,
        each: impl Into<NodeBuilder>,
    ) -> Self {
        self.add_node(id, NodeBuilder::map(items, each))
    }

    /// `to` runs when `from` succeeded.
    #[must_use]
    pub fn connect(self, from: impl AsRef<str>, to: impl AsRef<str>) -> Self {
        self.connection(from.as_ref(), to.as_ref(), On::Success, None)
    }

    /// `to` runs when `from` succeeded and the expression holds.
    #[must_use]
    pub fn connect_conditional(
        self,
        from: impl AsRef<str>,
        to: impl AsRef<str>,
        when: impl Into<String>,
    ) -> Self {
        self.connection(from.as_ref(), to.as_ref(), On::Success, Some(when.into()))
    }

    /// `to` runs when this became of `from`.
    #[must_use]
    pub fn connect_on(self, from: impl AsRef<str>, to: impl AsRef<str>, on: On) -> Self {
        self.connection(from.as_ref(), to.as_ref(), on, None)
    }

    /// Template of the workflow's output.
    #[must_use]
    pub fn output(mut self, template: impl Into<Value>) -> Self {
        self.definition.output = Some(template.into());
        self
    }

    /// The definition. Whatever is wrong with it is reported when it is
    /// checked or deployed.
    #[must_use]
    pub fn build(self) -> WorkflowDefinition {
        self.definition
    }

    fn connection(mut self, from: &str, to: &str, on: On, when: Option<String>) -> Self {
        let pointer = format!("/connections/{}", self.definition.connections.len());
        match (NodeId::new(from), NodeId::new(to)) {
            (Ok(from), Ok(to)) => {
                self.definition
                    .connections
                    .push(Connection { from, to, on, when })
            }
            (from, to) => {
                for (field, end) in [("from", from), ("to", to)] {
                    if let Err(error) = end {
                        self.problem(Code::InvalidName, child(&pointer, field), error.to_string());
                    }
                }
            }
        }
        self
    }

    fn problem(&mut self, code: Code, pointer: String, message: String) {
        self.definition
            .problems
            .push(Diagnostic::new(code, pointer, message));
    }
}

// ------------------------------------------------------------- the node --

impl NodeBuilder {
    /// A node that runs an action: `id` or `id@range`.
    #[must_use]
    pub fn action(reference: impl AsRef<str>) -> Self {
        match reference.as_ref().parse::<ActionRef>() {
            Ok(action) => Self {
                node: Node {
                    action: Some(action),
                    ..Node::default()
                },
                problems: Vec::new(),
            },
            Err(error) => Self {
                node: Node::default(),
                problems: vec![("/action", error.to_string())],
            },
        }
    }

    /// A node that runs `each` for each item of the list that the expression gives.
    #[must_use]
    pub fn map(items: impl Into<Value>, each: impl Into<Self>) -> Self {
        let each = each.into();
        let node = Node {
            map: Some(items.into()),
            each: Some(Box::new(each.node)),
            ..Node::default()
        };
        let problems = each
            .problems
            .into_iter()
            .map(|(_, message)| ("/each", message))
            .collect();
        Self { node, problems }
    }

    /// A node that waits for a duration: `10m`, or a template that gives such a text.
    #[must_use]
    pub fn wait_for(duration: impl Into<String>) -> Self {
        Self::waiting(Wait {
            duration: Some(duration.into()),
            ..Wait::default()
        })
    }

    /// A node that waits until an instant: RFC 3339, or a template that gives such a text.
    #[must_use]
    pub fn wait_until(instant: impl Into<String>) -> Self {
        Self::waiting(Wait {
            until: Some(instant.into()),
            ..Wait::default()
        })
    }

    /// A node that waits for a signal, whose payload is its result. How long
    /// it waits at the most, [`timeout`](Self::timeout) says.
    #[must_use]
    pub fn wait_signal(name: impl AsRef<str>) -> Self {
        let (signal, problems) = match SignalName::new(name) {
            Ok(name) => (Some(name), Vec::new()),
            Err(error) => (None, vec![("/wait/signal", error.to_string())]),
        };
        let node = Self::waiting(Wait {
            signal,
            ..Wait::default()
        });
        Self { problems, ..node }
    }

    fn waiting(wait: Wait) -> Self {
        Self {
            node: Node {
                wait: Some(wait),
                ..Node::default()
            },
            problems: Vec::new(),
        }
    }

    /// JSON Schema of the signal's payload, for a node that waits for one.
    #[must_use]
    pub fn schema(mut self, schema: Value) -> Self {
        self.node.wait.get_or_insert_default().schema = Some(schema);
        self
    }

    /// How many items of a map run at once.
    #[must_use]
    pub const fn concurrency(mut self, at_once: u32) -> Self {
        self.node.concurrency = Some(at_once);
        self
    }

    /// Template of the action's input.
    #[must_use]
    pub fn input(mut self, template: impl Into<Value>) -> Self {
        self.node.input = Some(template.into());
        self
    }

    /// Binds the name that the action's code uses to a stored credential.
    #[must_use]
    pub fn credential(mut self, name: impl Into<String>, stored_as: impl Into<String>) -> Self {
        self.node.credentials.insert(name.into(), stored_as.into());
        self
    }

    /// Of one attempt; of the whole wait, for a node that waits for a signal.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        match &mut self.node.wait {
            Some(wait) => wait.timeout = Some(Span(timeout)),
            None => self.node.timeout = Some(Span(timeout)),
        }
        self
    }

    /// How failures that may pass are tried again.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.node.retry = Some(policy);
        self
    }

    /// A failure that no connection takes lets the execution go on.
    #[must_use]
    pub const fn continue_on_failure(mut self) -> Self {
        self.node.continue_on_failure = true;
        self
    }
}

impl From<&str> for NodeBuilder {
    fn from(action: &str) -> Self {
        Self::action(action)
    }
}

impl From<String> for NodeBuilder {
    fn from(action: String) -> Self {
        Self::action(action)
    }
}

impl From<ActionRef> for NodeBuilder {
    fn from(action: ActionRef) -> Self {
        Self {
            node: Node {
                action: Some(action),
                ..Node::default()
            },
            problems: Vec::new(),
        }
    }
}

impl From<Node> for NodeBuilder {
    fn from(node: Node) -> Self {
        Self {
            node,
            problems: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_names_are_carried_and_reported_with_their_place() {
        let definition = WorkflowBuilder::new("no spaces please")
            .add_node("a-b", "weather.fetch")
            .add_node("c", "weather")
            .add_node("d", "x.y")
            .add_node("d", "x.y")
            .connect("a-b", "c")
            .build();
        let found: Vec<_> = definition
            .problems
            .iter()
            .map(|d| (d.code, d.pointer.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                (Code::InvalidName, "/name"),
                (Code::InvalidName, "/nodes/a-b"),
                (Code::InvalidName, "/nodes/c/action"),
                (Code::DuplicateNode, "/nodes/d"),
                (Code::InvalidName, "/connections/0/from"),
            ]
        );
        assert!(!super::super::check(&definition).is_empty());
    }
}
