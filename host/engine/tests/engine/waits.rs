//! Waiting and trying again, with a clock that is turned by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use nebula_flow::component::Effect::{Effectful, Pure};
use nebula_flow::definition::{Jitter, RetryPolicy};
use nebula_flow::event::FailureKind;
use nebula_flow::ports::{Durability, Status};
use nebula_flow::time::Span;
use nebula_flow::{Event, NodeBuilder, WorkflowBuilder, WorkflowDefinition, json};

use crate::house::{HandClock, House, fails, gives, value};

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

// ----------------------------------------------------------- wait nodes --

/// `first`, then a wait, then `last`.
fn between(house: &House, wait: NodeBuilder) -> WorkflowDefinition {
    house.action(
        "test.same",
        Pure,
        |call| async move { gives(&value(&call)) },
    );
    WorkflowBuilder::new("w")
        .add_node("first", "test.same")
        .add_node("pause", wait)
        .add_node(
            "last",
            NodeBuilder::action("test.same").input("${ $input }"),
        )
        .connect("first", "pause")
        .connect("pause", "last")
        .build()
}

#[tokio::test]
async fn a_wait_for_a_duration_outlives_its_engine_and_is_never_early() {
    let clock = HandClock::new();
    let house = House::with_clock(clock.clone());
    let engine = house.engine("one");
    let deployed = house
        .deploy(between(&house, NodeBuilder::wait_for("10m")))
        .await;
    let id = house.submit(&deployed, json!("x"), Durability::Now).await;
    house.until(id, |s| s.status == Status::Waiting).await;
    let due = house.summary(id).await.wake_at.unwrap();
    drop(engine);

    let engine = house.engine("two");
    let execution = engine.handle(id).await.unwrap();
    clock.advance(Duration::from_millis(599_999));
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.runner.calls(), ["first@1"]);
    clock.advance(Duration::from_millis(1));
    assert_eq!(execution.wait().await.output, Some(json!({"last": "x"})));
    let history = house.history(id).await;
    let at = |name: &str| {
        let found = |event: &Event| {
            matches!(
                event,
                Event::WaitStarted { .. } | Event::StepSucceeded { .. }
            ) && crate::house::told(event) == name
        };
        history.iter().find(|r| found(&r.event)).unwrap().at
    };
    let began = at("wait_started pause");
    assert_eq!(due, began.plus(Duration::from_secs(600)));
    assert!(at("step_succeeded pause") >= due);
}

#[tokio::test]
async fn the_end_of_a_wait_may_be_an_expression() {
    let clock = HandClock::new();
    let house = House::with_clock(clock.clone());
    let engine = house.engine("one");
    let wait = NodeBuilder::wait_until("${ $input.at }");
    let deployed = house.deploy(between(&house, wait)).await;
    let at = house.clock.now().plus(Duration::from_secs(3_600));
    let input = json!({ "at": at.to_string() });
    let execution = house.start(&engine, &deployed, input).await;
    house.until(execution.id(), |s| s.wake_at == Some(at)).await;
    clock.advance(Duration::from_secs(3_600));
    assert_eq!(execution.wait().await.status, Status::Succeeded);

    let wrong = house.start(&engine, &deployed, json!({"at": "soon"})).await;
    let error = wrong.wait().await.error.unwrap();
    assert_eq!(error.kind, FailureKind::Expression);
    assert!(error.message.contains("`soon`"), "{error}");
}

#[tokio::test]
async fn a_time_out_of_a_signal_is_a_failure_that_a_connection_takes() {
    let clock = HandClock::new();
    let house = House::with_clock(clock.clone());
    house.action("test.remind", Pure, |_| async { gives(&json!("reminded")) });
    let engine = house.engine("one");
    let wait = NodeBuilder::wait_signal("approval").timeout(Duration::from_secs(86_400));
    let definition = WorkflowBuilder::new("w")
        .add_node("approve", wait)
        .add_node("remind", "test.remind")
        .connect_on("approve", "remind", nebula_flow::definition::On::Failure)
        .build();
    let deployed = house.deploy(definition).await;
    let execution = house.start(&engine, &deployed, json!(null)).await;
    house
        .until(execution.id(), |s| s.status == Status::Waiting)
        .await;
    clock.advance(Duration::from_secs(86_400));
    let result = execution.wait().await;
    assert_eq!(result.output, Some(json!({"remind": "reminded"})));
}

#[tokio::test]
async fn an_execution_that_waits_for_a_signal_takes_no_place_in_memory() {
    let mut house = House::with_clock(HandClock::new());
    house.max_active = 1;
    let engine = house.engine("one");
    let deployed = house
        .deploy(between(&house, NodeBuilder::wait_signal("approval")))
        .await;
    let mut waiting = Vec::new();
    for n in 0..5 {
        let id = house.submit(&deployed, json!(n), Durability::Now).await;
        house
            .until(id, |s| s.status == Status::Waiting && s.wake_at.is_none())
            .await;
        waiting.push(id);
    }
    assert_eq!(house.runner.calls().len(), 5);
    drop(engine);
}
