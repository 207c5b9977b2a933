//! Workflows written in Rust. The chain never fails: what is wrong with a name
//! is kept in [`WorkflowDefinition::problems`] and reported by
//! [`check`](super::check), together with all else that deploying refuses.

use std::time::Duration;

use serde_json::Value;

use super::diagnostic::{Code, Diagnostic, child};
use super::{Connection, On, RetryPolicy, WorkflowDefinition};
use crate::id::{NodeId, WorkflowName};
use crate::time::Span;

mod node;

pub use node::NodeBuilder;

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
    pub(super) definition: WorkflowDefinition,
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

    /// The workflow that is started whenever an execution of this one has failed.
    #[must_use]
    pub fn on_failure(mut self, workflow: impl AsRef<str>) -> Self {
        match WorkflowName::new(workflow) {
            Ok(name) => self.definition.on_failure = Some(name),
            Err(e) => self.problem(Code::InvalidName, "/on_failure".into(), e.to_string()),
        }
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

    /// `to` runs when this became of `from` and the expression holds.
    #[must_use]
    pub fn connect_on_conditional(
        self,
        from: impl AsRef<str>,
        to: impl AsRef<str>,
        on: On,
        when: impl Into<String>,
    ) -> Self {
        self.connection(from.as_ref(), to.as_ref(), on, Some(when.into()))
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

    pub(super) fn problem(&mut self, code: Code, pointer: String, message: String) {
        self.definition
            .problems
            .push(Diagnostic::new(code, pointer, message));
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
