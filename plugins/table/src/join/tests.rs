use proptest::prelude::*;

use super::*;

fn run(input: &Value) -> Result<Vec<Value>> {
    match ActionContext::for_test().run::<Join>(input)? {
        ProcessResult::Success(mut output) => {
            let Value::Array(rows) = output["rows"].take() else {
                panic!("{output}")
            };
            assert_eq!(output["count"], rows.len());
            Ok(rows)
        }
        other => panic!("{other:?}"),
    }
}

fn sample(kind: &str) -> Value {
    json!({
        "left": [
            { "order": 1, "customer": 7, "name": "tea" },
            { "order": 2, "customer": 9, "name": "pot" },
            { "order": 3, "customer": 7 },
            { "order": 4, "customer": null, "name": "cup" },
        ],
        "right": [
            { "id": 7.0, "name": "Ada" },
            { "id": 8, "name": "Grace", "city": "Cairo" },
            { "name": "nobody" },
        ],
        "on": ["customer"], "right_on": ["id"], "kind": kind,
    })
}

#[test]
fn each_kind_keeps_its_rows() {
    let row = |order: Value, customer: Value, name: Value, right_name: Value, city: Value| json!({ "order": order, "customer": customer, "name": name, "right_name": right_name, "city": city });
    let null = Value::Null;
    let pairs = vec![
        row(json!(1), json!(7), json!("tea"), json!("Ada"), null.clone()),
        row(json!(3), json!(7), null.clone(), json!("Ada"), null.clone()),
    ];
    let pot = row(json!(2), json!(9), json!("pot"), null.clone(), null.clone());
    let cup = row(
        json!(4),
        null.clone(),
        json!("cup"),
        null.clone(),
        null.clone(),
    );
    let alone = vec![
        row(
            null.clone(),
            json!(8),
            null.clone(),
            json!("Grace"),
            json!("Cairo"),
        ),
        row(
            null.clone(),
            null.clone(),
            null.clone(),
            json!("nobody"),
            null.clone(),
        ),
    ];
    let left = vec![pairs[0].clone(), pot, pairs[1].clone(), cup];
    assert_eq!(run(&sample("inner")).expect("joins"), pairs);
    assert_eq!(run(&sample("left")).expect("joins"), left);
    assert_eq!(
        run(&sample("right")).expect("joins"),
        [pairs, alone.clone()].concat()
    );
    assert_eq!(run(&sample("full")).expect("joins"), [left, alone].concat());
    assert_eq!(
        run(&sample("anti")).expect("joins"),
        [
            json!({ "order": 2, "customer": 9, "name": "pot" }),
            json!({ "order": 4, "customer": null, "name": "cup" }),
        ]
    );
}

#[test]
fn the_columns_stand_in_the_order_in_which_they_are_met() {
    let rows = run(&sample("full")).expect("joins");
    for row in rows {
        let names: Vec<&String> = row.as_object().expect("a row").keys().collect();
        assert_eq!(names, ["order", "customer", "name", "right_name", "city"]);
    }
}

#[test]
fn keys_are_equal_as_values_are() {
    let on = |left: Value, right: Value| {
        let input = json!({ "left": [{ "k": left }], "right": [{ "k": right }], "on": ["k"] });
        run(&input).expect("joins").len()
    };
    assert_eq!(on(json!(1), json!(1.0)), 1);
    assert_eq!(on(json!(1), json!("1")), 0);
    assert_eq!(on(json!(1), json!(true)), 0);
    assert_eq!(on(json!(0.5), json!(0.5)), 1);
    assert_eq!(on(json!(0.0), json!(-0.0)), 1);
    assert_eq!(on(json!(u64::MAX), json!(u64::MAX)), 1);
    assert_eq!(
        on(
            json!(9_007_199_254_740_993_i64),
            json!(9_007_199_254_740_992.0)
        ),
        0
    );
    assert_eq!(on(json!(null), json!(null)), 0);
}

#[test]
fn what_cannot_be_joined_is_refused_with_its_place() {
    let many: Vec<Value> = (0..400).map(|_| json!({ "a": 1 })).collect();
    for (input, part) in [
        (
            json!({ "left": [], "right": [], "on": [] }),
            "on: name at least",
        ),
        (
            json!({ "left": [], "right": [], "on": ["a"], "right_on": ["a", "b"] }),
            "right_on: ",
        ),
        (
            json!({ "left": [{ "a": 1 }, { "a": [1] }], "right": [], "on": ["a"] }),
            "left[1].a: ",
        ),
        (
            json!({ "left": [{ "a": 1, "b": 2, "x_b": 3 }], "right": [{ "a": 1, "b": 2 }], "on": ["a"], "right_prefix": "x_" }),
            "`x_b` is there twice",
        ),
        (
            json!({ "left": many, "right": many, "on": ["a"] }),
            "more than 100000 rows",
        ),
        (json!({ "left": [7], "right": [], "on": ["a"] }), "left"),
    ] {
        let error = run(&input).expect_err("refused");
        assert!(
            matches!(&error, ActionError::InvalidInput(why) if why.contains(part)),
            "{error}"
        );
    }
}

fn table(column: &'static str) -> impl Strategy<Value = Vec<Value>> {
    let key = prop_oneof![
        Just(Value::Null),
        (0..4).prop_map(Value::from),
        "[ab]".prop_map(Value::from)
    ];
    let row = move |(at, key): (usize, Value)| json!({ "k": key, column: at });
    proptest::collection::vec(key, 0..8)
        .prop_map(move |keys| keys.into_iter().enumerate().map(row).collect())
}

proptest! {
    /// Against loops over both tables.
    #[test]
    fn an_inner_join_is_the_pairs_that_agree(left in table("l"), right in table("r")) {
        let rows = run(&json!({ "left": left, "right": right, "on": ["k"] })).expect("joins");
        let mut expected = Vec::new();
        for a in &left {
            for b in &right {
                if a["k"] == b["k"] && !a["k"].is_null() {
                    expected.push(json!({ "k": a["k"], "l": a["l"], "r": b["r"] }));
                }
            }
        }
        prop_assert_eq!(rows, expected);
    }

    #[test]
    fn a_full_join_loses_no_row(left in table("l"), right in table("r")) {
        let rows = run(&json!({ "left": left, "right": right, "on": ["k"], "kind": "full" })).expect("joins");
        for (table, column) in [(&left, "l"), (&right, "r")] {
            for row in table {
                prop_assert!(rows.iter().any(|joined| joined[column] == row[column] && joined["k"] == row["k"]));
            }
        }
    }
}
