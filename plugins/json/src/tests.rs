use nebula_sdk::Map;
use proptest::prelude::*;

use super::*;

fn run<A: ProcessAction>(input: &Value) -> Result<Value> {
    match ActionContext::for_test().run::<A>(input)? {
        ProcessResult::Success(output) => Ok(output),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_differs_is_named_by_its_path() {
    let input = json!({
        "from": { "name": "Ada", "tags": ["a", "b"], "a/b": 1 },
        "to": { "name": "Grace", "tags": ["a"], "a/b": 1, "age": 3 },
    });
    assert_eq!(
        run::<Diff>(&input).expect("compares"),
        json!({
            "equal": false,
            "count": 3,
            "patch": [
                { "op": "replace", "path": "/name", "value": "Grace" },
                { "op": "remove", "path": "/tags/1" },
                { "op": "add", "path": "/age", "value": 3 },
            ],
        })
    );
    assert_eq!(
        run::<Diff>(&json!({ "from": [1, { "a": null }], "to": [1, { "a": null }] }))
            .expect("compares"),
        json!({ "equal": true, "count": 0, "patch": [] })
    );
}

/// Of RFC 6902, appendix A.
#[test]
fn the_examples_of_the_rfc_hold() {
    for (value, patch, expected) in [
        (
            json!({ "foo": ["bar", "baz"] }),
            json!([{ "op": "add", "path": "/foo/1", "value": "qux" }]),
            json!({ "foo": ["bar", "qux", "baz"] }),
        ),
        (
            json!({ "foo": { "bar": "baz", "waldo": "fred" }, "qux": { "corge": "grault" } }),
            json!([{ "op": "move", "from": "/foo/waldo", "path": "/qux/thud" }]),
            json!({ "foo": { "bar": "baz" }, "qux": { "corge": "grault", "thud": "fred" } }),
        ),
        (
            json!({ "/": 9, "~1": 10 }),
            json!([{ "op": "test", "path": "/~01", "value": 10 }]),
            json!({ "/": 9, "~1": 10 }),
        ),
        (
            json!({ "foo": ["bar"] }),
            json!([{ "op": "add", "path": "/foo/-", "value": ["abc", "def"] }]),
            json!({ "foo": ["bar", ["abc", "def"]] }),
        ),
        (
            json!({ "a": 1 }),
            json!([{ "op": "copy", "from": "/a", "path": "/b" }, { "op": "remove", "path": "/a" }]),
            json!({ "b": 1 }),
        ),
    ] {
        let output = run::<Patch>(&json!({ "value": value, "patch": patch }));
        assert_eq!(output, Ok(json!({ "value": expected })), "{patch}");
    }
}

#[test]
fn a_patch_that_does_not_apply_is_refused_with_its_place() {
    let doubling: Vec<Value> = (0..40)
        .map(|n| json!({ "op": "copy", "from": "", "path": format!("/a{n}") }))
        .collect();
    let nesting: Vec<Value> = (0..20)
        .map(
            |n| json!({ "op": "copy", "from": "/a", "path": format!("{}/b", "/a".repeat(1 << n)) }),
        )
        .collect();
    let many = vec![json!({ "op": "test", "path": "", "value": {} }); 10_001];
    for (value, patch, part) in [
        (
            json!({}),
            json!([{ "op": "add", "path": "/x", "value": 1 }, { "op": "remove", "path": "/b" }]),
            "patch[1]: /b: path is invalid",
        ),
        (
            json!({ "a": 1 }),
            json!([{ "op": "move", "from": "/b", "path": "/c" }]),
            "\"from\" path is invalid",
        ),
        (json!({}), json!(doubling), "the value becomes too large"),
        (json!({ "a": {} }), json!(nesting), "patch["),
        (json!({}), json!(many), "10001 operations"),
        (json!({}), json!([{ "op": "swap", "path": "/a" }]), "swap"),
        (
            json!({}),
            json!([{ "op": "add", "path": "a", "value": 1 }]),
            "patch",
        ),
        (json!({}), json!([{ "op": "add", "path": "/a" }]), "value"),
    ] {
        let error = run::<Patch>(&json!({ "value": value, "patch": patch })).expect_err("refused");
        assert!(
            matches!(&error, ActionError::InvalidInput(why) if why.contains(part)),
            "{error}"
        );
    }
    let input =
        json!({ "value": { "a": 1 }, "patch": [{ "op": "test", "path": "/a", "value": 2 }] });
    assert_eq!(
        run::<Patch>(&input),
        Err(ActionError::permanent("patch[0]: /a: value did not match"))
    );
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..3_i64).prop_map(Value::from),
        "[ab~/é]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(("[ab~/é]{0,2}", inner), 0..4)
                .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn a_difference_makes_the_second_of_the_first(from in value(), to in value()) {
        let output = run::<Diff>(&json!({ "from": from, "to": to })).expect("compares");
        prop_assert_eq!(&output["equal"], from == to);
        let patched = run::<Patch>(&json!({ "value": from, "patch": output["patch"] })).expect("applies");
        prop_assert_eq!(&patched["value"], &to);
    }

    #[test]
    fn no_patch_ends_in_a_panic(
        value in value(),
        patch in proptest::collection::vec(
            ("add|remove|replace|move|copy|test", "(/[ab01-]){0,3}", "(/[ab01-]){0,3}", value()), 0..6),
    ) {
        let patch: Vec<Value> = patch
            .into_iter()
            .map(|(op, path, from, value)| json!({ "op": op, "path": path, "from": from, "value": value }))
            .collect();
        let _ = run::<Patch>(&json!({ "value": value, "patch": patch }));
    }
}
