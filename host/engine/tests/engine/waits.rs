//! Waiting and trying again, with a clock that is turned by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use nebula_flow::component::Effect::{Effectful, Pure};
use nebula_flow::definition::{Jitter, RetryPolicy};
use nebula_flow::event::FailureKind;
use nebula_flow::ports::{Durability, Status};
use nebula_flow::time::Span;
use nebula_flow::{NodeBuilder, WorkflowBuilder, json};

use crate::house::{HandClock, House, fails, gives};

fn every_minute(max_attempts: u32) -> RetryPolicy {
    let minute = Span(Duration::from_secs(60));
    RetryPolicy {
        max_attempts,
        initial: minute,
        factor: 1.0,
        max: minute,
        jitter: Jitter::None,
    }
}

/// Fails twice, then succeeds.
fn third_time_lucky(house: &House) -> Arc<AtomicU32> {
    let tries = Arc::new(AtomicU32::new(0));
    let counted = tries.clone();
    house.action("test.flaky", Effectful, move |_| {
        let nth = counted.fetch_add(1, SeqCst) + 1;
        async move {
            if nth < 3 {
                fails(FailureKind::Retryable, "busy")
            } else {
                gives(&json!(nth))
            }
        }
    });
    tries
}

#[tokio::test]
async fn a_failed_attempt_is_tried_again_when_it_is_due_and_not_before() {
    let clock = HandClock::new();
    let house = House::with_clock(clock.clone());
    let tries = third_time_lucky(&house);
    let engine = house.engine("one");
    let node = NodeBuilder::action("test.flaky").retry(every_minute(5));
    let deployed = house
        .deploy(WorkflowBuilder::new("w").add_node("a", node).build())
        .await;
    let id = house.submit(&deployed, json!(null), Durability::Now).await;
    let execution = engine.handle(id).await.unwrap();

    house.until(id, |s| s.status == Status::Waiting).await;
    let due = house.summary(id).await.wake_at.unwrap();
    assert_eq!(due, house.clock.now().plus(Duration::from_secs(60)));
    clock.advance(Duration::from_millis(59_999));
    tokio::task::yield_now().await;
    assert_eq!(tries.load(SeqCst), 1);

    clock.advance(Duration::from_millis(1));
    house
        .until(id, |s| s.wake_at.is_some_and(|at| at > due))
        .await;
    assert_eq!(tries.load(SeqCst), 2);
    clock.advance(Duration::from_secs(60));
    assert_eq!(execution.wait().await.output, Some(json!({"a": 3})));
    assert_eq!(house.runner.calls(), ["a@1", "a@2", "a@3"]);
}

#[tokio::test]
async fn a_waiting_execution_is_found_by_the_next_engine() {
    let clock = HandClock::new();
    let house = House::with_clock(clock.clone());
    third_time_lucky(&house);
    let engine = house.engine("one");
    let node = NodeBuilder::action("test.flaky").retry(every_minute(5));
    let deployed = house
        .deploy(WorkflowBuilder::new("w").add_node("a", node).build())
        .await;
    let id = house.submit(&deployed, json!(null), Durability::Now).await;
    house.until(id, |s| s.status == Status::Waiting).await;
    drop(engine);

    let engine = house.engine("two");
    let execution = engine.handle(id).await.unwrap();
    for _ in 0..2 {
        let due = house.summary(id).await.wake_at.unwrap();
        clock.advance(Duration::from_secs(60));
        house
            .until(id, |s| {
                s.status.is_final() || s.wake_at.is_some_and(|at| at > due)
            })
            .await;
    }
    assert_eq!(execution.wait().await.status, Status::Succeeded);
}

#[tokio::test]
async fn a_waiting_execution_can_be_cancelled() {
    let house = House::with_clock(HandClock::new());
    third_time_lucky(&house);
    let engine = house.engine("one");
    let node = NodeBuilder::action("test.flaky").retry(every_minute(5));
    let deployed = house
        .deploy(WorkflowBuilder::new("w").add_node("a", node).build())
        .await;
    let execution = house.start(&engine, &deployed, json!(null)).await;
    house
        .until(execution.id(), |s| s.status == Status::Waiting)
        .await;
    engine.cancel(execution.id(), "enough").await.unwrap();
    assert_eq!(execution.wait().await.status, Status::Cancelled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_does_not_answer_is_given_up_after_the_time_out() {
    let clock = HandClock::new();
    let house = House::with_clock(clock.clone());
    house.action("test.hang", Pure, |_| std::future::pending());
    let engine = house.engine("one");
    let node = NodeBuilder::action("test.hang")
        .timeout(Duration::from_secs(10))
        .retry(every_minute(1));
    let deployed = house
        .deploy(WorkflowBuilder::new("w").add_node("a", node).build())
        .await;
    let execution = house.start(&engine, &deployed, json!(null)).await;
    // Time stands still until the call is under way.
    while house.runner.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    let mut ended = std::pin::pin!(execution.wait());
    let result = loop {
        clock.advance(Duration::from_secs(5));
        tokio::select! {
            result = &mut ended => break result,
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
    };
    assert_eq!(result.error.map(|e| e.kind), Some(FailureKind::TimedOut));
}
