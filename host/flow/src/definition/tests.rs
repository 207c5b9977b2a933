#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::shape::Shape;

const WEATHER: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: weather-notification
input:
  type: object
  required: [city]
  properties: { city: { type: string } }
vars: { limit: 30, country: no }
nodes:
  fetch:
    action: weather.fetch@^1
    input: { city: "${ $input.city }" }
    credentials: { weather_api: weather-prod }
    timeout: 10s
    retry: { max_attempts: 4, initial: 200ms, factor: 2, max: 10s, jitter: full }
  check: { action: condition.check }
  notify:
    map: $input.people
    concurrency: 3
    each:
      action: notification.send
      input: { to: "${ $item }", text: "It is ${ $nodes.fetch.result.temp } °C in ${ $input.city }" }
connections:
  - { from: fetch, to: check }
  - { from: check, to: notify, when: "$nodes.fetch.result.temp > $vars.limit" }
output: "${ $nodes.notify.result }"
"#;

fn read(text: &str) -> WorkflowDefinition {
    Document::parse(text).unwrap().definition().unwrap()
}

fn built() -> WorkflowDefinition {
    let retry = RetryPolicy {
        max_attempts: 4,
        ..RetryPolicy::default()
    };
    let each = NodeBuilder::action("notification.send").input(json!({
        "to": "${ $item }",
        "text": "It is ${ $nodes.fetch.result.temp } °C in ${ $input.city }"
    }));
    WorkflowBuilder::new("weather-notification")
        .input_schema(json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}))
        .var("limit", 30)
        .var("country", "no")
        .add_node(
            "fetch",
            NodeBuilder::action("weather.fetch@^1")
                .input(json!({"city": "${ $input.city }"}))
                .credential("weather_api", "weather-prod")
                .timeout(Duration::from_secs(10))
                .retry(retry),
        )
        .add_node("check", "condition.check")
        .add_node("notify", NodeBuilder::map("$input.people", each).concurrency(3))
        .connect("fetch", "check")
        .connect_conditional("check", "notify", "$nodes.fetch.result.temp > $vars.limit")
        .output("${ $nodes.notify.result }")
        .build()
}

#[test]
fn yaml_json_and_the_builder_give_equal_definitions() {
    let from_yaml = read(WEATHER);
    let json = serde_json::to_string_pretty(&from_yaml).unwrap();
    assert_eq!(from_yaml, built());
    assert_eq!(read(&json), from_yaml);
    assert_eq!(
        serde_json::from_str::<WorkflowDefinition>(&json).unwrap(),
        from_yaml
    );
    assert_eq!(
        Document::from_value(serde_json::from_str(&json).unwrap())
            .definition()
            .unwrap(),
        from_yaml
    );
    assert_eq!(check(&from_yaml), []);
}

// ------------------------------------------------------------- documents --

fn refused(text: &str) -> Vec<Diagnostic> {
    match Document::parse(text) {
        Err(diagnostics) => diagnostics,
        Ok(document) => document.definition().expect_err(text),
    }
}

fn summary(diagnostics: &[Diagnostic]) -> Vec<(Code, &str)> {
    diagnostics
        .iter()
        .map(|d| (d.code, d.pointer.as_str()))
        .collect()
}

#[test]
fn everything_that_is_wrong_with_a_document_is_said_at_once_with_its_place() {
    let found = refused(
        "apiVersion: nebula/v1\n\
         knd: Workflow\n\
         name: weather\n\
         nodes:\n\
         \x20 fetch:\n\
         \x20   action: weather\n\
         \x20   timout: 10s\n\
         \x20   concurrency: many\n\
         \x20   retry: { factor: 2, intial: 1s, max: soon }\n\
         \x20 a-b: { action: x.y }\n\
         connections:\n\
         \x20 - { from: fetch, on: done }\n",
    );
    assert_eq!(
        summary(&found),
        [
            (Code::UnknownField, "/knd"),
            (Code::MissingField, ""),
            (Code::UnknownField, "/nodes/fetch/timout"),
            (Code::InvalidValue, "/nodes/fetch/action"),
            (Code::InvalidValue, "/nodes/fetch/concurrency"),
            (Code::UnknownField, "/nodes/fetch/retry/intial"),
            (Code::InvalidValue, "/nodes/fetch/retry/max"),
            (Code::InvalidName, "/nodes/a-b"),
            (Code::MissingField, "/connections/0"),
            (Code::InvalidValue, "/connections/0/on"),
        ]
    );
    assert_eq!(found[0].hint.as_deref(), Some("did you mean `kind`?"));
    assert_eq!(found[0].position, Some(Position { line: 2, column: 1 }));
    assert_eq!(found[2].hint.as_deref(), Some("did you mean `timeout`?"));
    assert_eq!(
        found[3].position,
        Some(Position {
            line: 6,
            column: 13
        })
    );
    assert_eq!(found[5].position.map(|p| p.line), Some(9));
    assert_eq!(
        found[7].position,
        Some(Position {
            line: 10,
            column: 3
        })
    );
}

#[test]
fn plain_scalars_follow_the_core_schema_of_yaml_1_2() {
    let value = |text: &str| Document::parse(text).unwrap().value().clone();
    assert_eq!(
        value("[no, yes, on, off, y, NO]"),
        json!(["no", "yes", "on", "off", "y", "NO"])
    );
    assert_eq!(
        value("[true, False, null, ~, ]"),
        json!([true, false, null, null])
    );
    assert_eq!(
        value("[1, -2, +3, 0o17, 0xff, 1.5, .5, 1e3, 1., 012]"),
        json!([1, -2, 3, 15, 255, 1.5, 0.5, 1e3, 1.0, 12])
    );
    assert_eq!(
        value("[1_000, 1:30, 0x, '1', \"2\", !!str 3, 2026-01-01]"),
        json!(["1_000", "1:30", "0x", "1", "2", "3", "2026-01-01"])
    );
    assert_eq!(value("18446744073709551615"), json!(u64::MAX));
    assert_eq!(
        value("a: &x [1, 2]\nb: *x"),
        json!({"a": [1, 2], "b": [1, 2]})
    );
    assert_eq!(value("a: |\n  x\n  y\n"), json!({"a": "x\ny\n"}));
}

#[test]
fn json_that_is_no_yaml_is_read_too() {
    let text = r#"{"a": "\ud83d\ude00", "b": "tab\there"}"#;
    assert_eq!(
        Document::parse(text).unwrap().value(),
        &json!({"a": "😀", "b": "tab\there"})
    );
    assert!(Document::parse(r#"{"a": "\ud83d\ude00", "a": 1}"#).is_err());
}

#[test]
fn hostile_documents_are_refused() {
    let code = |text: &str| refused(text)[0].code;
    assert_eq!(code("a: 1\nb: 2\na: 3"), Code::DuplicateKey);
    assert_eq!(code(&"x".repeat(MAX_DOCUMENT + 1)), Code::TooLarge);
    assert!(matches!(
        code(&"[".repeat(100_000)),
        Code::TooLarge | Code::Syntax
    ));
    assert_eq!(
        code(&format!("{}{}", "[".repeat(70), "]".repeat(70))),
        Code::TooLarge
    );
    assert_eq!(code("a: [1"), Code::Syntax);
    assert_eq!(code("a: *nope"), Code::Syntax);
    assert_eq!(code("a: &a [*a]"), Code::Syntax);
    assert_eq!(code("--- 1\n--- 2"), Code::Syntax);
    assert_eq!(code(""), Code::Syntax);
    assert_eq!(code("a: !!binary aGk="), Code::Syntax);
    assert_eq!(code("a: !custom x"), Code::Syntax);
    assert_eq!(code("a: .nan"), Code::InvalidValue);
    assert_eq!(code("? [a]\n: 1"), Code::Syntax);
    let mut laughs = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let line = vec![format!("*l{}", i - 1); 10].join(", ");
        laughs.push_str(&format!("l{i}: &l{i} [{line}]\n"));
    }
    assert_eq!(code(&laughs), Code::TooLarge);
    let long = format!(
        "l: &l \"{}\"\nm: [{}]",
        "x".repeat(100_000),
        vec!["*l"; 100].join(", ")
    );
    assert_eq!(code(&long), Code::TooLarge);
}

// --------------------------------------------------------------- checking --

fn checked(change: impl FnOnce(&mut WorkflowDefinition)) -> Vec<Diagnostic> {
    let mut definition = built();
    change(&mut definition);
    check(&definition)
}

fn codes(change: impl FnOnce(&mut WorkflowDefinition)) -> Vec<(Code, String)> {
    checked(change)
        .into_iter()
        .map(|d| (d.code, d.pointer))
        .collect()
}

fn connect(definition: &mut WorkflowDefinition, from: &str, to: &str) {
    let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
    definition.connections.push(Connection {
        from,
        to,
        on: On::Success,
        when: None,
    });
}

fn node<'d>(definition: &'d mut WorkflowDefinition, id: &str) -> &'d mut Node {
    definition.nodes.get_mut(id).unwrap()
}

#[test]
fn connections_join_nodes_that_are_there_and_form_no_circle() {
    let found = checked(|d| connect(d, "fetch", "chekc"));
    assert_eq!(summary(&found), [(Code::UnknownNode, "/connections/2/to")]);
    assert_eq!(found[0].hint.as_deref(), Some("did you mean `check`?"));
    assert_eq!(
        codes(|d| connect(d, "fetch", "check")),
        [(Code::DuplicateConnection, "/connections/2".into())]
    );
    assert_eq!(
        codes(|d| connect(d, "check", "check")),
        [(Code::Cycle, "/connections/2".into())]
    );
    let found = checked(|d| connect(d, "notify", "fetch"));
    assert_eq!(found.len(), 1);
    for part in [
        "`fetch` → `check`",
        "`check` → `notify`",
        "`notify` → `fetch`",
    ] {
        let message = &found[0].message;
        let (a, b) = part.split_once(" → ").unwrap();
        assert!(
            message.contains(part) || message.starts_with(b) || message.contains(a),
            "{message}"
        );
    }
}

#[test]
fn a_node_is_an_action_or_a_map() {
    assert_eq!(
        codes(|d| node(d, "check").action = None),
        [(Code::MissingField, "/nodes/check".into())]
    );
    assert_eq!(
        codes(|d| node(d, "notify").each = None),
        [(Code::MissingField, "/nodes/notify".into())]
    );
    assert_eq!(
        codes(|d| node(d, "check").map = Some(json!("$input.x")))[0].0,
        Code::InvalidValue
    );
    assert_eq!(
        codes(|d| node(d, "check").concurrency = Some(2)),
        [(Code::InvalidValue, "/nodes/check/concurrency".into())]
    );
    assert_eq!(
        codes(|d| node(d, "notify").input = Some(json!(1))),
        [(Code::InvalidValue, "/nodes/notify/input".into())]
    );
    for wrong in [0, 1_001] {
        assert_eq!(
            codes(|d| node(d, "notify").concurrency = Some(wrong)),
            [(Code::InvalidValue, "/nodes/notify/concurrency".into())]
        );
    }
    assert_eq!(
        codes(|d| d.nodes.clear()).last().unwrap().0,
        Code::UnknownNode,
        "the output reads a node"
    );
    assert_eq!(
        check(&WorkflowBuilder::new("empty").build())[0].code,
        Code::MissingField
    );
}

#[test]
fn times_and_retries_are_sane() {
    let zero = Span(Duration::ZERO);
    assert_eq!(
        codes(|d| node(d, "check").timeout = Some(zero)),
        [(Code::InvalidValue, "/nodes/check/timeout".into())]
    );
    let with = |change: fn(&mut RetryPolicy)| {
        codes(|d| {
            let mut retry = RetryPolicy::default();
            change(&mut retry);
            node(d, "check").retry = Some(retry);
        })
    };
    assert!(with(|_| {}).is_empty());
    for (change, field) in [
        (
            (|r| r.max_attempts = 0) as fn(&mut RetryPolicy),
            "max_attempts",
        ),
        (|r| r.factor = f64::NAN, "factor"),
        (|r| r.factor = 0.5, "factor"),
        (|r| r.initial = Span(Duration::from_secs(11)), "initial"),
    ] {
        assert_eq!(
            with(change),
            [(Code::InvalidValue, format!("/nodes/check/retry/{field}"))]
        );
    }
}

#[test]
fn the_header_and_the_schema_are_checked() {
    assert_eq!(
        codes(|d| d.api_version = "nebula/v2".into()),
        [(Code::UnsupportedVersion, "/apiVersion".into())]
    );
    assert_eq!(
        codes(|d| d.kind = "Job".into()),
        [(Code::UnsupportedVersion, "/kind".into())]
    );
    assert_eq!(
        codes(|d| d.input = Some(json!({"type": "strnig"})))[0].0,
        Code::InvalidSchema
    );
    assert!(
        codes(|d| d.input = Some(json!({"pattern": "(a)\\1"})))[0].0 == Code::InvalidSchema,
        "needs backtracking"
    );
}

#[test]
fn expressions_read_only_what_is_there_by_then() {
    let input = |id: &'static str, template: Value| {
        move |d: &mut WorkflowDefinition| node(d, id).input = Some(template)
    };
    let found = checked(input("check", json!({"a": ["${ $nodes.ftech.result }"]})));
    assert_eq!(
        summary(&found),
        [(Code::UnknownNode, "/nodes/check/input/a/0")]
    );
    assert_eq!(found[0].hint.as_deref(), Some("did you mean `fetch`?"));
    assert_eq!(
        codes(input("fetch", json!("${ $nodes.check.result }")))[0].0,
        Code::NotAnAncestor
    );
    assert_eq!(
        codes(input("fetch", json!("${ $nodes.fetch.result }")))[0].0,
        Code::NotAnAncestor
    );
    assert_eq!(
        codes(input("check", json!("${ $item }")))[0].0,
        Code::InvalidExpression
    );
    assert_eq!(
        codes(input("check", json!("${ $vars.limt }")))[0].0,
        Code::InvalidExpression
    );
    assert_eq!(
        codes(input("check", json!("${ nope }")))[0].0,
        Code::InvalidExpression
    );
    assert!(codes(input("check", json!("${ $nodes.fetch.error.kind }"))).is_empty());
    let when = |text: &'static str| {
        move |d: &mut WorkflowDefinition| d.connections[0].when = Some(text.into())
    };
    assert!(
        codes(when("${ $nodes.fetch.result.temp > 3 }")).is_empty(),
        "the source itself"
    );
    assert_eq!(
        codes(when("$nodes.check.result")),
        [(Code::NotAnAncestor, "/connections/0/when".into())]
    );
    assert_eq!(
        codes(when("$nodes.fetch.result >")),
        [(Code::InvalidExpression, "/connections/0/when".into())]
    );
}

#[test]
fn the_caps_hold() {
    let mut builder = WorkflowBuilder::new("large");
    for i in 0..=MAX_NODES {
        builder = builder.add_node(format!("n{i}"), "a.b");
    }
    assert_eq!(check(&builder.build())[0].code, Code::TooLarge);
    let mut deep = json!(1);
    for _ in 0..200 {
        deep = json!([deep]);
    }
    assert_eq!(
        codes(|d| node(d, "check").input = Some(deep)),
        [(Code::TooLarge, "/nodes/check/input".into())]
    );
    assert_eq!(
        codes(|d| d.description = "x".repeat(MAX_DOCUMENT))[0].0,
        Code::TooLarge
    );
}

#[test]
fn a_thousand_nodes_in_a_row_are_checked() {
    let mut builder = WorkflowBuilder::new("long").add_node("n0", "a.b");
    for i in 1..MAX_NODES {
        let node = NodeBuilder::action("a.b").input("${ $nodes.n0.result }");
        builder = builder
            .add_node(format!("n{i}"), node)
            .connect(format!("n{}", i - 1), format!("n{i}"));
    }
    assert_eq!(check(&builder.build()), []);
}

// ------------------------------------------------------------- the schema --

#[test]
fn the_schema_takes_documents_and_refuses_broken_ones() {
    let shape = Shape::compile(&schema()).unwrap();
    let weather = Document::parse(WEATHER).unwrap().value().clone();
    assert_eq!(shape.mismatches(&weather), []);
    for (pointer, value) in [
        ("/apiVersion", json!("v2")),
        ("/name", json!("no spaces")),
        ("/nodes", json!({})),
        ("/nodes/check/action", json!("weather")),
        ("/nodes/fetch/timeout", json!(10)),
        ("/nodes/fetch/retry/jitter", json!("some")),
        ("/nodes/notify/concurrency", json!(0)),
        ("/nodes/notify/each/acton", json!("a.b")),
        ("/connections/0/on", json!("done")),
    ] {
        let mut broken = weather.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        broken.pointer_mut(parent).unwrap()[key] = value;
        assert!(!shape.mismatches(&broken).is_empty(), "{pointer}");
        let refused = Document::from_value(broken)
            .definition()
            .map(|d| check(&d))
            .unwrap_or_else(|d| d);
        assert!(!refused.is_empty(), "{pointer}: schema and check agree");
    }
}

proptest! {
    #[test]
    fn reading_never_panics(text in "\\PC{0,200}") {
        if let Ok(document) = Document::parse(&text) {
            let _ = document.definition().map(|d| check(&d));
        }
    }

    #[test]
    fn reading_yaml_like_text_never_panics(words in prop::collection::vec(
        "(nodes|name|action|: |:\n|\n|  |- |\\[|\\]|\\{|\\}|,|&a|\\*a|\"|'|!!str|\\||>|---|\\.\\.\\.|#|%|\\?|~|1|x\\.y|\t)",
        0..60,
    )) {
        if let Ok(document) = Document::parse(&words.concat()) {
            let _ = document.definition().map(|d| check(&d));
        }
    }

    #[test]
    fn json_reads_as_itself(value in json_value()) {
        let text = value.to_string();
        let document = Document::parse(&text);
        prop_assert_eq!(document.map(|d| d.value().clone()).ok(), Some(value), "{}", text);
    }

    #[test]
    fn any_definition_reads_back_from_its_text(definition in definition()) {
        let text = serde_json::to_string(&definition).unwrap();
        prop_assert_eq!(read(&text), definition);
    }

    #[test]
    fn checking_any_definition_never_panics(definition in definition()) {
        let _ = check(&definition);
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|n| json!(n)),
        (-1000i32..1000).prop_map(|n| json!(f64::from(n) / 8.0)),
        "[ -~é😀]{0,12}".prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec(("[a-z~/ ]{0,4}", inner), 0..4)
                .prop_map(|e| Value::Object(e.into_iter().collect())),
        ]
    })
}

fn definition() -> impl Strategy<Value = WorkflowDefinition> {
    let template = prop_oneof![
        json_value().prop_filter("null is absent", |v| !v.is_null()),
        Just(json!("${ $nodes.b.result }"))
    ];
    let node = prop::option::of(template.clone()).prop_map(|input| Node {
        action: Some("x.y@^1".parse().unwrap()),
        input,
        ..Node::default()
    });
    let nodes = prop::collection::vec(("[abcd]", node), 0..4);
    let on = prop_oneof![
        Just(On::Success),
        Just(On::Failure),
        Just(On::Skip),
        Just(On::Port("low".into()))
    ];
    let when = prop::option::of("(\\$input|\\$nodes\\.[abc]\\.result|nope)");
    let connections = prop::collection::vec(("[abcd]", "[abcd]", on, when), 0..5);
    (nodes, connections, prop::option::of(template)).prop_map(|(nodes, connections, output)| {
        let mut definition = WorkflowBuilder::new("any").build();
        definition.nodes = nodes
            .into_iter()
            .map(|(id, node)| (id.parse().unwrap(), node))
            .collect();
        definition.connections = connections
            .into_iter()
            .map(|(from, to, on, when)| Connection {
                from: from.parse().unwrap(),
                to: to.parse().unwrap(),
                on,
                when,
            })
            .collect();
        definition.output = output;
        definition
    })
}

// ----------------------------------------------------------------- waits --

const WAITS: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: waits
timeout: 2d
nodes:
  pause: { wait: { for: 10m }, continue_on_failure: true }
  morning: { wait: { until: "2026-02-03T08:00:00+01:00" } }
  later: { wait: { until: "${ $input.at }" } }
  approve:
    wait:
      signal: approval
      schema: { type: object, required: [by], properties: { by: { type: string } }, additionalProperties: false }
      timeout: 24h
  each:
    map: "${ $input.orders }"
    each: { wait: { signal: paid } }
"#;

#[test]
fn yaml_the_builder_and_the_schema_agree_on_waits() {
    let schema_of_payload = json!({
        "type": "object", "required": ["by"], "properties": {"by": {"type": "string"}},
        "additionalProperties": false
    });
    let approve = NodeBuilder::wait_signal("approval")
        .schema(schema_of_payload)
        .timeout(Duration::from_secs(86_400));
    let built = WorkflowBuilder::new("waits")
        .timeout(Duration::from_secs(2 * 86_400))
        .add_node("pause", NodeBuilder::wait_for("10m").continue_on_failure())
        .add_node(
            "morning",
            NodeBuilder::wait_until("2026-02-03T08:00:00+01:00"),
        )
        .add_node("later", NodeBuilder::wait_until("${ $input.at }"))
        .add_node("approve", approve)
        .map(
            "each",
            "${ $input.orders }",
            NodeBuilder::wait_signal("paid"),
        )
        .build();
    assert_eq!(read(WAITS), built);
    assert_eq!(check(&built), []);
    let document = Document::parse(WAITS).unwrap().value().clone();
    assert_eq!(Shape::compile(&schema()).unwrap().mismatches(&document), []);
}

#[test]
fn what_is_wrong_with_a_wait_is_said_and_its_schema_refuses_it_too() {
    let shape = Shape::compile(&schema()).unwrap();
    for (node, code, pointer) in [
        (json!({"wait": {}}), Code::MissingField, "/wait"),
        (
            json!({"wait": {"for": "1s", "signal": "a"}}),
            Code::InvalidValue,
            "/wait",
        ),
        (
            json!({"wait": {"for": 10}}),
            Code::InvalidValue,
            "/wait/for",
        ),
        (
            json!({"wait": {"for": "soon"}}),
            Code::InvalidValue,
            "/wait/for",
        ),
        (
            json!({"wait": {"until": "8:00"}}),
            Code::InvalidValue,
            "/wait/until",
        ),
        (
            json!({"wait": {"signal": "no spaces"}}),
            Code::InvalidName,
            "/wait/signal",
        ),
        (
            json!({"wait": {"for": "1s", "schema": {}}}),
            Code::InvalidValue,
            "/wait/schema",
        ),
        (
            json!({"wait": {"for": "1s", "timeout": "2s"}}),
            Code::InvalidValue,
            "/wait/timeout",
        ),
        (
            json!({"wait": {"fro": "1s"}}),
            Code::UnknownField,
            "/wait/fro",
        ),
        (
            json!({"wait": {"for": "1s"}, "input": 1}),
            Code::InvalidValue,
            "/input",
        ),
        (
            json!({"wait": {"for": "1s"}, "timeout": "1s"}),
            Code::InvalidValue,
            "/timeout",
        ),
        (
            json!({"wait": {"for": "1s"}, "action": "a.b"}),
            Code::InvalidValue,
            "",
        ),
    ] {
        let document = json!({
            "apiVersion": "nebula/v1", "kind": "Workflow", "name": "w", "nodes": {"n": node.clone()}
        });
        assert!(!shape.mismatches(&document).is_empty(), "{node}");
        let found = match Document::from_value(document).definition() {
            Ok(definition) => check(&definition),
            Err(found) => found,
        };
        let expected = (code, format!("/nodes/n{pointer}"));
        let found: Vec<_> = found.into_iter().map(|d| (d.code, d.pointer)).collect();
        assert!(found.contains(&expected), "{node}: {found:?}");
    }
}

#[test]
fn what_is_wrong_with_a_child_is_said_and_its_schema_refuses_it_too() {
    let shape = Shape::compile(&schema()).unwrap();
    let invalid = Code::InvalidValue;
    for (node, code, pointer) in [
        (
            json!({"workflow": "no spaces"}),
            Code::InvalidName,
            "/workflow",
        ),
        (json!({"workflow": "w", "action": "a.b"}), invalid, ""),
        (
            json!({"workflow": "w", "timeout": "1s"}),
            invalid,
            "/timeout",
        ),
        (json!({"workflow": "w", "retry": {}}), invalid, "/retry"),
        (
            json!({"workflow": "w", "credentials": {"a": "b"}}),
            invalid,
            "/credentials",
        ),
        (
            json!({"workflow": "w", "resources": {"a": "b"}}),
            invalid,
            "/resources",
        ),
        (json!({"action": "a.b", "detach": true}), invalid, "/detach"),
        (
            json!({"workflow": "w", "detach": "yes"}),
            invalid,
            "/detach",
        ),
    ] {
        let document = json!({
            "apiVersion": "nebula/v1", "kind": "Workflow", "name": "w", "nodes": {"n": node.clone()}
        });
        assert!(!shape.mismatches(&document).is_empty(), "{node}");
        let found = match Document::from_value(document).definition() {
            Ok(definition) => check(&definition),
            Err(found) => found,
        };
        let expected = (code, format!("/nodes/n{pointer}"));
        let found: Vec<_> = found.into_iter().map(|d| (d.code, d.pointer)).collect();
        assert!(found.contains(&expected), "{node}: {found:?}");
    }
    let well = json!({
        "apiVersion": "nebula/v1", "kind": "Workflow", "name": "w", "on_failure": "tell",
        "nodes": {
            "a": {"workflow": "w", "input": {"x": "${ $input }"}, "continue_on_failure": true},
            "b": {"map": "${ $input }", "each": {"workflow": "w", "detach": true}},
        }
    });
    assert_eq!(shape.mismatches(&well), []);
    let definition = Document::from_value(well).definition().unwrap();
    assert_eq!(check(&definition), []);
}

#[test]
fn the_time_out_of_a_workflow_is_sane() {
    for (timeout, found) in [("1s", false), ("0s", true), ("99999d", true)] {
        let codes = codes(|d| d.timeout = Some(timeout.parse().unwrap()));
        assert_eq!(!codes.is_empty(), found, "{timeout}: {codes:?}");
    }
}

#[test]
fn times_signals_and_schemas_of_waits_are_checked_at_deploy() {
    for (wait, code, pointer) in [
        (json!({"for": "0s"}), Code::InvalidValue, "for"),
        (json!({"for": "99999d"}), Code::InvalidValue, "for"),
        (json!({"for": "${ nope( }"}), Code::InvalidExpression, "for"),
        (
            json!({"until": "${ $nodes.nobody.result }"}),
            Code::UnknownNode,
            "until",
        ),
        (
            json!({"signal": "a", "schema": {"type": "strnig"}}),
            Code::InvalidSchema,
            "schema/type",
        ),
        (
            json!({"signal": "a", "timeout": "0s"}),
            Code::InvalidValue,
            "timeout",
        ),
    ] {
        let wait: Wait = serde_json::from_value(wait).unwrap();
        let mut definition = WorkflowBuilder::new("w").build();
        let node = Node {
            wait: Some(wait.clone()),
            ..Node::default()
        };
        definition.nodes.insert("n".parse().unwrap(), node);
        let found = check(&definition);
        let pointer = format!("/nodes/n/wait/{pointer}");
        assert!(
            found.iter().any(|d| d.code == code && d.pointer == pointer),
            "{wait:?}: {found:?}"
        );
    }
    let two = WorkflowBuilder::new("w")
        .add_node("a", NodeBuilder::wait_signal("s"))
        .add_node(
            "b",
            NodeBuilder::wait_signal("s").schema(json!({"type": "string"})),
        )
        .add_node("c", NodeBuilder::wait_signal("no spaces"))
        .build();
    assert_eq!(
        summary(&check(&two)),
        [
            (Code::InvalidName, "/nodes/c/wait/signal"),
            (Code::InvalidValue, "/nodes/b/wait"),
        ]
    );
}
