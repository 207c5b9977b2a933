#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use super::*;
use crate::definition::{Document, check};
use crate::deploy::InputShape;
use crate::id::WorkflowId;
use crate::time::Timestamp;

fn document(concurrency: &Value) -> Document {
    Document::from_value(json!({
        "apiVersion": "nebula/v1", "kind": "Workflow", "name": "w", "concurrency": concurrency,
        "vars": { "region": "eu" },
        "nodes": { "a": { "action": "test.a" } },
    }))
}

fn pointers(concurrency: &Value) -> Vec<String> {
    let problems = match document(concurrency).definition() {
        Ok(definition) => check(&definition),
        Err(problems) => problems,
    };
    problems.into_iter().map(|d| d.pointer).collect()
}

fn group(key: &Value, input: &Value) -> String {
    let document = document(&json!({ "limit": 1, "key": key }));
    let deployed = DeployedWorkflow {
        id: WorkflowId::from_u128(7),
        version: 1,
        deployed_at: Timestamp::default(),
        definition: document.definition().unwrap(),
        actions: BTreeMap::new(),
        workflows: BTreeMap::new(),
        input: InputShape::default(),
    };
    let slot = deployed.slot(input).unwrap();
    let prefix = format!("{}/", deployed.id);
    slot.group.strip_prefix(&prefix).unwrap().to_owned()
}

#[test]
fn a_concurrency_reads_back_as_it_was_written() {
    for value in [
        json!({ "limit": 1 }),
        json!({ "limit": 1000, "when_full": "drop" }),
        json!({ "limit": 3, "key": "${ $input.customer }", "when_full": "replace" }),
        json!({ "limit": 3, "key": ["${ $input.a }", "${ $vars.region }"] }),
    ] {
        assert_eq!(pointers(&value), [""; 0], "{value}");
        let definition = document(&value).definition().unwrap();
        let written = serde_json::to_value(&definition).unwrap();
        assert_eq!(written["concurrency"], value);
    }
}

#[test]
fn what_is_no_concurrency_is_refused_with_its_place() {
    for (value, pointer) in [
        (json!({}), "/concurrency"),
        (json!({ "limit": 0 }), "/concurrency/limit"),
        (json!({ "limit": 1001 }), "/concurrency/limit"),
        (json!({ "limit": "3" }), "/concurrency/limit"),
        (
            json!({ "limit": 1, "when_full": "wait" }),
            "/concurrency/when_full",
        ),
        (json!({ "limit": 1, "key": "one" }), "/concurrency/key"),
        (
            json!({ "limit": 1, "key": "${ $input.a" }),
            "/concurrency/key",
        ),
        (
            json!({ "limit": 1, "key": "${ $nodes.a.result }" }),
            "/concurrency/key",
        ),
        (
            json!({ "limit": 1, "key": "${ $trigger.a }" }),
            "/concurrency/key",
        ),
        (
            json!({ "limit": 1, "key": "${ $vars.zone }" }),
            "/concurrency/key",
        ),
        (
            json!({ "limit": 1, "key": "${ $input.a | ascii_downcase }" }),
            "/concurrency/key",
        ),
        (json!({ "limit": 1, "most": 2 }), "/concurrency/most"),
        (json!(3), "/concurrency"),
    ] {
        assert_eq!(pointers(&value), [pointer], "{value}");
    }
}

#[test]
fn the_key_of_an_input_is_its_group() {
    let key = json!("${ $input.customer }");
    assert_eq!(group(&key, &json!({ "customer": 42 })), "42");
    assert_eq!(group(&key, &json!({ "customer": "42" })), "\"42\"");
    assert_eq!(group(&key, &json!({})), "null");
    assert_eq!(group(&key, &json!([])), "null", "an expression that errs");
    let both = json!(["${ $input.a }", "${ $vars.region }"]);
    assert_eq!(group(&both, &json!({ "a": "/x" })), r#"["/x","eu"]"#);
    let long = group(&key, &json!({ "customer": "x".repeat(1000) }));
    assert!(long.starts_with("sha256:"), "{long}");
    let other = group(&key, &json!({ "customer": "x".repeat(1001) }));
    assert_ne!(long, other);
}
