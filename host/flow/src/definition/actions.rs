//! What can be known once the actions are: that they are there, that their
//! credentials are bound, that constant inputs fit, and that no expression
//! reads what an action cannot give.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::diagnostic::{Code, Diagnostic, child, did_you_mean};
use super::sites::{Site, sites};
use super::trigger::secrets;
use super::{Node, WorkflowDefinition};
use crate::deploy::{EVALUATOR, Resources};
use crate::expression::{Reference, Root, Segment, Template};
use crate::ports::{ResolveError, ResolvedAction};
use crate::shape::Shape;

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
                credentials(&pointer, node, action, around, &mut problems);
                problems.extend(resources(&pointer, node, action, around));
                constant_input(&pointer, node, action, &mut problems);
            }
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

fn credentials(
    pointer: &str,
    node: &Node,
    action: &ResolvedAction,
    around: &Surroundings,
    problems: &mut Vec<Diagnostic>,
) {
    let (id, asked) = (&action.metadata.id, &action.metadata.credentials);
    // One that is not bound is looked for under its own name, and may be optional.
    for (name, stored_as) in &node.credentials {
        let pointer = child(&child(pointer, "credentials"), name);
        if !asked.contains(name) {
            let message = format!("action `{id}` does not ask for a credential `{name}`");
            let hint = did_you_mean(name, asked.iter().map(String::as_str));
            problems
                .push(Diagnostic::new(Code::UnaskedCredential, &pointer, message).maybe_hint(hint));
        }
        if !around.credentials.contains(stored_as) {
            problems.push(missing_credential(&pointer, stored_as, " --host HOST"));
        }
    }
}

fn missing_credential(pointer: &str, name: &str, options: &str) -> Diagnostic {
    let message = format!("the credential `{name}` is not stored");
    let hint = format!("store it with `nebula credential set {name}{options}`");
    Diagnostic::new(Code::MissingCredential, pointer, message).hint(hint)
}

/// What is wrong with the resources of a node: each that its action asks for must be
/// bound, to one of its kind.
fn resources(
    pointer: &str,
    node: &Node,
    action: &ResolvedAction,
    around: &Surroundings,
) -> Vec<Diagnostic> {
    let (id, asked) = (&action.metadata.id, action.metadata.resources());
    let fields = child(pointer, "resources");
    let mut problems = Vec::new();
    for name in node
        .resources
        .keys()
        .filter(|n| !asked.contains_key(n.as_str()))
    {
        let message = format!("action `{id}` does not ask for a resource `{name}`");
        let hint = did_you_mean(name, asked.keys().copied());
        let problem = Diagnostic::new(Code::UnaskedResource, child(&fields, name), message);
        problems.push(problem.maybe_hint(hint));
    }
    for (name, kind) in &asked {
        let configured = around.resources.as_ref();
        let Some(bound) = node.resources.get(*name) else {
            let message =
                format!("action `{id}` asks for a resource `{name}` ({kind}), and none is bound");
            let hint = format!("add `resources: {{ {name}: NAME }}` to the node");
            let problem = Diagnostic::new(Code::MissingResource, pointer, message);
            problems.push(problem.hint(hint + &of_kind(configured, kind)));
            continue;
        };
        let message = match configured.map(|configured| configured.get(bound)) {
            None => continue,
            Some(Some(is)) if is == kind => continue,
            Some(Some(is)) => format!("the resource `{bound}` is {is}, and {kind} is asked for"),
            Some(None) => format!("no resource `{bound}` is configured"),
        };
        let hint = format!("the operator adds `[resources.{bound}]` to the node's settings");
        let problem = Diagnostic::new(Code::MissingResource, child(&fields, name), message);
        problems.push(problem.hint(hint + &of_kind(configured, kind)));
    }
    problems
}

/// Which resources of a kind there are.
fn of_kind(configured: Option<&Resources>, kind: &str) -> String {
    let found = configured.into_iter().flatten();
    let names: Vec<&str> = found
        .filter(|(_, is)| *is == kind)
        .map(|(name, _)| name.as_str())
        .take(20)
        .collect();
    if names.is_empty() {
        return String::new();
    }
    format!("; there is {}", names.join(", "))
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
