//! From a value to a definition, field by field, so that everything that is
//! wrong is said at once.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::diagnostic::{Code, Diagnostic, child, did_you_mean};
use super::{
    ActionRef, Connection, Delivery, Jitter, Node, On, RetryPolicy, Wait, WorkflowDefinition,
};
use crate::id::{NodeId, WorkflowName};
use crate::time::Span;

const WORKFLOW: &[&str] = &[
    "apiVersion",
    "kind",
    "name",
    "description",
    "input",
    "vars",
    "retry",
    "timeout",
    "on_failure",
    "retention",
    "concurrency",
    "priority",
    "triggers",
    "nodes",
    "connections",
    "output",
];
const NODE: &[&str] = &[
    "action",
    "map",
    "each",
    "concurrency",
    "wait",
    "workflow",
    "detach",
    "input",
    "credentials",
    "resources",
    "timeout",
    "heartbeat",
    "retry",
    "delivery",
    "undo",
    "max_iterations",
    "continue_on_failure",
];
const WAIT: &[&str] = &["for", "until", "signal", "schema", "timeout"];
const RETRY: &[&str] = &["max_attempts", "initial", "factor", "max", "jitter"];
const CONNECTION: &[&str] = &["from", "to", "on", "when"];
/// How deep maps may stand in maps; the check refuses fewer.
const MAX_EACH: usize = 16;

/// Reads a definition; everything that is wrong with its shape on failure.
pub(super) fn definition(value: &Value) -> Result<WorkflowDefinition, Vec<Diagnostic>> {
    let mut reading = Reading {
        problems: Vec::new(),
    };
    let definition = reading.workflow(value);
    match definition {
        Some(definition) if reading.problems.is_empty() => Ok(definition),
        _ => Err(reading.problems),
    }
}

pub(super) struct Reading {
    pub(super) problems: Vec<Diagnostic>,
}

/// An object whose fields are read, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Fields<'v> {
    pub(super) object: &'v Map<String, Value>,
    pointer: &'v str,
}

impl Reading {
    fn workflow(&mut self, value: &Value) -> Option<WorkflowDefinition> {
        let fields = self.fields(value, "", WORKFLOW, "a workflow document")?;
        let api_version = self.required(fields, "apiVersion", "add `apiVersion: nebula/v1`");
        let kind = self.required(fields, "kind", "add `kind: Workflow`");
        let name = self.name::<WorkflowName>(fields, "name", "add the workflow's name");
        let description = self.field(fields, "description");
        let vars = self.field::<IndexMap<String, Value>>(fields, "vars");
        let retry = self.part(fields, "retry", Self::retry);
        let timeout = self.text_form::<Span>(fields, "timeout", "write for example `24h`");
        let triggers = self.triggers(fields);
        let nodes = self.nodes(fields);
        let connections = self.connections(fields);
        Some(WorkflowDefinition {
            api_version: api_version?,
            kind: kind?,
            name: name?,
            description: description.unwrap_or_default(),
            input: given(fields, "input"),
            vars: vars.unwrap_or_default(),
            retry,
            timeout,
            on_failure: self.parsed(fields, "on_failure", Code::InvalidName, None),
            retention: self.part(fields, "retention", Self::retention),
            concurrency: self.part(fields, "concurrency", Self::concurrency),
            priority: self.field(fields, "priority").unwrap_or_default(),
            triggers,
            nodes: nodes?,
            connections,
            output: given(fields, "output"),
            problems: Vec::new(),
        })
    }

    fn nodes(&mut self, fields: Fields<'_>) -> Option<IndexMap<NodeId, Node>> {
        let Some(value) = fields.object.get("nodes") else {
            self.missing(fields, "nodes", "add `nodes:` with at least one node");
            return None;
        };
        let Value::Object(entries) = value else {
            self.wrong_type("/nodes", value, "an object of nodes by their ids");
            return None;
        };
        let mut nodes = IndexMap::with_capacity(entries.len());
        for (id, value) in entries {
            let pointer = child("/nodes", id);
            let id = NodeId::new(id).map_err(|e| {
                self.problems
                    .push(Diagnostic::new(Code::InvalidName, &pointer, e.to_string()))
            });
            if let (Some(node), Ok(id)) = (self.node(value, &pointer, 0), id) {
                nodes.insert(id, node);
            }
        }
        Some(nodes)
    }

    fn node(&mut self, value: &Value, pointer: &str, depth: usize) -> Option<Node> {
        if depth > MAX_EACH {
            let message = format!("maps stand in maps more than {MAX_EACH} deep");
            self.problems
                .push(Diagnostic::new(Code::TooLarge, pointer, message));
            return None;
        }
        let fields = self.fields(value, pointer, NODE, "a node")?;
        let action =
            self.text_form::<ActionRef>(fields, "action", "write for example `weather.fetch@^1`");
        let each = fields
            .object
            .get("each")
            .map(|each| self.node(each, &child(pointer, "each"), depth + 1));
        let undo = fields.object.get("undo").filter(|undo| !undo.is_null());
        let undo = undo.and_then(|undo| self.node(undo, &child(pointer, "undo"), depth + 1));
        Some(Node {
            action,
            map: given(fields, "map"),
            each: each.flatten().map(Box::new),
            concurrency: self.field(fields, "concurrency"),
            wait: self.part(fields, "wait", Self::wait),
            workflow: self.parsed(fields, "workflow", Code::InvalidName, None),
            detach: self.field(fields, "detach").unwrap_or_default(),
            input: given(fields, "input"),
            credentials: self
                .field::<BTreeMap<String, String>>(fields, "credentials")
                .unwrap_or_default(),
            resources: self
                .field::<BTreeMap<String, String>>(fields, "resources")
                .unwrap_or_default(),
            timeout: self.text_form::<Span>(fields, "timeout", "write for example `10s`"),
            heartbeat: self.text_form::<Span>(fields, "heartbeat", "write for example `30s`"),
            retry: self.part(fields, "retry", Self::retry),
            delivery: self.text_form::<Delivery>(
                fields,
                "delivery",
                "write `at-least-once` or `at-most-once`",
            ),
            undo: undo.map(Box::new),
            max_iterations: self.field(fields, "max_iterations"),
            continue_on_failure: self
                .field(fields, "continue_on_failure")
                .unwrap_or_default(),
        })
    }

    fn wait(&mut self, value: &Value, pointer: &str) -> Option<Wait> {
        let fields = self.fields(value, pointer, WAIT, "a wait")?;
        Some(Wait {
            duration: self.text_form(fields, "for", "write for example `10m`"),
            until: self.text_form(fields, "until", "write for example `2026-02-03T04:05:06Z`"),
            signal: self.parsed(fields, "signal", Code::InvalidName, None),
            schema: given(fields, "schema"),
            timeout: self.text_form::<Span>(fields, "timeout", "write for example `24h`"),
        })
    }

    fn retry(&mut self, value: &Value, pointer: &str) -> Option<RetryPolicy> {
        let fields = self.fields(value, pointer, RETRY, "a retry policy")?;
        let default = RetryPolicy::default();
        Some(RetryPolicy {
            max_attempts: self
                .field(fields, "max_attempts")
                .unwrap_or(default.max_attempts),
            initial: self
                .text_form(fields, "initial", "write for example `200ms`")
                .unwrap_or(default.initial),
            factor: self.field(fields, "factor").unwrap_or(default.factor),
            max: self
                .text_form(fields, "max", "write for example `10s`")
                .unwrap_or(default.max),
            jitter: self
                .text_form::<Jitter>(fields, "jitter", "write `none` or `full`")
                .unwrap_or(default.jitter),
        })
    }

    fn connections(&mut self, fields: Fields<'_>) -> Vec<Connection> {
        let list = match fields.object.get("connections") {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(list)) => list,
            Some(other) => {
                self.wrong_type("/connections", other, "a list of connections");
                return Vec::new();
            }
        };
        let mut connections = Vec::with_capacity(list.len());
        for (index, value) in list.iter().enumerate() {
            let pointer = format!("/connections/{index}");
            let Some(fields) = self.fields(value, &pointer, CONNECTION, "a connection") else {
                continue;
            };
            let from = self.name::<NodeId>(fields, "from", "say from which node it goes");
            let to = self.name::<NodeId>(fields, "to", "say to which node it goes");
            let on =
                self.text_form::<On>(fields, "on", "write success, failure, skip or port:<name>");
            let when = self.text_form::<String>(fields, "when", "write an expression as a text");
            if let (Some(from), Some(to)) = (from, to) {
                connections.push(Connection {
                    from,
                    to,
                    on: on.unwrap_or_default(),
                    when,
                });
            }
        }
        connections
    }

    // ------------------------------------------------------------ pieces --

    /// The value as an object; its unknown fields are reported.
    pub(super) fn fields<'v>(
        &mut self,
        value: &'v Value,
        pointer: &'v str,
        known: &[&str],
        what: &str,
    ) -> Option<Fields<'v>> {
        let Value::Object(object) = value else {
            self.wrong_type(pointer, value, &format!("{what}: an object"));
            return None;
        };
        for key in object.keys().filter(|key| !known.contains(&key.as_str())) {
            let short: String = key.chars().take(80).collect();
            let hint = did_you_mean(key, known.iter().copied())
                .unwrap_or_else(|| format!("it has {}", known.join(", ")));
            self.problems.push(
                Diagnostic::new(
                    Code::UnknownField,
                    child(pointer, key),
                    format!("{what} has no field `{short}`"),
                )
                .hint(hint),
            );
        }
        Some(Fields { object, pointer })
    }

    /// A field that may be absent.
    pub(super) fn field<T: DeserializeOwned>(
        &mut self,
        fields: Fields<'_>,
        name: &str,
    ) -> Option<T> {
        self.parsed(fields, name, Code::InvalidValue, None)
    }

    /// A field that is written as one word.
    pub(super) fn text_form<T: DeserializeOwned>(
        &mut self,
        fields: Fields<'_>,
        name: &str,
        hint: &str,
    ) -> Option<T> {
        self.parsed(fields, name, Code::InvalidValue, Some(hint))
    }

    pub(super) fn required<T: DeserializeOwned>(
        &mut self,
        fields: Fields<'_>,
        name: &str,
        hint: &str,
    ) -> Option<T> {
        if fields.object.get(name).is_none_or(Value::is_null) {
            self.missing(fields, name, hint);
            return None;
        }
        self.parsed(fields, name, Code::InvalidValue, None)
    }

    pub(super) fn name<T: DeserializeOwned>(
        &mut self,
        fields: Fields<'_>,
        name: &str,
        hint: &str,
    ) -> Option<T> {
        if fields.object.get(name).is_none_or(Value::is_null) {
            self.missing(fields, name, hint);
            return None;
        }
        self.parsed(fields, name, Code::InvalidName, None)
    }

    pub(super) fn part<T>(
        &mut self,
        fields: Fields<'_>,
        name: &str,
        read: impl FnOnce(&mut Self, &Value, &str) -> Option<T>,
    ) -> Option<T> {
        let value = fields.object.get(name).filter(|value| !value.is_null())?;
        read(self, value, &child(fields.pointer, name))
    }

    fn parsed<T: DeserializeOwned>(
        &mut self,
        fields: Fields<'_>,
        name: &str,
        code: Code,
        hint: Option<&str>,
    ) -> Option<T> {
        let value = fields.object.get(name).filter(|value| !value.is_null())?;
        let error = match serde_path_to_error::deserialize(value) {
            Ok(parsed) => return Some(parsed),
            Err(error) => error,
        };
        let mut pointer = child(fields.pointer, name);
        for segment in error.path() {
            use serde_path_to_error::Segment;
            match segment {
                Segment::Seq { index } => pointer = child(&pointer, &index.to_string()),
                Segment::Map { key } => pointer = child(&pointer, key),
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        let message: String = error.inner().to_string().chars().take(300).collect();
        self.problems
            .push(Diagnostic::new(code, pointer, message).maybe_hint(hint.map(str::to_owned)));
        None
    }

    fn missing(&mut self, fields: Fields<'_>, name: &str, hint: &str) {
        let message = format!("the field `{name}` is missing");
        self.problems
            .push(Diagnostic::new(Code::MissingField, fields.pointer, message).hint(hint));
    }

    pub(super) fn wrong_type(&mut self, pointer: &str, value: &Value, expected: &str) {
        let found = match value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        let message = format!("this is {found}, and should be {expected}");
        self.problems
            .push(Diagnostic::new(Code::InvalidValue, pointer, message));
    }
}

/// A field of any type; `null` counts as absent.
pub(super) fn given(fields: Fields<'_>, name: &str) -> Option<Value> {
    fields
        .object
        .get(name)
        .filter(|value| !value.is_null())
        .cloned()
}
