//! How many executions of a workflow may run at once, as it is written, and the
//! group that an input puts an execution into.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::check::Check;
use super::diagnostic::{Code, Diagnostic, child};
use super::read::{Fields, Reading};
use super::{WorkflowBuilder, WorkflowDefinition};
use crate::deploy::DeployedWorkflow;
use crate::expression::{ExpressionError, Root, Scope, Template};
use crate::id::Digest;
use crate::ports::{Slot, WhenFull};

/// The most slots that a group may have.
pub const MAX_SLOTS: u32 = 1_000;

/// A key of more bytes is known by its digest.
const LONG_KEY: usize = 128;

const CONCURRENCY: &[&str] = &["limit", "key", "when_full"];

/// How many executions may have begun and not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concurrency {
    /// So many of a group.
    pub limit: u32,
    /// Template over `$input` and `$vars`: those for which it gives the same are a
    /// group. Absent, all executions of the workflow are one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
    /// What becomes of one too many.
    #[serde(default, skip_serializing_if = "is_queue")]
    pub when_full: WhenFull,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_queue(when_full: &WhenFull) -> bool {
    *when_full == WhenFull::Queue
}

impl Concurrency {
    /// So many at once; one too many waits.
    #[must_use]
    pub const fn of(limit: u32) -> Self {
        Self {
            limit,
            key: None,
            when_full: WhenFull::Queue,
        }
    }
}

impl WorkflowBuilder {
    /// How many of its executions may run at once; without it, any number.
    #[must_use]
    pub fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.definition.concurrency = Some(concurrency);
        self
    }
}

impl Reading {
    pub(super) fn concurrency(&mut self, value: &Value, pointer: &str) -> Option<Concurrency> {
        let fields: Fields<'_> = self.fields(value, pointer, CONCURRENCY, "a concurrency")?;
        let limit = self.required(fields, "limit", "add `limit: 1`");
        let when_full = self.field(fields, "when_full");
        Some(Concurrency {
            limit: limit?,
            key: fields.object.get("key").cloned(),
            when_full: when_full.unwrap_or_default(),
        })
    }
}

impl Check<'_> {
    pub(super) fn concurrency(&mut self, definition: &WorkflowDefinition) {
        let Some(concurrency) = &definition.concurrency else {
            return;
        };
        let (pointer, limit) = ("/concurrency", concurrency.limit);
        if !(1..=MAX_SLOTS).contains(&limit) {
            let message = format!("a limit is between 1 and {MAX_SLOTS}, not {limit}");
            self.problem(Code::InvalidValue, &child(pointer, "limit"), message);
        }
        let Some(key) = &concurrency.key else {
            return;
        };
        let at = child(pointer, "key");
        let why = "a start is put into its group before anything runs";
        if let Some(template) = self.early(&at, key, &Root::Input, why)
            && template.constant().is_some()
        {
            let message = "the key is the same for every input";
            let diagnostic = Diagnostic::new(Code::InvalidValue, at, message);
            self.problems
                .push(diagnostic.hint("leave it out, or write for example `${ $input.customer }`"));
        }
    }
}

impl DeployedWorkflow {
    /// The slot that an execution with this input needs; none if any number may run.
    /// An input for which the key's expressions err is in the group of null.
    #[must_use]
    pub fn slot(&self, input: &Value) -> Option<Slot> {
        let concurrency = self.definition.concurrency.as_ref()?;
        let group = match &concurrency.key {
            None => self.id.to_string(),
            Some(key) => {
                let key = self.key(key, input).unwrap_or_default();
                format!("{}/{}", self.id, short(&key))
            }
        };
        Some(Slot {
            group,
            limit: concurrency.limit,
            when_full: concurrency.when_full,
        })
    }

    fn key(&self, key: &Value, input: &Value) -> Result<Value, ExpressionError> {
        Template::parse(key)?.render_early(&Variables {
            input,
            vars: self.definition.constants(),
        })
    }
}

struct Variables<'a> {
    input: &'a Value,
    vars: Value,
}

impl Scope for Variables<'_> {
    fn lookup(&self, root: &Root) -> Option<&Value> {
        match root {
            Root::Input => Some(self.input),
            Root::Vars => Some(&self.vars),
            _ => None,
        }
    }
}

/// A key as part of a group's name.
fn short(key: &Value) -> String {
    let text = key.to_string();
    if text.len() <= LONG_KEY {
        text
    } else {
        Digest::of(text.as_bytes()).to_string()
    }
}

/// The JSON Schema of it.
pub(super) fn schema() -> Value {
    json!({
        "description": "How many executions may run at once; any number if absent.",
        "type": "object",
        "required": ["limit"],
        "additionalProperties": false,
        "properties": {
            "limit": {
                "description": "So many of a group.",
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_SLOTS
            },
            "key": {
                "description": "Template over `$input` and `$vars`: those for which it gives the same are a group; all executions are one if absent."
            },
            "when_full": {
                "description": "What becomes of one too many: it waits, it is cancelled, or the oldest is cancelled for it.",
                "enum": ["queue", "drop", "replace"],
                "default": "queue"
            }
        }
    })
}

#[cfg(test)]
mod tests;
