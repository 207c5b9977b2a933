//! Mocked HTTP: routes, cassettes, and what nothing answers.

use nebula_sdk::prelude::*;
use nebula_sdk::testing::{ActionTestHarness, HttpError, HttpMock, Response, WorkflowTestHarness};

#[data]
pub struct Ask {
    url: String,
}

/// Asks a server, and hides why it did not answer.
#[derive(Action)]
#[action(id = "sample.ask", hosts("*"))]
pub struct AskAction;

impl SimpleAction for AskAction {
    type Input = Ask;
    type Output = Value;

    async fn execute_simple(&self, input: Ask, ctx: &ActionContext) -> Result<Value> {
        let timeout = core::time::Duration::from_secs(1);
        match ctx
            .http()
            .get(input.url)
            .header("X-Key", "k")
            .timeout(timeout)
            .send()
            .await
        {
            Ok(answer) => Ok(json!({ "status": answer.status(), "text": answer.text()?,
                "type": answer.header("content-type") })),
            Err(error @ HttpError::Timeout(_)) => Err(error)?,
            Err(_) => Ok(json!(null)),
        }
    }
}

const CASSETTE: &str = r#"[
  {"request": {"method": "GET", "url": "https://api.example/once"}, "response": {"body": "first"}, "times": 1},
  {"request": {"url": "https://api.example/once"}, "response": {"status": 410}},
  {"request": {"url": "https://api.example/json*", "headers": {"x-key": "k"}}, "response": {"json": {"a": 1}}},
  {"request": {"url": "https://api.example/slow"}, "response": {"body": "late", "delay": "5s"}}
]"#;

async fn ask(http: &HttpMock, paths: &[&str]) -> Vec<Value> {
    let harness = ActionTestHarness::new().with_http(http.clone());
    let mut answers = Vec::new();
    for path in paths {
        let url = format!("https://api.example{path}");
        let result = harness.execute::<AskAction>(Ask { url }).await;
        answers.push(result.output.into_result().unwrap_or_else(Value::String));
    }
    answers
}

#[tokio::test]
async fn a_cassette_answers_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api.json");
    std::fs::write(&file, CASSETTE).unwrap();
    let http = HttpMock::new().cassette(&file);
    let answers = ask(&http, &["/once", "/json/x?y=1", "/slow", "/none"]).await;
    assert_eq!(
        answers[0],
        json!({ "status": 200, "text": "first", "type": null })
    );
    assert_eq!(
        answers[1],
        json!({ "status": 200, "text": "{\"a\":1}", "type": "application/json" })
    );
    assert!(
        answers[2].as_str().unwrap().contains("timed out"),
        "{answers:?}"
    );
    assert_eq!(answers[3], json!(null));
}

#[tokio::test]
async fn an_answer_that_is_used_up_gives_way_to_the_next_within_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api.json");
    std::fs::write(&file, CASSETTE).unwrap();
    let harness = WorkflowTestHarness::new()
        .with_action::<AskAction>()
        .with_http(HttpMock::new().cassette(&file));
    let url = json!({ "url": "https://api.example/once" });
    let workflow = WorkflowBuilder::new("w")
        .add_node("a", NodeBuilder::action("sample.ask").input(url.clone()))
        .add_node("b", NodeBuilder::action("sample.ask").input(url))
        .connect("a", "b")
        .build();
    for _ in 0..2 {
        let result = harness
            .execute(workflow.clone(), json!({}))
            .await
            .expect_success();
        assert_eq!(result.node_outputs["a"]["text"], "first");
        assert_eq!(result.node_outputs["b"]["status"], 410);
    }
}

#[tokio::test]
async fn a_request_that_nothing_answers_is_no_success_even_if_the_action_hides_it() {
    let http = HttpMock::new().route("GET", "https://api.example/a", |_| Ok(Response::new(200)));
    let harness = ActionTestHarness::new().with_http(http.clone());
    let url = "https://api.example/b".to_owned();
    let result = harness.execute::<AskAction>(Ask { url }).await;
    assert_eq!(*result.output, json!(null));
    assert!(!result.is_success());
    assert_eq!(result.unexpected, ["GET https://api.example/b"]);

    let harness = WorkflowTestHarness::new()
        .with_action::<AskAction>()
        .with_http(http);
    let workflow = workflow!("w" => { a: "sample.ask" });
    let result = harness
        .execute(workflow, json!({ "url": "https://api.example/b" }))
        .await;
    assert_eq!(result.node_outputs["a"], json!(null));
    let error = result.error.unwrap().to_string();
    assert!(error.contains("GET https://api.example/b"), "{error}");
}

#[test]
#[should_panic(expected = "whole address")]
fn a_route_needs_a_whole_address() {
    let _ = HttpMock::new().route("GET", "/v1", |_| Ok(Response::new(200)));
}

#[test]
#[should_panic(expected = "missing.json")]
fn a_cassette_that_is_not_there_is_named() {
    let _ = HttpMock::new().cassette("missing.json");
}
