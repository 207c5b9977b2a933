//! Actions that are called again: with their state, after a time, by a signal,
//! and by another engine than the one that called them first.

use std::time::Duration;

use bytes::Bytes;
use nebula_flow::component::Effect::{Effectful, Pure};
use nebula_flow::event::FailureKind;
use nebula_flow::ports::{Call, Durability, Outcome, Report, Resumption, Status, Wake, Woken};
use nebula_flow::{NodeBuilder, Value, WorkflowBuilder, WorkflowDefinition, json, payload};

use crate::house::{HandClock, House, gives, report};

fn encoded(value: &Value) -> Bytes {
    payload::encode(value).unwrap()
}

fn waits(wake: Wake, state: &Value) -> Report {
    report(Ok(Outcome::Wait(wake, encoded(state))))
}

fn signal(timeout: Option<Duration>) -> Wake {
    Wake::Signal("approval".parse().unwrap(), timeout)
}

/// What a call begins with: its state, and why it is called again.
fn begins(call: &Call) -> Option<(Value, String)> {
    let Resumption { state, woken } = call.resumption.as_ref()?;
    let woken = match woken {
        Woken::Continued => "continued".to_owned(),
        Woken::Time => "time".to_owned(),
        Woken::Signal(says) => format!("signal {}", payload::decode(says).unwrap()),
        Woken::TimedOut => "timed out".to_owned(),
    };
    Some((payload::decode(state).unwrap(), woken))
}

/// A workflow of one node.
fn alone(node: NodeBuilder) -> WorkflowDefinition {
    WorkflowBuilder::new("w").add_node("a", node).build()
}

/// `test.again`, which waits for this, and then says what it began with.
fn waiter(house: &House, wake: Wake) {
    house.action("test.again", Effectful, move |call| {
        let wake = wake.clone();
        async move {
            match begins(&call) {
                None => waits(wake, &json!({ "asked": call.identity.attempt })),
                Some(begins) => gives(&json!(begins)),
            }
        }
    });
}

#[tokio::test]
async fn an_action_counts_from_call_to_call() {
    let house = House::with_clock(HandClock::new());
    house.action("test.count", Pure, |call| async move {
        let (count, _) = begins(&call).unwrap_or((json!(0), String::new()));
        match count.as_u64().unwrap() {
            99 => gives(&count),
            n => report(Ok(Outcome::Continue(encoded(&json!(n + 1))))),
        }
    });
    let engine = house.engine("one");
    let deployed = house.deploy(alone("test.count".into())).await;
    let execution = house.start(&engine, &deployed, json!(null)).await;
    assert_eq!(execution.wait().await.output, Some(json!({"a": 99})));
    let calls = house.runner.calls();
    assert_eq!(calls.len(), 100);
    assert_eq!((&*calls[0], &*calls[99]), ("a@1", "a#99@1"));
}

#[tokio::test]
async fn a_wait_for_a_time_outlives_its_engine_and_is_never_early() {
    let clock = HandClock::new();
    let house = House::with_clock(clock.clone());
    waiter(&house, Wake::After(Duration::from_secs(600)));
    let engine = house.engine("one");
    let deployed = house.deploy(alone("test.again".into())).await;
    let id = house.submit(&deployed, json!(null), Durability::Now).await;
    house.until(id, |s| s.status == Status::Waiting).await;
    let due = house.summary(id).await.wake_at.unwrap();
    assert_eq!(due, house.clock.now().plus(Duration::from_secs(600)));
    drop(engine);

    let engine = house.engine("two");
    let execution = engine.handle(id).await.unwrap();
    clock.advance(Duration::from_millis(599_999));
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.runner.calls(), ["a@1"]);
    clock.advance(Duration::from_millis(1));
    let output = execution.wait().await.output;
    assert_eq!(output, Some(json!({"a": [{"asked": 1}, "time"]})));
    assert_eq!(house.runner.calls(), ["a@1", "a#1@1"]);
    let story = house.story(id).await;
    assert_eq!(
        story[2..],
        [
            "attempt_started a",
            "step_continued a",
            "step_resumed a#1",
            "attempt_started a#1",
            "step_succeeded a#1",
            "succeeded",
        ]
    );
}

#[tokio::test]
async fn a_signal_wakes_an_action_that_left_memory() {
    let house = House::with_clock(HandClock::new());
    waiter(&house, signal(None));
    let engine = house.engine("one");
    let deployed = house.deploy(alone("test.again".into())).await;
    let id = house.submit(&deployed, json!(null), Durability::Now).await;
    house.until(id, |s| s.status == Status::Waiting).await;
    assert_eq!(house.summary(id).await.wake_at, None);
    drop(engine);

    let engine = house.engine("two");
    let execution = engine.handle(id).await.unwrap();
    let send = async |name: &str| {
        let name = name.parse().unwrap();
        engine.signal(id, &name, json!("yes"), None).await
    };
    let unknown = send("approvals").await.unwrap_err();
    assert!(unknown.to_string().contains("`approvals`"), "{unknown}");
    send("approval").await.unwrap();
    let output = execution.wait().await.output;
    assert_eq!(output, Some(json!({"a": [{"asked": 1}, "signal \"yes\""]})));
}

#[tokio::test]
async fn a_signal_that_does_not_come_in_time_is_no_failure() {
    let clock = HandClock::new();
    let house = House::with_clock(clock.clone());
    waiter(&house, signal(Some(Duration::from_secs(60))));
    let engine = house.engine("one");
    let deployed = house.deploy(alone("test.again".into())).await;
    let execution = house.start(&engine, &deployed, json!(null)).await;
    house
        .until(execution.id(), |s| s.status == Status::Waiting)
        .await;
    clock.advance(Duration::from_secs(60));
    let output = execution.wait().await.output;
    assert_eq!(output, Some(json!({"a": [{"asked": 1}, "timed out"]})));
}

#[tokio::test]
async fn an_action_that_waits_can_be_cancelled() {
    let house = House::with_clock(HandClock::new());
    waiter(&house, signal(None));
    let engine = house.engine("one");
    let deployed = house.deploy(alone("test.again".into())).await;
    let execution = house.start(&engine, &deployed, json!(null)).await;
    house
        .until(execution.id(), |s| s.status == Status::Waiting)
        .await;
    engine.cancel(execution.id(), "enough").await.unwrap();
    assert_eq!(execution.wait().await.status, Status::Cancelled);
    assert_eq!(house.runner.calls(), ["a@1"]);
}

#[tokio::test]
async fn a_state_that_is_large_outlives_its_engine_too() {
    let clock = HandClock::new();
    let house = House::with_clock(clock.clone());
    let large = json!("x".repeat(200_000));
    let left = large.clone();
    house.action("test.again", Pure, move |call| {
        let left = left.clone();
        async move {
            match begins(&call) {
                None => waits(Wake::After(Duration::from_secs(1)), &left),
                Some((state, _)) => gives(&json!(state.as_str().unwrap().len())),
            }
        }
    });
    let engine = house.engine("one");
    let deployed = house.deploy(alone("test.again".into())).await;
    let id = house.submit(&deployed, json!(null), Durability::Now).await;
    house.until(id, |s| s.status == Status::Waiting).await;
    drop(engine);
    let engine = house.engine("two");
    let execution = engine.handle(id).await.unwrap();
    clock.advance(Duration::from_secs(1));
    assert_eq!(execution.wait().await.output, Some(json!({"a": 200_000})));
}

#[tokio::test]
async fn an_action_that_never_ends_fails_at_the_limit_of_its_node() {
    let house = House::with_clock(HandClock::new());
    house.action("test.ever", Pure, |_| async {
        report(Ok(Outcome::Continue(encoded(&json!(null)))))
    });
    let engine = house.engine("one");
    let node = NodeBuilder::action("test.ever").max_iterations(5);
    let deployed = house.deploy(alone(node)).await;
    let execution = house.start(&engine, &deployed, json!(null)).await;
    let error = execution.wait().await.error.unwrap();
    assert_eq!(error.kind, FailureKind::IterationLimit);
    assert!(error.message.contains("called 5 times"), "{error}");
    assert_eq!(house.runner.calls().len(), 5);
}
