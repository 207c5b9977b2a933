//! The actions, on values in memory.

extern crate std;

use core::time::Duration;

use nebula_sdk::action::native::KvStore;
use nebula_sdk::prelude::*;

use crate::{Get, Increment, Set};

fn run<A: ProcessAction>(store: &KvStore, input: Value) -> Result<Value> {
    let ctx = ActionContext::for_test().with_kv("values", store);
    match ctx.run::<A>(&input)? {
        ProcessResult::Success(output) => Ok(output),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_value_is_set_read_and_removed() {
    let store = KvStore::default();
    let absent = run::<Get>(&store, json!({ "key": "a", "otherwise": 7 }));
    assert_eq!(
        absent,
        Ok(json!({ "value": 7, "found": false, "version": 0 }))
    );
    let set = run::<Set>(&store, json!({ "key": "a", "value": { "x": [1, null] } }));
    let version = set.unwrap()["version"].clone();
    let found = run::<Get>(&store, json!({ "key": "a" }));
    let wanted = json!({ "value": { "x": [1, null] }, "found": true, "version": version });
    assert_eq!(found, Ok(wanted));
    for (value, version, set) in [
        (json!(1), 99, false),
        (json!(null), 99, false),
        (json!(2), 1, true),
    ] {
        let input = json!({ "key": "a", "value": value, "version": version });
        assert_eq!(run::<Set>(&store, input).unwrap()["set"], set);
    }
    for removed in [true, false] {
        let gone = run::<Set>(&store, json!({ "key": "a", "value": null }));
        assert_eq!(gone, Ok(json!({ "set": removed, "version": 0 })));
    }
    assert!(store.all().is_empty());
}

#[test]
fn so_many_in_a_time_are_counted() {
    let store = KvStore::default();
    let count = || run::<Increment>(&store, json!({ "key": "n", "ttl_seconds": 60 }));
    assert_eq!(count(), Ok(json!({ "value": 1 })));
    store.pass(Duration::from_secs(59));
    assert_eq!(count(), Ok(json!({ "value": 2 })));
    store.pass(Duration::from_secs(1));
    assert_eq!(count(), Ok(json!({ "value": 1 })));
    let down = run::<Increment>(&store, json!({ "key": "n", "by": -5 }));
    assert_eq!(down, Ok(json!({ "value": -4 })));
    run::<Set>(&store, json!({ "key": "n", "value": "text" })).unwrap();
    let error = count().expect_err("a text is no number");
    assert!(matches!(error, ActionError::Permanent(_)), "{error:?}");
}

#[test]
fn each_asks_for_its_values() {
    for said in [
        nebula_sdk::action::invoke::describe::<Get>(),
        nebula_sdk::action::invoke::describe::<Set>(),
        nebula_sdk::action::invoke::describe::<Increment>(),
    ] {
        let asks = r#""x-resources":{"values":"kv"}}"#;
        assert!(said.input_schema.ends_with(asks), "{}", said.input_schema);
    }
}
