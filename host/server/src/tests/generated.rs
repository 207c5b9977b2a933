//! Requests made from the OpenAPI document itself: for every operation, inputs
//! that fit its schemas and inputs that were bent. Whatever is sent, the answer
//! is one that the document has, and never the node's fault.

use http::Method;
use nebula_flow::{Value, json};

use super::hostile::fill;
use super::house::{Answer, House};

/// Requests for each operation.
fn rounds() -> u32 {
    if std::env::var_os("NEBULA_LONG").is_some() {
        2_000
    } else {
        60
    }
}

/// A small generator that is the same on every machine (xorshift64*).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

const TEXTS: [&str; 18] = [
    "",
    "w",
    "test.echo",
    "a.b",
    "1",
    "-1",
    "true",
    "30s",
    "name=w*",
    "\u{0}",
    "\u{202e}x",
    "💥",
    "../..",
    "%2e%2e",
    "a b\tc",
    "exec-01jd0000000000000000000000",
    "2026-02-30T99:00:00Z",
    "'; --",
];

fn text(dice: &mut Dice) -> &'static str {
    TEXTS[dice.below(TEXTS.len())]
}

/// Something that may fit a schema, or may not.
fn value(dice: &mut Dice, schema: &Value, document: &Value, depth: u32) -> Value {
    if depth > 6 || dice.chance(12) {
        return odd(dice);
    }
    if let Some(name) = schema["$ref"].as_str() {
        let pointer = name.trim_start_matches('#');
        let target = document.pointer(pointer).cloned().unwrap_or_default();
        return value(dice, &target, document, depth + 1);
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        if let Some(schemas) = schema[key].as_array().filter(|s| !s.is_empty()) {
            let schema = dice.one(schemas).clone();
            return value(dice, &schema, document, depth + 1);
        }
    }
    if let Some(values) = schema["enum"].as_array().filter(|v| !v.is_empty()) {
        return dice.one(values).clone();
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        Value::String(one) => vec![json!(one)],
        _ => return odd(dice),
    };
    match dice.one(&types).as_str() {
        Some("object") => object(dice, schema, document, depth),
        Some("array") => {
            let n = dice.below(4);
            (0..n)
                .map(|_| value(dice, &schema["items"], document, depth + 1))
                .collect()
        }
        Some("string") => json!(text(dice)),
        Some("integer" | "number") => {
            json!(*dice.one(&[0_i64, 1, 2, 200, 201, -1, i64::MAX, 1 << 32]))
        }
        Some("boolean") => json!(dice.chance(50)),
        _ => Value::Null,
    }
}

fn object(dice: &mut Dice, schema: &Value, document: &Value, depth: u32) -> Value {
    let mut object = nebula_flow::json!({});
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            if dice.chance(80) {
                object[name] = value(dice, property, document, depth + 1);
            }
        }
    }
    if dice.chance(10) {
        object[*dice.one(&["tenant", "role", "__proto__", "", "id", "owner"])] = odd(dice);
    }
    object
}

fn odd(dice: &mut Dice) -> Value {
    match dice.below(9) {
        0 => Value::Null,
        1 => json!([]),
        2 => json!({}),
        3 => json!({"": [null, {"a": 1e308}]}),
        4 => json!(-0.0),
        5 => json!(u64::MAX),
        6 => json!("x".repeat(5_000)),
        _ => json!(text(dice)),
    }
}

/// Bytes of a body, sometimes no longer JSON.
fn body(dice: &mut Dice, operation: &Value, document: &Value) -> Vec<u8> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let value = if operation["operationId"] == "deploy_workflow" && dice.chance(60) {
        bent_workflow(dice)
    } else {
        value(dice, schema, document, 0)
    };
    let mut bytes = value.to_string().into_bytes();
    if dice.chance(15) && !bytes.is_empty() {
        let at = dice.below(bytes.len());
        match dice.below(4) {
            0 => bytes.truncate(at),
            1 => bytes[at] = 0xff,
            2 => bytes.insert(at, b'{'),
            _ => bytes[at] = b',',
        }
    }
    bytes
}

/// A good workflow with one place in it replaced.
fn bent_workflow(dice: &mut Dice) -> Value {
    let mut workflow = json!({
        "apiVersion": "nebula/v1", "kind": "Workflow", "name": "bent",
        "input": {"type": "object"}, "vars": {"a": 1},
        "nodes": {
            "a": {"action": "test.echo@^1", "input": {"x": "${ $input.x }"}, "timeout": "1s", "retry": {"max_attempts": 2}},
            "b": {"map": "${ [1,2] }", "concurrency": 2, "each": {"action": "test.echo"}},
        },
        "connections": [{"from": "a", "to": "b", "on": "success", "when": "$vars.a > 0"}],
        "output": "${ $nodes.a.result }",
    });
    let places = [
        "/apiVersion",
        "/kind",
        "/name",
        "/input",
        "/input/type",
        "/vars",
        "/nodes",
        "/nodes/a",
        "/nodes/a/action",
        "/nodes/a/input",
        "/nodes/a/input/x",
        "/nodes/a/timeout",
        "/nodes/a/retry",
        "/nodes/a/retry/max_attempts",
        "/nodes/b/map",
        "/nodes/b/concurrency",
        "/nodes/b/each",
        "/connections",
        "/connections/0",
        "/connections/0/from",
        "/connections/0/on",
        "/connections/0/when",
        "/output",
    ];
    let place = *dice.one(&places);
    if let Some(target) = workflow.pointer_mut(place) {
        *target = match dice.below(3) {
            0 => json!(*dice.one(&[
                "${",
                "${ }",
                "${ $nodes }",
                "${ 1/0 }",
                "${ [range(9)] }",
                "$${",
                "a@",
                "@^1",
                "port:"
            ])),
            _ => odd(dice),
        };
    }
    workflow
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, b| {
        if b.is_ascii_alphanumeric() {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
        out
    })
}

fn target(dice: &mut Dice, path: &str, operation: &Value) -> String {
    let name = if dice.chance(40) { "w" } else { text(dice) };
    let name = if name.is_empty() { "x" } else { name };
    let mut target = fill(path, &percent(name));
    let mut separator = '?';
    let parameters = operation["parameters"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    for parameter in parameters.iter().filter(|p| p["in"] == "query") {
        // A wait would only make this slow.
        if parameter["name"] == "wait" || !dice.chance(50) {
            continue;
        }
        let name = parameter["name"].as_str().unwrap_or_default();
        let value = percent(text(dice));
        target.push_str(&format!("{separator}{name}={value}"));
        separator = '&';
    }
    if dice.chance(8) {
        target.push_str(&format!(
            "{separator}{}",
            dice.one(&["x=1", "%", "limit", "limit=1&limit=2", "%ff=%ff", "&&="])
        ));
    }
    target
}

/// The status stands in the document, with the content type that is sent.
fn is_documented(answer: &Answer, operation: &Value) -> bool {
    let status = answer.status.as_u16().to_string();
    let media = answer
        .header("content-type")
        .split(';')
        .next()
        .unwrap_or_default();
    let responses = &operation["responses"];
    if answer.status.is_success() {
        let response = &responses[&status];
        return response.is_object()
            && (answer.bytes.is_empty() || response["content"][media].is_object());
    }
    let response = if responses[&status].is_object() {
        &responses[&status]
    } else {
        &responses["default"]
    };
    answer.status.is_client_error() && response["content"][media].is_object()
}

#[tokio::test]
async fn what_the_document_generates_is_answered_as_the_document_says() {
    let house = House::new().await;
    house.deploy("w", "test.echo").await;
    let document = serde_json::to_value(crate::openapi()).expect("a document");
    let mut counts = std::collections::BTreeMap::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let method: Method = method.to_uppercase().parse().expect("a method");
            let mut dice = Dice(
                0x9E37_79B9_7F4A_7C15 ^ (path.len() as u64) << 8 ^ method.as_str().len() as u64,
            );
            for round in 0..rounds() {
                let target = target(&mut dice, path, operation);
                let mut request = house.request(method.clone(), &target);
                let body = if method == Method::GET {
                    Vec::new()
                } else {
                    request = request.header("content-type", "application/json");
                    body(&mut dice, operation, &document)
                };
                let shown = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
                let answer = house.send(request, body).await;
                assert!(
                    is_documented(&answer, operation),
                    "round {round}: {method} {target} {shown}\n{} {}",
                    answer.status,
                    String::from_utf8_lossy(&answer.bytes)
                );
                *counts.entry(answer.status.as_u16()).or_insert(0_u32) += 1;
            }
        }
    }
    // Were nothing taken or nothing refused, this would prove little.
    let of = |statuses: std::ops::Range<u16>| counts.range(statuses).map(|(_, n)| n).sum::<u32>();
    assert!(of(200..300) > 200 && of(400..500) > 200, "{counts:?}");
}
