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
            "oneOf": [{ "required": ["cron"] }],
            "properties": {
                "cron": cron(),
                "input": {
                    "description": "Template of the workflow's input over `$trigger`; absent: the trigger's event itself."
                }
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
