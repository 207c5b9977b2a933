//! Results as snapshots: the same in each run.

use nebula_sdk::prelude::*;
use nebula_sdk::testing::{ActionTestHarness, HttpMock, Response, TestResult, WorkflowTestHarness};

use crate::seed::{WeatherAction, WeatherInput};

async fn reminded() -> TestResult {
    let reminder = WorkflowBuilder::new("reminder")
        .add_node("week", NodeBuilder::wait_for("7d"))
        .add_node(
            "remind",
            NodeBuilder::action("email.send").input(json!({ "of": "${ $execution.id }" })),
        )
        .connect("week", "remind")
        .build();
    WorkflowTestHarness::new()
        .with_mock_action("email.send", |input| json!({ "sent": input["of"] }))
        .execute(reminder, json!({ "to": "Ada" }))
        .await
}

#[tokio::test]
async fn a_run_is_the_same_snapshot_each_time() {
    let result = reminded().await.expect_success();
    insta::assert_json_snapshot!(result.calls, @r#"
    [
      {
        "action": "email.send",
        "step": "remind",
        "attempt": 1,
        "input": {
          "of": "[execution]"
        }
      }
    ]
    "#);
    insta::assert_json_snapshot!(result.metrics, @r#"
    {
      "succeeded": 2,
      "failed": 0,
      "skipped": 0,
      "retries": 0,
      "crashes": 0,
      "calls": {
        "email.send": 1
      },
      "elapsed": "7d"
    }
    "#);
    let value = |result: &TestResult| serde_json::to_value(result).unwrap();
    let whole = value(&result);
    assert_eq!(
        (&whole["status"], &whole["error"]),
        (&json!("succeeded"), &json!(null))
    );
    assert_eq!(whole["nodes"]["remind"]["result"]["sent"], "[execution]");
    assert_eq!(
        whole["story"].as_array().unwrap().len(),
        result.events.len()
    );
    assert_eq!(value(&result), value(&reminded().await));
    let id = result.inputs_of("email.send")[0]["of"].as_str().unwrap();
    assert!(
        id.starts_with("exec-"),
        "only the snapshot is without it: {id}"
    );
}

#[tokio::test]
async fn a_failed_run_says_why_in_its_snapshot() {
    let failing = WorkflowBuilder::new("failing")
        .add_node("send", "email.send")
        .build();
    let harness = WorkflowTestHarness::new().with_mock_process("email.send", |_| {
        Err(ActionError::permanent("no such address"))
    });
    let result = harness.execute(failing, json!({})).await;
    insta::assert_json_snapshot!(result.error, @r#"
    {
      "kind": "permanent",
      "message": "no such address"
    }
    "#);
}

#[tokio::test]
async fn a_call_of_an_action_is_a_snapshot_without_its_secrets() {
    let weather = HttpMock::new().route("GET", "https://api.weather.example/v1/now", |_| {
        Ok(Response::new(200).with_body(r#"{"temp": 36.5}"#))
    });
    let harness = ActionTestHarness::new()
        .with_credential("weather_api", "the-key")
        .with_http(weather);
    let input = WeatherInput {
        city: "Cairo".into(),
    };
    let result = harness.execute::<WeatherAction>(input).await;
    assert_eq!(result.requests.len(), 1);
    let shown = serde_json::to_string(&result).unwrap();
    assert!(!shown.contains("the-key"), "{shown}");
    insta::assert_json_snapshot!(result, @r#"
    {
      "outcome": "success",
      "output": {
        "temp": 36.5
      },
      "logs": [],
      "requests": [
        {
          "method": "GET",
          "url": "https://api.weather.example/v1/now?city=Cairo"
        }
      ],
      "unexpected": [],
      "heartbeats": 0
    }
    "#);
}
