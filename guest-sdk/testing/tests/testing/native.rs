//! Native actions in workflows: state, waits, keys, logs, panics.

use std::time::Duration;

use nebula_sdk::prelude::*;
use nebula_sdk::testing::{FailureKind, HttpMock, Response, TestError, WorkflowTestHarness};
use nebula_sdk::workflow::RetryPolicy;

#[data]
pub struct Nothing {}

#[data]
pub struct Count {
    count: u32,
}

/// Counts its executions, and waits a day between two looks.
#[derive(Action)]
#[action(id = "sample.count")]
pub struct CountAction;

impl ProcessAction for CountAction {
    type Input = Nothing;
    type Output = Count;

    async fn execute(&self, _: Nothing, ctx: &ActionContext) -> Result<ProcessResult<Count>> {
        match ctx.resumed::<u32>()? {
            None => {
                let count = ctx
                    .state()
                    .update(|n: Option<u32>| n.unwrap_or(0) + 1)
                    .await?;
                ctx.log().info(format!("the {count}. time"));
                ctx.metric("count", count);
                ProcessResult::wait(Wake::after(Duration::from_secs(24 * 60 * 60)), &count)
            }
            Some(Resumed {
                state: count,
                woken,
            }) => {
                assert_eq!(woken, Woken::Time);
                Ok(ProcessResult::Success(Count { count }))
            }
        }
    }
}

#[data]
pub struct Ask {
    path: String,
}

#[data]
pub struct Answer {
    status: u16,
}

/// Keeps that it began, and asks a server.
#[derive(Action)]
#[action(id = "sample.ask", hosts("api.example"))]
pub struct AskAction;

impl SimpleAction for AskAction {
    type Input = Ask;
    type Output = Answer;

    async fn execute_simple(&self, input: Ask, ctx: &ActionContext) -> Result<Answer> {
        ctx.state()
            .update(|n: Option<u32>| n.unwrap_or(0) + 1)
            .await?;
        assert_ne!(input.path, "/panic", "the path must not panic");
        let url = format!("https://{}", input.path);
        let response = ctx.http().get(url).idempotent("ask").send().await?;
        let status = response.error_for_status()?.status();
        Ok(Answer { status })
    }
}

fn one(action: &str) -> WorkflowDefinition {
    let node = NodeBuilder::action(action).retry(RetryPolicy::default());
    WorkflowBuilder::new("w").add_node("a", node).build()
}

#[tokio::test]
async fn an_action_waits_keeps_state_and_logs() {
    let harness = WorkflowTestHarness::new().with_action::<CountAction>();
    for n in 1..=3 {
        let result = harness
            .execute(one("sample.count"), json!({}))
            .await
            .expect_success();
        assert_eq!(result.node_outputs["a"], json!({ "count": n }));
        assert_eq!(result.metrics.elapsed, Duration::from_secs(24 * 60 * 60));
        let lines: Vec<_> = result.logs.iter().map(|l| l.message.clone()).collect();
        assert_eq!(lines, [format!("the {n}. time"), format!("count {n}")]);
        assert_eq!(result.measured("count"), [f64::from(n)]);
    }
}

#[tokio::test]
async fn what_a_failed_call_set_is_not_kept_and_its_key_stays_the_same() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let keys = seen.clone();
    let http = HttpMock::new().route("GET", "https://api.example/*", move |request| {
        let mut keys = keys.lock().unwrap();
        let key = request.headers.iter().find(|(n, _)| n == "idempotency-key");
        keys.push(key.unwrap().1.clone());
        Ok(Response::new(if keys.len() < 3 { 503 } else { 200 }))
    });
    let harness = WorkflowTestHarness::new()
        .with_action::<AskAction>()
        .with_http(http);
    let ask = json!({ "path": "api.example/v1" });
    let result = harness
        .execute(one("sample.ask"), ask)
        .await
        .expect_success();
    assert_eq!(result.node_outputs["a"], json!({ "status": 200 }));
    assert_eq!(result.metrics.retries, 2);
    let keys = seen.lock().unwrap();
    assert!(
        keys.len() == 3 && keys.iter().all(|key| *key == keys[0]),
        "{keys:?}"
    );
}

#[tokio::test]
async fn an_input_that_does_not_fit_names_the_place() {
    let harness = WorkflowTestHarness::new().with_action::<AskAction>();
    let result = harness
        .execute(one("sample.ask"), json!({ "path": 7 }))
        .await;
    let failure = result.expect_failure();
    assert_eq!(failure.kind, FailureKind::InvalidInput);
    assert!(failure.message.contains("path"), "{failure}");
}

#[tokio::test]
async fn a_constant_input_and_a_path_are_checked_against_the_types() {
    let workflow = WorkflowBuilder::new("w")
        .add_node(
            "a",
            NodeBuilder::action("sample.ask").input(json!({ "pth": "x" })),
        )
        .add_node(
            "b",
            NodeBuilder::action("sample.ask")
                .input(json!({ "path": "${ $nodes.a.result.status.code }" })),
        )
        .connect("a", "b")
        .build();
    let harness = WorkflowTestHarness::new().with_action::<AskAction>();
    let error = harness.execute(workflow, json!({})).await.error.unwrap();
    assert!(
        matches!(&error, TestError::Invalid(problems) if problems.len() == 2),
        "{error}"
    );
    assert!(error.to_string().contains("status"), "{error}");
}

#[tokio::test]
async fn a_host_that_the_action_does_not_ask_for_is_refused() {
    let harness = WorkflowTestHarness::new().with_action::<AskAction>();
    let result = harness
        .execute(one("sample.ask"), json!({ "path": "other.example/" }))
        .await;
    let message = &result.expect_failure().message;
    assert!(
        message.contains(r#"#[action(hosts("other.example"))]"#),
        "{message}"
    );
}

#[tokio::test]
async fn a_request_that_nothing_answers_fails_with_what_was_asked() {
    let harness = WorkflowTestHarness::new().with_action::<AskAction>();
    let result = harness
        .execute(one("sample.ask"), json!({ "path": "api.example/v1?x=1" }))
        .await;
    let message = &result.expect_failure().message;
    assert!(
        message.contains("nothing answers GET https://api.example/v1?x=1"),
        "{message}"
    );
}

#[tokio::test]
#[should_panic(expected = "the path must not panic")]
async fn a_native_action_that_panics_fails_the_test() {
    let harness = WorkflowTestHarness::new().with_action::<AskAction>();
    let _ = harness
        .execute(one("sample.ask"), json!({ "path": "/panic" }))
        .await;
}

#[tokio::test]
async fn an_action_in_another_version_than_asked_for_is_refused() {
    let harness = WorkflowTestHarness::new().with_action::<AskAction>();
    let error = harness
        .execute(one("sample.ask@^7"), json!({}))
        .await
        .error
        .unwrap();
    assert!(error.to_string().contains("^7"), "{error}");
}
