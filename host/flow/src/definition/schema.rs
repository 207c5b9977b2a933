//! The JSON Schema of the document.

use serde_json::{Value, json};

use super::call::MAX_ITERATIONS;
use super::check::{MAX_CONCURRENCY, MAX_CONNECTIONS, MAX_NODES};
use super::{API_VERSION, KIND};

#[cfg(test)]
mod reference;

/// JSON Schema (2020-12) of a workflow document, for editors and other tools.
/// What it cannot say (cycles, expressions, actions) deploying checks.
#[must_use]
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Nebula workflow",
        "type": "object",
        "required": ["apiVersion", "kind", "name", "nodes"],
        "additionalProperties": false,
        "properties": {
            "apiVersion": { "const": API_VERSION },
            "kind": { "const": KIND },
            "name": { "$ref": "#/$defs/workflowName", "description": "Unique within the tenant." },
            "description": { "description": "For people.", "type": "string" },
            "input": {
                "description": "JSON Schema of the input; absent accepts anything.",
                "type": ["object", "boolean"]
            },
            "vars": { "description": "Constants, `$vars` in expressions.", "type": "object" },
            "retry": { "$ref": "#/$defs/retry", "description": "Of the nodes that have none." },
            "timeout": {
                "$ref": "#/$defs/duration",
                "description": "Of a whole execution, from its start; none if absent."
            },
            "on_failure": {
                "$ref": "#/$defs/workflowName",
                "description": "The workflow that is started whenever an execution of this one has failed."
            },
            "retention": super::retention::schema(),
            "concurrency": super::concurrency::schema(),
            "priority": super::priority::schema(),
            "triggers": super::trigger::schema(),
            "nodes": {
                "description": "By id; their order decides which failure is reported.",
                "type": "object",
                "minProperties": 1,
                "maxProperties": MAX_NODES,
                "propertyNames": { "$ref": "#/$defs/nodeId" },
                "additionalProperties": { "$ref": "#/$defs/node" }
            },
            "connections": {
                "type": "array",
                "maxItems": MAX_CONNECTIONS,
                "items": { "$ref": "#/$defs/connection" }
            },
            "output": {
                "description": "Template of the output; absent: an object of the results of the nodes that no connection leaves."
            }
        },
        "$defs": {
            "nodeId": { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,63}$" },
            "workflowName": { "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9._-]{0,127}$" },
            "duration": {
                "description": "A whole number and a unit: ms, s, m, h, d.",
                "type": "string",
                "pattern": "^[0-9]+(ms|s|m|h|d)$"
            },
            "node": node(),
            "undo": undo(),
            "wait": wait(),
            "retry": retry(),
            "connection": connection()
        }
    })
}

fn node() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "oneOf": [
            { "required": ["action"], "not": any_of(&["map", "wait", "workflow", "detach"]) },
            { "required": ["map", "each"], "not": any_of(&["action", "wait", "workflow", "detach", "heartbeat", "delivery", "max_iterations"]) },
            {
                "required": ["workflow"],
                "not": any_of(&["action", "map", "each", "concurrency", "wait", "credentials", "resources", "timeout", "retry", "heartbeat", "delivery", "max_iterations"])
            },
            {
                "required": ["wait"],
                "not": any_of(&["action", "map", "each", "concurrency", "workflow", "detach", "input", "credentials", "resources", "timeout", "retry", "heartbeat", "delivery", "max_iterations"])
            }
        ],
        "properties": {
            "action": {
                "description": "The action's id, with `@` and a version range behind it if that matters.",
                "type": "string",
                "pattern": "^[a-z][a-z0-9_-]{0,62}(\\.[a-z][a-z0-9_-]{0,62})+(@.+)?$"
            },
            "map": {
                "description": "An expression that gives a list; `each` runs once per item.",
                "type": ["string", "array"]
            },
            "each": {
                "$ref": "#/$defs/node",
                "description": "What a map runs, with `$item` and `$index` in its templates."
            },
            "concurrency": {
                "description": "How many items of a map run at once; 8 if absent.",
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_CONCURRENCY
            },
            "wait": { "$ref": "#/$defs/wait", "description": "What it waits for: a time, or a signal." },
            "workflow": {
                "$ref": "#/$defs/workflowName",
                "description": "Another workflow that it runs as an execution of its own, in the version that is the newest at deploy."
            },
            "detach": {
                "description": "Whether it goes on at once, and does not wait for that execution's end.",
                "type": "boolean"
            },
            "input": { "description": "Template of the input of the action or the workflow." },
            "credentials": {
                "description": "The name that the action's code uses, and the stored credential.",
                "type": "object",
                "additionalProperties": { "type": "string", "minLength": 1 }
            },
            "resources": {
                "description": "The name that the action's code uses, and the resource that the operator configured.",
                "type": "object",
                "additionalProperties": { "type": "string", "minLength": 1 }
            },
            "timeout": { "$ref": "#/$defs/duration", "description": "Of one attempt; 30s if absent." },
            "heartbeat": {
                "$ref": "#/$defs/duration",
                "description": "How long an attempt may go without a heartbeat of its action; for as long as its time-out if absent."
            },
            "retry": { "$ref": "#/$defs/retry" },
            "delivery": {
                "description": "How often an attempt whose outcome is unknown may have had its effects.",
                "enum": ["at-least-once", "at-most-once"]
            },
            "undo": {
                "$ref": "#/$defs/undo",
                "description": "The action that takes back what this node did, when its execution fails or is cancelled later."
            },
            "max_iterations": {
                "description": "How often the action may be called in one step, where it wants to be called again; 1000 if absent.",
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_ITERATIONS
            },
            "continue_on_failure": {
                "description": "Whether a failure that no connection takes lets the execution go on, with null as the node's result.",
                "type": "boolean"
            }
        }
    })
}

/// A node's undo: what of a node belongs to an action.
fn undo() -> Value {
    let node = node();
    let of_action = [
        "action",
        "input",
        "credentials",
        "resources",
        "timeout",
        "retry",
        "heartbeat",
        "delivery",
        "max_iterations",
    ];
    let properties: serde_json::Map<_, _> = of_action
        .into_iter()
        .map(|field| (field.to_owned(), node["properties"][field].clone()))
        .collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["action"],
        "properties": properties
    })
}

fn any_of(fields: &[&str]) -> Value {
    let required: Vec<Value> = fields
        .iter()
        .map(|field| json!({ "required": [field] }))
        .collect();
    json!({ "anyOf": required })
}

fn wait() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "oneOf": [{ "required": ["for"] }, { "required": ["until"] }, { "required": ["signal"] }],
        "dependentRequired": { "schema": ["signal"], "timeout": ["signal"] },
        "properties": {
            "for": {
                "description": "A duration, or a template that gives one.",
                "type": "string",
                "pattern": "^[0-9]+(ms|s|m|h|d)$|\\$\\{"
            },
            "until": {
                "description": "An instant, as RFC 3339 writes it, or a template that gives one.",
                "type": "string",
                "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}|\\$\\{"
            },
            "signal": {
                "description": "The name of a signal; its payload is the node's result.",
                "type": "string",
                "pattern": "^[A-Za-z][A-Za-z0-9._-]{0,63}$"
            },
            "schema": {
                "description": "JSON Schema of the signal's payload; absent accepts anything.",
                "type": ["object", "boolean"]
            },
            "timeout": {
                "$ref": "#/$defs/duration",
                "description": "How long it waits for the signal; for ever if absent."
            }
        }
    })
}

fn retry() -> Value {
    json!({
        "description": "How failures that may pass are tried again.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "max_attempts": { "description": "Including the first.", "type": "integer", "minimum": 1, "maximum": 100 },
            "initial": { "$ref": "#/$defs/duration", "description": "Before the second attempt." },
            "factor": { "description": "Growth from one delay to the next.", "type": "number", "minimum": 1, "maximum": 100 },
            "max": { "$ref": "#/$defs/duration", "description": "The longest delay." },
            "jitter": { "enum": ["none", "full"] }
        }
    })
}

fn connection() -> Value {
    json!({
        "type": "object",
        "required": ["from", "to"],
        "additionalProperties": false,
        "properties": {
            "from": { "$ref": "#/$defs/nodeId" },
            "to": { "$ref": "#/$defs/nodeId" },
            "on": {
                "description": "What must become of the source: success (the default), failure, skip or port:<name>.",
                "type": "string",
                "pattern": "^(success|failure|skip|port:[A-Za-z0-9._-]{1,64})$"
            },
            "when": { "description": "A jq expression that must hold besides.", "type": "string" }
        }
    })
}
