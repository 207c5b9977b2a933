use std::time::Duration;

use http::{Method, Request};
use nebula_flow::{Value, json};

use super::hostile::{fill, operations};
use super::house::{Answer, House, workflow};
use crate::config::Config;
use crate::rest::guard::Need;
use crate::rest::routes::routes;

/// A node that needs keys, and one of each role.
struct Guarded {
    house: House,
    keys: Vec<(&'static str, String)>,
}

impl Guarded {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config::dev(folder.path()).with_port(0);
        // The first key is made while the node is open, as `nebula key create` does.
        let open = House::with(config, folder).await;
        let mut keys = Vec::new();
        for role in ["viewer", "operator", "admin"] {
            let made = open
                .post("/keys", &json!({"name": role, "role": role}))
                .await;
            let made = made.expect(201);
            keys.push((role, made["secret"].as_str().expect("a key").to_owned()));
        }
        let folder = open.folder;
        open.running.drain().await;
        // The last to let go of the store closes it behind our back.
        for _ in 0..500 {
            if nebula_storage::Sqlite::open(folder.path()).is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let config = Config::serve(folder.path()).with_port(0);
        Self {
            house: House::with(config, folder).await,
            keys,
        }
    }

    fn key(&self, role: &str) -> &str {
        let found = self.keys.iter().find(|(name, _)| *name == role);
        found.map_or("", |(_, key)| key)
    }

    async fn ask(&self, method: Method, path: &str, key: Option<&str>, body: &Value) -> Answer {
        let mut request = self
            .house
            .request(method, path)
            .header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        self.house.send(request, body.to_string()).await
    }
}

fn is_problem_with_hint(answer: &Answer, status: u16, code: &str, what: &str) {
    assert_eq!(answer.status.as_u16(), status, "{what}");
    assert_eq!(answer.problem(status), code, "{what}");
    let hint = &answer.json()["hint"];
    assert!(hint.as_str().is_some_and(|h| !h.is_empty()), "{what}");
}

#[tokio::test]
async fn every_route_answers_each_role_as_the_table_says() {
    let node = Guarded::new().await;
    let table = routes().table;
    assert_eq!(table.len(), operations().len());
    let mut wrong = node.key("admin").to_owned();
    wrong.replace_range(wrong.len() - 4.., "0000");
    for access in &table {
        let method: Method = access.method.parse().expect("a method");
        let path = fill(access.path, "health");
        for (name, key) in [
            ("none", None),
            ("wrong", Some(wrong.as_str())),
            ("viewer", Some(node.key("viewer"))),
            ("operator", Some(node.key("operator"))),
            ("admin", Some(node.key("admin"))),
        ] {
            let what = format!("{method} {path} with {name}");
            let answer = node.ask(method.clone(), &path, key, &json!({})).await;
            let role = nebula_api::key::Role::from_name(name);
            match (access.need, name, role) {
                // Only its own secret counts; no such webhook is there.
                (Need::Secret, ..) => {
                    is_problem_with_hint(&answer, 404, "trigger_not_found", &what);
                }
                (_, "wrong", _) => is_problem_with_hint(&answer, 401, "invalid_key", &what),
                (Need::Nothing, ..) => assert_eq!(answer.status, 200, "{what}"),
                (Need::Role(_), "none", _) => {
                    is_problem_with_hint(&answer, 401, "unauthenticated", &what);
                    assert!(
                        answer.header("www-authenticate").starts_with("Bearer"),
                        "{what}"
                    );
                }
                (Need::Role(needed), _, Some(role)) if role < needed => {
                    is_problem_with_hint(&answer, 403, "forbidden", &what);
                }
                _ => assert!(
                    !matches!(answer.status.as_u16(), 401 | 403 | 500..),
                    "{what}"
                ),
            }
        }
    }
}

#[tokio::test]
async fn no_shape_of_a_path_is_let_in_without_a_key() {
    let node = Guarded::new().await;
    for path in [
        "/workflows/health",
        "/workflows/ready",
        "/workflows/x/health",
        "/workflows?health",
        "/workflows;/health",
        "/workflows/%2e%2e/health",
        "/health/..%2fworkflows",
        "/health/",
        "//health",
        "/executions/health",
        "/keys/health",
        "/HEALTH",
        "/health.json",
        "/nothing",
        "/api/v2/health",
        "/api",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::HEAD] {
            let request = node
                .house
                .request(method.clone(), path)
                .header("content-type", "application/json")
                .header("x-http-method-override", "GET")
                .header("x-original-url", "/api/v1/health");
            let status = node.house.send(request, "").await.status;
            assert_eq!(status, 401, "{method} {path}");
        }
    }
    let root = Request::builder().uri("/").header("host", "localhost");
    assert_eq!(node.house.send(root, "").await.status, 401);
}

#[tokio::test]
async fn only_one_bearer_is_a_key() {
    let node = Guarded::new().await;
    let key = node.key("admin");
    let ask = async |values: &[String]| {
        let mut request = node.house.request(Method::GET, "/workflows");
        for value in values {
            request = request.header("authorization", value);
        }
        node.house.send(request, "").await
    };
    ask(&[format!("Bearer {key}")]).await.expect(200);
    ask(&[format!("bearer {key}")]).await.expect(200);
    for values in [
        vec![String::new()],
        vec![key.to_owned()],
        vec![format!("Basic {key}")],
        vec![format!("Bearer {key} {key}")],
        vec![format!("Bearer {}", &key[..key.len() - 1])],
        vec![format!("Bearer {}", key.to_uppercase())],
        vec![format!("Bearer {}", key.replacen("default", "other", 1))],
        vec![format!("Bearer {key}"), format!("Bearer {key}")],
    ] {
        assert_eq!(ask(&values).await.problem(401), "invalid_key", "{values:?}");
    }
    // Neither a query nor another header is where a key is looked for.
    let path = format!("/workflows?key={key}");
    let query = node.ask(Method::GET, &path, None, &json!({})).await;
    assert_eq!(query.problem(401), "unauthenticated");
}

#[tokio::test]
async fn a_key_is_shown_once_listed_without_its_secret_and_revoked_at_once() {
    let node = Guarded::new().await;
    let admin = Some(node.key("admin"));
    let request = json!({"name": "ci", "role": "operator", "expires_in": "90d"});
    let made = node
        .ask(Method::POST, "/keys", admin, &request)
        .await
        .expect(201);
    let key = made["secret"].as_str().expect("a key").to_owned();
    let id = made["id"].as_str().expect("an id").to_owned();
    assert!(key.contains(&id) && made["expires_at"].is_string());
    let list = node
        .ask(Method::GET, "/keys?limit=200", admin, &json!({}))
        .await;
    list.expect(200);
    let text = String::from_utf8_lossy(&list.bytes).into_owned();
    let secret = key.rsplit('.').next().expect("a secret");
    assert!(
        text.contains(&id) && !text.contains(secret) && !text.contains("hash"),
        "{text}"
    );

    let used = node
        .ask(Method::GET, "/workflows", Some(&key), &json!({}))
        .await;
    used.expect(200);
    let seen = async || {
        let list = node
            .ask(Method::GET, "/keys", admin, &json!({}))
            .await
            .expect(200);
        let items = list["items"].as_array().expect("items").clone();
        items
            .into_iter()
            .find(|k| k["id"] == id.as_str())
            .expect("is listed")
    };
    for _ in 0..200 {
        if seen().await["last_used_at"].is_string() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(seen().await["last_used_at"].is_string());

    let path = format!("/keys/{id}");
    node.ask(Method::DELETE, &path, admin, &json!({}))
        .await
        .expect(204);
    let after = node
        .ask(Method::GET, "/workflows", Some(&key), &json!({}))
        .await;
    assert_eq!(after.problem(401), "invalid_key");
    let again = node.ask(Method::DELETE, &path, admin, &json!({})).await;
    assert_eq!(again.problem(404), "key_not_found");
}

#[tokio::test]
async fn a_key_that_expires_is_refused_afterwards() {
    let node = Guarded::new().await;
    let admin = Some(node.key("admin"));
    let request = json!({"name": "short", "role": "viewer", "expires_in": "1ms"});
    let made = node
        .ask(Method::POST, "/keys", admin, &request)
        .await
        .expect(201);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let key = made["secret"].as_str();
    let answer = node.ask(Method::GET, "/workflows", key, &json!({})).await;
    is_problem_with_hint(&answer, 401, "invalid_key", "expired");
    for (wrong, pointer) in [
        (json!({"name": "", "role": "viewer"}), "/name"),
        (json!({"name": "a\nb", "role": "viewer"}), "/name"),
        (json!({"name": "x".repeat(200), "role": "viewer"}), "/name"),
        (json!({"name": "a", "role": "root"}), "/role"),
        (
            json!({"name": "a", "role": "viewer", "expires_in": "soon"}),
            "/expires_in",
        ),
        (
            json!({"name": "a", "role": "viewer", "expires_in": "0s"}),
            "/expires_in",
        ),
        (
            json!({"name": "a", "role": "viewer", "tenant": "other"}),
            "/tenant",
        ),
    ] {
        let answer = node.ask(Method::POST, "/keys", admin, &wrong).await;
        assert_eq!(answer.problem(400), "invalid_body", "{wrong}");
        assert_eq!(answer.json()["pointer"], pointer, "{wrong}");
    }
}

#[tokio::test]
async fn no_file_of_the_data_folder_has_a_key() {
    let node = Guarded::new().await;
    let key = node.key("admin").to_owned();
    let parts: Vec<&str> = key.split('.').collect();
    let folder = node.house.folder.path().to_owned();
    node.house.running.drain().await;
    assert!(
        super::access::in_files(&folder, parts[2]),
        "the search finds ids"
    );
    assert!(!super::access::in_files(&folder, parts[3]));
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_start_an_execution() {
    let house = House::new().await;
    house
        .post("/workflows", &workflow("w", "test.echo"))
        .await
        .expect(201);
    let host = house.running.address().to_string();
    // As browsers send a fetch, a form and a rebound name.
    let fetch = |headers: &[(&str, &str)]| {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri("/api/v1/workflows/w/execute");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        house.send(request, "{}")
    };
    let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
    let cross = [
        ("host", host.as_str()),
        ("user-agent", chrome),
        ("accept", "*/*"),
        ("content-type", "application/json"),
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "empty"),
        ("referer", "https://evil.example/"),
    ];
    assert_eq!(fetch(&cross).await.problem(403), "origin_refused");
    let form = [
        ("host", host.as_str()),
        ("user-agent", chrome),
        ("content-type", "text/plain"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    assert_eq!(fetch(&form).await.problem(403), "origin_refused");
    let rebound = [
        ("host", "evil.example:7300"),
        ("user-agent", chrome),
        ("content-type", "application/json"),
        ("origin", "http://evil.example:7300"),
        ("sec-fetch-site", "same-origin"),
    ];
    assert_eq!(fetch(&rebound).await.problem(403), "host_refused");
    let preflight = Request::builder()
        .method(Method::OPTIONS)
        .uri("/api/v1/workflows/w/execute")
        .header("host", &host)
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let answer = house.send(preflight, "").await;
    assert_eq!(answer.problem(403), "origin_refused");
    assert_eq!(answer.header("access-control-allow-origin"), "");
    let list = house.get("/executions").await.expect(200);
    assert_eq!(list["items"], json!([]));
}

/// The table that people read is the one that the routes declare.
#[test]
fn the_documented_roles_are_those_of_the_routes() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/server.md");
    let page = std::fs::read_to_string(path).expect("docs/server.md");
    let mut documented: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains("` | ") && line.contains(" /"))
        .collect();
    let mut declared: Vec<String> = routes()
        .table
        .iter()
        .map(|access| {
            let who = match access.need {
                Need::Nothing => "anyone",
                Need::Secret => "who knows the trigger's secret",
                Need::Role(role) => role.name(),
            };
            format!("| `{} {}` | {who} |", access.method, access.path)
        })
        .collect();
    documented.sort_unstable();
    declared.sort_unstable();
    assert_eq!(documented, declared);
}
