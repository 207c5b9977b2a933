//! What an action's input consists of, as a form shows it.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value};

use crate::schema::{Schema, Side, schema};

/// The fields of an action's input. Derived, by `#[derive(Parameters)]` beside
/// `#[data]`; what holds for a field is said there by `#[param(…)]`.
pub trait Parameters: Schema {
    /// The fields, in order.
    #[must_use]
    fn parameters() -> Vec<Parameter>
    where
        Self: Sized,
    {
        of(&schema::<Self>(Side::Read))
    }
}

/// One field of an action's input.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// In JSON.
    pub name: String,
    /// What a form calls it; none if it has only its name.
    pub label: Option<String>,
    /// The doc comment; may be empty.
    pub help: String,
    /// It may not be missing.
    pub required: bool,
    /// What it is where it is missing.
    pub default: Option<Value>,
    /// It is not shown as it is typed.
    pub secret: bool,
    /// The heading that it stands under with others.
    pub group: Option<String>,
    /// By other field, the values with which this one is shown; empty if always.
    pub show_when: Map<String, Value>,
    /// All that is said about it: its JSON Schema, whose references lead to `$defs`
    /// of the input's.
    pub schema: Value,
}

fn of(schema: &str) -> Vec<Parameter> {
    // The writer makes JSON, of an object.
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|n| n == name));
    properties
        .into_iter()
        .flatten()
        .map(|(name, said)| Parameter {
            required: is_required(name),
            ..parameter(name, said)
        })
        .collect()
}

fn parameter(name: &str, said: &Value) -> Parameter {
    let text = |key: &str| said.get(key).and_then(Value::as_str).map(str::to_owned);
    Parameter {
        name: name.to_owned(),
        label: text("title"),
        help: text("description").unwrap_or_default(),
        required: false,
        default: said.get("default").cloned(),
        secret: said.get("x-nebula-secret") == Some(&Value::Bool(true)),
        group: text("x-nebula-group"),
        show_when: match said.get("x-nebula-show-when") {
            Some(Value::Object(fields)) => fields.clone(),
            _ => Map::new(),
        },
        schema: said.clone(),
    }
}
