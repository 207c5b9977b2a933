//! From a deployed definition to a plan.

use serde_json::Value;

use super::{ActionTask, ChildTask, PlanConnection, PlanNode, Task};
use crate::component::Effect;
use crate::definition::diagnostic::child;
use crate::definition::{
    Code, DEFAULT_CONCURRENCY, DEFAULT_ITERATIONS, Delivery, Diagnostic, Node, Wait,
};
use crate::deploy::{DeployedWorkflow, PinnedWorkflow};
use crate::expression::{Expression, ExpressionError, Template};
use crate::id::{NodeId, WorkflowName};

/// Compiles part by part and keeps what is wrong, so that all of it is said at once.
pub(super) struct Compiler<'a> {
    pub(super) deployed: &'a DeployedWorkflow,
    pub(super) problems: Vec<Diagnostic>,
}

impl Compiler<'_> {
    pub(super) fn nodes(&mut self) -> Option<Vec<PlanNode>> {
        let deployed = self.deployed;
        let compiled = deployed.definition.nodes.iter().map(|(id, node)| {
            let task = self.task(&child("/nodes", id.as_str()), node)?;
            Some(PlanNode {
                id: id.clone(),
                task,
                continues: node.continue_on_failure,
                undo: None,
                undoes: None,
                incoming: Vec::new(),
                outgoing: Vec::new(),
            })
        });
        // All of them, so that every problem is found.
        let compiled: Vec<_> = compiled.collect();
        let undos = self.undos();
        let mut nodes: Vec<_> = compiled.into_iter().collect::<Option<_>>()?;
        for undo in undos? {
            let place = nodes.len();
            if let Some(undone) = undo.undoes {
                nodes[undone].undo = Some(place);
            }
            nodes.push(undo);
        }
        Some(nodes)
    }

    /// The nodes that undo others.
    fn undos(&mut self) -> Option<Vec<PlanNode>> {
        let mut undos = Vec::new();
        for (undone, (id, node)) in self.deployed.definition.nodes.iter().enumerate() {
            let Some(undo) = &node.undo else {
                continue;
            };
            let pointer = child(&child("/nodes", id.as_str()), "undo");
            let task = self.task(&pointer, undo);
            undos.push((undone, id.undo(), task));
        }
        let compiled = undos.into_iter().map(|(undone, id, task)| {
            Some(PlanNode {
                id: id?,
                task: task?,
                continues: false,
                undo: None,
                undoes: Some(undone),
                incoming: Vec::new(),
                outgoing: Vec::new(),
            })
        });
        compiled.collect()
    }

    fn task(&mut self, pointer: &str, node: &Node) -> Option<Task> {
        let map = node.map.as_ref().zip(node.each.as_ref());
        match (&node.action, map, &node.wait, &node.workflow) {
            (Some(action), None, None, None) => self.action(pointer, node, &action.to_string()),
            (None, None, Some(wait), None) => self.wait(&child(pointer, "wait"), wait),
            (None, None, None, Some(name)) => self.child(pointer, node, name),
            (None, Some((items, each)), None, None) => {
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
                let message = "a node is an action, a map with `each`, a wait, or a workflow";
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
        let input = self.input(pointer, node)?;
        let resolved = resolved?;
        let at_most_once = node.delivery == Some(Delivery::AtMostOnce);
        Some(Task::Action(Box::new(ActionTask {
            // Without effects it does not matter how often.
            at_most_once: at_most_once && resolved.effect == Effect::Effectful,
            action: resolved,
            input,
            credentials: node.credentials.clone(),
            resources: node.resources.clone(),
            timeout: node.timeout.map(|span| span.0),
            heartbeat: node.heartbeat.map(|span| span.0),
            max_iterations: node.max_iterations.unwrap_or(DEFAULT_ITERATIONS),
            retry: node
                .retry
                .clone()
                .or_else(|| self.deployed.definition.retry.clone()),
        })))
    }

    /// The template of a node's input, if it has one; none when that does not parse.
    fn input(&mut self, pointer: &str, node: &Node) -> Option<Option<Template>> {
        match &node.input {
            None => Some(None),
            Some(value) => self.template(&child(pointer, "input"), value).map(Some),
        }
    }

    fn child(&mut self, pointer: &str, node: &Node, name: &WorkflowName) -> Option<Task> {
        let pinned = self.pinned(&child(pointer, "workflow"), name);
        let input = self.input(pointer, node)?;
        Some(Task::Child(Box::new(ChildTask {
            name: name.clone(),
            pinned: pinned?,
            input,
            detach: node.detach,
        })))
    }

    pub(super) fn pinned(&mut self, pointer: &str, name: &WorkflowName) -> Option<PinnedWorkflow> {
        let pinned = self.deployed.workflows.get(name).copied();
        if pinned.is_none() {
            let message = format!("workflow `{name}` is not pinned");
            self.problem(Code::UnknownWorkflow, pointer.to_owned(), message);
        }
        pinned
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

    pub(super) fn connections(&mut self) -> Option<Vec<PlanConnection>> {
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

    pub(super) fn template(&mut self, pointer: &str, value: &Value) -> Option<Template> {
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
