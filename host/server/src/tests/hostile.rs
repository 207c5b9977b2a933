//! Whatever is sent to whatever route, the answer is a success or a problem
//! that blames the sender.

use http::{Method, Request};

use super::house::{Answer, House};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Values for what stands in a path.
const NAMES: [&str; 12] = [
    "w",
    "7",
    "%00",
    "%ff",
    "..",
    "..%2f..%2fetc%2fpasswd",
    "%F0%9F%92%A5",
    "__proto__",
    "exec-01jd0000000000000000000000",
    "wf-01jd0000000000000000000000",
    "exec-zzzzzzzzzzzzzzzzzzzzzzzzzz",
    "a%27%20OR%201%3D1",
];

fn bodies() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = [
        "", " ", "null", "true", "0", "-1", "1e999", "\"\"", "\"\\u0000\"", "\"\\ud800\"", "[]", "{}", "[[]]", "{", "}",
        "{\"a\":}", "nul", "{\"a\":1,\"a\":2}", "{\"\":{}}", "[1,2,", "\u{feff}{}", "NaN", "'a'", "{\"__proto__\":{}}",
        r#"{"secret":5}"#, r#"{"secret":"x","hosts":"y"}"#, r#"{"secret":null}"#, r#"{"reason":{}}"#,
        r#"{"action":[],"host":{}}"#, r#"{"action":"a.b","host":"\u0000"}"#,
        r#"{"apiVersion":"nebula/v1","kind":"Workflow","name":"w","nodes":{}}"#,
        r#"{"apiVersion":"nebula/v1","kind":"Workflow","name":"w","nodes":[]}"#,
        r#"{"apiVersion":"nebula/v1","kind":"Workflow","name":"","nodes":{"a":{"action":"x"}}}"#,
        r#"{"apiVersion":"nebula/v1","kind":"Workflow","name":"w","nodes":{"a":{"action":"test.echo","each":{}}}}"#,
        r#"{"apiVersion":"nebula/v1","kind":"Workflow","name":"w","nodes":{"a":{"action":"test.echo","input":"${"}}}"#,
        r#"{"apiVersion":"nebula/v1","kind":"Workflow","name":"w","nodes":{"a":{"action":"test.echo"}},"connections":[{"from":"a","to":"a"}]}"#,
        r#"{"apiVersion":"nebula/v1","kind":"Workflow","name":"w","nodes":{"a":{"action":"test.echo","timeout":"99999999999999999999s"}}}"#,
        r#"{"apiVersion":"nebula/v1","kind":"Workflow","name":"w","input":{"type":"nonsense"},"nodes":{"a":{"action":"test.echo"}}}"#,
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    bodies.push("[".repeat(50_000).into_bytes());
    bodies.push("{\"a\":".repeat(50_000).into_bytes());
    bodies.push(vec![0xff, 0xfe, 0x00]);
    bodies.push(vec![b'9'; 10_000]);
    bodies.push(format!("\"{}\"", "x".repeat(200_000)).into_bytes());
    bodies
}

fn check(answer: &Answer, what: &str) {
    if answer.status.is_success() {
        return;
    }
    assert!(
        answer.status.is_client_error(),
        "{what}: {} {}",
        answer.status,
        String::from_utf8_lossy(&answer.bytes)
    );
    let code = answer.problem(answer.status.as_u16());
    assert!(!code.is_empty(), "{what}");
}

pub(super) fn operations() -> Vec<(Method, String)> {
    let document = serde_json::to_value(crate::openapi()).expect("a document");
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in METHODS {
            if item.get(method).is_some() {
                operations.push((
                    method.to_uppercase().parse().expect("a method"),
                    path.clone(),
                ));
            }
        }
    }
    assert!(operations.len() > 20);
    operations
}

pub(super) fn fill(path: &str, name: &str) -> String {
    let mut out = String::new();
    for (i, part) in path.split(['{', '}']).enumerate() {
        out.push_str(if i % 2 == 0 { part } else { name });
    }
    out
}

#[tokio::test]
async fn hostile_bodies_are_refused_with_problems_on_every_route() {
    let house = House::new().await;
    house.deploy("w", "test.echo").await;
    for (method, path) in operations() {
        if method == Method::GET {
            continue;
        }
        for body in bodies() {
            let path = fill(&path, "w");
            let request = house
                .request(method.clone(), &path)
                .header("content-type", "application/json");
            let what = format!(
                "{method} {path} {}",
                String::from_utf8_lossy(&body[..body.len().min(60)])
            );
            check(&house.send(request, body).await, &what);
        }
    }
}

#[tokio::test]
async fn hostile_yaml_is_refused_with_a_problem() {
    let house = House::new().await;
    let bombs = [
        "a: &a [x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c]\n",
        "a: *nobody",
        "- - - -",
        "\t",
        "? {a: b}\n: c",
        "!!binary x",
        "a: 1\na: 2",
        "%YAML 9.9\n---\n",
        "--- a\n--- b\n",
        "&a [*a]",
    ];
    for path in ["/workflows", "/workflows/validate"] {
        for yaml in bombs {
            let request = house
                .request(Method::POST, path)
                .header("content-type", "application/yaml");
            check(&house.send(request, yaml).await, yaml);
        }
        let request = house
            .request(Method::POST, path)
            .header("content-type", "application/yaml");
        check(&house.send(request, "[".repeat(100_000)).await, "deep");
        let request = house
            .request(Method::POST, path)
            .header("content-type", "text/yaml");
        check(&house.send(request, vec![0xff, 0xfe]).await, "not UTF-8");
    }
}

#[tokio::test]
async fn hostile_paths_and_queries_are_refused_with_problems_on_every_route() {
    let house = House::new().await;
    let queries = [
        "",
        "?limit=-1",
        "?limit=99999999999",
        "?limit=x",
        "?cursor=%00",
        "?cursor=zz",
        "?q=%ff",
        "?q=",
        "?version=-1",
        "?version=4294967296",
        "?wait=%00",
        "?wait=1ms",
        "?status=%F0%9F%92%A5",
        "?filter==",
        "?workflow=%00",
        "?action=a.b&host=",
        "?action=&host=%00",
        "?limit=1&limit=2",
        "?a[]=1",
        "?%",
        "?category=x",
        "?cursor=18446744073709551615",
    ];
    for (method, path) in operations() {
        for name in NAMES {
            let path = fill(&path, name);
            let request = house
                .request(method.clone(), &path)
                .header("content-type", "application/json");
            check(
                &house.send(request, "{}").await,
                &format!("{method} {path}"),
            );
        }
        for query in queries {
            let path = format!("{}{query}", fill(&path, "w"));
            let request = house
                .request(method.clone(), &path)
                .header("content-type", "application/json");
            check(
                &house.send(request, "{}").await,
                &format!("{method} {path}"),
            );
        }
        let long = fill(&path, &"x".repeat(10_000));
        let request = house
            .request(method.clone(), &long)
            .header("content-type", "application/json");
        check(&house.send(request, "{}").await, "long");
    }
}

#[tokio::test]
async fn what_is_documented_is_mounted_and_nothing_else() {
    let house = House::new().await;
    let documented = operations();
    let paths: std::collections::BTreeSet<_> =
        documented.iter().map(|(_, path)| path.clone()).collect();
    for path in paths {
        for method in METHODS {
            let method: Method = method.to_uppercase().parse().expect("a method");
            let request = Request::builder()
                .method(method.clone())
                .uri(fill(&path, "w"))
                .header("host", "localhost")
                .header("content-type", "application/json");
            let status = house.send(request, "{}").await.status;
            let is_documented = documented.contains(&(method.clone(), path.clone()));
            assert_eq!(status != 405, is_documented, "{method} {path}: {status}");
        }
    }
}
