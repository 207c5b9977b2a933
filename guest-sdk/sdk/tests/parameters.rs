//! `#[param(…)]`: the JSON Schema that it makes, and that an action called natively
//! refuses exactly what the schema refuses.
#![allow(
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    reason = "tests; fields that only their types matter of"
)]

use std::borrow::Cow;

use nebula_sdk::action::schema::{Side, schema};
use nebula_sdk::prelude::*;

/// What a search takes.
#[data]
#[derive(Parameters)]
#[serde(rename_all = "camelCase")]
struct Search {
    /// Words that all must be there.
    #[param(label = "Query", length = 1..=20, pattern = r"^\w", example = "rust wasm")]
    search_text: String,
    /// How many to give.
    #[param(default = 10, range = 1..=100, group = "Advanced")]
    limit: u8,
    #[param(default = 0.5, range = -1.0..1.0)]
    weight: f64,
    #[serde(default)]
    #[param(range = ..=9)]
    level: Option<u32>,
    #[serde(default)]
    order: Order,
    /// Only for `order: custom`.
    #[serde(default)]
    #[param(multiline, length = 2.., show_when(order = ["custom", "other"], limit = 3))]
    order_by: Option<Cow<'static, str>>,
    #[param(items = 1..4, default = vec![Tag("all".into())])]
    tags: Vec<Tag>,
    #[serde(rename = "key")]
    #[param(secret, length = 8, default = "12345678")]
    api_key: String,
    #[serde(default)]
    filter: Option<Filter>,
}

#[data]
#[derive(Default)]
#[serde(rename_all = "lowercase")]
enum Order {
    #[default]
    Best,
    Custom,
    Other,
}

/// A word.
#[data]
struct Tag(#[param(length = 1..=5)] String);

#[data]
#[serde(tag = "by", rename_all = "lowercase")]
enum Filter {
    Year {
        #[param(range = 1900..)]
        year: u16,
    },
    Names {
        #[param(items = ..=2)]
        names: Vec<String>,
    },
}

#[data]
struct Found {
    count: u8,
}

#[derive(Action)]
#[action(id = "search.run")]
struct SearchAction;

impl SimpleAction for SearchAction {
    type Input = Search;
    type Output = Found;

    async fn execute_simple(&self, input: Search, _: &ActionContext) -> Result<Found> {
        Ok(Found { count: input.limit })
    }
}

fn input_schema() -> Value {
    serde_json::from_str(&schema::<Search>(Side::Read)).unwrap()
}

fn run(input: &Value) -> Result<ProcessResult<Value>> {
    ActionContext::for_test().run::<SearchAction>(input)
}

#[test]
fn rules_and_hints_become_members_of_the_schema() {
    let expected = json!({
        "title": "Search",
        "description": "What a search takes.",
        "type": "object",
        "properties": {
            "searchText": {
                "type": "string",
                "title": "Query",
                "description": "Words that all must be there.",
                "minLength": 1,
                "maxLength": 20,
                "pattern": "^\\w",
                "examples": ["rust wasm"],
            },
            "limit": {
                "type": "integer",
                "description": "How many to give.",
                "minimum": 1,
                "maximum": 100,
                "x-nebula-group": "Advanced",
                "default": 10,
            },
            "weight": { "type": "number", "minimum": -1, "exclusiveMaximum": 1, "default": 0.5 },
            "level": { "type": ["integer", "null"], "minimum": 0, "maximum": 9, "default": null },
            "order": { "$ref": "#/$defs/Order", "default": "best" },
            "orderBy": {
                "type": ["string", "null"],
                "description": "Only for `order: custom`.",
                "minLength": 2,
                "x-nebula-multiline": true,
                "x-nebula-show-when": { "order": ["custom", "other"], "limit": [3] },
                "default": null,
            },
            "tags": {
                "type": "array",
                "items": { "$ref": "#/$defs/Tag" },
                "minItems": 1,
                "maxItems": 3,
                "default": ["all"],
            },
            "key": {
                "type": "string",
                "minLength": 8,
                "maxLength": 8,
                "x-nebula-secret": true,
                "writeOnly": true,
                "default": "12345678",
            },
            "filter": { "anyOf": [{ "$ref": "#/$defs/Filter" }, { "type": "null" }], "default": null },
        },
        "required": ["searchText"],
        "$defs": {
            "Order": { "type": "string", "enum": ["best", "custom", "other"] },
            "Tag": { "type": "string", "description": "A word.", "minLength": 1, "maxLength": 5 },
            "Filter": { "oneOf": [
                {
                    "type": "object",
                    "properties": {
                        "by": { "type": "string", "const": "year" },
                        "year": { "type": "integer", "minimum": 1900, "maximum": 65535 },
                    },
                    "required": ["by", "year"],
                },
                {
                    "type": "object",
                    "properties": {
                        "by": { "type": "string", "const": "names" },
                        "names": { "type": "array", "items": { "type": "string" }, "maxItems": 2 },
                    },
                    "required": ["by", "names"],
                },
            ] },
        },
    });
    assert_eq!(input_schema(), expected);
}

#[test]
fn parameters_are_listed_for_forms() {
    let all = Search::parameters();
    let by_name = |name: &str| all.iter().find(|p| p.name == name).unwrap();
    let text = by_name("searchText");
    assert_eq!(text.label.as_deref(), Some("Query"));
    assert_eq!(text.help, "Words that all must be there.");
    assert!(text.required && text.default.is_none() && !text.secret);
    let limit = by_name("limit");
    assert_eq!(limit.default, Some(json!(10)));
    assert_eq!(limit.group.as_deref(), Some("Advanced"));
    assert!(!limit.required);
    assert!(by_name("key").secret);
    assert_eq!(by_name("orderBy").show_when["limit"], json!([3]));
    assert_eq!(all[0].name, "searchText", "in order");
}

#[test]
fn a_default_is_the_value_of_a_missing_field() {
    let input: Search = serde_json::from_value(json!({ "searchText": "a" })).unwrap();
    assert_eq!((input.limit, input.weight), (10, 0.5));
    assert_eq!(input.api_key, "12345678");
    assert_eq!(input.tags[0].0, "all");
    let result = run(&json!({ "searchText": "a" })).unwrap();
    assert_eq!(result, ProcessResult::Success(json!({ "count": 10 })));
}

#[test]
fn a_broken_rule_is_named_with_its_place_before_the_call() {
    for (input, said) in [
        (
            json!({ "searchText": "" }),
            "searchText: value is shorter than 1 character",
        ),
        (
            json!({ "searchText": "-a" }),
            r#"searchText: value does not match "^\w""#,
        ),
        (
            json!({ "searchText": "é" }),
            r#"searchText: value does not match "^\w""#,
        ),
        (
            json!({ "searchText": "a", "limit": 0 }),
            "limit: value is less than the minimum of 1",
        ),
        (
            json!({ "searchText": "a", "limit": 101.0 }),
            "limit: value is greater than the maximum of 100",
        ),
        (
            json!({ "searchText": "a", "weight": 1 }),
            "weight: value is greater than or equal to the maximum of 1",
        ),
        (
            json!({ "searchText": "a", "tags": ["b", "longer"] }),
            "tags[1]: value is longer than 5 characters",
        ),
        (
            json!({ "searchText": "a", "tags": [] }),
            "tags: value has less than 1 item",
        ),
        (
            json!({ "searchText": "a", "key": "short" }),
            "key: value is shorter than 8 characters",
        ),
        (
            json!({ "searchText": "a", "filter": { "by": "year", "year": 1800 } }),
            "filter.year: value is less than the minimum of 1900",
        ),
        (
            json!({ "searchText": "a", "filter": { "by": "names", "names": ["a", "b", "c"] } }),
            "filter.names: value has more than 2 items",
        ),
    ] {
        assert_eq!(
            run(&input),
            Err(ActionError::invalid_input(said)),
            "{input}"
        );
    }
}

/// Every combination of some values of some fields.
fn inputs() -> Vec<Value> {
    let values: [(&str, Vec<Value>); 7] = [
        (
            "searchText",
            vec![
                json!("a"),
                json!(""),
                json!("x".repeat(21)),
                json!("éa"),
                json!(" a"),
                json!(7),
            ],
        ),
        (
            "limit",
            vec![
                json!(1),
                json!(100.0),
                json!(0),
                json!(300),
                json!(-1),
                json!("1"),
            ],
        ),
        (
            "weight",
            vec![json!(-1), json!(0.999), json!(1.0), json!(1e300)],
        ),
        (
            "level",
            vec![json!(null), json!(9), json!(10), json!(u64::MAX)],
        ),
        (
            "orderBy",
            vec![json!(null), json!("ab"), json!("a"), json!("日本")],
        ),
        (
            "tags",
            vec![
                json!(["a"]),
                json!(["a", ""]),
                json!([]),
                json!(["a", "b", "c", "d"]),
                json!("a"),
            ],
        ),
        (
            "filter",
            vec![
                json!(null),
                json!({ "by": "year", "year": 2000 }),
                json!({ "by": "year", "year": 1 }),
                json!({ "by": "names", "names": ["a", "b", "c"], "year": 1 }),
                json!({ "by": "size" }),
            ],
        ),
    ];
    let mut all = vec![json!({})];
    for (name, values) in values {
        let mut next = Vec::new();
        for input in all {
            for value in &values {
                let mut with = input.clone();
                with[name] = value.clone();
                next.push(with);
            }
        }
        // Every one of a field is met; a third of all combinations is enough.
        let all_kept = next.len() < 200;
        all = next
            .into_iter()
            .enumerate()
            .filter(|(n, _)| all_kept || n % 3 == 0)
            .map(|(_, v)| v)
            .collect();
    }
    all
}

#[test]
fn an_action_refuses_natively_what_its_schema_refuses_and_nothing_else() {
    let validator = jsonschema::options()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(&input_schema())
        .unwrap();
    let inputs = inputs();
    let mut taken = 0;
    for input in &inputs {
        let result = run(input);
        assert_eq!(
            result.is_ok(),
            validator.is_valid(input),
            "{input}: {result:?}"
        );
        taken += usize::from(result.is_ok());
        if let Err(error) = result {
            assert!(matches!(error, ActionError::InvalidInput(_)), "{error:?}");
        }
    }
    assert!(
        taken > 0 && taken < inputs.len(),
        "{taken} of {}",
        inputs.len()
    );
}
