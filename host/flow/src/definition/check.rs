//! What can be known before anything is deployed. What needs the actions is
//! in `actions`, and what concerns the connections in `graph`.

use std::time::Duration;

use super::diagnostic::{Code, Diagnostic, child, did_you_mean};
use super::document::MAX_DOCUMENT;
use super::graph::Graph;
use super::sites::{Place, Site, deeper, sites, values};
use super::{API_VERSION, KIND, MAX_WAIT, Node, RetryPolicy, WorkflowDefinition};
use crate::expression::{Reference, Root, Segment};
use crate::shape::Shape;
use crate::time::Span;

/// The most nodes of a workflow.
pub const MAX_NODES: usize = 1_000;
/// The most connections of a workflow.
pub const MAX_CONNECTIONS: usize = 5_000;
/// The most items of a map that may run at once.
pub const MAX_CONCURRENCY: u32 = 1_000;
/// How deep maps may stand in maps.
const MAX_EACH: usize = 4;
/// How deep a value in a definition may nest.
const MAX_DEPTH: usize = 64;
const MAX_ATTEMPTS: u32 = 100;
const MAX_DELAY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Everything that is wrong with a definition and can be known without its
/// actions. Empty when the rest is up to them.
#[must_use]
pub fn check(definition: &WorkflowDefinition) -> Vec<Diagnostic> {
    let mut check = Check {
        definition,
        problems: definition.problems.clone(),
    };
    if check.sizes() {
        check.header();
        check.triggers();
        check.nodes();
        check.expressions();
    }
    check.problems
}

pub(super) struct Check<'d> {
    pub(super) definition: &'d WorkflowDefinition,
    pub(super) problems: Vec<Diagnostic>,
}

impl Check<'_> {
    /// Whether the caps hold, so that the rest is quick.
    fn sizes(&mut self) -> bool {
        let before = self.problems.len();
        for (what, count, limit) in [
            ("nodes", self.definition.nodes.len(), MAX_NODES),
            (
                "connections",
                self.definition.connections.len(),
                MAX_CONNECTIONS,
            ),
        ] {
            if count > limit {
                let message =
                    format!("the workflow has {count} {what}; at most {limit} are allowed");
                self.problem(Code::TooLarge, &format!("/{what}"), message);
            }
        }
        let too_deep: Vec<String> = values(self.definition)
            .filter(|(_, v)| deeper(v, MAX_DEPTH))
            .map(|(p, _)| p)
            .collect();
        for pointer in too_deep {
            self.problem(
                Code::TooLarge,
                &pointer,
                format!("the value nests deeper than {MAX_DEPTH} levels"),
            );
        }
        if self.problems.len() == before {
            let size = serde_json::to_vec(self.definition).map_or(0, |bytes| bytes.len());
            if size > MAX_DOCUMENT {
                let message =
                    format!("the definition has {size} bytes; at most {MAX_DOCUMENT} are allowed");
                self.problem(Code::TooLarge, "", message);
            }
        }
        self.problems.len() == before
    }

    fn header(&mut self) {
        for (field, found, expected) in [
            ("/apiVersion", &self.definition.api_version, API_VERSION),
            ("/kind", &self.definition.kind, KIND),
        ] {
            if found != expected {
                let found: String = found.chars().take(40).collect();
                let diagnostic = Diagnostic::new(
                    Code::UnsupportedVersion,
                    field,
                    format!("`{found}` is not known here"),
                );
                self.problems
                    .push(diagnostic.hint(format!("write `{expected}`")));
            }
        }
        if let Some(schema) = &self.definition.input
            && let Err(mismatch) = Shape::compile(schema)
        {
            let message = format!("the input's schema is no JSON Schema: {}", mismatch.message);
            self.problem(
                Code::InvalidSchema,
                &format!("/input{}", mismatch.pointer),
                message,
            );
        }
        if let Some(retry) = &self.definition.retry {
            self.retry("/retry", retry);
        }
        if let Some(timeout) = self.definition.timeout
            && (timeout.0.is_zero() || timeout.0 > MAX_WAIT)
        {
            let longest = Span(MAX_WAIT);
            let message =
                format!("a time-out is longer than 0 and at most {longest}, not {timeout}");
            self.problem(Code::InvalidValue, "/timeout", message);
        }
        self.retention(self.definition);
        self.concurrency(self.definition);
        self.priority(self.definition.priority);
    }

    fn nodes(&mut self) {
        if self.definition.nodes.is_empty() && self.definition.problems.is_empty() {
            self.problem(
                Code::MissingField,
                "/nodes",
                "a workflow needs at least one node".to_owned(),
            );
        }
        for (id, node) in &self.definition.nodes {
            self.node(&child("/nodes", id.as_str()), node, 0);
        }
        self.signals();
        self.undo_names();
    }

    fn node(&mut self, pointer: &str, node: &Node, depth: usize) {
        self.kind(pointer, node);
        if let Some(wait) = &node.wait {
            self.wait(pointer, node, wait);
        }
        self.child(pointer, node);
        self.undo(pointer, node, depth);
        if node.map.is_some() {
            self.map(pointer, node, depth);
        } else {
            for (field, given) in [
                ("each", node.each.is_some()),
                ("concurrency", node.concurrency.is_some()),
            ] {
                if given {
                    self.problem(
                        Code::InvalidValue,
                        &child(pointer, field),
                        format!("`{field}` belongs to a `map`"),
                    );
                }
            }
        }
        self.action(pointer, node);
    }

    /// How a node's action runs.
    pub(super) fn action(&mut self, pointer: &str, node: &Node) {
        if let Some(retry) = &node.retry {
            self.retry(&child(pointer, "retry"), retry);
        }
        self.calls(pointer, node);
        let bound = [
            ("credentials", &node.credentials),
            ("resources", &node.resources),
        ];
        for (field, names) in bound {
            for (name, bound) in names {
                if name.is_empty() || bound.is_empty() {
                    let pointer = child(&child(pointer, field), name);
                    let what = field.trim_end_matches('s');
                    let message = format!("a {what}'s name is empty");
                    self.problem(Code::InvalidName, &pointer, message);
                }
            }
        }
    }

    /// What it does: exactly one thing.
    fn kind(&mut self, pointer: &str, node: &Node) {
        // A node of the builder whose action's name is wrong has none.
        let is_reported = self
            .definition
            .problems
            .iter()
            .any(|d| d.pointer.starts_with(pointer));
        let kinds = [
            node.action.is_some(),
            node.map.is_some(),
            node.wait.is_some(),
            node.workflow.is_some(),
        ];
        match kinds.into_iter().filter(|given| *given).count() {
            1 => {}
            0 if is_reported => {}
            0 => {
                let diagnostic = Diagnostic::new(
                    Code::MissingField,
                    pointer,
                    "a node needs one of `action`, `map`, `wait` and `workflow`",
                );
                self.problems
                    .push(diagnostic.hint("write for example `action: http.request`"));
            }
            _ => self.problem(
                Code::InvalidValue,
                pointer,
                "a node has one of `action`, `map`, `wait` and `workflow`, not several".to_owned(),
            ),
        }
    }

    fn map(&mut self, pointer: &str, node: &Node, depth: usize) {
        for (field, given) in [
            ("input", node.input.is_some()),
            ("credentials", !node.credentials.is_empty()),
            ("resources", !node.resources.is_empty()),
            ("timeout", node.timeout.is_some()),
            ("retry", node.retry.is_some()),
        ] {
            if given && node.action.is_none() {
                let message =
                    format!("`{field}` belongs to what a map runs, and so into its `each`");
                self.problem(Code::InvalidValue, &child(pointer, field), message);
            }
        }
        if let Some(concurrency) = node.concurrency
            && !(1..=MAX_CONCURRENCY).contains(&concurrency)
        {
            let message = format!("`concurrency` is 1 to {MAX_CONCURRENCY}, not {concurrency}");
            self.problem(Code::InvalidValue, &child(pointer, "concurrency"), message);
        }
        match &node.each {
            None => {
                let diagnostic = Diagnostic::new(
                    Code::MissingField,
                    pointer,
                    "a map needs `each`: what it runs",
                );
                self.problems
                    .push(diagnostic.hint("write for example `each: { action: http.request }`"));
            }
            Some(_) if depth >= MAX_EACH => {
                let message = format!("maps may stand in maps {MAX_EACH} deep at most");
                self.problem(Code::TooLarge, pointer, message);
            }
            Some(each) => self.node(&child(pointer, "each"), each, depth + 1),
        }
    }

    fn retry(&mut self, pointer: &str, retry: &RetryPolicy) {
        let attempts = 1..=MAX_ATTEMPTS;
        if !attempts.contains(&retry.max_attempts) {
            let message = format!(
                "`max_attempts` is 1 to {MAX_ATTEMPTS}, not {}",
                retry.max_attempts
            );
            self.problem(Code::InvalidValue, &child(pointer, "max_attempts"), message);
        }
        if !(1.0..=100.0).contains(&retry.factor) {
            let message = format!("`factor` is 1 to 100, not {}", retry.factor);
            self.problem(Code::InvalidValue, &child(pointer, "factor"), message);
        }
        if retry.max.0 > MAX_DELAY {
            let message = format!("`max` is at most 30d, not {}", retry.max);
            self.problem(Code::InvalidValue, &child(pointer, "max"), message);
        }
        if retry.initial > retry.max {
            let message = format!(
                "`initial` ({}) is longer than `max` ({})",
                retry.initial, retry.max
            );
            self.problem(Code::InvalidValue, &child(pointer, "initial"), message);
        }
    }

    fn expressions(&mut self) {
        let graph = Graph::new(self.definition, &mut self.problems);
        for site in sites(self.definition) {
            match &site.parsed {
                Err(error) => {
                    let diagnostic = Diagnostic::new(
                        Code::InvalidExpression,
                        site.pointer,
                        error.message.clone(),
                    );
                    self.problems
                        .push(diagnostic.maybe_hint(error.hint.clone()));
                }
                Ok(expression) => {
                    for reference in expression.references() {
                        let problem = self.reference(&graph, &site, reference);
                        self.problems.extend(problem);
                    }
                }
            }
        }
        // Several parts of one node give the same complaint.
        let mut seen = std::collections::HashSet::new();
        self.problems
            .retain(|d| seen.insert((d.code, d.pointer.clone(), d.message.clone())));
    }

    fn reference(&self, graph: &Graph, site: &Site, reference: &Reference) -> Option<Diagnostic> {
        if matches!(reference.root, Root::Item | Root::Index) && !site.in_map {
            let message = format!("`{}` is known only in the `each` of a map", reference.root);
            return Some(Diagnostic::new(
                Code::InvalidExpression,
                &site.pointer,
                message,
            ));
        }
        if reference.root == Root::Trigger {
            let message = "`$trigger` is known only in the `input` of a trigger";
            let diagnostic = Diagnostic::new(Code::InvalidExpression, &site.pointer, message);
            return Some(diagnostic.hint("let the trigger's `input` pass it on"));
        }
        if let (Root::Vars, Some(Segment::Key(name))) = (&reference.root, reference.path.first())
            && !self.definition.vars.contains_key(name)
        {
            let message = format!("there is no constant `{name}` in `vars`");
            return Some(
                Diagnostic::new(Code::InvalidExpression, &site.pointer, message).maybe_hint(
                    did_you_mean(name, self.definition.vars.keys().map(String::as_str)),
                ),
            );
        }
        let node = reference.root.node()?;
        let Some(index) = self.definition.nodes.get_index_of(node) else {
            let names = self.definition.nodes.keys().map(crate::NodeId::as_str);
            return Some(
                Diagnostic::new(
                    Code::UnknownNode,
                    &site.pointer,
                    format!("there is no node `{node}`"),
                )
                .maybe_hint(did_you_mean(node.as_str(), names)),
            );
        };
        let reader = match site.place {
            Place::Output => return None,
            Place::Node(reader) if reader == index => {
                let message = format!("node `{node}` reads itself");
                return Some(Diagnostic::new(Code::NotAnAncestor, &site.pointer, message));
            }
            Place::Undo(undone) if undone == index => return None,
            Place::Node(reader) | Place::Undo(reader) => reader,
            Place::Connection(connection) => {
                let from = &self.definition.connections.get(connection)?.from;
                if from == node {
                    return None;
                }
                self.definition.nodes.get_index_of(from)?
            }
        };
        if graph.precedes(index, reader)? {
            return None;
        }
        let message = format!("node `{node}` need not have ended when this is evaluated");
        let reader = self.definition.nodes.get_index(reader)?.0;
        Some(
            Diagnostic::new(Code::NotAnAncestor, &site.pointer, message).hint(format!(
                "connect it, so that a path leads from `{node}` to `{reader}`"
            )),
        )
    }

    pub(super) fn problem(&mut self, code: Code, pointer: &str, message: String) {
        self.problems.push(Diagnostic::new(code, pointer, message));
    }
}
