//! The JSON Schema of triggers.

use serde_json::{Value, json};

use super::MAX_TRIGGERS;
use crate::schedule::MAX_SCHEDULE;

/// Of the whole `triggers`.
pub(in crate::definition) fn triggers() -> Value {
    json!({
        "description": "What starts the workflow by itself, by name.",
        "type": "object",
        "maxProperties": MAX_TRIGGERS,
        "propertyNames": { "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9._-]{0,63}$" },
        "additionalProperties": {
            "type": "object",
            "additionalProperties": false,
            "oneOf": [
                { "required": ["cron"] }, { "required": ["webhook"] },
                { "required": ["on_end"] }, { "required": ["poll"] }
            ],
            "properties": {
                "cron": cron(),
                "webhook": webhook(),
                "on_end": super::on_end::schema(),
                "poll": super::poll::schema(),
                "input": {
                    "description": "Template of the workflow's input over `$trigger`; absent: the trigger's event itself, of a poll what the action found."
                }
            }
        }
    })
}

fn webhook() -> Value {
    json!({
        "description": "By a request to /hooks/<workflow>/<trigger>. Its event is { headers, query, body }.",
        "type": "object",
        "required": ["auth", "secret"],
        "additionalProperties": false,
        "properties": {
            "auth": {
                "description": "How the sender proves that it knows the secret.",
                "enum": ["hmac", "bearer", "basic"]
            },
            "secret": {
                "description": "The stored credential that is the secret; for basic, `user:password`.",
                "type": "string",
                "minLength": 1
            },
            "window": {
                "$ref": "#/$defs/duration",
                "description": "How old a signed request may be, and how far ahead; 5m if absent, 1h at most."
            },
            "reply": {
                "description": "What the answer has: accepted (the default), the execution's id; result, its end.",
                "enum": ["accepted", "result"]
            },
            "timeout": {
                "$ref": "#/$defs/duration",
                "description": "How long the answer waits for the end; 30s if absent, 10m at most."
            },
            "headers": {
                "description": "Headers that the event has besides content-type, user-agent and webhook-id.",
                "type": "array",
                "maxItems": 32,
                "items": { "type": "string", "pattern": "^[a-z0-9_-]{1,64}$" }
            }
        }
    })
}

fn cron() -> Value {
    json!({
        "description": "By the clock. Its event is { slot }.",
        "type": "object",
        "required": ["schedule"],
        "additionalProperties": false,
        "properties": {
            "schedule": {
                "description": "Five fields, or six with the second in front.",
                "type": "string",
                "minLength": 1,
                "maxLength": MAX_SCHEDULE
            },
            "timezone": { "description": "A name of the IANA database; UTC if absent.", "type": "string" },
            "overlap": {
                "description": "While the execution of an earlier slot has not ended: skip (the default) or allow.",
                "enum": ["skip", "allow"]
            },
            "catch_up": {
                "description": "Which slots that were missed start an execution: none, last (the default) or all.",
                "enum": ["none", "last", "all"]
            }
        }
    })
}
