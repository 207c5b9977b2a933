//! Values against JSON Schemas: a workflow's input, an action's input.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// The most problems that one check reports.
const MAX_PROBLEMS: usize = 20;

/// A JSON Schema, ready to check values.
#[derive(Debug)]
pub struct Shape(Validator);

/// A value that a schema does not accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// JSON pointer into the value.
    pub pointer: String,
    /// What is wrong, without the value itself: it may be a secret.
    pub message: String,
}

impl Shape {
    /// Compiles a schema (draft 2020-12 unless it says otherwise). Patterns run
    /// on a linear-time engine; references lead nowhere but into the schema.
    ///
    /// # Errors
    /// Why it is no JSON Schema: where in it, and what.
    pub fn compile(schema: &Value) -> Result<Self, Mismatch> {
        jsonschema::options()
            .with_pattern_options(PatternOptions::regex())
            .build(schema)
            .map(Self)
            .map_err(|error| Mismatch {
                pointer: error.instance_path().to_string(),
                message: cut(&error.to_string()),
            })
    }

    /// What the schema has against a value; empty when it accepts it.
    #[must_use]
    pub fn mismatches(&self, value: &Value) -> Vec<Mismatch> {
        if self.0.is_valid(value) {
            return Vec::new();
        }
        let mismatch = |error: jsonschema::ValidationError<'_>| Mismatch {
            pointer: error.instance_path().to_string(),
            message: cut(&error.masked().to_string()),
        };
        self.0
            .iter_errors(value)
            .take(MAX_PROBLEMS)
            .map(mismatch)
            .collect()
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= 300 {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(299).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mismatch_names_the_place_and_not_the_value() {
        let schema = json!({"type": "object", "properties": {"city": {"type": "string", "pattern": "^[A-Z]+$"}}});
        let shape = Shape::compile(&schema).expect("is a schema");
        assert!(shape.mismatches(&json!({"city": "OSLO"})).is_empty());
        let found = shape.mismatches(&json!({"city": "hunter2"}));
        assert_eq!(found[0].pointer, "/city");
        assert!(
            !found[0].message.contains("hunter2"),
            "{}",
            found[0].message
        );
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        for schema in [
            json!({"type": "strnig"}),
            json!({"$ref": "https://example.com/x"}),
            json!(3),
            json!({"pattern": "("}),
        ] {
            assert!(Shape::compile(&schema).is_err(), "{schema}");
        }
    }
}
