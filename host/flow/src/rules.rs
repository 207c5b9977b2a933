//! What an action's input schema asks beyond types, such as a length or a
//! pattern. The host checks it before a call, whatever language the action is
//! written in; types are left to the action itself, which says what it found.
//!
//! A schema is a stranger's, and checking one costs the host. So only those are
//! accepted that end, and whose work is bounded by the size of the input.

use serde_json::{Map, Value};

use crate::event::{Failure, FailureKind};
use crate::payload;
use crate::shape::{Mismatch, Shape};

/// The most parts of a schema, each counted wherever it is referred to.
const MAX_PARTS: u64 = 10_000;

/// The most looks at an input: parts times what it consists of. Each takes some
/// ten nanoseconds, as measured with a list of small numbers.
const MAX_WORK: u64 = 64 << 20;

/// Bytes of a text that take as long to look at as a value does.
const BYTES: u64 = 16;

/// The most problems that a failure names.
const MAX_NAMED: usize = 3;

/// The rules of an action's input, ready to check values.
#[derive(Debug)]
pub struct Rules {
    shape: Shape,
    parts: u64,
}

/// Why the rules of a schema cannot be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// It contains itself.
    #[error("a schema with rules may not refer to itself, as `{0}` does")]
    Recursive(String),
    /// It is larger than what is checked before each call.
    #[error("a schema with rules may have {} parts", MAX_PARTS)]
    TooLarge,
    /// It refers to something else than its own definitions.
    #[error("a schema with rules may refer to `#/$defs/…`, and not to `{0}`")]
    Reference(String),
    /// It is no JSON Schema.
    #[error("it is no JSON Schema: {0}")]
    Invalid(String),
}

impl Rules {
    /// The rules of an input schema; none if it says nothing beyond types.
    ///
    /// # Errors
    /// When it has rules, and is not one whose checking ends soon.
    pub fn of(schema: &Value) -> Result<Option<Self>, RulesError> {
        if !has_rules(schema) {
            return Ok(None);
        }
        let mut parts = Parts {
            root: schema,
            open: Vec::new(),
            count: 0,
        };
        parts.add(schema)?;
        let parts = parts.count;
        let shape = Shape::compile(schema).map_err(|e| RulesError::Invalid(e.message))?;
        Ok(Some(Self { shape, parts }))
    }

    /// Checks an input, MessagePack.
    ///
    /// # Errors
    /// [`FailureKind::InvalidInput`], with the places and their rules.
    pub fn check(&self, input: &[u8]) -> Result<(), Failure> {
        let invalid = |message: String| Failure::new(FailureKind::InvalidInput, message);
        let bytes = u64::try_from(input.len()).unwrap_or(u64::MAX);
        let input = payload::decode(input).map_err(|e| invalid(e.to_string()))?;
        let size = values(&input).saturating_add(bytes / BYTES);
        if size.saturating_mul(self.parts) > MAX_WORK {
            return Err(invalid(format!(
                "an input of {bytes} bytes is too large to be checked by a schema of {} parts",
                self.parts
            )));
        }
        let mismatches = self.shape.mismatches(&input);
        if mismatches.is_empty() {
            return Ok(());
        }
        let named: Vec<String> = mismatches.iter().take(MAX_NAMED).map(named).collect();
        Err(invalid(named.join("; ")))
    }
}

/// How many values there are in one.
fn values(value: &Value) -> u64 {
    let within: u64 = match value {
        Value::Array(items) => items.iter().map(values).sum(),
        Value::Object(fields) => fields.values().map(values).sum(),
        _ => 0,
    };
    within + 1
}

/// `orders[2].city: value is shorter than 1 character`, as the SDK writes places.
fn named(mismatch: &Mismatch) -> String {
    let mut place = String::new();
    for segment in mismatch.pointer.split('/').skip(1) {
        if segment.bytes().all(|b| b.is_ascii_digit()) {
            place.push_str(&format!("[{segment}]"));
            continue;
        }
        if !place.is_empty() {
            place.push('.');
        }
        place.push_str(&segment.replace("~1", "/").replace("~0", "~"));
    }
    match place.as_str() {
        "" => mismatch.message.clone(),
        place => format!("{place}: {}", mismatch.message),
    }
}

// --------------------------------------------------------------- schemas --

/// Keywords whose values are no schemas.
const VALUES: [&str; 5] = ["default", "examples", "const", "enum", "required"];

/// Keywords whose values are schemas by name, and are applied where they stand.
const BY_NAME: [&str; 3] = ["properties", "patternProperties", "dependentSchemas"];

/// Those whose values are applied where something refers to them.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

const RULES: [&str; 12] = [
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
];

/// The schemas that are applied with one.
fn within(said: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    said.iter().flat_map(|(key, value)| applied(key, value))
}

/// The schemas under a keyword.
fn applied<'a>(key: &str, value: &'a Value) -> Vec<&'a Value> {
    match value {
        _ if VALUES.contains(&key) || DEFINITIONS.contains(&key) || key.starts_with("x-") => {
            Vec::new()
        }
        Value::Object(named) if BY_NAME.contains(&key) => named.values().collect(),
        Value::Array(list) => list.iter().collect(),
        other => vec![other],
    }
}

fn has_rules(schema: &Value) -> bool {
    let Value::Object(said) = schema else {
        return false;
    };
    let mut definitions = DEFINITIONS
        .iter()
        .filter_map(|key| said.get(*key)?.as_object());
    said.keys()
        .any(|key| RULES.contains(&key.as_str()) && !is_of_type(said, key))
        || within(said).any(has_rules)
        || definitions.any(|named| named.values().any(has_rules))
}

/// Whether a bound is only what the type is: that of a small integer, or how many
/// places a tuple has.
fn is_of_type(said: &Map<String, Value>, key: &str) -> bool {
    let format = said.get("format").and_then(Value::as_str);
    let (least, most): (i64, Option<i64>) = match format {
        Some("uint8") => (0, Some(u8::MAX.into())),
        Some("uint16") => (0, Some(u16::MAX.into())),
        Some("int8") => (i8::MIN.into(), Some(i8::MAX.into())),
        Some("int16") => (i16::MIN.into(), Some(i16::MAX.into())),
        Some("uint32" | "uint64" | "uint128" | "uint") => (0, None),
        _ => {
            let is_tuple = said.contains_key("prefixItems");
            return key.ends_with("Items")
                && (is_tuple || said.get("minItems") == said.get("maxItems"));
        }
    };
    let bound = said.get(key).and_then(Value::as_i64);
    match key {
        "minimum" => bound == Some(least),
        "maximum" => bound.is_some() && bound == most,
        _ => false,
    }
}

/// Counts what checking a value once may look at.
struct Parts<'a> {
    root: &'a Value,
    /// The references that are being followed.
    open: Vec<&'a str>,
    count: u64,
}

impl<'a> Parts<'a> {
    fn add(&mut self, schema: &'a Value) -> Result<(), RulesError> {
        self.count += 1;
        if self.count > MAX_PARTS {
            return Err(RulesError::TooLarge);
        }
        let Value::Object(said) = schema else {
            return Ok(());
        };
        if let Some(key) = ["$dynamicRef", "$recursiveRef", "$id"]
            .into_iter()
            .find(|key| said.contains_key(*key))
        {
            return Err(RulesError::Reference(key.to_owned()));
        }
        if let Some(to) = said.get("$ref").and_then(Value::as_str) {
            self.follow(to)?;
        }
        within(said).try_for_each(|schema| self.add(schema))
    }

    fn follow(&mut self, to: &'a str) -> Result<(), RulesError> {
        if self.open.contains(&to) || to == "#" {
            return Err(RulesError::Recursive(to.to_owned()));
        }
        let Some(target) = to.strip_prefix('#').and_then(|to| self.root.pointer(to)) else {
            return Err(RulesError::Reference(to.to_owned()));
        };
        self.open.push(to);
        self.add(target)?;
        self.open.pop();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value, input: &Value) -> Result<(), String> {
        let rules = Rules::of(schema)
            .expect("can be checked")
            .expect("has rules");
        let input = payload::encode(input).expect("encodes");
        rules.check(&input).map_err(|failure| {
            assert_eq!(failure.kind, FailureKind::InvalidInput);
            failure.message
        })
    }

    #[test]
    fn a_broken_rule_is_named_with_its_place_and_without_the_value() {
        let schema = json!({
            "type": "object",
            "properties": {
                "orders": { "type": "array", "items": { "$ref": "#/$defs/Order" } },
                "a/b": { "type": "integer", "minimum": 1 },
            },
            "$defs": { "Order": {
                "type": "object",
                "properties": { "city": { "type": "string", "pattern": "^[A-Z]" } },
            } },
        });
        let order = |city: &str| json!({ "city": city });
        assert_eq!(
            check(&schema, &json!({ "orders": [order("Oslo")] })),
            Ok(())
        );
        let input = json!({ "orders": [order("Oslo"), order("hunter2")], "a/b": 0 });
        let said = check(&schema, &input).expect_err("breaks two rules");
        assert_eq!(
            said,
            "orders[1].city: value does not match \"^[A-Z]\"; a/b: value is less than the minimum of 1"
        );
    }

    #[test]
    fn a_schema_of_types_alone_has_no_rules() {
        for schema in [
            json!(true),
            json!({ "type": "object", "properties": { "pattern": { "type": "string" } } }),
            json!({ "type": "integer", "format": "uint8", "minimum": 0, "maximum": 255 }),
            json!({ "type": "array", "prefixItems": [{ "type": "string" }], "minItems": 1, "maxItems": 1 }),
            json!({ "type": "array", "items": true, "minItems": 3, "maxItems": 3 }),
            json!({ "default": { "pattern": "a" }, "x-nebula-show-when": { "minimum": [1] } }),
            json!({ "properties": { "next": { "$ref": "#" } } }),
        ] {
            assert!(
                Rules::of(&schema).expect("is let through").is_none(),
                "{schema}"
            );
        }
        for schema in [
            json!({ "type": "integer", "format": "uint8", "minimum": 1, "maximum": 255 }),
            json!({ "type": "integer", "format": "int32", "minimum": 0 }),
            json!({ "properties": { "pattern": { "pattern": "a" } } }),
            json!({ "$defs": { "a": { "anyOf": [{ "type": "array", "minItems": 1 }] } } }),
        ] {
            assert!(
                Rules::of(&schema).expect("can be checked").is_some(),
                "{schema}"
            );
        }
    }

    #[test]
    fn what_could_keep_the_host_busy_is_refused() {
        let rule = json!({ "minLength": 1 });
        let of = |schema: Value| Rules::of(&schema).expect_err("refused");
        let looping = json!({
            "properties": { "name": rule, "next": { "$ref": "#/$defs/a" } },
            "$defs": { "a": { "anyOf": [{ "items": { "$ref": "#/$defs/a" } }] } },
        });
        assert_eq!(of(looping), RulesError::Recursive("#/$defs/a".into()));
        assert_eq!(
            of(json!({ "properties": { "a": rule, "b": { "$ref": "#" } } })),
            RulesError::Recursive("#".into())
        );
        assert_eq!(
            of(json!({ "properties": { "a": rule }, "$ref": "https://example.com/x" })),
            RulesError::Reference("https://example.com/x".into())
        );
        // Each definition refers twice to the next.
        let mut definitions = Map::new();
        for n in 0..40 {
            let next = json!({ "$ref": format!("#/$defs/{}", n + 1) });
            definitions.insert(n.to_string(), json!({ "allOf": [next, next] }));
        }
        definitions.insert("40".into(), rule);
        assert_eq!(
            of(json!({ "$ref": "#/$defs/0", "$defs": definitions })),
            RulesError::TooLarge
        );
        assert!(matches!(
            of(json!({ "pattern": "(" })),
            RulesError::Invalid(_)
        ));

        let many: Vec<Value> = (1..500).map(|n| json!({ "minLength": n })).collect();
        let input = json!("x".repeat(3 << 20));
        let said = check(&json!({ "allOf": many.clone() }), &input).expect_err("too much");
        assert!(said.contains("too large"), "{said}");
        let list = json!({ "items": { "allOf": many } });
        let said = check(&list, &json!(vec![""; 200_000])).expect_err("too much");
        assert!(said.contains("too large"), "{said}");
    }
}
