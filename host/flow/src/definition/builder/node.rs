//! [`NodeBuilder`].

use std::time::Duration;

use serde_json::Value;

use super::super::{ActionRef, Delivery, Node, RetryPolicy, Wait};
use crate::id::{SignalName, WorkflowName};
use crate::time::Span;

/// Builds one node of a workflow.
#[derive(Debug, Clone)]
pub struct NodeBuilder {
    pub(super) node: Node,
    pub(super) problems: Vec<(&'static str, String)>,
}

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

    /// A node that runs another workflow as an execution of its own, whose output
    /// is its result.
    #[must_use]
    pub fn workflow(name: impl AsRef<str>) -> Self {
        let (workflow, problems) = match WorkflowName::new(name) {
            Ok(name) => (Some(name), Vec::new()),
            Err(error) => (None, vec![("/workflow", error.to_string())]),
        };
        let node = Node {
            workflow,
            ..Node::default()
        };
        Self { node, problems }
    }

    /// A node that runs a workflow goes on at once; its result is
    /// `{"execution": id}`.
    #[must_use]
    pub const fn detach(mut self) -> Self {
        self.node.detach = true;
        self
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

    /// Binds the name that the action's code uses to a resource that the operator
    /// configured.
    #[must_use]
    pub fn resource(mut self, name: impl Into<String>, resource: impl Into<String>) -> Self {
        self.node.resources.insert(name.into(), resource.into());
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

    /// How long an attempt may go without a heartbeat of its action.
    #[must_use]
    pub const fn heartbeat(mut self, quiet: Duration) -> Self {
        self.node.heartbeat = Some(Span(quiet));
        self
    }

    /// How failures that may pass are tried again.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.node.retry = Some(policy);
        self
    }

    /// An attempt whose outcome is unknown is not tried again: the step waits until
    /// a person says what became of it.
    #[must_use]
    pub const fn at_most_once(mut self) -> Self {
        self.node.delivery = Some(Delivery::AtMostOnce);
        self
    }

    /// The action that takes back what this node did, when its execution fails or is
    /// cancelled later. Its input is the node's result, unless it has a template.
    #[must_use]
    pub fn undo(mut self, undo: impl Into<Self>) -> Self {
        let undo = undo.into();
        self.node.undo = Some(Box::new(undo.node));
        let problems = undo.problems.into_iter();
        self.problems
            .extend(problems.map(|(_, message)| ("/undo", message)));
        self
    }

    /// How often the action may be called, where it wants to be called again.
    #[must_use]
    pub const fn max_iterations(mut self, times: u32) -> Self {
        self.node.max_iterations = Some(times);
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
