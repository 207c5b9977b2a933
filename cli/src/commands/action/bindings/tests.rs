#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use super::{Bound, rust, typescript};

/// What is made of `shapes.json`, kept so that a change is seen; and compiled.
#[allow(dead_code, missing_docs, unreachable_pub, reason = "made, and used in part")]
#[rustfmt::skip]
mod shapes;

fn bound() -> Bound {
    Bound::of(&serde_json::from_str(include_str!("tests/shapes.json")).unwrap())
}

#[test]
fn types_are_written_as_they_were_and_compile() {
    let made = rust::file(&[bound()]);
    assert_eq!(made, include_str!("tests/shapes.rs"), "{made}");
    let made = typescript::file(&[bound()]);
    assert_eq!(made, include_str!("tests/shapes.ts"), "{made}");
}

/// What a type reads and writes again is the same.
fn goes_round<T: serde::Serialize + serde::de::DeserializeOwned>(value: Value) {
    let typed: T = serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{e}: {value}"));
    assert_eq!(serde_json::to_value(&typed).unwrap(), value);
}

#[test]
fn values_of_the_schema_are_values_of_the_types() {
    use shapes::sample::every::{Input, Output};
    let filter = json!({ "by": "year", "year": 2000 });
    goes_round::<Input>(
        json!({ "type": "a", "order-by": "best", "filter": filter, "pair": ["a", 1] }),
    );
    goes_round::<Input>(json!({
        "type": "a",
        "order-by": "3rd",
        "filter": { "by": "any" },
        "pair": ["a", 1],
        "maybe": "x",
        "tree": { "children": [{ "children": [] }], "parent": { "children": [] } },
        "by_name": { "a": [1.5] },
        "loose": { "anything": [null] },
        "inline": { "x": -1 },
        "more": 7,
    }));
    for output in [
        json!({ "result": "nothing" }),
        json!({ "result": { "found": { "children": [] } } }),
        json!({ "result": "nothing", "either": 3 }),
        json!({ "result": "nothing", "either": "text" }),
    ] {
        goes_round::<Output>(output);
    }
}

#[test]
fn a_schema_that_says_nothing_is_any_value() {
    for schema in [
        json!(true),
        json!({}),
        json!({ "allOf": [{ "type": "string" }] }),
    ] {
        let action = json!({
            "id": "a.self", "version": "1.0.0", "description": "",
            "input_schema": schema, "output_schema": { "type": "null" },
        });
        let made = rust::file(&[Bound::of(&action)]);
        assert!(made.contains("pub mod self_ {"), "{made}");
        assert!(
            made.contains("pub type Input = serde_json::Value;"),
            "{made}"
        );
        assert!(made.contains("pub type Output = ();"), "{made}");
        let made = typescript::file(&[Bound::of(&action)]);
        assert!(made.contains("export type Input = unknown;"), "{made}");
    }
}
