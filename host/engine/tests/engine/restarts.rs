//! Executions that are made from others: a retry goes on where its origin failed
//! or was stopped, a replay begins again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use nebula_engine::{EngineError, WorkflowEngine};
use nebula_flow::component::Effect::Effectful;
use nebula_flow::control::Control;
use nebula_flow::definition::On;
use nebula_flow::event::{Event, FailureKind, Restart};
use nebula_flow::ports::Status;
use nebula_flow::restart::RestartError;
use nebula_flow::{ExecutionId, NodeBuilder, WorkflowBuilder, json};
use tokio::sync::mpsc;

use crate::house::{House, fails, gives, value};

/// `test.echo` gives its input; `test.weak` fails while the switch is off, for the
/// input 3 if it is a number.
fn actions(house: &House) -> Arc<AtomicBool> {
    house.action("test.echo", Effectful, |call| async move {
        gives(&value(&call))
    });
    let mended = Arc::new(AtomicBool::new(false));
    let switch = mended.clone();
    house.action("test.weak", Effectful, move |call| {
        let mended = switch.load(SeqCst);
        async move {
            let input = value(&call);
            if mended || input.as_i64().is_some_and(|n| n != 3) {
                gives(&input)
            } else {
                fails(FailureKind::Permanent, "not today")
            }
        }
    });
    mended
}

/// The calls that were made since the first `before`.
fn calls_since(house: &House, before: usize) -> Vec<String> {
    house.runner.calls().split_off(before)
}

async fn ended(house: &House, engine: &WorkflowEngine, id: ExecutionId) -> Status {
    let result = engine.handle(id).await.unwrap().wait().await;
    assert_eq!(house.summary(id).await.status, result.status);
    result.status
}

#[tokio::test]
async fn a_retry_keeps_what_ended_and_runs_the_rest() {
    let house = House::new();
    let mended = actions(&house);
    let chain = WorkflowBuilder::new("chain")
        .add_node("a", "test.echo")
        .add_node("skipped", "test.echo")
        .add_node("b", "test.weak")
        .add_node("c", "test.echo")
        .connect("a", "b")
        .connect("b", "c")
        .connect_conditional("a", "skipped", "$nodes.a.result == \"never\"")
        .output(json!({"a": "${ $nodes.a.result }", "c": "${ $nodes.c.result }"}));
    let deployed = house.deploy(chain.build()).await;
    let engine = house.engine("one");
    let first = house.start(&engine, &deployed, json!("x")).await.id();
    assert_eq!(ended(&house, &engine, first).await, Status::Failed);
    let before = house.history(first).await;
    let calls = house.runner.calls().len();

    mended.store(true, SeqCst);
    let retry = engine.restart(first, Restart::Retry).await.unwrap();
    let result = retry.wait().await;
    assert_eq!(
        result.output,
        Some(json!({"a": "x", "c": "x"})),
        "{result:?}"
    );
    assert_eq!(calls_since(&house, calls), ["b@1", "c@1"]);
    assert_eq!(house.history(first).await, before, "what has ended stays");

    let history = house.history(retry.id()).await;
    assert!(matches!(
        &history[0].event,
        Event::Started { origin: Some(origin), .. }
            if (origin.execution, origin.restart) == (first, Restart::Retry)
    ));
    let kept = history.iter().filter_map(|r| match &r.event {
        Event::StepKept { step, .. } => Some(step.to_string()),
        _ => None,
    });
    assert_eq!(kept.collect::<Vec<_>>(), ["a", "skipped"]);
}

#[tokio::test]
async fn a_retry_of_a_map_runs_only_the_items_that_did_not_end_well() {
    let house = House::new();
    let mended = actions(&house);
    let map = NodeBuilder::map("${ $input }", "test.weak").concurrency(2);
    let flow = WorkflowBuilder::new("flow").add_node("all", map);
    let deployed = house.deploy(flow.build()).await;
    let engine = house.engine("one");
    let first = house
        .start(&engine, &deployed, json!([0, 1, 2, 3, 4, 5]))
        .await
        .id();
    assert_eq!(ended(&house, &engine, first).await, Status::Failed);
    let done = house
        .history(first)
        .await
        .into_iter()
        .filter(|r| matches!(r.event, Event::StepSucceeded { .. }))
        .count();
    let calls = house.runner.calls().len();

    mended.store(true, SeqCst);
    let retry = engine.restart(first, Restart::Retry).await.unwrap();
    let result = retry.wait().await;
    assert_eq!(
        result.output,
        Some(json!({"all": [0, 1, 2, 3, 4, 5]})),
        "{result:?}"
    );
    let again = calls_since(&house, calls);
    assert_eq!(again.len(), 6 - done, "{again:?}");
    assert!(again.contains(&"all[3]@1".to_owned()), "{again:?}");
    assert!(!again.contains(&"all[0]@1".to_owned()), "{again:?}");
}

#[tokio::test]
async fn a_failure_that_was_taken_is_kept_and_one_retry_follows_another() {
    let house = House::new();
    let mended = actions(&house);
    house.action("test.never", Effectful, |_| async {
        fails(FailureKind::Permanent, "never")
    });
    let flow = WorkflowBuilder::new("flow")
        .add_node("risky", "test.never")
        .add_node(
            "instead",
            NodeBuilder::action("test.echo").input(json!("plan b")),
        )
        .add_node("last", "test.weak")
        .connect_on("risky", "instead", On::Failure)
        .connect("instead", "last");
    let deployed = house.deploy(flow.build()).await;
    let engine = house.engine("one");
    let first = house.start(&engine, &deployed, json!(null)).await.id();
    assert_eq!(ended(&house, &engine, first).await, Status::Failed);
    let calls = house.runner.calls().len();
    let second = engine.restart(first, Restart::Retry).await.unwrap().id();
    assert_eq!(ended(&house, &engine, second).await, Status::Failed);
    mended.store(true, SeqCst);
    let third = engine.restart(second, Restart::Retry).await.unwrap();
    assert_eq!(third.wait().await.output, Some(json!({"last": "plan b"})));
    assert_eq!(calls_since(&house, calls), ["last@1", "last@1"]);
}

#[tokio::test]
async fn a_retry_goes_on_after_a_crash_with_what_it_keeps() {
    let house = House::new();
    let mended = actions(&house);
    let (begun, mut begins) = mpsc::unbounded_channel();
    let first_time = AtomicBool::new(true);
    house.action("test.hang", Effectful, move |call| {
        let (_, hangs) = (begun.send(()), first_time.swap(false, SeqCst));
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            gives(&value(&call))
        }
    });
    let flow = WorkflowBuilder::new("flow")
        .add_node("a", "test.echo")
        .add_node("b", "test.weak")
        .add_node("c", "test.hang")
        .connect("a", "b")
        .connect("b", "c");
    let deployed = house.deploy(flow.build()).await;
    let engine = house.engine("one");
    let first = house.start(&engine, &deployed, json!("x")).await.id();
    assert_eq!(ended(&house, &engine, first).await, Status::Failed);
    mended.store(true, SeqCst);
    let retry = engine.restart(first, Restart::Retry).await.unwrap().id();
    begins.recv().await.unwrap();
    drop(engine);
    let engine = house.engine("two");
    assert_eq!(ended(&house, &engine, retry).await, Status::Succeeded);
    let steps = house.runner.calls();
    assert_eq!(steps.iter().filter(|s| *s == "a@1").count(), 1, "{steps:?}");
    assert_eq!(steps.iter().filter(|s| *s == "c@1").count(), 2, "{steps:?}");
}

#[tokio::test]
async fn what_was_cancelled_goes_on_and_what_succeeded_is_replayed() {
    let house = House::new();
    actions(&house);
    let (begun, mut begins) = mpsc::unbounded_channel();
    let hang = Arc::new(AtomicBool::new(true));
    let hangs = hang.clone();
    house.action("test.hang", Effectful, move |call| {
        let (_, hangs) = (begun.send(()), hangs.load(SeqCst));
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            gives(&value(&call))
        }
    });
    let flow = WorkflowBuilder::new("flow")
        .add_node("a", "test.echo")
        .add_node("b", "test.hang")
        .connect("a", "b");
    let deployed = house.deploy(flow.build()).await;
    let engine = house.engine("one");
    let first = house.start(&engine, &deployed, json!(7)).await.id();
    begins.recv().await.unwrap();
    let refused = engine.restart(first, Restart::Retry).await.unwrap_err();
    assert!(
        matches!(refused, EngineError::Restart(RestartError::NotEnded(id, _)) if id == first),
        "{refused}"
    );
    engine
        .control(first, Control::Cancel, "enough")
        .await
        .unwrap();
    assert_eq!(ended(&house, &engine, first).await, Status::Cancelled);
    hang.store(false, SeqCst);
    let calls = house.runner.calls().len();
    let second = engine.restart(first, Restart::Retry).await.unwrap();
    assert_eq!(second.wait().await.output, Some(json!({"b": 7})));
    assert_eq!(calls_since(&house, calls), ["b@1"]);

    let refused = engine
        .restart(second.id(), Restart::Retry)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, EngineError::Restart(RestartError::Succeeded(_))),
        "{refused}"
    );
    let third = engine.restart(second.id(), Restart::Replay).await.unwrap();
    assert_eq!(third.wait().await.output, Some(json!({"b": 7})));
    assert_eq!(calls_since(&house, calls), ["b@1", "a@1", "b@1"]);
}
