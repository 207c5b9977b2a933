//! Actions that no Rust is in: those of `examples/javascript`, as they were built into
//! `tests/fixtures/javascript`. With `NEBULA_LONG` they are built anew first, from npm.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use nebula_flow::component::Effect;
use nebula_flow::event::FailureKind;
use nebula_flow::grant::Capabilities;
use nebula_flow::id::{ExecutionId, TenantId};
use nebula_flow::ports::{Call, Identity, Limits, Outcome, Report, Runner};
use nebula_flow::{Component, Timestamp, Value, Verified, json, payload};
use nebula_tests::examples::granted;

use crate::cli::{Cli, Ended};
use crate::hub::Hub;
use crate::hub_world::Home;

fn example() -> PathBuf {
    crate::root().join("examples/javascript")
}

fn recorded(name: &str) -> PathBuf {
    crate::root().join(format!("tests/fixtures/javascript/{name}.wasm"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Copies the files of a folder, and of those below it that have these names.
fn copy(from: &Path, to: &Path, below: &[&str]) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("readable") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("a name");
        if path.is_file() {
            std::fs::copy(&path, to.join(name)).expect("copies");
        } else if below.iter().any(|below| *below == name) {
            copy(&path, &to.join(name), below);
        }
    }
}

fn component(name: &str) -> Verified<Component> {
    nebula_hub::local(recorded(name)).expect("a component")
}

/// A call in the execution of this number.
fn call(action: &str, input: &Value, number: u128, capabilities: Capabilities) -> Call {
    Call {
        tenant: TenantId::default_tenant(),
        component: component(action.split('.').next().expect("a segment")),
        action: action.parse().expect("an id"),
        input: payload::encode(input).expect("encodes"),
        identity: Identity {
            workflow: "javascript".parse().expect("a name"),
            execution: ExecutionId::mint(Timestamp::from_millis(1), number),
            step: "step".parse().expect("a step"),
            attempt: 1,
            restarts: 0,
        },
        ready_at: Timestamp::from_millis(1_700_000_000_123),
        resumption: None,
        limits: Limits::default(),
        capabilities: Arc::new(capabilities),
        pulse: Arc::default(),
    }
}

async fn evaluate(input: &Value, number: u128) -> Report {
    let call = call("jsonata.evaluate", input, number, Capabilities::default());
    crate::packs::sandbox().run(call).await
}

fn output(report: &Report) -> Value {
    match &report.result {
        Ok(Outcome::Success(bytes)) => payload::decode(bytes).expect("a value"),
        other => panic!("{other:?} {:?}", report.lines),
    }
}

#[test]
fn they_are_inspected_and_tested_as_any_component_is() {
    let cli = Cli::fresh();
    let found = cli.json(&["action", "inspect", text(&recorded("jsonata"))]);
    assert_eq!(
        (&found["effect"], &found["effects"]),
        (&json!("pure"), &json!([]))
    );
    let action = &found["actions"][0];
    assert_eq!(action["id"], "jsonata.evaluate");
    assert_eq!(action["input_schema"]["required"], json!(["expression"]));

    let tests = example().join("tests");
    let file = |name: &str| text(&tests.join(name)).to_owned();
    let tested = |component: &str, more: &[&str]| {
        let input = file(&format!("{component}.json"));
        let component = recorded(component);
        let call = ["action", "test", text(&component), "--input", &input];
        cli.json(&[&call, more].concat())
    };
    let tested_pure = tested("jsonata", &[]);
    assert_eq!(tested_pure["snapshot"]["matches"], true, "{tested_pure}");
    let token = format!("token=@{}", file("token.test"));
    let mock = file("graphql.mock.yaml");
    let asked = tested("graphql", &["--mock-http", &mock, "--credential", &token]);
    assert_eq!(asked["effect"], "effectful");
    assert_eq!(asked["snapshot"]["matches"], true, "{asked}");
    assert_eq!(asked["http"]["requests"][0]["status"], 200, "{asked}");
    assert!(!asked["logs"].to_string().contains("t0ken"), "{asked}");
}

#[tokio::test]
async fn a_pure_one_is_a_function_of_its_step() {
    let prepared = crate::packs::sandbox().prepare(&component("jsonata")).await;
    let prepared = prepared.expect("prepares");
    assert_eq!(prepared.effect, Effect::Pure, "{:?}", prepared.imports);

    let input = json!({ "expression": "[$random(), $millis(), $now()]" });
    let first = evaluate(&input, 1).await;
    let again = evaluate(&input, 1).await;
    assert_eq!(output(&first), output(&again));
    assert_eq!(first.usage.fuel, again.usage.fuel);
    let result = &output(&first)["result"];
    assert_eq!(result[1], 1_700_000_000_123_i64, "the time of its step");
    assert_eq!(result[2], "2023-11-14T22:13:20.123Z");
    let other = output(&evaluate(&input, 2).await);
    assert_ne!(other["result"][0], result[0], "the chance of another step");
}

#[tokio::test]
async fn values_of_all_kinds_go_in_and_come_out_as_they_are() {
    let data = json!({
        "null": null, "yes": true, "text": "Löwe 🦁", "fraction": -0.25, "list": [[], {}],
        "small": -1, "largest": 9_007_199_254_740_991_i64, "of 64 bits": i64::MIN,
    });
    let report = evaluate(&json!({ "expression": "$", "data": data }), 1).await;
    assert_eq!(output(&report)["result"], data);
    let nothing = evaluate(&json!({ "expression": "nothing", "data": data }), 1).await;
    assert_eq!(output(&nothing)["result"], Value::Null);
}

#[tokio::test]
async fn what_is_wrong_with_an_input_is_said_and_where() {
    for (input, says) in [
        (json!({}), "expression"),
        (json!({ "expression": 7 }), "expression"),
        (json!({ "expression": "" }), "expression"),
        (json!({ "expression": "1", "variables": [] }), "variables"),
        (json!({ "expression": "1", "more": 1 }), "more"),
        (json!({ "expression": "$sum(" }), "S0203 at 5"),
        (json!({ "expression": "1 + \"a\"" }), "T2002"),
    ] {
        let failure = evaluate(&input, 1).await.result.expect_err("refused");
        assert_eq!(
            failure.kind,
            FailureKind::InvalidInput,
            "{input}: {failure}"
        );
        assert!(failure.message.contains(says), "{input}: {failure}");
    }
    let endless = json!({ "expression": "($f := function($n) { $f($n + 1) }; $f(0))" });
    let failure = evaluate(&endless, 1).await.result.expect_err("never ends");
    assert!(
        matches!(
            failure.kind,
            FailureKind::FuelExhausted | FailureKind::MemoryLimit
        ),
        "{failure}"
    );
}

/// Answers each request with this status and body.
async fn service(status: u16, body: &'static str) -> String {
    use axum::http::StatusCode;
    let status = StatusCode::from_u16(status).expect("a status");
    let app = axum::Router::new().fallback(async move || (status, body));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let at = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    at
}

#[tokio::test]
async fn what_goes_wrong_outside_is_told_apart() {
    let sandbox = crate::packs::sandbox();
    let input = |more: &str| json!({ "url": "https://api.example/graphql", "query": "{ a }", "authorized": more == "authorized" });
    let ask = async |status, body, more| {
        let at = service(status, body).await;
        let capabilities = Capabilities {
            hosts: vec![granted("graphql.query", "api.example", &at).expect("a grant")],
            ..Capabilities::default()
        };
        sandbox
            .run(call("graphql.query", &input(more), 1, capabilities))
            .await
            .result
    };
    for (status, body, more, kind, says) in [
        (503, "later", "", FailureKind::Retryable, "answered 503"),
        (
            200,
            r#"{"errors": [{"message": "no field a"}]}"#,
            "",
            FailureKind::Permanent,
            "no field a",
        ),
        (
            404,
            "<html>",
            "",
            FailureKind::Permanent,
            "404, and no JSON",
        ),
        (
            200,
            "{}",
            "authorized",
            FailureKind::InvalidInput,
            "no credential `token`",
        ),
    ] {
        let failure = ask(status, body, more).await.expect_err(says);
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.message.contains(says), "{failure}");
    }
    // A body of many pieces.
    let long: &'static str = format!(r#"{{"data": "{}"}}"#, "ä".repeat(20_000)).leak();
    let answered = ask(200, long, "").await;
    let Ok(Outcome::Success(bytes)) = answered else {
        panic!("{answered:?}")
    };
    let data = payload::decode(&bytes).expect("a value")["data"].clone();
    assert_eq!(data.as_str().map(str::len), Some(40_000));

    let ungranted = call("graphql.query", &input(""), 1, Capabilities::default());
    let failure = sandbox
        .run(ungranted)
        .await
        .result
        .expect_err("not granted");
    assert_eq!(failure.kind, FailureKind::Permanent, "{failure}");
    assert!(failure.message.contains("HTTP-request-denied"), "{failure}");
}

#[test]
fn a_package_of_them_is_published_installed_elsewhere_and_run_in_a_workflow() {
    let mut author = Home::publisher("");
    let hub = Hub::start(&author.cli, &["dev", "--port", "0"], "hub:");
    author.registry.clone_from(&hub.address);
    let folder = author.cli.folder().join("actions");
    copy(&example(), &folder, &[]);
    copy(
        &crate::root().join("tests/fixtures/javascript"),
        &folder.join("build"),
        &[],
    );
    author.done(&["hub", "publish", text(&folder)]);

    let user = Home::new(&hub.address);
    user.done(&["hub", "install", "javascript-actions", "--yes"]);
    assert_eq!(user.installed(), ["acme/javascript-actions@0.1.0"]);
    user.done(&["workflow", "deploy", text(&example().join("totals.yaml"))]);
    let orders =
        r#"{ "orders": [{ "price": 3.5, "quantity": 2 }, { "price": 12, "quantity": 1 }] }"#;
    let ran = user.json(&["workflow", "execute", "totals", "--json", orders, "--wait"]);
    assert_eq!(ran["output"], 19, "{ran}");
}

/// Needs npm and its registry: with `NEBULA_LONG` only.
#[test]
fn they_are_built_from_their_sources_as_their_readme_says() {
    if std::env::var_os("NEBULA_LONG").is_none() {
        return;
    }
    if Command::new("npm").arg("--version").output().is_err() {
        println!("there is no npm here: the components were not built anew");
        return;
    }
    let cli = Cli::new();
    let folder = cli.folder().join("javascript");
    copy(&example(), &folder, &["src", "wit", "deps", "tests"]);
    let readme = std::fs::read_to_string(folder.join("README.md")).expect("readable");
    let (_, commands) = readme.split_once("```sh\n").expect("a block of the shell");
    let (commands, _) = commands.split_once("```").expect("it ends");
    let nebula = cli.command().get_program().to_owned();
    let programs = Path::new(&nebula).parent().expect("a folder").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&path)));
    let output = Command::new("sh")
        .args(["-ec", commands])
        .current_dir(&folder)
        .env("PATH", path.expect("no folder has a colon"))
        .env("NEBULA_WIT", crate::root().join("wit"))
        .output();
    let ended = Ended::from(output.expect("sh runs"));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(
        ended.stdout.matches("matches      ").count(),
        2,
        "{ended:?}"
    );
    // What is recorded is what these sources give, but for the order of a few bytes.
    for name in ["jsonata", "graphql"] {
        let size = |file: &Path| std::fs::metadata(file).expect("there").len();
        let built = size(&folder.join(format!("build/{name}.wasm")));
        let kept = size(&recorded(name));
        assert!(
            built.abs_diff(kept) < kept / 100,
            "{name} has {built} bytes, recorded are {kept}: copy examples/javascript/build/{name}.wasm to tests/fixtures/javascript"
        );
    }
}
