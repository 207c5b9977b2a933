//! What a JSON Schema says, as it is asked here.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// What a schema says in a text.
pub(super) fn text(schema: &Value, key: &str) -> String {
    let text = schema.get(key).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// The texts that a value is one of.
pub(super) fn texts(schema: &Value) -> Option<Vec<String>> {
    if let Some(only) = schema.get("const") {
        return Some(vec![only.as_str()?.to_owned()]);
    }
    let names = schema.get("enum")?.as_array()?;
    names
        .iter()
        .map(|n| n.as_str().map(str::to_owned))
        .collect()
}

/// The alternatives of a schema that says nothing else about form.
pub(super) fn choices(schema: &Value) -> Option<&[Value]> {
    let said = schema.as_object()?;
    let list = said.get("oneOf").or_else(|| said.get("anyOf"))?;
    let others = ["properties", "allOf", "$ref", "items"];
    (!others.iter().any(|key| said.contains_key(*key)))
        .then(|| list.as_array().map(Vec::as_slice))
        .flatten()
}

pub(super) fn fields_of(schema: &Value) -> Option<&Map<String, Value>> {
    let properties = schema.get("properties")?.as_object()?;
    // What else must hold is not seen here.
    let open = ["allOf", "oneOf", "anyOf"]
        .iter()
        .any(|key| schema.get(*key).is_some());
    (!open && !properties.is_empty()).then_some(properties)
}

/// The schema without null, if null is one of two things that it is.
pub(super) fn or_null(said: &Map<String, Value>) -> Option<Value> {
    if let Some(names) = said.get("type").and_then(Value::as_array) {
        let rest: Vec<&Value> = names.iter().filter(|name| *name != "null").collect();
        let [only] = rest.as_slice() else { return None };
        let mut said = said.clone();
        said.insert("type".into(), (*only).clone());
        return (names.len() == 2).then_some(Value::Object(said));
    }
    let list = said
        .get("anyOf")
        .or_else(|| said.get("oneOf"))?
        .as_array()?;
    let is_null = |schema: &&Value| schema.get("type") == Some(&Value::from("null"));
    let rest: Vec<&Value> = list.iter().filter(|one| !is_null(one)).collect();
    match rest.as_slice() {
        [only] if list.len() == 2 => Some((*only).clone()),
        _ => None,
    }
}

/// The field whose text tells objects apart.
pub(super) fn tag(choices: &[Value]) -> Option<String> {
    let first = choices.first()?.get("properties")?.as_object()?;
    let mut seen = BTreeSet::new();
    let tag = first
        .keys()
        .find(|name| constant(&choices[0], name).is_some())?;
    let each = |one: &Value| constant(one, tag).is_some_and(|value| seen.insert(value.to_owned()));
    choices.iter().all(each).then(|| tag.clone())
}

pub(super) fn constant<'a>(schema: &'a Value, field: &str) -> Option<&'a str> {
    schema.get("properties")?.get(field)?.get("const")?.as_str()
}

/// The one field of an object that has no other.
pub(super) fn only_field(schema: &Value) -> Option<(&String, &Value)> {
    let properties = schema.get("properties")?.as_object()?;
    let required = schema.get("required")?.as_array()?;
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    match properties.iter().next() {
        Some(only) if closed && properties.len() == 1 && required.len() == 1 => Some(only),
        _ => None,
    }
}

/// The name that Rust has for an integer.
pub(super) fn integer(said: &Map<String, Value>) -> &'static str {
    match said.get("format").and_then(Value::as_str) {
        Some("int8") => "i8",
        Some("int16") => "i16",
        Some("int32") => "i32",
        Some("uint8") => "u8",
        Some("uint16") => "u16",
        Some("uint32") => "u32",
        Some("uint64" | "uint") => "u64",
        Some("uint128") => "u128",
        Some("int128") => "i128",
        Some("int64" | "int") => "i64",
        _ => {
            let least = said.get("minimum").and_then(Value::as_i64);
            if least.is_some_and(|least| least >= 0) {
                "u64"
            } else {
                "i64"
            }
        }
    }
}
