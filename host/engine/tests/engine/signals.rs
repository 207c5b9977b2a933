//! Signals: what takes them, what is refused, and what survives.

use std::sync::Arc;
use std::time::Duration;

use nebula_engine::{EngineError, WorkflowEngine};
use nebula_flow::component::Effect::Effectful;
use nebula_flow::execution::Refused;
use nebula_flow::ports::{Durability, EventLog, Status, Submitted};
use nebula_flow::signal::SignalError;
use nebula_flow::{
    ExecutionId, NodeBuilder, SignalName, Value, WorkflowBuilder, WorkflowDefinition, json,
};
use tokio::sync::watch;

use crate::house::{HandClock, House, gives};

fn approval() -> SignalName {
    "approval".parse().unwrap()
}

/// Makes `test.gate`, an action that ends when it is let go.
fn gate(house: &House) -> watch::Sender<bool> {
    let (go, gate) = watch::channel(false);
    house.action("test.gate", Effectful, move |_| {
        let mut gate = gate.clone();
        async move {
            gate.wait_for(|open| *open).await.unwrap();
            gives(&json!("open"))
        }
    });
    go
}

/// A wait for `approval` and nothing else.
fn alone(timeout: Option<Duration>) -> WorkflowDefinition {
    let wait = NodeBuilder::wait_signal("approval").schema(json!({"type": "string"}));
    let wait = match timeout {
        Some(timeout) => wait.timeout(timeout),
        None => wait,
    };
    WorkflowBuilder::new("w").add_node("approve", wait).build()
}

async fn send(engine: &WorkflowEngine, id: ExecutionId, says: Value) -> Result<Submitted, Refused> {
    match engine.signal(id, &approval(), says, None).await {
        Ok(submitted) => Ok(submitted),
        Err(EngineError::Signal(SignalError::Refused(refused))) => Err(refused),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_signal_wakes_an_execution_that_left_memory_and_is_the_result_of_its_wait() {
    let house = House::with_clock(HandClock::new());
    let engine = house.engine("one");
    let deployed = house.deploy(alone(None)).await;
    let id = house.submit(&deployed, json!(null), Durability::Now).await;
    house.until(id, |s| s.status == Status::Waiting).await;
    drop(engine);

    let engine = house.engine("two");
    assert_eq!(
        send(&engine, id, json!("yes")).await,
        Ok(Submitted::Accepted)
    );
    let result = engine.handle(id).await.unwrap().wait().await;
    assert_eq!(result.output, Some(json!({"approve": "yes"})));
    assert_eq!(
        house.story(id).await,
        [
            "started",
            "wait_started approve",
            "signal_received",
            "step_succeeded approve",
            "succeeded"
        ]
    );
    let again = send(&engine, id, json!("no")).await;
    assert_eq!(again, Err(Refused::Ended(Status::Succeeded)));
}

#[tokio::test]
async fn a_signal_that_comes_before_its_wait_is_kept_through_a_crash() {
    let house = House::with_clock(HandClock::new());
    let engine = house.engine("one");
    let go = gate(&house);
    let definition = WorkflowBuilder::new("w")
        .add_node("first", "test.gate")
        .add_node("approve", NodeBuilder::wait_signal("approval"))
        .connect("first", "approve")
        .build();
    let deployed = house.deploy(definition).await;
    let id = house.submit(&deployed, json!(null), Durability::Now).await;
    assert_eq!(send(&engine, id, json!(1)).await, Ok(Submitted::Accepted));
    let second = send(&engine, id, json!(2)).await;
    assert_eq!(
        second,
        Err(Refused::Answered(approval())),
        "one wait, one answer"
    );
    drop(engine);

    let engine = house.engine("two");
    go.send_replace(true);
    let result = engine.handle(id).await.unwrap().wait().await;
    assert_eq!(result.output, Some(json!({"approve": 1})));
}

#[tokio::test]
async fn what_is_refused_leaves_no_trace() {
    let house = House::with_clock(HandClock::new());
    let engine = house.engine("one");
    let deployed = house.deploy(alone(None)).await;
    let id = house.submit(&deployed, json!(null), Durability::Now).await;
    house.until(id, |s| s.status == Status::Waiting).await;
    let before = house.story(id).await;

    let unknown = "approvel".parse().unwrap();
    let refused = engine.signal(id, &unknown, json!("x"), Some("k")).await;
    let Err(EngineError::Signal(SignalError::Refused(Refused::Unknown { awaited, .. }))) = refused
    else {
        panic!("{refused:?}")
    };
    assert_eq!(awaited, [approval()]);
    let refused = engine.signal(id, &approval(), json!(7), Some("k")).await;
    let Err(EngineError::Signal(SignalError::InvalidPayload(problems))) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(problems[0].pointer, "");
    let nobody = engine
        .signal(ExecutionId::from_u128(5), &approval(), json!("x"), None)
        .await;
    assert!(matches!(nobody, Err(EngineError::Log(_))), "{nobody:?}");
    assert_eq!(house.story(id).await, before);
    assert_eq!(house.log.inbox(id).await.unwrap(), []);

    // Nor did they use up their key.
    let sent = engine.signal(id, &approval(), json!("x"), Some("k")).await;
    assert_eq!(sent.unwrap(), Submitted::Accepted);
}

#[tokio::test]
async fn a_repeated_signal_is_sent_once_whatever_became_of_the_execution() {
    let house = House::with_clock(HandClock::new());
    let engine = house.engine("one");
    let deployed = house.deploy(alone(None)).await;
    let execution = house.start(&engine, &deployed, json!(null)).await;
    let id = execution.id();
    let name = approval();
    let signal = |says| engine.signal(id, &name, says, Some("order-17"));
    assert_eq!(signal(json!("yes")).await.unwrap(), Submitted::Accepted);
    execution.wait().await;
    assert_eq!(
        signal(json!("yes")).await.unwrap(),
        Submitted::Duplicate(id)
    );
    let other = signal(json!("no")).await;
    assert!(
        matches!(other, Err(EngineError::Signal(SignalError::Log(_)))),
        "{other:?}"
    );
    let received = house.story(id).await;
    let received = received.iter().filter(|e| *e == "signal_received");
    assert_eq!(received.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_signals_sent_at_once_each_finds_its_wait_and_the_surplus_is_refused() {
    let house = House::new();
    let engine = Arc::new(house.engine("one"));
    let each = NodeBuilder::map("$input", NodeBuilder::wait_signal("approval")).concurrency(4);
    let deployed = house
        .deploy(WorkflowBuilder::new("w").add_node("all", each).build())
        .await;
    let items: Vec<u32> = (0..20).collect();
    let execution = house.start(&engine, &deployed, json!(items)).await;
    let id = execution.id();
    house.until(id, |s| s.status == Status::Waiting).await;
    let senders: Vec<_> = (0..24)
        .map(|n| {
            let engine = engine.clone();
            tokio::spawn(async move { send(&engine, id, json!(n)).await })
        })
        .collect();
    let mut refused = 0;
    for sender in senders {
        refused += u32::from(sender.await.unwrap().is_err());
    }
    assert_eq!(refused, 4);
    let output = execution.wait().await.output.unwrap();
    let mut taken: Vec<u64> = output["all"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n.as_u64().unwrap())
        .collect();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), 20, "each signal once: {output}");
}

#[tokio::test]
async fn a_signal_that_was_accepted_in_time_is_not_overtaken_by_its_time_out() {
    let clock = HandClock::new();
    let house = House::with_clock(clock.clone());
    let engine = house.engine("one");
    let go = gate(&house);
    let mut definition = alone(Some(Duration::from_secs(1)));
    // Beside the wait, so that the execution stays in memory.
    let gate = NodeBuilder::action("test.gate");
    definition.nodes.extend(
        WorkflowBuilder::new("w")
            .add_node("first", gate)
            .build()
            .nodes,
    );
    let deployed = house.deploy(definition).await;
    let id = house.submit(&deployed, json!(null), Durability::Now).await;
    while house.runner.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    house.log.deafen();
    clock.advance(Duration::from_millis(999));
    assert_eq!(
        send(&engine, id, json!("in time")).await,
        Ok(Submitted::Accepted)
    );
    clock.advance(Duration::from_millis(1));
    while !house.story(id).await.contains(&"signal_received".into()) {
        clock.advance(Duration::from_millis(1));
        tokio::task::yield_now().await;
    }
    go.send_replace(true);
    let result = engine.handle(id).await.unwrap().wait().await;
    assert_eq!(result.output.unwrap()["approve"], "in time");
    let calls = house.runner.calls();
    assert_eq!(calls, ["first@1"], "what runs beside it is left to run");
}
