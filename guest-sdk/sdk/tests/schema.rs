//! The schemas that the derive writes, held against those of schemars for the
//! same types, and against serde: what a type reads or writes, its schema takes.
#![allow(
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    reason = "tests; fields that only their types matter of"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use nebula_sdk::action::schema::{Schema, Shape, Side, schema};
use nebula_sdk::{Map, Value, data, json};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

fn ours<T: Schema>(side: Side) -> Value {
    let text = schema::<T>(side);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn theirs<T: JsonSchema>(side: Side) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.meta_schema = None);
    let settings = match side {
        Side::Read => settings,
        Side::Written => settings.for_serialize(),
    };
    settings.into_generator().into_root_schema_for::<T>().into()
}

/// Without what makes no difference: the order of `required`, the title that
/// schemars gives to a root without a name, `true` as an object.
fn normal(mut schema: Value, named: bool) -> Value {
    fn tidy(value: &mut Value) {
        match value {
            Value::Object(map) => {
                if let Some(Value::Array(required)) = map.get_mut("required") {
                    required.sort_by_key(ToString::to_string);
                }
                map.values_mut().for_each(tidy);
            }
            Value::Array(list) => list.iter_mut().for_each(tidy),
            _ => {}
        }
    }
    if schema == true {
        schema = json!({});
    }
    if let (false, Some(map)) = (named, schema.as_object_mut()) {
        map.remove("title");
    }
    tidy(&mut schema);
    schema
}

/// What differs between the two, if anything.
fn differs<T: Schema + JsonSchema>(named: bool) -> Option<String> {
    [Side::Read, Side::Written].into_iter().find_map(|side| {
        let mut ours = normal(ours::<T>(side), named);
        let mut theirs = normal(theirs::<T>(side), named);
        if side == Side::Written {
            opened(&mut ours);
            opened(&mut theirs);
        }
        let name = std::any::type_name::<T>();
        (ours != theirs).then(|| format!("{side:?} {name}\nours:   {ours}\ntheirs: {theirs}\n"))
    })
}

/// Schemars says of what is written no more than of what is read: that it has no other
/// fields it does not know.
fn opened(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let closed = members.get("additionalProperties") == Some(&Value::Bool(false));
            if closed {
                members.remove("additionalProperties");
            }
            members.values_mut().for_each(opened);
        }
        Value::Array(items) => items.iter_mut().for_each(opened),
        _ => {}
    }
}

/// Which of the values each side's schema takes.
fn takes(schema: &Value, values: &[Value]) -> Vec<bool> {
    let validator = jsonschema::validator_for(schema).unwrap_or_else(|e| panic!("{e}: {schema}"));
    values
        .iter()
        .map(|value| validator.is_valid(value))
        .collect()
}

/// Serde reads exactly those of the values that the schema takes; what it reads
/// and writes again, the other schema takes.
fn as_serde<T: Schema + serde::Serialize + serde::de::DeserializeOwned>(values: &[Value]) {
    let (read, written) = (ours::<T>(Side::Read), ours::<T>(Side::Written));
    let taken = takes(&read, values);
    for (value, taken) in values.iter().zip(taken) {
        match serde_json::from_value::<T>(value.clone()) {
            Ok(typed) => {
                assert!(taken, "serde reads {value}, not so {read}");
                let again = serde_json::to_value(&typed).unwrap();
                assert!(
                    takes(&written, std::slice::from_ref(&again))[0],
                    "serde writes {again}, not so {written}"
                );
            }
            Err(error) => assert!(!taken, "serde refuses {value}: {error}; not so {read}"),
        }
    }
}

type Numbers = (
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    f32,
    f64,
);

/// A whole one of each.
#[data]
#[derive(JsonSchema)]
struct Everything {
    unit: (),
    flag: bool,
    numbers: Numbers,
    text: String,
    letter: char,
    maybe: Option<String>,
    perhaps: Option<Option<u8>>,
    any: Value,
    anything: Option<Value>,
    object: Map<String, Value>,
    list: Vec<Vec<u16>>,
    three: [bool; 3],
    set: BTreeSet<String>,
    map: HashMap<String, Inner>,
    by_number: BTreeMap<u32, bool>,
    by_signed: BTreeMap<i64, bool>,
    by_name: BTreeMap<Plain, u8>,
    boxed: Box<Inner>,
    maybe_inner: Option<Inner>,
    maybe_plain: Option<Plain>,
    pair: (String, Inner),
    longer: std::time::Duration,
    r#type: String,
}

#[data]
#[derive(JsonSchema)]
struct Inner {
    /// With "quotes", a \ and
    /// two lines.
    ///
    /// And a paragraph.
    a: u8,
    /// # Heading
    /// Text.
    b: Option<Plain>,
    /// Of an inner.
    c: Option<Box<Inner>>,
    #[deprecated]
    d: Option<u8>,
}

/// By name only.
#[data]
#[derive(JsonSchema, PartialEq, Eq, PartialOrd, Ord)]
enum Plain {
    OneThing,
    Another,
}

#[data]
#[derive(JsonSchema)]
struct Unit;

#[data]
#[derive(JsonSchema)]
struct Newtype(Vec<Inner>);

#[data]
#[derive(JsonSchema)]
struct Documented(
    /// Of the field.
    u8,
);

#[data]
#[derive(JsonSchema)]
struct Tuple(u8, Option<String>, Inner);

#[data]
#[derive(JsonSchema)]
#[serde(transparent)]
struct Transparent {
    inner: Inner,
    #[serde(skip)]
    skipped: u8,
}

/// With words.
#[data]
#[derive(JsonSchema)]
#[serde(transparent)]
struct TransparentDocumented(Option<Inner>);

#[data]
#[derive(JsonSchema)]
struct Tree {
    children: Vec<Tree>,
    parent: Option<Box<Tree>>,
}

#[data]
#[derive(JsonSchema)]
struct Forest {
    trees: Vec<Tree>,
    other: other::Tree,
}

mod other {
    use super::*;

    /// Another tree.
    #[data]
    #[derive(JsonSchema)]
    pub(super) struct Tree {
        leaves: u8,
    }
}

#[data]
#[derive(JsonSchema)]
struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

#[data]
#[derive(JsonSchema)]
struct Pages {
    inners: Page<Inner>,
    texts: Page<String>,
}

#[data]
#[derive(JsonSchema)]
#[serde(rename = "Renamed", rename_all = "camelCase", deny_unknown_fields)]
struct Names {
    first_name: String,
    #[serde(rename = "lastName")]
    surname: String,
    #[serde(rename(serialize = "given_out", deserialize = "taken_in"))]
    both: u8,
    #[serde(default)]
    with_default: u8,
    #[serde(default = "seven")]
    with_function: Option<u8>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    omitted: Vec<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    omitted_only: Option<u8>,
    #[serde(skip)]
    never: Unseen,
    #[serde(skip_serializing)]
    only_read: u8,
    #[serde(skip_deserializing)]
    only_written: u8,
    #[serde(default)]
    enumerated: Chosen,
    #[serde(default)]
    floating: f64,
}

#[derive(Default)]
struct Unseen;

#[data]
#[derive(JsonSchema, Default)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
enum Chosen {
    #[default]
    FirstOne,
    /// Said about.
    SecondOne,
    #[serde(skip)]
    Hidden,
    #[serde(skip_serializing)]
    ReadOnly,
    #[serde(rename = "3rd")]
    Third,
}

fn seven() -> Option<u8> {
    Some(7)
}

#[data]
#[derive(JsonSchema)]
#[serde(default)]
struct AllOptional {
    text: String,
    count: u8,
    #[serde(default = "seven")]
    seven: Option<u8>,
}

impl Default for AllOptional {
    fn default() -> Self {
        Self {
            text: "a \"text\"".into(),
            count: 3,
            seven: None,
        }
    }
}

#[data]
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case", rename_all_fields = "kebab-case")]
enum External {
    Unit,
    /// A described unit.
    UnitDescribed,
    Newtype(Inner),
    Maybe(Option<u8>),
    Tuple(u8, String),
    /// With fields.
    Fields {
        one_field: u8,
        two: Option<String>,
    },
    #[serde(rename_all = "UPPERCASE")]
    Upper {
        one_field: u8,
    },
}

#[data]
#[derive(JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Internal {
    Unit,
    /// With fields.
    Fields {
        one: u8,
    },
}

#[data]
#[derive(JsonSchema)]
#[serde(tag = "kind")]
enum InternalNewtype {
    Inner(Inner),
    Map(BTreeMap<String, u8>),
}

#[data]
#[derive(JsonSchema)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Unit,
    Newtype(Inner),
    Tuple(u8, String),
    /// With fields.
    Fields {
        one: u8,
    },
}

#[data]
#[derive(JsonSchema)]
#[serde(untagged)]
enum Untagged {
    Nothing,
    /// A number.
    Number(u8),
    Text(String),
    Fields {
        one: u8,
    },
    Inner(Inner),
}

#[data]
#[derive(JsonSchema)]
struct Flat {
    id: u8,
    #[serde(flatten)]
    inner: Inner,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[data]
#[derive(JsonSchema)]
struct FlatOption {
    id: u8,
    #[serde(flatten)]
    also: Option<Also>,
}

#[data]
#[derive(JsonSchema)]
struct Also {
    x: u8,
    y: u8,
}

#[data]
#[derive(JsonSchema)]
struct FlatEnums {
    id: u8,
    #[serde(flatten)]
    internal: InternalOpen,
    #[serde(flatten)]
    external: ExternalOpen,
}

#[data]
#[derive(JsonSchema)]
#[serde(tag = "kind")]
enum InternalOpen {
    A,
    B { b: u8 },
}

#[data]
#[derive(JsonSchema)]
enum ExternalOpen {
    C(u8),
    D { d: u8 },
}

#[data]
#[derive(JsonSchema)]
struct With {
    #[serde(with = "hex")]
    #[schema(with = "String")]
    #[schemars(with = "String")]
    key: u8,
}

mod hex {
    pub(super) fn serialize<S: serde::Serializer>(key: &u8, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!("{key:x}"))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
        let text: String = serde::Deserialize::deserialize(from)?;
        u8::from_str_radix(&text, 16).map_err(serde::de::Error::custom)
    }
}

#[data]
#[derive(JsonSchema)]
enum Never {}

#[test]
fn types_have_the_schemas_that_schemars_gives_them() {
    let different: Vec<String> = [
        differs::<Everything>(true),
        differs::<Inner>(true),
        differs::<Plain>(true),
        differs::<Unit>(true),
        differs::<Newtype>(true),
        differs::<Documented>(true),
        differs::<Tuple>(true),
        differs::<Transparent>(true),
        differs::<TransparentDocumented>(true),
        differs::<Tree>(true),
        differs::<Forest>(true),
        differs::<Pages>(true),
        differs::<Page<Tree>>(true),
        differs::<Names>(true),
        differs::<Chosen>(true),
        differs::<AllOptional>(true),
        differs::<External>(true),
        differs::<Internal>(true),
        differs::<Adjacent>(true),
        differs::<Untagged>(true),
        differs::<Flat>(true),
        differs::<FlatOption>(true),
        differs::<FlatEnums>(true),
        differs::<With>(true),
        differs::<Vec<Inner>>(false),
        differs::<Option<Inner>>(false),
        differs::<BTreeMap<String, Tree>>(false),
        differs::<String>(false),
        differs::<()>(false),
        differs::<(u8, Inner)>(false),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
    for schema in [ours::<Value>, ours::<Option<Value>>] {
        assert_eq!(schema(Side::Read), true);
    }
}

#[test]
fn what_is_written_has_no_fields_but_those_of_its_type() {
    let takes = |schema: &Value, value: Value| takes(schema, &[value])[0];
    let also = ours::<Also>(Side::Written);
    assert!(takes(&also, json!({ "x": 1, "y": 2 })));
    assert!(!takes(&also, json!({ "x": 1, "y": 2, "z": 3 })));
    let read = ours::<Also>(Side::Read);
    assert!(takes(&read, json!({ "x": 1, "y": 2, "z": 3 })), "{read}");

    let option = ours::<FlatOption>(Side::Written);
    assert!(takes(&option, json!({ "id": 1 })));
    assert!(!takes(&option, json!({ "id": 1, "z": 3 })), "{option}");
    // What is flattened as a map or as a choice may write any field.
    let inner = json!({ "a": 1, "b": null, "c": null, "d": null });
    let mut flat = inner;
    flat["id"] = json!(1);
    flat["more"] = json!(2);
    assert!(takes(&ours::<Flat>(Side::Written), flat));
    let chosen = json!({ "id": 1, "kind": "B", "b": 2, "D": { "d": 3 } });
    let enums = ours::<FlatEnums>(Side::Written);
    assert!(takes(&enums, chosen), "{enums}");
}

/// What schemars does not know.
#[data]
#[derive(Debug)]
struct Aliased {
    #[serde(alias = "colour", alias = "hue")]
    color: String,
    #[serde(default, alias = "n")]
    number: u8,
}

#[data]
#[derive(Debug)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Open {
    Known {
        a: u8,
    },
    #[serde(alias = "ancient")]
    Old,
    #[serde(other)]
    Other,
}

#[data]
#[derive(Debug)]
struct Defaults(u8, #[serde(default)] u8, #[serde(default)] u8);

#[data]
#[derive(Debug)]
#[serde(tag = "kind")]
enum Closed {
    A(ClosedInner),
}

#[data]
#[derive(Debug)]
#[serde(deny_unknown_fields)]
struct ClosedInner {
    a: u8,
}

#[data]
#[derive(Debug)]
struct WithOption {
    #[serde(with = "passing")]
    #[schema(with = "Option<u8>")]
    needed: Option<u8>,
}

mod passing {
    pub(super) fn serialize<S: serde::Serializer>(
        v: &Option<u8>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        serde::Serialize::serialize(v, to)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<Option<u8>, D::Error> {
        serde::Deserialize::deserialize(from)
    }
}

#[test]
fn what_serde_takes_the_schema_takes_and_nothing_else() {
    as_serde::<Aliased>(&[
        json!({ "color": "red" }),
        json!({ "colour": "red", "n": 3 }),
        json!({ "hue": "red", "number": 3 }),
        json!({ "hue": 3 }),
        json!({ "number": 3 }),
        json!({ "color": "red", "n": "three" }),
    ]);
    as_serde::<Open>(&[
        json!({ "kind": "known", "a": 1 }),
        json!({ "kind": "old" }),
        json!({ "kind": "ancient" }),
        json!({ "kind": "new", "b": 2 }),
        json!({ "kind": 3 }),
        json!({}),
    ]);
    as_serde::<Defaults>(&[
        json!([1]),
        json!([1, 2]),
        json!([1, 2, 3]),
        json!([]),
        json!([1, 2, 3, 4]),
        json!([1, "2"]),
    ]);
    as_serde::<Closed>(&[
        json!({ "kind": "A", "a": 1 }),
        json!({ "kind": "A", "a": 1, "b": 2 }),
        json!({ "kind": "A" }),
        json!({ "kind": "B", "a": 1 }),
    ]);
    as_serde::<WithOption>(&[
        json!({ "needed": null }),
        json!({ "needed": 3 }),
        json!({ "needed": "3" }),
        json!({}),
    ]);
    as_serde::<External>(&[
        json!("unit"),
        json!("unit_described"),
        json!("newtype"),
        json!({ "newtype": { "a": 1 } }),
        json!({ "maybe": null }),
        json!({ "tuple": [1, "a"] }),
        json!({ "tuple": [1] }),
        json!({ "fields": { "one-field": 1 } }),
        json!({ "fields": { "one_field": 1 } }),
        json!({ "upper": { "ONE_FIELD": 1 } }),
        json!({ "fields": { "one-field": 1 }, "upper": { "ONE_FIELD": 1 } }),
        json!("Unit"),
    ]);
    as_serde::<InternalNewtype>(&[
        json!({ "kind": "Inner", "a": 1 }),
        json!({ "kind": "Inner" }),
        json!({ "kind": "Map", "x": 1 }),
        json!({ "kind": "Other", "x": 1 }),
    ]);
    as_serde::<Adjacent>(&[
        json!({ "t": "Unit" }),
        json!({ "t": "Newtype", "c": { "a": 1 } }),
        json!({ "t": "Newtype" }),
        json!({ "t": "Fields", "c": { "one": 1 } }),
        json!({ "t": "Fields", "c": { "one": "1" } }),
        json!({ "c": { "one": 1 } }),
    ]);
    as_serde::<Untagged>(&[
        json!(null),
        json!(1),
        json!("a"),
        json!({ "one": 1 }),
        json!({ "a": 1 }),
        json!(-1),
        json!([]),
    ]);
    as_serde::<FlatEnums>(&[
        json!({ "id": 1, "kind": "A", "C": 1 }),
        json!({ "id": 1, "kind": "B", "b": 1, "D": { "d": 1 } }),
        json!({ "id": 1, "kind": "B", "D": { "d": 1 } }),
        json!({ "id": 1, "kind": "A" }),
        json!({ "kind": "A", "C": 1 }),
    ]);
    as_serde::<Flat>(&[
        json!({ "id": 1, "a": 2, "x": [1] }),
        json!({ "id": 1, "x": [1] }),
        json!({ "a": 2 }),
    ]);
    as_serde::<Tree>(&[
        json!({ "children": [{ "children": [] }] }),
        json!({ "children": [{ "children": [1] }] }),
        json!({ "children": [], "parent": { "children": [] } }),
        json!({ "children": [], "parent": {} }),
    ]);
    as_serde::<Never>(&[json!(null), json!({})]);
}

/// A type of somebody else.
struct Money(u64);

impl Schema for Money {
    fn shape() -> &'static Shape {
        &Shape::Json(r#"{"type":"string","pattern":"^[0-9]+ EUR$"}"#)
    }
}

#[derive(nebula_sdk::Schema)]
struct Prices {
    /// In total.
    total: Money,
    discount: Option<Money>,
    each: Vec<Money>,
}

#[test]
fn a_schema_may_be_written_by_hand() {
    let money = json!({ "type": "string", "pattern": "^[0-9]+ EUR$" });
    let expected = json!({
        "title": "Prices",
        "type": "object",
        "properties": {
            "total": { "type": "string", "pattern": "^[0-9]+ EUR$", "description": "In total." },
            "discount": { "type": ["string", "null"], "pattern": "^[0-9]+ EUR$" },
            "each": { "type": "array", "items": money },
        },
        "required": ["total", "each"],
    });
    assert_eq!(ours::<Prices>(Side::Read), expected);
}

#[test]
fn a_type_that_is_flattened_into_itself_has_an_end() {
    #[data]
    struct Chain {
        link: u8,
        #[serde(flatten)]
        next: Option<Box<Chain>>,
    }
    assert_eq!(
        ours::<Chain>(Side::Read)["properties"]["link"]["format"],
        "uint8"
    );
}
