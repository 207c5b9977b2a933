//! What goes wrong on purpose: failures, crashes, panics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use nebula_sdk::prelude::*;
use nebula_sdk::testing::{FailureKind, TestError, WorkflowTestHarness};
use nebula_sdk::workflow::{Jitter, RetryPolicy};

fn policy() -> RetryPolicy {
    RetryPolicy {
        max_attempts: 3,
        jitter: Jitter::None,
        ..RetryPolicy::default()
    }
}

fn insert() -> WorkflowDefinition {
    WorkflowBuilder::new("w")
        .add_node(
            "create_user",
            NodeBuilder::action("database.insert").retry(policy()),
        )
        .build()
}

/// The harness, and how often its action was run.
fn counted() -> (WorkflowTestHarness, Arc<AtomicU32>) {
    let runs = Arc::new(AtomicU32::new(0));
    let count = runs.clone();
    let harness = WorkflowTestHarness::new().with_mock_action(
        "database.insert",
        move |_| json!({ "id": count.fetch_add(1, SeqCst) }),
    );
    (harness, runs)
}

#[tokio::test]
async fn a_node_that_fails_twice_succeeds_the_third_time() {
    let (harness, runs) = counted();
    let away = ActionError::retryable("the database is away");
    let harness = harness.failing("create_user", 2, away);
    let result = harness.execute(insert(), json!({})).await.expect_success();
    assert_eq!(
        result.story(),
        [
            "started",
            "step_ready create_user",
            "attempt_started create_user",
            "attempt_failed create_user",
            "attempt_started create_user",
            "attempt_failed create_user",
            "attempt_started create_user",
            "step_succeeded create_user",
            "succeeded",
        ]
    );
    assert_eq!((result.metrics.retries, runs.load(SeqCst)), (2, 1));
    assert_eq!(result.metrics.elapsed, Duration::from_millis(200 + 400));
    let attempts: Vec<u32> = result.calls.iter().map(|call| call.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
}

#[tokio::test]
async fn one_failure_too_many_fails_the_execution() {
    let (harness, runs) = counted();
    let away = ActionError::retryable("the database is away");
    let result = harness
        .failing("create_user", 3, away)
        .execute(insert(), json!({}))
        .await;
    let failure = result.expect_failure();
    assert_eq!(failure.kind, FailureKind::Retryable);
    assert_eq!(failure.message, "the database is away");
    assert_eq!(runs.load(SeqCst), 0);
    let why = result.node_outputs.why_not("create_user");
    assert_eq!(why, "it failed: retryable: the database is away");
}

#[tokio::test]
async fn a_permanent_failure_and_a_wish_for_a_delay_are_kept() {
    let (harness, _) = counted();
    let result = harness
        .clone()
        .failing("create_user", 1, ActionError::permanent("no such table"))
        .execute(insert(), json!({}))
        .await;
    assert_eq!(result.expect_failure().kind, FailureKind::Permanent);

    let later = ActionError::retryable_after("too many", Duration::from_secs(90));
    let result = harness
        .failing("create_user", 1, later)
        .execute(insert(), json!({}))
        .await;
    assert_eq!(
        result.expect_success().metrics.elapsed,
        Duration::from_secs(90)
    );
}

#[tokio::test]
async fn a_time_out_is_tried_again() {
    let (harness, runs) = counted();
    let result = harness
        .timing_out("create_user", 1)
        .execute(insert(), json!({}))
        .await;
    let result = result.expect_success();
    assert_eq!((result.metrics.retries, runs.load(SeqCst)), (1, 1));
    assert!(result.metrics.elapsed >= Duration::from_secs(30));
}

#[tokio::test]
async fn after_a_crash_another_engine_goes_on_and_repeats_only_what_nobody_knows_of() {
    let (harness, runs) = counted();
    let workflow = WorkflowBuilder::new("w")
        .add_node("before", "test.same")
        .add_node("create_user", "database.insert")
        .add_node("after", "test.same")
        .connect("before", "create_user")
        .connect("create_user", "after")
        .build();
    let result = harness
        .with_mock_action("test.same", |input| input)
        .crashing("create_user")
        .execute(workflow, json!({}))
        .await
        .expect_success();
    // It did its work twice: that is what an idempotency key is for.
    assert_eq!((result.metrics.crashes, runs.load(SeqCst)), (1, 2));
    assert_eq!(result.output, json!({ "after": { "id": 1 } }));
    let steps: Vec<_> = result.calls.iter().map(|c| c.step.to_string()).collect();
    assert_eq!(steps, ["before", "create_user", "create_user", "after"]);
}

#[tokio::test]
async fn after_a_crash_at_most_once_asks_a_person() {
    let (harness, runs) = counted();
    let node = NodeBuilder::action("database.insert").at_most_once();
    let workflow = WorkflowBuilder::new("w")
        .add_node("create_user", node)
        .build();
    let result = harness
        .crashing("create_user")
        .execute(workflow, json!({}))
        .await;
    assert_eq!(runs.load(SeqCst), 1);
    let error = result.error.unwrap();
    assert!(
        matches!(&error, TestError::Waits { unknown, .. } if unknown == &["create_user"]),
        "{error}"
    );
    assert!(error.to_string().contains("a person"), "{error}");
}

#[tokio::test]
async fn waits_survive_a_crash_in_a_parallel_node() {
    let (harness, _) = counted();
    let workflow = WorkflowBuilder::new("w")
        .add_node("day", NodeBuilder::wait_for("1d"))
        .add_node("create_user", "database.insert")
        .build();
    let result = harness
        .crashing("create_user")
        .execute(workflow, json!({}))
        .await;
    let result = result.expect_success();
    assert_eq!(result.metrics.elapsed, Duration::from_secs(24 * 60 * 60));
}

#[tokio::test]
async fn a_step_may_crash_the_engine_again_and_again() {
    let (harness, runs) = counted();
    let harness = (0..5).fold(harness, |harness, _| harness.crashing("create_user"));
    let result = harness.execute(insert(), json!({})).await.expect_success();
    assert_eq!((result.metrics.crashes, runs.load(SeqCst)), (5, 6));
}

#[tokio::test]
async fn a_fault_at_a_node_that_is_not_there_is_refused() {
    let (harness, _) = counted();
    let result = harness
        .crashing("create_usr")
        .execute(insert(), json!({}))
        .await;
    assert!(matches!(result.error, Some(TestError::NoSuchNode(node)) if node == "create_usr"));
}

#[tokio::test]
#[should_panic(expected = "an e-mail without an address")]
async fn a_mock_that_panics_fails_the_test() {
    let harness = WorkflowTestHarness::new().with_mock_action("database.insert", |input| {
        assert!(input.get("email").is_some(), "an e-mail without an address");
        input
    });
    let _ = harness.execute(insert(), json!({})).await;
}

#[tokio::test]
async fn what_a_node_did_is_undone_in_a_test_too() {
    let workflow = WorkflowBuilder::new("w")
        .add_node(
            "create_user",
            NodeBuilder::action("database.insert").undo(NodeBuilder::action("database.delete")),
        )
        .add_node("mail", "email.send")
        .connect("create_user", "mail")
        .build();
    let (harness, _) = counted();
    let harness = harness
        .with_mock_action("database.delete", |input| input)
        .with_mock_action("email.send", |input| input)
        .failing("mail", 1, ActionError::permanent("no such mailbox"));
    let result = harness.execute(workflow, json!({})).await;
    assert_eq!(result.expect_failure().message, "no such mailbox");
    assert_eq!(result.inputs_of("database.delete"), [&json!({ "id": 0 })]);
}
