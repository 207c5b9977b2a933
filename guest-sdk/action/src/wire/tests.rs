#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{decode, encode};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u32,
    price: f64,
    #[serde(default)]
    note: Option<String>,
    lines: Vec<Line>,
    kind: Kind,
    counts: BTreeMap<u16, i8>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    sku: String,
    amount: i64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Plain,
    Gift { to: String },
    Repeat(u8),
    Split(u8, u8),
}

fn order(kind: Kind) -> Order {
    Order {
        id: 7,
        price: 2.5,
        note: None,
        lines: vec![Line {
            sku: "a".into(),
            amount: -40_000,
        }],
        kind,
        counts: BTreeMap::from([(300, -3)]),
    }
}

fn refusal(value: Value) -> String {
    decode::<Order>(&encode(&value).unwrap())
        .unwrap_err()
        .to_string()
}

#[test]
fn typed_values_read_back() {
    for kind in [
        Kind::Plain,
        Kind::Gift { to: "b".into() },
        Kind::Repeat(3),
        Kind::Split(1, 2),
    ] {
        let order = order(kind);
        assert_eq!(decode::<Order>(&encode(&order).unwrap()).unwrap(), order);
    }
}

#[test]
fn typed_values_are_what_json_would_be() {
    let order = order(Kind::Gift { to: "b".into() });
    let seen: Value = rmp_serde::from_slice(&encode(&order).unwrap()).unwrap();
    assert_eq!(seen, serde_json::to_value(&order).unwrap());
}

#[test]
fn whole_floats_are_integers_and_unknown_fields_are_left_alone() {
    let input = json!({
        "id": 7.0, "price": 2, "lines": [{"sku": "a", "amount": -1.0}], "kind": {"repeat": 3.0},
        "counts": {}, "unknown": [{"deep": true}],
    });
    let order: Order = decode(&encode(&input).unwrap()).unwrap();
    assert_eq!((order.id, order.price, order.lines[0].amount), (7, 2.0, -1));
    assert_eq!(order.kind, Kind::Repeat(3));
}

#[test]
fn an_error_names_the_place() {
    let with_line =
        |line: Value| json!({"id": 1, "price": 1, "kind": "plain", "counts": {}, "lines": [line]});
    assert_eq!(
        refusal(with_line(json!({"sku": 5, "amount": 1}))),
        "lines[0].sku: invalid type: integer `5`, expected a string"
    );
    assert_eq!(
        refusal(with_line(json!({"amount": 1}))),
        "lines[0]: missing field `sku`"
    );
    assert_eq!(
        refusal(with_line(json!({"sku": "a", "amount": 1.5}))),
        "lines[0].amount: invalid type: floating point, expected i64"
    );
    assert_eq!(refusal(json!({})), "missing field `id`");
    assert!(
        refusal(json!({"id": 1, "price": 1, "kind": "odd"}))
            .starts_with("kind: unknown variant `odd`")
    );
}

#[test]
fn hostile_bytes_are_refused() {
    for bytes in [
        &[][..],
        &[0xc0, 0xc0],
        &[0x91; 100_000],
        &[0xdd, 0xff, 0xff, 0xff, 0xff],
        &[0xdb, 0xff, 0xff, 0xff, 0xff],
        &[0xc1],
        &[0xa1, 0xff],
        &[0x81, 0x01, 0x01],
    ] {
        assert!(
            decode::<Value>(bytes).is_err(),
            "{:?}",
            &bytes[..bytes.len().min(8)]
        );
    }
}

#[test]
fn numbers_at_the_edges_read_back() {
    for number in [
        0,
        127,
        128,
        255,
        256,
        65_535,
        65_536,
        u32::MAX.into(),
        u64::from(u32::MAX) + 1,
        u64::MAX,
    ] {
        assert_eq!(decode::<u64>(&encode(&number).unwrap()).unwrap(), number);
    }
    for number in [
        -1,
        -32,
        -33,
        -128,
        -129,
        -32_768,
        -32_769,
        i32::MIN.into(),
        i64::MIN,
    ] {
        assert_eq!(decode::<i64>(&encode(&number).unwrap()).unwrap(), number);
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        proptest::num::f64::NORMAL.prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20).prop_map(Value::from),
            proptest::collection::btree_map(".{0,8}", inner, 0..20)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn both_directions_agree_with_the_codec_of_the_host(value in value()) {
        let ours = encode(&value).unwrap();
        prop_assert_eq!(&rmp_serde::from_slice::<Value>(&ours).unwrap(), &value);
        let theirs = rmp_serde::to_vec_named(&value).unwrap();
        prop_assert_eq!(&decode::<Value>(&theirs).unwrap(), &value);
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode::<Value>(&bytes);
        let _ = decode::<Order>(&bytes);
    }
}
