//! Virtual time: waits, time-outs and signals.

use std::time::{Duration, Instant};

use nebula_sdk::prelude::*;
use nebula_sdk::testing::{FailureKind, Status, TestError, Timestamp, WorkflowTestHarness};
use nebula_sdk::workflow::On;

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn harness() -> WorkflowTestHarness {
    WorkflowTestHarness::new().with_mock_action("test.same", |input| input)
}

#[tokio::test]
async fn a_workflow_that_waits_a_week_is_tested_in_a_moment() {
    let workflow = WorkflowBuilder::new("reminder")
        .add_node("begin", "test.same")
        .add_node("week", NodeBuilder::wait_for("7d"))
        .add_node("remind", "test.same")
        .connect("begin", "week")
        .connect("week", "remind")
        .build();
    let harness = harness();
    harness
        .execute(workflow.clone(), json!(1))
        .await
        .expect_success();
    let began = Instant::now();
    let result = harness.execute(workflow, json!(1)).await.expect_success();
    let took = began.elapsed();
    assert_eq!(result.metrics.elapsed, WEEK);
    assert!(took < Duration::from_millis(500), "{took:?}");
    println!("a week took {took:?}");
}

#[tokio::test]
async fn parallel_waits_end_in_the_order_of_their_times() {
    let workflow = WorkflowBuilder::new("w")
        .add_node("slow", NodeBuilder::wait_for("3h"))
        .add_node("quick", NodeBuilder::wait_for("10ms"))
        .add_node("after_slow", "test.same")
        .add_node("after_quick", "test.same")
        .connect("slow", "after_slow")
        .connect("quick", "after_quick")
        .build();
    let result = harness()
        .execute(workflow, json!(null))
        .await
        .expect_success();
    let steps: Vec<_> = result.calls.iter().map(|c| c.step.to_string()).collect();
    assert_eq!(steps, ["after_quick", "after_slow"]);
    assert_eq!(result.metrics.elapsed, Duration::from_secs(3 * 60 * 60));
}

#[tokio::test]
async fn a_wait_until_an_instant_ends_then() {
    let begin: Timestamp = "2031-05-04T10:00:00Z".parse().unwrap();
    let end: Timestamp = "2031-06-01T00:00:00Z".parse().unwrap();
    let workflow = WorkflowBuilder::new("w")
        .add_node("june", NodeBuilder::wait_until("2031-06-01T00:00:00Z"))
        .build();
    let result = harness()
        .beginning_at(begin)
        .execute(workflow, json!(null))
        .await;
    let result = result.expect_success();
    assert_eq!(result.events.first().unwrap().at, begin);
    assert_eq!(result.events.last().unwrap().at, end);
}

fn approval() -> WorkflowDefinition {
    WorkflowBuilder::new("approval")
        .add_node("ask", "test.same")
        .add_node("approve", NodeBuilder::wait_signal("approve").timeout(WEEK))
        .add_node("go", "test.same")
        .add_node("escalate", "test.same")
        .connect("ask", "approve")
        .connect("approve", "go")
        .connect_on("approve", "escalate", On::Failure)
        .build()
}

#[tokio::test]
async fn a_signal_is_sent_when_it_is_waited_for() {
    let harness = harness().with_signal("approve", json!({ "by": "Ada" }));
    for _ in 0..2 {
        let result = harness.execute(approval(), json!(1)).await.expect_success();
        assert_eq!(result.node_outputs["go"], json!({ "by": "Ada" }));
        assert_eq!(result.metrics.elapsed, Duration::ZERO);
    }
}

#[tokio::test]
async fn a_signal_that_does_not_come_times_out() {
    let result = harness()
        .execute(approval(), json!(1))
        .await
        .expect_success();
    assert_eq!(result.node_outputs.get("go"), None);
    assert!(result.node_outputs.get("escalate").is_some());
    assert_eq!(result.metrics.elapsed, WEEK);
}

#[tokio::test]
async fn a_wait_without_an_end_is_a_typed_error_that_names_the_signal() {
    let workflow = WorkflowBuilder::new("w")
        .add_node("approve", NodeBuilder::wait_signal("approve"))
        .build();
    let result = harness().execute(workflow, json!(null)).await;
    assert_eq!(result.status, Status::Waiting);
    let error = result.error.unwrap();
    assert!(matches!(&error, TestError::Waits { signals, .. } if signals == &["approve"]));
    assert!(
        error.to_string().contains("`approve` (`with_signal`)"),
        "{error}"
    );
}

#[tokio::test]
async fn a_call_that_never_answers_times_out_in_virtual_time() {
    let workflow = WorkflowBuilder::new("w")
        .add_node(
            "call",
            NodeBuilder::action("test.same").timeout(Duration::from_secs(600)),
        )
        .build();
    let began = Instant::now();
    let result = harness()
        .timing_out("call", 1)
        .execute(workflow, json!(null))
        .await;
    assert_eq!(result.expect_failure().kind, FailureKind::TimedOut);
    assert!(result.metrics.elapsed >= Duration::from_secs(600));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_call_may_take_hours_and_a_heartbeat_ends_it_sooner() {
    let hours = Duration::from_secs(3 * 60 * 60);
    let node = NodeBuilder::action("test.same").timeout(hours);
    let quiet = node.clone().heartbeat(Duration::from_secs(60));
    for (node, longest) in [(node, 2 * hours), (quiet, Duration::from_secs(90))] {
        let workflow = WorkflowBuilder::new("w").add_node("call", node).build();
        let harness = harness().timing_out("call", 1);
        let result = harness.execute(workflow, json!(null)).await;
        assert_eq!(result.expect_failure().kind, FailureKind::TimedOut);
        let elapsed = result.metrics.elapsed;
        assert!(elapsed <= longest, "{elapsed:?}");
    }
}

#[tokio::test]
async fn a_workflow_that_takes_too_long_fails() {
    let workflow = WorkflowBuilder::new("w")
        .timeout(Duration::from_secs(3600))
        .add_node("wait", NodeBuilder::wait_for("1d"))
        .build();
    let result = harness().execute(workflow, json!(null)).await;
    assert_eq!(result.expect_failure().kind, FailureKind::TimedOut);
    assert_eq!(result.metrics.elapsed, Duration::from_secs(3600));
}
