//! What a component says about itself, checked: it is a stranger's text that
//! catalogs, expressions and grants will rely on.

use std::collections::{BTreeSet, HashMap};

use nebula_flow::event::Failure;
use nebula_flow::rules::Rules;
use nebula_flow::{ActionId, ActionMetadata, Value};
use semver::Version;

use crate::bindings::nebula::action::types;
use crate::lines::cut;
use crate::structure::refused;

/// Actions of one component.
const MAX_ACTIONS: usize = 256;
/// Bytes of a short text.
const TEXT_BYTES: usize = 4 << 10;
/// Bytes of a schema.
const SCHEMA_BYTES: usize = 256 << 10;
/// Credentials or hosts that an action may ask for.
const MAX_NAMES: usize = 64;
/// Bytes of the name of a credential or host.
const NAME_BYTES: usize = 253;

/// Checks what a component said and reads its schemas.
pub(crate) fn actions(said: Vec<types::ActionMetadata>) -> Result<Vec<ActionMetadata>, Failure> {
    if said.is_empty() || said.len() > MAX_ACTIONS {
        let n = said.len();
        return Err(refused(format!(
            "the component describes {n} actions; 1 to {MAX_ACTIONS} are allowed"
        )));
    }
    let actions = said
        .into_iter()
        .map(action)
        .collect::<Result<Vec<_>, _>>()?;
    let mut seen = BTreeSet::new();
    for action in &actions {
        if !seen.insert(&action.id) {
            return Err(refused(format!(
                "the component describes `{}` twice",
                action.id
            )));
        }
    }
    Ok(actions)
}

/// What the inputs of actions must keep beyond their types.
pub(crate) fn rules(actions: &[ActionMetadata]) -> Result<HashMap<ActionId, Rules>, Failure> {
    let mut rules = HashMap::new();
    for action in actions {
        let own = Rules::of(&action.input_schema).map_err(|e| {
            let id = &action.id;
            refused(format!("the input schema of `{id}` cannot be used: {e}"))
        })?;
        rules.extend(own.map(|own| (action.id.clone(), own)));
    }
    Ok(rules)
}

fn action(said: types::ActionMetadata) -> Result<ActionMetadata, Failure> {
    let id = ActionId::new(&said.id)
        .map_err(|e| refused(format!("the component describes an action wrongly: {e}")))?;
    let wrong = |what: &str| refused(format!("the component describes `{id}` wrongly: {what}"));
    for (field, text) in [
        ("name", &said.name),
        ("description", &said.description),
        ("category", &said.category),
    ] {
        if text.len() > TEXT_BYTES {
            return Err(wrong(&format!(
                "its {field} has more than {TEXT_BYTES} bytes"
            )));
        }
    }
    let version = Version::parse(cut(&said.version, 100)).map_err(|e| {
        wrong(&format!(
            "its version `{}` is not semver: {e}",
            cut(&said.version, 100)
        ))
    })?;
    for (field, names) in [("credentials", &said.credentials), ("hosts", &said.hosts)] {
        if names.len() > MAX_NAMES || names.iter().any(|n| n.is_empty() || n.len() > NAME_BYTES) {
            return Err(wrong(&format!(
                "its {field} are too many, empty or too long"
            )));
        }
    }
    let schema = |field: &str, text: &str| -> Result<Value, Failure> {
        if text.len() > SCHEMA_BYTES {
            return Err(wrong(&format!(
                "its {field} schema has more than {SCHEMA_BYTES} bytes"
            )));
        }
        match serde_json::from_str(text) {
            Ok(schema @ (Value::Object(_) | Value::Bool(_))) => Ok(schema),
            Ok(_) => Err(wrong(&format!(
                "its {field} schema is neither an object nor a boolean"
            ))),
            Err(e) => Err(wrong(&format!("its {field} schema is not JSON: {e}"))),
        }
    };
    let input_schema = schema("input", &said.input_schema)?;
    let output_schema = schema("output", &said.output_schema)?;
    Ok(ActionMetadata {
        id,
        name: said.name,
        version,
        description: said.description,
        category: said.category,
        input_schema,
        output_schema,
        credentials: said.credentials,
        hosts: said.hosts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> types::ActionMetadata {
        types::ActionMetadata {
            id: "weather.fetch".into(),
            name: "Fetch weather".into(),
            version: "1.2.0".into(),
            description: String::new(),
            category: "http".into(),
            input_schema: r#"{"type": "object"}"#.into(),
            output_schema: "true".into(),
            credentials: vec!["weather_api".into()],
            hosts: vec!["api.weather.example".into()],
        }
    }

    fn reason(change: impl FnOnce(&mut types::ActionMetadata)) -> String {
        let mut metadata = said();
        change(&mut metadata);
        actions(vec![metadata]).expect_err("refused").message
    }

    #[test]
    fn a_good_description_is_read() {
        let actions = actions(vec![said()]).expect("accepted");
        assert_eq!(actions[0].id.as_str(), "weather.fetch");
        assert_eq!(actions[0].output_schema, Value::Bool(true));
    }

    #[test]
    fn each_wrong_field_is_named() {
        assert!(reason(|m| m.id = "weather".into()).contains("`weather` is not a valid action id"));
        assert!(reason(|m| m.version = "one".into()).contains("version `one` is not semver"));
        assert!(reason(|m| m.input_schema = "{".into()).contains("input schema is not JSON"));
        assert!(
            reason(|m| m.output_schema = "7".into()).contains("neither an object nor a boolean")
        );
        assert!(reason(|m| m.description = "x".repeat(5_000)).contains("description"));
        assert!(reason(|m| m.hosts = vec![String::new()]).contains("hosts"));
        assert!(actions(vec![]).is_err() && actions(vec![said(), said()]).is_err());
    }

    #[test]
    fn rules_that_cannot_be_checked_are_named_with_their_action() {
        let mut action = super::action(said()).expect("accepted");
        assert!(rules(&[action.clone()]).expect("none").is_empty());
        action.input_schema = serde_json::json!({ "minLength": 1, "$ref": "#" });
        let message = rules(&[action]).expect_err("refused").message;
        assert!(message.contains("`weather.fetch`"), "{message}");
        assert!(message.contains("refer to itself"), "{message}");
    }
}
