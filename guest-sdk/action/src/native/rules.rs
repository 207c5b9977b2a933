//! The rules that `#[param(…)]` gives, which the host checks by the JSON Schema
//! before it calls an action. This reads the schemas that the SDK itself writes,
//! and answers what the host does; it looks at rules only, since types are read by
//! serde.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use crate::error::{ActionError, Result};
use crate::schema::{Schema, Side, schema};
use crate::wire;

/// Checks an input, MessagePack, against the rules of its type.
///
/// # Errors
/// [`ActionError::InvalidInput`], with the place and the rule.
pub(crate) fn check<T: Schema>(input: &[u8]) -> Result<()> {
    // What is no value at all is refused where it is decoded, with its place.
    let Ok(input) = wire::decode::<Value>(input) else {
        return Ok(());
    };
    let root: Value = serde_json::from_str(&schema::<T>(Side::Read))?;
    match (Rules { root: &root }).broken(&root, &input, "") {
        Some(broken) => Err(ActionError::InvalidInput(broken)),
        None => Ok(()),
    }
}

struct Rules<'a> {
    root: &'a Value,
}

impl Rules<'_> {
    /// The first rule that a value breaks, behind its place.
    fn broken(&self, schema: &Value, value: &Value, place: &str) -> Option<String> {
        let said = schema.as_object()?;
        if let Some(of) = self.referred(said)
            && let Some(broken) = self.broken(of, value, place)
        {
            return Some(broken);
        }
        let own = match value {
            Value::Number(number) => of_number(said, number),
            Value::String(text) => of_text(said, text),
            Value::Array(items) => of_count(said, "Items", items.len(), "item"),
            _ => None,
        };
        let own = own.map(|rule| match place {
            "" => rule,
            place => format!("{place}: {rule}"),
        });
        own.or_else(|| self.within(said, value, place))
            .or_else(|| self.besides(said, value, place))
    }

    /// In the parts of a value.
    fn within(&self, said: &Map<String, Value>, value: &Value, place: &str) -> Option<String> {
        match value {
            Value::Object(fields) => fields.iter().find_map(|(name, field)| {
                let own = said.get("properties").and_then(|all| all.get(name));
                let patterns = said.get("patternProperties").and_then(Value::as_object);
                let schema = own
                    .or_else(|| patterns?.values().next())
                    .or_else(|| said.get("additionalProperties"))?;
                let place = match place {
                    "" => name.clone(),
                    place => format!("{place}.{name}"),
                };
                self.broken(schema, field, &place)
            }),
            Value::Array(items) => {
                let places = said.get("prefixItems").and_then(Value::as_array);
                items.iter().enumerate().find_map(|(index, item)| {
                    let own = places.and_then(|all| all.get(index));
                    let schema = own.or_else(|| said.get("items"))?;
                    self.broken(schema, item, &format!("{place}[{index}]"))
                })
            }
            _ => None,
        }
    }

    /// In what must hold besides.
    fn besides(&self, said: &Map<String, Value>, value: &Value, place: &str) -> Option<String> {
        let list = |key: &str| said.get(key).and_then(Value::as_array);
        let mut all = list("allOf").into_iter().flatten();
        if let Some(broken) = all.find_map(|schema| self.broken(schema, value, place)) {
            return Some(broken);
        }
        ["anyOf", "oneOf"].into_iter().find_map(|key| {
            let fitting = list(key)?.iter().filter(|one| self.fits(one, value));
            let broken: Vec<_> = fitting.map(|one| self.broken(one, value, place)).collect();
            // One that it fits is enough.
            broken
                .into_iter()
                .collect::<Option<Vec<_>>>()?
                .into_iter()
                .next()
        })
    }

    /// Whether a value has the form of an alternative, whatever its rules say.
    fn fits(&self, schema: &Value, value: &Value) -> bool {
        let Some(said) = schema.as_object() else {
            return *schema != Value::Bool(false);
        };
        let is_type = match said.get("type") {
            Some(Value::String(name)) => is(name, value),
            Some(Value::Array(names)) => names
                .iter()
                .filter_map(Value::as_str)
                .any(|name| is(name, value)),
            _ => true,
        };
        let is_one = said.get("const").is_none_or(|only| only == value)
            && match said.get("enum").and_then(Value::as_array) {
                Some(names) => names.contains(value),
                None => true,
            };
        let fields = value.as_object();
        let has = |name: &Value| {
            let name = name.as_str().unwrap_or_default();
            fields.is_none_or(|fields| fields.contains_key(name))
        };
        let required = said.get("required").and_then(Value::as_array);
        let properties = said.get("properties").and_then(Value::as_object);
        self.referred(said).is_none_or(|of| self.fits(of, value))
            && is_type
            && is_one
            && required.is_none_or(|names| names.iter().all(has))
            && properties.into_iter().flatten().all(|(name, schema)| {
                let field = fields.and_then(|fields| fields.get(name));
                field.is_none_or(|field| self.fits(schema, field))
            })
    }

    fn referred(&self, said: &Map<String, Value>) -> Option<&Value> {
        let to = said.get("$ref")?.as_str()?.strip_prefix('#')?;
        self.root.pointer(to)
    }
}

fn is(name: &str, value: &Value) -> bool {
    match (name, value) {
        ("null", Value::Null)
        | ("boolean", Value::Bool(_))
        | ("number", Value::Number(_))
        | ("string", Value::String(_))
        | ("array", Value::Array(_))
        | ("object", Value::Object(_)) => true,
        ("integer", Value::Number(number)) => {
            number.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        _ => false,
    }
}

// ---------------------------------------------------------------- rules --

type Broken = fn(Ordering) -> bool;

fn of_number(said: &Map<String, Value>, number: &Number) -> Option<String> {
    let bounds: [(&str, Broken, &str); 4] = [
        ("minimum", Ordering::is_lt, "less than the minimum"),
        ("maximum", Ordering::is_gt, "greater than the maximum"),
        (
            "exclusiveMinimum",
            Ordering::is_le,
            "less than or equal to the minimum",
        ),
        (
            "exclusiveMaximum",
            Ordering::is_ge,
            "greater than or equal to the maximum",
        ),
    ];
    bounds.into_iter().find_map(|(key, breaks, how)| {
        let Value::Number(limit) = said.get(key)? else {
            return None;
        };
        breaks(compare(number, limit)?).then(|| format!("value is {how} of {limit}"))
    })
}

/// Whole numbers exactly, others as floating point.
fn compare(one: &Number, other: &Number) -> Option<Ordering> {
    let whole = |n: &Number| n.as_i64().map(i128::from).or(n.as_u64().map(i128::from));
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

fn of_text(said: &Map<String, Value>, text: &str) -> Option<String> {
    of_count(said, "Length", text.chars().count(), "character").or_else(|| {
        let pattern = said.get("pattern")?.as_str()?;
        (!matches(pattern, text)).then(|| format!("value does not match \"{pattern}\""))
    })
}

/// A number of characters or items.
fn of_count(said: &Map<String, Value>, of: &str, count: usize, unit: &str) -> Option<String> {
    let limit = |end: &str| {
        let limit = said.get(&format!("{end}{of}"))?.as_u64()?;
        Some(usize::try_from(limit).unwrap_or(usize::MAX))
    };
    let (few, many) = match unit {
        "item" => ("has less", "has more"),
        _ => ("is shorter", "is longer"),
    };
    let tell = |how: &str, limit: usize| {
        let plural = if limit == 1 { "" } else { "s" };
        format!("value {how} than {limit} {unit}{plural}")
    };
    let least = limit("min").filter(|least| count < *least);
    let most = limit("max").filter(|most| count > *most);
    least
        .map(|least| tell(few, least))
        .or_else(|| most.map(|most| tell(many, most)))
}

/// As the host reads patterns: those of ECMA-262, translated.
fn matches(pattern: &str, text: &str) -> bool {
    let translated = jsonschema_regex::to_rust_regex(pattern);
    let regex = translated.ok().and_then(|p| regex::Regex::new(&p).ok());
    regex.is_some_and(|regex| regex.is_match(text))
}
