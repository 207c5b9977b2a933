//! Pause, resume, terminate and cancel.

use std::sync::Arc;
use std::time::Duration;

use nebula_engine::{EngineError, WorkflowEngine};
use nebula_flow::component::Effect::Effectful;
use nebula_flow::control::Control::{self, Cancel, Pause, Resume, Terminate};
use nebula_flow::event::FailureKind;
use nebula_flow::ports::{Durability, EventLog, LogError, Status};
use nebula_flow::{ExecutionId, NodeBuilder, WorkflowBuilder, WorkflowDefinition, json};
use tokio::sync::{mpsc, watch};

use crate::house::{HandClock, House, gives};

/// `test.gate`, an action that says that it runs, and ends when it is let go.
struct Gate {
    go: watch::Sender<bool>,
    runs: mpsc::UnboundedReceiver<()>,
    stops: mpsc::UnboundedReceiver<()>,
}

/// Says when it is dropped.
struct Dropped(mpsc::UnboundedSender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

fn gate(house: &House) -> Gate {
    let (go, gate) = watch::channel(false);
    let (run, runs) = mpsc::unbounded_channel();
    let (stop, stops) = mpsc::unbounded_channel();
    house.action("test.gate", Effectful, move |_| {
        let (mut gate, run, stop) = (gate.clone(), run.clone(), stop.clone());
        async move {
            let _stops = Dropped(stop);
            run.send(()).unwrap();
            gate.wait_for(|open| *open).await.unwrap();
            gives(&json!("open"))
        }
    });
    Gate { go, runs, stops }
}

/// Two gates, one after the other.
fn gates() -> WorkflowDefinition {
    WorkflowBuilder::new("w")
        .add_node("first", "test.gate")
        .add_node("second", "test.gate")
        .connect("first", "second")
        .build()
}

async fn ask(engine: &WorkflowEngine, id: ExecutionId, what: Control) {
    engine.control(id, what, "by hand").await.unwrap();
}

#[tokio::test]
async fn a_pause_lets_the_step_end_starts_no_other_and_leaves_memory() {
    let mut house = House::new();
    house.max_active = 1;
    let mut gate = gate(&house);
    let engine = house.engine("one");
    let deployed = house.deploy(gates()).await;
    let execution = house.start(&engine, &deployed, json!(null)).await;
    let id = execution.id();
    gate.runs.recv().await.unwrap();
    ask(&engine, id, Pause).await;
    while !house.story(id).await.contains(&"paused".into()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    gate.go.send_replace(true);
    house
        .until(id, |s| s.status == Status::Paused && s.wake_at.is_none())
        .await;
    // The one place is free again, and the second step has not begun.
    let other = house.start(&engine, &deployed, json!(null)).await;
    assert_eq!(other.wait().await.status, Status::Succeeded);
    assert_eq!(
        house.story(id).await,
        [
            "started",
            "step_ready first",
            "attempt_started first",
            "paused",
            "step_succeeded first"
        ]
    );
    drop(engine);

    let engine = house.engine("two");
    let execution = engine.handle(id).await.unwrap();
    ask(&engine, id, Resume).await;
    let result = execution.wait().await;
    assert_eq!(result.output, Some(json!({"second": "open"})));
    let calls = house.runner.calls();
    assert_eq!(
        calls.iter().filter(|call| *call == "first@1").count(),
        2,
        "one each"
    );
}

#[tokio::test]
async fn what_came_due_in_a_pause_happens_when_it_is_over() {
    let clock = HandClock::new();
    let house = House::with_clock(clock.clone());
    let engine = house.engine("one");
    let definition = WorkflowBuilder::new("w")
        .add_node("pause", NodeBuilder::wait_for("1m"))
        .build();
    let deployed = house.deploy(definition).await;
    let id = house.submit(&deployed, json!(null), Durability::Now).await;
    house.until(id, |s| s.status == Status::Waiting).await;
    ask(&engine, id, Pause).await;
    house.until(id, |s| s.status == Status::Paused).await;
    drop(engine);

    let engine = house.engine("two");
    clock.advance(Duration::from_secs(3_600));
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.summary(id).await.status, Status::Paused);
    ask(&engine, id, Resume).await;
    let result = engine.handle(id).await.unwrap().wait().await;
    assert_eq!(result.status, Status::Succeeded);
}

#[tokio::test]
async fn a_paused_execution_can_be_cancelled_or_terminated() {
    let house = House::new();
    let engine = house.engine("one");
    let wait = NodeBuilder::wait_signal("approval");
    let deployed = house
        .deploy(WorkflowBuilder::new("w").add_node("a", wait).build())
        .await;
    for (what, status) in [(Cancel, Status::Cancelled), (Terminate, Status::Terminated)] {
        let execution = house.start(&engine, &deployed, json!(null)).await;
        ask(&engine, execution.id(), Pause).await;
        house
            .until(execution.id(), |s| s.status == Status::Paused)
            .await;
        ask(&engine, execution.id(), what).await;
        let result = execution.wait().await;
        assert_eq!(result.status, status);
        let error = result.error.unwrap();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (FailureKind::Cancelled, "by hand")
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_and_terminate_stop_the_step_that_runs() {
    for (what, status) in [(Cancel, Status::Cancelled), (Terminate, Status::Terminated)] {
        let house = House::new();
        let mut gate = gate(&house);
        let engine = house.engine("one");
        let deployed = house.deploy(gates()).await;
        let execution = house.start(&engine, &deployed, json!(null)).await;
        gate.runs.recv().await.unwrap();
        ask(&engine, execution.id(), what).await;
        gate.stops.recv().await.unwrap();
        assert_eq!(execution.wait().await.status, status);
        assert_eq!(house.runner.calls(), ["first@1"]);
        // For one that has ended it changes nothing.
        ask(&engine, execution.id(), Resume).await;
        assert_eq!(house.summary(execution.id()).await.status, status);
    }
}

#[tokio::test]
async fn an_execution_that_cannot_be_loaded_is_ended_by_terminate_alone() {
    let house = House::new();
    let engine = house.engine("one");
    let deployed = house
        .deploy(
            WorkflowBuilder::new("w")
                .add_node("a", NodeBuilder::wait_for("1h"))
                .build(),
        )
        .await;
    let mut gone = (*deployed).clone();
    gone.version = 7;
    let id = house.submit(&gone, json!(1), Durability::Now).await;
    ask(&engine, id, Cancel).await;
    // One that is sound is taken after it.
    let sound = house.start(&engine, &deployed, json!(null)).await;
    house
        .until(sound.id(), |s| s.status == Status::Waiting)
        .await;
    assert_eq!(house.summary(id).await.status, Status::Queued);
    ask(&engine, id, Terminate).await;
    let result = engine.handle(id).await.unwrap().wait().await;
    assert_eq!(result.status, Status::Terminated);
    assert_eq!(house.story(id).await, ["started", "terminated"]);
    assert_eq!(house.log.inbox(id).await.unwrap(), []);
}

#[tokio::test]
async fn nothing_can_be_asked_of_an_execution_that_is_not_there() {
    let house = House::new();
    let engine = Arc::new(house.engine("one"));
    let unknown = ExecutionId::from_u128(9);
    for what in [Cancel, Pause, Resume, Terminate] {
        let asked = engine.control(unknown, what, "why").await;
        assert!(matches!(
            asked,
            Err(EngineError::Log(LogError::NotFound(id))) if id == unknown
        ));
    }
}
