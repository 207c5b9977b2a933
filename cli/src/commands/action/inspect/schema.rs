//! A JSON Schema as people read it: `{ name: string, age?: integer }`.

use serde_json::{Map, Value};

/// How deep it is shown.
const DEEPEST: usize = 5;
/// How many parts of it are shown.
const MOST: usize = 64;
/// Characters of a name or value.
const LONGEST: usize = 40;
/// Instead of what is not shown.
const MORE: &str = "…";

/// The form that a value has by a schema, in one line. It may have more rules than
/// are shown.
pub(super) fn short(schema: &Value) -> String {
    let mut short = Short {
        root: schema,
        left: MOST,
    };
    short.form(schema, DEEPEST)
}

struct Short<'a> {
    /// References lead into it.
    root: &'a Value,
    /// How many more parts are shown: references may make a schema of any size.
    left: usize,
}

impl Short<'_> {
    fn form(&mut self, schema: &Value, depth: usize) -> String {
        if self.left == 0 {
            return MORE.to_owned();
        }
        self.left -= 1;
        if depth == 0 {
            return MORE.to_owned();
        }
        let fields = match schema {
            Value::Bool(false) => return "nothing".to_owned(),
            Value::Object(fields) => fields,
            _ => return "any".to_owned(),
        };
        if let Some(place) = fields.get("$ref").and_then(Value::as_str) {
            let root = self.root;
            return match place.strip_prefix('#').and_then(|p| root.pointer(p)) {
                Some(meant) => self.form(meant, depth - 1),
                None => text(place),
            };
        }
        if let Some(value) = fields.get("const") {
            return text(&value.to_string());
        }
        if let Some(values) = list(fields, "enum") {
            let values: Vec<String> = values.iter().map(|v| text(&v.to_string())).collect();
            return joined(values, " | ");
        }
        for (key, between) in [("anyOf", " | "), ("oneOf", " | "), ("allOf", " & ")] {
            if let Some(forms) = list(fields, key) {
                let forms: Vec<String> = self.forms(forms, depth);
                return joined(forms, between);
            }
        }
        match fields.get("type") {
            Some(Value::String(kind)) => self.of_type(kind, fields, depth),
            Some(Value::Array(kinds)) => {
                let kinds = kinds.iter().filter_map(Value::as_str);
                let kinds: Vec<String> = kinds
                    .map(|kind| self.of_type(kind, fields, depth))
                    .collect();
                joined(kinds, " | ")
            }
            _ if fields.contains_key("properties") => self.object(fields, depth),
            _ => "any".to_owned(),
        }
    }

    fn of_type(&mut self, kind: &str, fields: &Map<String, Value>, depth: usize) -> String {
        match kind {
            "object" => self.object(fields, depth),
            "array" => match fields.get("prefixItems").and_then(Value::as_array) {
                Some(items) => {
                    let items = self.forms(items, depth);
                    format!("[{}]", joined(items, ", "))
                }
                None => {
                    let any = Value::Bool(true);
                    let items = fields.get("items").unwrap_or(&any);
                    format!("[{}]", self.form(items, depth - 1))
                }
            },
            kind => text(kind),
        }
    }

    fn object(&mut self, fields: &Map<String, Value>, depth: usize) -> String {
        let needed = list(fields, "required").unwrap_or_default();
        let mut parts = Vec::new();
        let properties = fields.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            if self.left == 0 {
                parts.push(MORE.to_owned());
                break;
            }
            let may = if needed.iter().any(|n| n == name) {
                ""
            } else {
                "?"
            };
            parts.push(format!(
                "{}{may}: {}",
                text(name),
                self.form(schema, depth - 1)
            ));
        }
        if let Some(schema @ Value::Object(_)) = fields.get("additionalProperties") {
            parts.push(format!("…: {}", self.form(schema, depth - 1)));
        }
        if parts.is_empty() {
            return "{}".to_owned();
        }
        format!("{{ {} }}", parts.join(", "))
    }

    fn forms(&mut self, schemas: &[Value], depth: usize) -> Vec<String> {
        let mut forms = Vec::new();
        for schema in schemas {
            if self.left == 0 {
                forms.push(MORE.to_owned());
                break;
            }
            forms.push(self.form(schema, depth - 1));
        }
        forms
    }
}

/// A few of them.
fn joined(mut parts: Vec<String>, between: &str) -> String {
    const FEW: usize = 12;
    if parts.len() > FEW {
        parts.truncate(FEW);
        parts.push(MORE.to_owned());
    }
    parts.join(between)
}

fn list<'a>(fields: &'a Map<String, Value>, key: &str) -> Option<&'a [Value]> {
    fields.get(key).and_then(Value::as_array).map(Vec::as_slice)
}

/// A name or value of a stranger, no longer than is good.
fn text(text: &str) -> String {
    let mut letters = text.chars();
    let mut short: String = letters.by_ref().take(LONGEST).collect();
    if letters.next().is_some() {
        short += MORE;
    }
    short
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_reads_like_a_type() {
        for (schema, wanted) in [
            (json!(true), "any"),
            (json!(false), "nothing"),
            (json!({}), "any"),
            (json!({ "type": "integer", "minimum": 0 }), "integer"),
            (json!({ "type": ["string", "null"] }), "string | null"),
            (json!({ "enum": ["a", "b"] }), r#""a" | "b""#),
            (json!({ "const": 7 }), "7"),
            (json!({ "type": "array" }), "[any]"),
            (
                json!({ "type": "object", "required": ["name"], "properties": {
                    "name": { "type": "string" }, "tags": { "type": "array", "items": { "type": "string" } },
                } }),
                "{ name: string, tags?: [string] }",
            ),
            (
                json!({ "type": "object", "additionalProperties": { "type": "number" } }),
                "{ …: number }",
            ),
            (
                json!({ "anyOf": [{ "$ref": "#/$defs/A" }, { "type": "null" }],
                    "$defs": { "A": { "type": "string" } } }),
                "string | null",
            ),
            (
                json!({ "$ref": "https://elsewhere.example/a" }),
                "https://elsewhere.example/a",
            ),
            (
                json!({ "type": "array", "prefixItems": [{ "type": "string" }, { "type": "number" }] }),
                "[string, number]",
            ),
        ] {
            assert_eq!(short(&schema), wanted, "{schema}");
        }
    }

    #[test]
    fn a_schema_without_an_end_has_a_short_form_too() {
        let list = json!({ "$ref": "#/$defs/L", "$defs": { "L": {
            "type": "object", "required": ["next"], "properties": { "next": { "$ref": "#/$defs/L" } },
        } } });
        assert_eq!(short(&list), "{ next: { next: … } }");
        let wide: Map<String, Value> = (0..9)
            .map(|n| (n.to_string(), json!({ "$ref": "#" })))
            .collect();
        let wide = json!({ "type": "object", "properties": wide });
        assert!(short(&wide).len() < 2_000, "{}", short(&wide));
    }
}
