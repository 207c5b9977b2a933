//! The workflows that a definition names: those of its nodes and of its failure.

use std::collections::BTreeMap;

use super::check::Check;
use super::diagnostic::{Code, Diagnostic, child, did_you_mean};
use super::{Node, WorkflowDefinition};
use crate::deploy::PinnedWorkflow;
use crate::expression::Template;
use crate::id::WorkflowName;

impl Check<'_> {
    /// What is wrong with a node that runs a workflow, or with one that does not
    /// and speaks of it.
    pub(super) fn child(&mut self, pointer: &str, node: &Node) {
        if node.workflow.is_none() {
            if node.detach {
                let message = "`detach` belongs to a node that runs a `workflow`".to_owned();
                self.problem(Code::InvalidValue, &child(pointer, "detach"), message);
            }
            return;
        }
        for (field, given, why) in [
            (
                "credentials",
                !node.credentials.is_empty(),
                "its own nodes have their credentials",
            ),
            (
                "resources",
                !node.resources.is_empty(),
                "its own nodes have their resources",
            ),
            (
                "timeout",
                node.timeout.is_some(),
                "the time-out of an execution stands in its own workflow",
            ),
            (
                "retry",
                node.retry.is_some(),
                "what may be tried again are its own steps",
            ),
        ] {
            if given {
                let message = format!("a node that runs a workflow has no `{field}`: {why}");
                self.problem(Code::InvalidValue, &child(pointer, field), message);
            }
        }
    }
}

/// Every workflow that is named, with its pointer and the node that runs it.
pub(crate) fn workflows(
    definition: &WorkflowDefinition,
) -> Vec<(String, &WorkflowName, Option<&Node>)> {
    let mut found = Vec::new();
    for (id, node) in &definition.nodes {
        let (mut pointer, mut at) = (child("/nodes", id.as_str()), Some(node));
        while let Some(node) = at {
            if let Some(name) = &node.workflow {
                found.push((child(&pointer, "workflow"), name, Some(node)));
            }
            pointer = child(&pointer, "each");
            at = node.each.as_deref();
        }
    }
    let on_failure = definition.on_failure.iter();
    found.extend(on_failure.map(|name| ("/on_failure".to_owned(), name, None)));
    found
}

/// What the records say of a workflow that is named.
#[derive(Debug)]
pub(crate) enum Named {
    /// What it is fixed to, and the schema of its input.
    Found(PinnedWorkflow, Option<serde_json::Value>),
    /// It is not there.
    Unknown,
}

/// Everything that is wrong with the workflows that are named. `similar` are the
/// names that there are.
pub(crate) fn check_workflows(
    definition: &WorkflowDefinition,
    named: &BTreeMap<WorkflowName, Named>,
    similar: &[String],
) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (pointer, name, node) in workflows(definition) {
        match named.get(name) {
            Some(Named::Unknown) => {
                let message = format!("there is no workflow `{name}`");
                let hint = did_you_mean(name.as_str(), similar.iter().map(String::as_str))
                    .unwrap_or_else(|| "deploy it first".to_owned());
                problems.push(Diagnostic::new(Code::UnknownWorkflow, pointer, message).hint(hint));
            }
            Some(Named::Found(_, Some(schema))) => {
                let input = node.and_then(|node| node.input.as_ref());
                problems.extend(constant_input(&pointer, name, schema, input));
            }
            Some(Named::Found(_, None)) | None => {}
        }
    }
    problems
}

fn constant_input(
    pointer: &str,
    name: &WorkflowName,
    schema: &serde_json::Value,
    input: Option<&serde_json::Value>,
) -> Vec<Diagnostic> {
    let constant = input.and_then(|input| Template::parse(input).ok()?.constant());
    let shape = crate::shape::Shape::compile(schema).ok();
    let (Some(input), Some(shape)) = (constant, shape) else {
        return Vec::new();
    };
    let node = pointer.trim_end_matches("/workflow");
    let wrong = |m: crate::shape::Mismatch| {
        let pointer = format!("{}{}", child(node, "input"), m.pointer);
        let message = format!("workflow `{name}` does not take this input: {}", m.message);
        Diagnostic::new(Code::InvalidInput, pointer, message)
    };
    shape.mismatches(&input).into_iter().map(wrong).collect()
}
