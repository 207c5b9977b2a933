//! What can be known once the actions are: that they are there, that their
//! credentials are bound, that constant inputs fit, and that no expression
//! reads what an action cannot give.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::bound::{Bound, missing_credential};
use super::diagnostic::{Code, Diagnostic, child, did_you_mean};
use super::sites::{Site, sites};
use super::trigger::{polls, secrets};
use super::{Node, Poll, WorkflowDefinition};
use crate::deploy::{EVALUATOR, Resources};
use crate::expression::{Reference, Root, Segment, Template};
use crate::id::ActionId;
use crate::ports::{ResolveError, ResolvedAction};
use crate::shape::{Mismatch, Shape};

/// What the ports said about a definition.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    /// By action reference (`weather.fetch@^1`), each that was asked for.
    pub(crate) actions: BTreeMap<String, Result<ResolvedAction, ResolveError>>,
    /// Those of the bound credentials that are stored.
    pub(crate) credentials: BTreeSet<String>,
    /// The kinds of the configured resources; none if they are not known.
    pub(crate) resources: Option<Resources>,
}

/// The nodes that run an action, those in maps and those that undo others
/// included, with their pointers.
pub(crate) fn action_nodes(definition: &WorkflowDefinition) -> Vec<(String, &Node)> {
    let mut found = Vec::new();
    for (id, node) in &definition.nodes {
        let (mut pointer, mut at) = (child("/nodes", id.as_str()), Some(node));
        while let Some(node) = at {
            if node.action.is_some() {
                found.push((pointer.clone(), node));
            }
            pointer = child(&pointer, "each");
            at = node.each.as_deref();
        }
        let pointer = child(&child("/nodes", id.as_str()), "undo");
        found.extend(node.undo.as_deref().map(|undo| (pointer, undo)));
    }
    found
}

/// The pointer of an expression that needs [`EVALUATOR`], if there is one.
pub(crate) fn needs_evaluator(definition: &WorkflowDefinition) -> Option<String> {
    let indirect = |site: &Site| matches!(&site.parsed, Ok(e) if e.direct().is_none());
    sites(definition)
        .into_iter()
        .find(indirect)
        .map(|site| site.pointer)
}

/// Everything that is wrong with a definition among these actions.
pub(crate) fn check_actions(
    definition: &WorkflowDefinition,
    around: &Surroundings,
) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (pointer, node) in action_nodes(definition) {
        let Some(reference) = &node.action else {
            continue;
        };
        match around.actions.get(&reference.to_string()) {
            Some(Ok(action)) => {
                problems.extend(misplaced(&pointer, action));
                problems.extend(Bound::to_node(&pointer, node).check(action, around));
                constant_input(&pointer, node, action, &mut problems);
            }
            Some(Err(error)) => problems.push(unresolved(&child(&pointer, "action"), error)),
            None => {}
        }
    }
    for (pointer, poll) in polls(definition) {
        match around.actions.get(&poll.action.to_string()) {
            Some(Ok(action)) if action.metadata.is_trigger() => {
                problems.extend(Bound::to_poll(&pointer, poll).check(action, around));
                problems.extend(wrong_config(definition, &pointer, poll, action));
                problems.extend(impossible_events(definition, &pointer, action));
            }
            Some(Ok(action)) => problems.push(no_trigger(&pointer, &action.metadata.id)),
            Some(Err(error)) => problems.push(unresolved(&child(&pointer, "action"), error)),
            None => {}
        }
    }
    if let (Some(pointer), Some(Err(error))) =
        (needs_evaluator(definition), around.actions.get(EVALUATOR))
    {
        let diagnostic = unresolved(&pointer, error);
        let message = format!(
            "this expression is run by the action `{EVALUATOR}`, and {}",
            diagnostic.message
        );
        problems.push(Diagnostic {
            message,
            ..diagnostic
        });
    }
    for (pointer, secret) in secrets(definition) {
        if !around.credentials.contains(secret) {
            problems.push(missing_credential(&pointer, secret, ""));
        }
    }
    for site in sites(definition) {
        let references = site
            .parsed
            .iter()
            .flat_map(|expression| expression.references());
        problems
            .extend(references.filter_map(|r| impossible(definition, around, &site.pointer, r)));
    }
    problems
}

fn unresolved(pointer: &str, error: &ResolveError) -> Diagnostic {
    let (code, hint) = match error {
        ResolveError::UnknownAction { similar, .. } => (
            Code::UnknownAction,
            similar
                .as_ref()
                .map(|similar| format!("did you mean `{similar}`?")),
        ),
        ResolveError::NoVersion { installed, .. } => (
            Code::VersionNotFound,
            Some(format!("write `@{installed}`, or install another version")),
        ),
        ResolveError::UnknownComponent(_)
        | ResolveError::Unavailable(_)
        | ResolveError::Damaged(_) => (Code::UnknownAction, None),
    };
    Diagnostic::new(code, pointer, error.to_string()).maybe_hint(hint)
}

/// What is wrong with a node whose action is a trigger.
fn misplaced(pointer: &str, action: &ResolvedAction) -> Option<Diagnostic> {
    let id = &action.metadata.id;
    let message = format!("`{id}` is a trigger, and no action that a node can run");
    let diagnostic = Diagnostic::new(Code::WrongKind, child(pointer, "action"), message);
    let hint = format!("write `triggers: {{ NAME: {{ poll: {{ action: {id}, every: 5m }} }} }}`");
    action.metadata.is_trigger().then(|| diagnostic.hint(hint))
}

/// A trigger polls an action that is none.
fn no_trigger(pointer: &str, id: &ActionId) -> Diagnostic {
    let name = pointer.split('/').nth(2).unwrap_or_default();
    let message = format!("the trigger `{name}` polls `{id}`, and that action is no trigger");
    Diagnostic::new(Code::WrongKind, child(pointer, "action"), message)
        .hint("`nebula action list` shows which are; let a node run this one")
}

/// How the config of a trigger breaks the schema of its action.
fn wrong_config(
    definition: &WorkflowDefinition,
    pointer: &str,
    poll: &Poll,
    action: &ResolvedAction,
) -> Vec<Diagnostic> {
    // What errs has its own diagnostic; a schema that does not compile is the action's
    // own fault.
    let (Ok(config), Ok(shape)) = (
        poll.config(definition),
        Shape::compile(&action.metadata.input_schema),
    ) else {
        return Vec::new();
    };
    let input = json!({ "config": config, "cursor": null });
    let wrong = |mismatch: Mismatch| {
        let within = mismatch.pointer.strip_prefix("/config").unwrap_or_default();
        let message = format!(
            "action `{}` does not take this config: {}",
            action.metadata.id, mismatch.message
        );
        let at = format!("{}{within}", child(pointer, "with"));
        Diagnostic::new(Code::InvalidInput, at, message)
    };
    shape.mismatches(&input).into_iter().map(wrong).collect()
}

fn constant_input(
    pointer: &str,
    node: &Node,
    action: &ResolvedAction,
    problems: &mut Vec<Diagnostic>,
) {
    let Some(input) = node
        .input
        .as_ref()
        .and_then(|input| Template::parse(input).ok()?.constant())
    else {
        return;
    };
    // A schema that does not compile is the action's own fault, not the workflow's.
    let Ok(shape) = Shape::compile(&action.metadata.input_schema) else {
        return;
    };
    for mismatch in shape.mismatches(&input) {
        let pointer = format!("{}{}", child(pointer, "input"), mismatch.pointer);
        let message = format!(
            "action `{}` does not take this input: {}",
            action.metadata.id, mismatch.message
        );
        problems.push(Diagnostic::new(Code::InvalidInput, pointer, message));
    }
}

// ---------------------------------------------------------------- paths --

fn impossible(
    definition: &WorkflowDefinition,
    around: &Surroundings,
    pointer: &str,
    reference: &Reference,
) -> Option<Diagnostic> {
    let Root::Result(id) = &reference.root else {
        return None;
    };
    let mut node = definition.nodes.get(id)?;
    let mut path = reference.path.as_slice();
    // The result of a map is a list of the results of what it runs.
    while node.map.is_some() {
        match path {
            [Segment::Index(_), rest @ ..] => path = rest,
            [Segment::Key(key), ..] => {
                let message = format!(
                    "the result of `{id}` is a list, since it is a map, and has no field `{key}`"
                );
                return Some(
                    Diagnostic::new(Code::ImpossiblePath, pointer, message)
                        .hint(format!("write for example `[$nodes.{id}.result[].{key}]`")),
                );
            }
            [] => return None,
        }
        node = node.each.as_deref()?;
    }
    let (root, what) = match (&node.action, &node.wait) {
        (Some(action), _) => {
            let action = around.actions.get(&action.to_string())?.as_ref().ok()?;
            let what = format!("the output of `{}`", action.metadata.id);
            (&action.metadata.output_schema, what)
        }
        (None, Some(wait)) => {
            let what = format!("the signal `{}`", wait.signal.as_ref()?);
            (wait.schema.as_ref()?, what)
        }
        (None, None) => return None,
    };
    let walk = Walk { root };
    let (why, hint) = walk.closed(walk.root, path, 32)?;
    let message = format!("{what} cannot have `{reference}`: {why}");
    Some(Diagnostic::new(Code::ImpossiblePath, pointer, message).maybe_hint(hint))
}

/// What the input of a trigger reads and its action cannot give.
fn impossible_events(
    definition: &WorkflowDefinition,
    pointer: &str,
    action: &ResolvedAction,
) -> Vec<Diagnostic> {
    let name = pointer.split('/').nth(2).unwrap_or_default();
    let input = definition.triggers.get(name).and_then(|t| t.input.as_ref());
    let Some(Ok(template)) = input.map(Template::parse) else {
        return Vec::new();
    };
    let schema = &action.metadata.output_schema;
    let event = schema.pointer("/properties/events/items");
    let root = json!({
        "type": "object",
        "properties": { "event": event.unwrap_or(&Value::Bool(true)), "cursor": true },
        "additionalProperties": false,
        "$defs": schema.get("$defs"),
    });
    let walk = Walk { root: &root };
    let at = child(&child("/triggers", name), "input");
    let references = template.expressions().flat_map(|e| e.references());
    let of_event = references.filter(|reference| reference.root == Root::Trigger);
    let impossible = |reference: &Reference| {
        let (why, hint) = walk.closed(walk.root, &reference.path, 32)?;
        let id = &action.metadata.id;
        let message = format!("an event of `{id}` cannot have `{reference}`: {why}");
        Some(Diagnostic::new(Code::ImpossiblePath, &at, message).maybe_hint(hint))
    };
    of_event.filter_map(impossible).collect()
}

/// Why a schema has no place for a path, and what may be meant.
type Closed = (String, Option<String>);

/// Follows a path through a schema. Whatever is not surely closed is open.
struct Walk<'s> {
    root: &'s Value,
}

impl Walk<'_> {
    fn closed(&self, schema: &Value, path: &[Segment], steps: usize) -> Option<Closed> {
        let (segment, rest) = path.split_first()?;
        let steps = steps.checked_sub(1)?;
        let Value::Object(schema) = schema else {
            return None;
        };
        if let Some(reference) = schema.get("$ref") {
            let pointer = reference.as_str()?.strip_prefix('#')?;
            return self.closed(self.root.pointer(pointer)?, path, steps);
        }
        if ["allOf", "not", "if", "$dynamicRef", "const", "enum"]
            .iter()
            .any(|k| schema.contains_key(*k))
        {
            return None;
        }
        if let Some(Value::Array(branches)) = schema.get("anyOf").or_else(|| schema.get("oneOf")) {
            let mut closed = branches
                .iter()
                .map(|branch| self.closed(branch, path, steps));
            // Closed only when each branch is; the first says why.
            return closed.try_fold(None, |first, branch| Some(first.or(Some(branch?))))?;
        }
        let types = types(schema)?;
        // jq finds null in null, whatever the path.
        if types.contains(&"null") {
            return None;
        }
        match segment {
            Segment::Key(key) if types == ["object"] => {
                self.closed_object(schema, key, rest, steps)
            }
            Segment::Index(_) if types == ["array"] => {
                let items = schema
                    .get("items")
                    .filter(|_| !schema.contains_key("prefixItems"))?;
                self.closed(items, rest, steps)
            }
            Segment::Key(key) if !types.contains(&"object") => Some((
                format!("`{key}` would be a field of {}", types.join(" or ")),
                None,
            )),
            Segment::Index(index) if !types.contains(&"array") && !types.contains(&"object") => {
                Some((
                    format!("`[{index}]` would be an item of {}", types.join(" or ")),
                    None,
                ))
            }
            _ => None,
        }
    }

    fn closed_object(
        &self,
        schema: &Map<String, Value>,
        key: &str,
        rest: &[Segment],
        steps: usize,
    ) -> Option<Closed> {
        let properties = schema.get("properties").and_then(Value::as_object);
        if let Some(property) = properties.and_then(|p| p.get(key)) {
            return self.closed(property, rest, steps);
        }
        if schema.contains_key("patternProperties") {
            return None;
        }
        match schema.get("additionalProperties")? {
            Value::Bool(false) => {
                let names = || {
                    properties
                        .into_iter()
                        .flat_map(Map::keys)
                        .map(String::as_str)
                };
                let hint = did_you_mean(key, names()).unwrap_or_else(|| {
                    let names: Vec<&str> = names().take(20).collect();
                    format!("it has {}", names.join(", "))
                });
                Some((format!("there is no field `{key}`"), Some(hint)))
            }
            other => self.closed(other, rest, steps),
        }
    }
}

fn types(schema: &Map<String, Value>) -> Option<Vec<&str>> {
    match schema.get("type")? {
        Value::String(one) => Some(vec![one]),
        Value::Array(several) => several.iter().map(Value::as_str).collect(),
        _ => None,
    }
}
