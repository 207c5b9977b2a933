//! Workflow templates: a workflow with typed holes, filled when it is deployed.
//! A hole is a constant of the workflow (`vars`) or the stored name of a
//! credential: values are set as data and never pasted into text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::PackageError;

/// Bytes of a template's workflow.
pub const MAX_WORKFLOW: usize = 256 << 10;
/// Holes of one template.
pub const MAX_HOLES: usize = 64;

/// A workflow to begin with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Within the package.
    pub name: String,
    /// One or two sentences.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What is to be filled in, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub holes: BTreeMap<String, Hole>,
    /// The workflow document, YAML or JSON.
    pub workflow: String,
}

/// What is to be filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hole {
    /// What it takes.
    #[serde(rename = "type")]
    pub kind: HoleType,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// If nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// What a hole takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoleType {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Any JSON.
    Json,
    /// The name of a stored credential.
    Credential,
}

impl HoleType {
    /// As `nebula.toml` spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Json => "json",
            Self::Credential => "credential",
        }
    }

    /// A value of this type from what a person wrote.
    fn read(self, text: &str) -> Option<Value> {
        match self {
            Self::String | Self::Credential => Some(text.into()),
            _ => serde_json::from_str(text)
                .ok()
                .filter(|value| self.takes(value)),
        }
    }

    fn takes(self, value: &Value) -> bool {
        match self {
            Self::String | Self::Credential => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Json => true,
        }
    }
}

impl Template {
    pub(super) fn check(&self) -> Result<(), PackageError> {
        let broken = |what: String| {
            Err(PackageError::Template {
                template: self.name.clone(),
                what,
            })
        };
        if self.workflow.len() > MAX_WORKFLOW {
            return broken(format!("has more than {MAX_WORKFLOW} bytes"));
        }
        if self.holes.len() > MAX_HOLES {
            return broken(format!("has more than {MAX_HOLES} holes"));
        }
        for (name, hole) in &self.holes {
            if !is_hole(name) {
                return broken(format!(
                    "names a hole `{}`; write letters, digits and `_`",
                    name.escape_debug()
                ));
            }
            if hole
                .default
                .as_ref()
                .is_some_and(|value| !hole.kind.takes(value))
            {
                return broken(format!(
                    "gives the hole `{name}` a default that is not {}",
                    hole.kind.name()
                ));
            }
        }
        Ok(())
    }

    /// The values of all holes, from what a person wrote for some of them.
    ///
    /// # Errors
    /// When one is missing, has another type, or is not a hole of this template.
    pub fn values(
        &self,
        set: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, Value>, PackageError> {
        let wrong = |what: String| PackageError::Template {
            template: self.name.clone(),
            what,
        };
        if let Some(unknown) = set.keys().find(|name| !self.holes.contains_key(*name)) {
            let there: Vec<_> = self.holes.keys().map(String::as_str).collect();
            return Err(wrong(format!(
                "has no hole `{unknown}`; it has {}",
                if there.is_empty() {
                    "none".to_owned()
                } else {
                    there.join(", ")
                }
            )));
        }
        let value = |(name, hole): (&String, &Hole)| {
            let value = match set.get(name) {
                Some(text) => hole.kind.read(text).ok_or_else(|| {
                    wrong(format!(
                        "takes for `{name}` a value of type {}",
                        hole.kind.name()
                    ))
                })?,
                None => hole.default.clone().ok_or_else(|| {
                    wrong(format!(
                        "needs a value for `{name}`; add --set {name}=VALUE"
                    ))
                })?,
            };
            Ok((name.clone(), value))
        };
        self.holes.iter().map(value).collect()
    }

    /// Fills a workflow document, parsed from this template's text: holes become
    /// its `vars`; the name of a credential hole, where a node binds it, becomes
    /// the stored name.
    #[must_use]
    pub fn fill(&self, mut workflow: Value, values: &BTreeMap<String, Value>) -> Value {
        let (credentials, vars): (BTreeMap<_, _>, BTreeMap<_, _>) =
            values.iter().partition(|(name, _)| {
                self.holes
                    .get(*name)
                    .is_some_and(|hole| hole.kind == HoleType::Credential)
            });
        bind(&mut workflow, &credentials);
        if let Some(document) = workflow.as_object_mut() {
            let all = document
                .entry("vars")
                .or_insert_with(|| Value::Object(serde_json::Map::new()));
            if let Some(all) = all.as_object_mut() {
                for (name, value) in vars {
                    all.insert(name.clone(), value.clone());
                }
            }
        }
        workflow
    }
}

/// Binds credentials in every node, also in those within a map.
fn bind(value: &mut Value, credentials: &BTreeMap<&String, &Value>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields.iter_mut() {
                match field {
                    Value::Object(bound) if key == "credentials" => {
                        for stored_as in bound.values_mut() {
                            let hole = stored_as.as_str().map(str::to_owned);
                            if let Some(value) = hole.and_then(|hole| credentials.get(&hole)) {
                                *stored_as = (*value).clone();
                            }
                        }
                    }
                    field => bind(field, credentials),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| bind(item, credentials)),
        _ => {}
    }
}

fn is_hole(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template() -> Template {
        serde_json::from_value(json!({
            "name": "alert", "workflow": "",
            "holes": {
                "city": { "type": "string" },
                "limit": { "type": "integer", "default": 30 },
                "key": { "type": "credential", "default": "weather-prod" },
            },
        }))
        .unwrap()
    }

    fn set(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(own).collect()
    }

    #[test]
    fn holes_become_constants_and_bound_credentials_and_no_text_is_pasted() {
        let template = template();
        let hostile = "Cairo\", \"nodes\": {}} ${ $vars }";
        let values = template
            .values(&set(&[("city", hostile), ("key", "mine")]))
            .unwrap();
        let workflow = json!({ "vars": { "kept": 1 }, "nodes": {
            "a": { "credentials": { "weather_api": "key", "other": "fixed" } },
            "b": { "map": { "node": { "credentials": { "x": "key" } } } } } });
        let filled = template.fill(workflow, &values);
        assert_eq!(
            filled,
            json!({ "vars": { "kept": 1, "city": hostile, "limit": 30 }, "nodes": {
                "a": { "credentials": { "weather_api": "mine", "other": "fixed" } },
                "b": { "map": { "node": { "credentials": { "x": "mine" } } } } } })
        );
    }

    #[test]
    fn a_missing_a_mistyped_and_an_unknown_hole_are_named() {
        let template = template();
        for (given, said) in [
            (set(&[]), "needs a value for `city`"),
            (
                set(&[("city", "x"), ("limit", "1.5")]),
                "for `limit` a value of type integer",
            ),
            (set(&[("city", "x"), ("limit", "many")]), "for `limit`"),
            (
                set(&[("town", "x")]),
                "has no hole `town`; it has city, key, limit",
            ),
        ] {
            let error = template.values(&given).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        let mut odd = template.clone();
        odd.holes.get_mut("limit").unwrap().default = Some(json!("thirty"));
        assert!(odd.check().unwrap_err().to_string().contains("not integer"));
    }
}
