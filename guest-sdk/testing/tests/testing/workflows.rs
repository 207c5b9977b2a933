//! What a workflow may consist of, and what is wrong with it.

use nebula_sdk::prelude::*;
use nebula_sdk::testing::{ProcessResult, Status, TestError, WorkflowTestHarness};
use nebula_sdk::workflow::On;

fn harness() -> WorkflowTestHarness {
    WorkflowTestHarness::new().with_mock_action("test.same", |input| input)
}

fn one(node: impl Into<NodeBuilder>) -> WorkflowDefinition {
    WorkflowBuilder::new("w").add_node("a", node).build()
}

#[tokio::test]
async fn an_unknown_action_is_a_typed_error_that_says_what_to_do() {
    let workflow = WorkflowBuilder::new("w")
        .add_node("a", "test.same")
        .add_node("b", "email.send")
        .add_node("c", "database.insert@^2")
        .build();
    let result = harness().execute(workflow, json!(null)).await;
    assert_eq!(result.status, Status::Queued);
    let error = result.error.unwrap();
    assert!(matches!(&error, TestError::UnknownActions { actions }
        if actions == &["database.insert", "email.send"]));
    assert!(error.to_string().contains("with_mock_action"), "{error}");
}

#[tokio::test]
async fn an_expression_that_needs_a_component_is_a_typed_error_that_names_the_place() {
    let node = NodeBuilder::action("test.same").input("${ $input | map(. + 1) }");
    let error = harness()
        .execute(one(node), json!([1]))
        .await
        .error
        .unwrap();
    assert!(
        matches!(&error, TestError::NeedsComponent { pointer } if pointer.contains("/nodes/a/input")),
        "{error}"
    );
    let said = error.to_string();
    assert!(
        said.contains("with_component`") && said.contains("`embedded`"),
        "{said}"
    );
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_workflow_is_listed() {
    let workflow = WorkflowBuilder::new("w")
        .add_node("a", "test.same")
        .connect("a", "b")
        .connect_conditional("a", "a", "$nodes.a.result >")
        .build();
    let error = harness()
        .execute(workflow, json!(null))
        .await
        .error
        .unwrap();
    let TestError::Invalid(problems) = &error else {
        panic!("{error}");
    };
    assert!(problems.len() >= 2, "{error}");
    assert!(
        problems
            .iter()
            .all(|p| error.to_string().contains(&p.message))
    );
}

#[tokio::test]
async fn an_input_that_does_not_fit_is_refused() {
    let workflow = WorkflowBuilder::new("w")
        .input_schema(json!({ "type": "object", "required": ["city"] }))
        .add_node("a", "test.same")
        .build();
    let error = harness().execute(workflow, json!({})).await.error.unwrap();
    assert!(matches!(error, TestError::Engine(_)), "{error}");
    assert!(error.to_string().contains("city"), "{error}");
}

#[tokio::test]
async fn a_map_calls_its_mock_for_each_item() {
    let each = NodeBuilder::action("test.double");
    let workflow = WorkflowBuilder::new("w")
        .map("all", "${ $input }", each)
        .build();
    let harness = WorkflowTestHarness::new()
        .with_mock_action("test.double", |n| json!(n.as_i64().unwrap() * 2))
        .failing("all", 1, ActionError::permanent("the first one"));
    let result = harness.execute(workflow.clone(), json!([1, 2, 3])).await;
    assert_eq!(result.expect_failure().message, "item 0: the first one");

    let harness = WorkflowTestHarness::new()
        .with_mock_action("test.double", |n| json!(n.as_i64().unwrap() * 2));
    let result = harness
        .execute(workflow, json!([1, 2, 3]))
        .await
        .expect_success();
    assert_eq!(result.node_outputs["all"], json!([2, 4, 6]));
    assert_eq!(result.metrics.calls["test.double"], 3);
}

#[tokio::test]
async fn a_mock_says_how_the_workflow_goes_on() {
    let workflow = WorkflowBuilder::new("w")
        .add_node("route", "test.route")
        .add_node("big", "test.same")
        .add_node("small", "test.same")
        .add_node("none", "test.same")
        .connect_on("route", "big", On::Port("big".into()))
        .connect_on("route", "small", On::Port("small".into()))
        .connect_on("route", "none", On::Skip)
        .build();
    let harness = harness().with_mock_process("test.route", |input| match input.as_i64() {
        Some(n) if n > 10 => Ok(ProcessResult::branch("big", input)),
        Some(_) => Ok(ProcessResult::branch("small", input)),
        None if input.is_null() => Ok(ProcessResult::skip("there is no number")),
        None => Err(ActionError::invalid_input("a number is needed")),
    });
    for (input, node) in [
        (json!(11), "big"),
        (json!(1), "small"),
        (json!(null), "none"),
    ] {
        let result = harness
            .execute(workflow.clone(), input)
            .await
            .expect_success();
        let ran: Vec<_> = result.calls.iter().map(|c| c.step.to_string()).collect();
        assert_eq!(ran, ["route", node]);
    }
    let result = harness.execute(workflow, json!("x")).await;
    assert_eq!(result.expect_failure().message, "a number is needed");
}

#[tokio::test]
async fn a_workflow_runs_another_one() {
    let child = WorkflowBuilder::new("child")
        .add_node("wait", NodeBuilder::wait_for("2h"))
        .add_node("sign", NodeBuilder::wait_signal("sign"))
        .connect("wait", "sign")
        .output(json!("${ $nodes.sign.result }"))
        .build();
    let parent = WorkflowBuilder::new("parent")
        .add_node("run", NodeBuilder::workflow("child"))
        .build();
    let unknown = harness().execute(parent.clone(), json!(null)).await;
    assert!(matches!(unknown.error, Some(TestError::Invalid(_))));

    let harness = harness()
        .with_workflow(child)
        .with_signal("sign", json!("Ada"));
    let result = harness.execute(parent, json!(null)).await.expect_success();
    assert_eq!(result.node_outputs["run"], "Ada");
    assert_eq!(result.metrics.elapsed.as_secs(), 2 * 60 * 60);
}

#[tokio::test]
async fn mocks_take_the_credentials_that_a_workflow_binds_and_triggers_start_nothing() {
    let text = r#"
apiVersion: nebula/v1
kind: Workflow
name: w
triggers:
  hourly: { cron: { schedule: "0 * * * *" } }
nodes:
  wait: { wait: { for: 2d } }
  a: { action: weather.fetch@^7, credentials: { weather_api: weather-prod } }
connections: [{ from: wait, to: a }]
"#;
    let document = nebula_flow::definition::Document::parse(text).unwrap();
    let workflow = document.definition().unwrap();
    let harness = WorkflowTestHarness::new().with_mock_action("weather.fetch", |_| json!(36));
    let result = harness
        .execute(workflow, json!(null))
        .await
        .expect_success();
    assert_eq!(result.metrics.calls["weather.fetch"], 1);
}

#[tokio::test]
#[should_panic(expected = "node `b` has no result: the workflow has no such node")]
async fn a_result_that_is_not_there_says_why() {
    let result = harness().execute(one("test.same"), json!(1)).await;
    let _ = &result.node_outputs["b"];
}

#[tokio::test]
#[should_panic(expected = "the execution did not end well: the harness has no action `email.send`")]
async fn an_expected_success_says_why_not() {
    let _ = harness()
        .execute(one("email.send"), json!(1))
        .await
        .expect_success();
}

#[tokio::test]
#[should_panic(expected = "a mock: ")]
async fn a_mock_needs_the_id_of_an_action() {
    let _ = WorkflowTestHarness::new().with_mock_action("insert", |input| input);
}

#[tokio::test]
async fn large_values_come_back_whole_and_take_no_time() {
    let large = "x".repeat(3_000_000);
    let result = harness().execute(one("test.same"), json!(large)).await;
    let result = result.expect_success();
    assert_eq!(result.node_outputs["a"], json!(large));
    assert_eq!(result.metrics.elapsed.as_millis(), 0);
}
