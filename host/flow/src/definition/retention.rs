//! How many of a workflow's finished executions are kept, and for how long, as
//! it is written.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::check::Check;
use super::diagnostic::{Code, child};
use super::read::{Fields, Reading};
use super::{WorkflowBuilder, WorkflowDefinition};
use crate::time::Span;

/// The longest age that may be given.
pub const MAX_AGE: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);

/// The most executions that a count may say.
pub const MAX_COUNT: u32 = 1_000_000;

const RETENTION: &[&str] = &["age", "count"];

/// Which finished executions of a workflow are kept: those that both keep, where
/// both are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// For so long after its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<Span>,
    /// So many, those that ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

impl Retention {
    /// Whether everything is kept.
    #[must_use]
    pub const fn keeps_all(&self) -> bool {
        self.age.is_none() && self.count.is_none()
    }
}

impl WorkflowBuilder {
    /// Which of its finished executions are kept; without it, the node's settings
    /// say.
    #[must_use]
    pub const fn retention(mut self, retention: Retention) -> Self {
        self.definition.retention = Some(retention);
        self
    }
}

impl Reading {
    pub(super) fn retention(&mut self, value: &Value, pointer: &str) -> Option<Retention> {
        let fields: Fields<'_> = self.fields(value, pointer, RETENTION, "a retention")?;
        Some(Retention {
            age: self.text_form::<Span>(fields, "age", "write for example `30d`"),
            count: self.field(fields, "count"),
        })
    }
}

impl Check<'_> {
    pub(super) fn retention(&mut self, definition: &WorkflowDefinition) {
        let Some(retention) = definition.retention else {
            return;
        };
        let pointer = "/retention";
        if retention.keeps_all() {
            let message = "a retention says `age`, `count` or both".to_owned();
            self.problem(Code::MissingField, pointer, message);
        }
        if let Some(age) = retention.age
            && (age.0.is_zero() || age.0 > MAX_AGE)
        {
            let longest = Span(MAX_AGE);
            let message = format!("an age is longer than 0 and at most {longest}, not {age}");
            self.problem(Code::InvalidValue, &child(pointer, "age"), message);
        }
        if let Some(count) = retention.count
            && !(1..=MAX_COUNT).contains(&count)
        {
            let message = format!("a count is between 1 and {MAX_COUNT}, not {count}");
            self.problem(Code::InvalidValue, &child(pointer, "count"), message);
        }
    }
}

/// The JSON Schema of a retention.
pub(super) fn schema() -> Value {
    json!({
        "description": "Which finished executions are kept; the node's settings say if absent.",
        "type": "object",
        "additionalProperties": false,
        "minProperties": 1,
        "properties": {
            "age": { "$ref": "#/$defs/duration", "description": "For so long after its end." },
            "count": {
                "description": "So many, those that ended last.",
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_COUNT
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Document, check};

    fn document(retention: &Value) -> Document {
        Document::from_value(json!({
            "apiVersion": "nebula/v1", "kind": "Workflow", "name": "w", "retention": retention,
            "nodes": { "a": { "action": "test.a" } },
        }))
    }

    fn pointers(retention: &Value) -> Vec<String> {
        let problems = match document(retention).definition() {
            Ok(definition) => check(&definition),
            Err(problems) => problems,
        };
        problems.into_iter().map(|d| d.pointer).collect()
    }

    #[test]
    fn a_retention_reads_back_as_it_was_written() {
        for value in [
            json!({ "age": "30d" }),
            json!({ "count": 1 }),
            json!({ "age": "1ms", "count": 1_000_000 }),
        ] {
            assert_eq!(pointers(&value), [""; 0], "{value}");
            let definition = document(&value).definition().expect("reads");
            let written = serde_json::to_value(&definition).expect("writes");
            assert_eq!(written["retention"], value);
        }
    }

    #[test]
    fn what_keeps_nothing_or_says_nothing_is_refused_with_its_place() {
        for (value, pointer) in [
            (json!({}), "/retention"),
            (json!({ "age": "0s" }), "/retention/age"),
            (json!({ "age": "36501d" }), "/retention/age"),
            (json!({ "age": 30 }), "/retention/age"),
            (json!({ "count": 0 }), "/retention/count"),
            (json!({ "count": 1_000_001 }), "/retention/count"),
            (json!({ "count": -1 }), "/retention/count"),
            (json!({ "count": 1, "ages": "1d" }), "/retention/ages"),
            (json!("30d"), "/retention"),
        ] {
            assert_eq!(pointers(&value), [pointer], "{value}");
        }
    }
}
