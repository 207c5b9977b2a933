//! What survives an engine: crashes, drains, and trouble with one execution.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use futures_util::StreamExt;
use nebula_flow::component::Effect::{Effectful, Pure};
use nebula_flow::event::FailureKind;
use nebula_flow::ports::{Arrival, Durability, EventLog, InboxRow, Message, Status};
use nebula_flow::{ExecutionId, NodeBuilder, Payload, WorkflowBuilder, WorkflowDefinition, json};
use tokio::sync::{Notify, Semaphore, mpsc};

use crate::house::{House, gives, tenant, value};

fn two_then_three() -> WorkflowDefinition {
    WorkflowBuilder::new("w")
        .add_node("first", "test.same")
        .add_node("second", "test.stall")
        .add_node("third", "test.same")
        .connect("first", "second")
        .connect("second", "third")
        .build()
}

/// `test.same`, and `test.stall`, whose first calls hang for ever.
fn stalling(house: &House, effect: nebula_flow::Effect, hang: u32) -> mpsc::UnboundedReceiver<()> {
    let calls = Arc::new(AtomicU32::new(0));
    let (begun, has_begun) = mpsc::unbounded_channel();
    house.action(
        "test.same",
        effect,
        |call| async move { gives(&value(&call)) },
    );
    house.action("test.stall", effect, move |call| {
        let hangs = calls.fetch_add(1, SeqCst) < hang;
        let begun = begun.clone();
        async move {
            begun.send(()).unwrap();
            if hangs {
                std::future::pending::<()>().await;
            }
            gives(&value(&call))
        }
    });
    has_begun
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_the_next_engine_goes_on_and_repeats_no_step_that_ended() {
    for effect in [Pure, Effectful] {
        let house = House::new();
        let mut has_begun = stalling(&house, effect, 1);
        let engine = house.engine("one");
        let deployed = house.deploy(two_then_three()).await;
        let id = house.submit(&deployed, json!("x"), Durability::Now).await;
        has_begun.recv().await.unwrap();
        // The pure step's result is on disk at the latest after 50 ms.
        house.until(id, |s| s.version >= 4).await;
        drop(engine);

        let engine = house.engine("two");
        let result = engine.handle(id).await.unwrap().wait().await;
        assert_eq!(result.output, Some(json!({"third": "x"})));
        assert_eq!(
            house.runner.calls(),
            ["first@1", "second@1", "second@1", "third@1"]
        );
        let story = house.story(id).await;
        let ends = story.iter().filter(|e| e.starts_with("step_succeeded"));
        assert_eq!(ends.count(), 3, "each step ended once: {story:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_submitted_while_no_engine_ran_is_taken_up() {
    let house = House::new();
    house.action(
        "test.same",
        Pure,
        |call| async move { gives(&value(&call)) },
    );
    let deployed = house
        .deploy(WorkflowBuilder::new("w").add_node("a", "test.same").build())
        .await;
    let mut ids = Vec::new();
    for n in 0..300 {
        ids.push((n, house.submit(&deployed, json!(n), Durability::Now).await));
    }
    let engine = house.engine("one");
    for (n, id) in ids {
        assert_eq!(
            engine.handle(id).await.unwrap().wait().await.output,
            Some(json!({ "a": n }))
        );
    }
}

// On one thread, so that a few turns let the drain reach every task.
#[tokio::test]
async fn a_drain_lets_the_step_in_flight_end_and_starts_no_other() {
    let house = House::new();
    let go = Arc::new(Notify::new());
    let (begun, mut has_begun) = mpsc::unbounded_channel();
    house.action(
        "test.same",
        Pure,
        |call| async move { gives(&value(&call)) },
    );
    let gate = go.clone();
    house.action("test.stall", Effectful, move |call| {
        let (go, begun) = (gate.clone(), begun.clone());
        async move {
            begun.send(()).unwrap();
            go.notified().await;
            gives(&value(&call))
        }
    });
    let engine = house.engine("one");
    let deployed = house.deploy(two_then_three()).await;
    let execution = house.start(&engine, &deployed, json!("x")).await;
    has_begun.recv().await.unwrap();
    let id = execution.id();
    let ((), result) = tokio::join!(engine.shutdown(), async {
        // The step ends only after the drain has begun.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        go.notify_one();
        execution.wait().await
    });
    assert!(!result.status.is_final());
    assert_eq!(result.error.map(|e| e.kind), Some(FailureKind::Host));
    let story = house.story(id).await;
    assert!(story.contains(&"step_succeeded second".into()), "{story:?}");
    assert!(!story.contains(&"step_succeeded third".into()), "{story:?}");

    let engine = house.engine("two");
    let result = engine.handle(id).await.unwrap().wait().await;
    assert_eq!(result.status, Status::Succeeded);
    assert_eq!(house.runner.calls(), ["first@1", "second@1", "third@1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_stops_a_step_that_outlasts_the_grace_period() {
    let house = House::new();
    let mut has_begun = stalling(&house, Effectful, 1);
    let engine = house.engine("one");
    let deployed = house.deploy(two_then_three()).await;
    let execution = house.start(&engine, &deployed, json!("x")).await;
    has_begun.recv().await.unwrap();
    engine.shutdown_within(Duration::from_millis(20)).await;
    let id = execution.id();
    assert!(!house.summary(id).await.status.is_final());
    let engine = house.engine("two");
    assert_eq!(
        engine.handle(id).await.unwrap().wait().await.status,
        Status::Succeeded
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_execution_in_trouble_does_not_hold_up_the_others() {
    let house = House::new();
    house.action(
        "test.same",
        Pure,
        |call| async move { gives(&value(&call)) },
    );
    house.action("test.panic", Pure, |_| async { panic!("a scripted panic") });
    let engine = house.engine("one");
    let sound = house
        .deploy(
            WorkflowBuilder::new("sound")
                .add_node("a", "test.same")
                .build(),
        )
        .await;
    let mut gone = (*sound).clone();
    gone.version = 7;
    let lost = house.submit(&gone, json!(1), Durability::Now).await;
    let panics = house
        .deploy(
            WorkflowBuilder::new("panics")
                .add_node("a", "test.panic")
                .build(),
        )
        .await;
    let panicking = house.submit(&panics, json!(1), Durability::Now).await;
    for n in 0..10 {
        let result = house.start(&engine, &sound, json!(n)).await.wait().await;
        assert_eq!(result.output, Some(json!({ "a": n })));
    }
    assert!(
        !house.summary(lost).await.status.is_final(),
        "parked, for a person to look at"
    );
    assert!(
        !house.summary(panicking).await.status.is_final(),
        "tried again as the host's trouble"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_execution_whose_task_panics_is_loaded_again() {
    let house = House::new();
    house.action("test.same", Effectful, |call| async move {
        gives(&value(&call))
    });
    let engine = house.engine("one");
    let definition = WorkflowBuilder::new("w").add_node("a", "test.same").build();
    let deployed = house.deploy(definition).await;
    house.log.panic_once();
    let id = house.submit(&deployed, json!(1), Durability::Now).await;
    let result = engine.handle(id).await.unwrap().wait().await;
    assert_eq!(result.output, Some(json!({"a": 1})));
}

#[tokio::test]
async fn a_start_that_never_gets_to_disk_leaves_no_trace() {
    let house = House::new();
    let (ran, mut has_run) = mpsc::unbounded_channel();
    house.action("test.same", Pure, move |call| {
        ran.send(()).unwrap();
        async move { gives(&value(&call)) }
    });
    let engine = house.engine("one");
    let definition = WorkflowBuilder::new("w").add_node("a", "test.same").build();
    let deployed = house.deploy(definition).await;
    // One that is real shows that the engine listens.
    house.start(&engine, &deployed, json!(1)).await.wait().await;
    has_run.recv().await.unwrap();
    let execution = ExecutionId::from_u128(9);
    let message = Message::Start {
        workflow: deployed.id,
        name: deployed.definition.name.clone(),
        version: 1,
        input: Payload::null(),
        parent: None,
        origin: None,
        follows: None,
        priority: 0,
        slot: None,
        paused: false,
    };
    let row = InboxRow {
        seq: 1,
        at: house.clock.now(),
        message,
    };
    house.log.announce(Arrival::Message {
        tenant: tenant(),
        execution,
        priority: 0,
        row: Arc::new(row),
    });
    has_run.recv().await.unwrap();
    house.start(&engine, &deployed, json!(1)).await.wait().await;
    engine.shutdown().await;
    assert_eq!(
        house.log.execution(&tenant(), execution).await.unwrap(),
        None
    );
    assert_eq!(house.log.appends(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_whose_shards_were_taken_over_writes_nothing_more() {
    let house = House::new();
    let mut has_begun = stalling(&house, Effectful, 2);
    let first = house.engine("one");
    let deployed = house.deploy(two_then_three()).await;
    let id = house.submit(&deployed, json!("x"), Durability::Now).await;
    has_begun.recv().await.unwrap();
    // The first engine lives on, and is not asked.
    let second = house.engine("two");
    has_begun.recv().await.unwrap();
    drop(second);
    let third = house.engine("three");
    let result = third.handle(id).await.unwrap().wait().await;
    assert_eq!(result.status, Status::Succeeded);
    let story = house.story(id).await;
    let ends = story.iter().filter(|e| e.starts_with("step_succeeded"));
    assert_eq!(ends.count(), 3, "{story:?}");
    drop(first);
}

/// Makes `test.gate`, an action that says when it has begun, and lets so many calls pass
/// at first.
fn gated(house: &House, open: usize) -> (Arc<Semaphore>, mpsc::UnboundedReceiver<()>) {
    let (begun, has_begun) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(open));
    let pass = gate.clone();
    house.action("test.gate", Effectful, move |call| {
        let (pass, begun) = (pass.clone(), begun.clone());
        async move {
            begun.send(()).unwrap();
            pass.acquire().await.unwrap().forget();
            gives(&value(&call))
        }
    });
    (gate, has_begun)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_heard_of_late_are_not_taken_twice() {
    let house = House::new();
    let (gate, mut has_begun) = gated(&house, 0);
    let definition = WorkflowBuilder::new("w")
        .add_node("gate", "test.gate")
        .add_node("approval", NodeBuilder::wait_signal("approval"))
        .connect("gate", "approval");
    let deployed = house.deploy(definition.build()).await;
    let mut arrivals = house.log.arrivals();
    let engine = house.engine("one");
    let id = house.submit(&deployed, json!(1), Durability::Now).await;
    let name = "approval".parse().unwrap();
    has_begun.recv().await.unwrap();
    engine.signal(id, &name, json!("yes"), None).await.unwrap();
    while !house.story(id).await.contains(&"signal_received".into()) {
        tokio::task::yield_now().await;
    }
    drop(engine);
    // The next one hears of both when it has long loaded the execution: it held
    // nothing when they came.
    let engine = house.engine("two");
    has_begun.recv().await.unwrap();
    let late = [
        arrivals.next().await.unwrap(),
        arrivals.next().await.unwrap(),
    ];
    for arrival in late {
        assert!(matches!(arrival, Arrival::Message { .. }));
        house.log.announce(arrival);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    gate.add_permits(2);
    engine.handle(id).await.unwrap().wait().await;
    let story = house.story(id).await;
    let signals = story.iter().filter(|told| *told == "signal_received");
    assert_eq!(signals.count(), 1, "{story:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_lost_a_shard_and_does_not_know_it_makes_no_attempt_again() {
    let house = House::new();
    let (gate, mut has_begun) = gated(&house, 1);
    let definition = WorkflowBuilder::new("w").add_node("gate", "test.gate");
    let deployed = house.deploy(definition.build()).await;
    // One execution shows that the first engine has all shards.
    let first = house.engine("one");
    house.start(&first, &deployed, json!(1)).await.wait().await;
    has_begun.recv().await.unwrap();

    // The second takes them over for good, and finds what nobody has heard of.
    house.log.fail_claims("one");
    house.log.deafen();
    let id = house.submit(&deployed, json!(2), Durability::Now).await;
    let second = house.engine("two");
    has_begun.recv().await.unwrap();
    // The first is told of it, and looks at the log.
    house.log.undeafen();
    house.log.announce(Arrival::Admitted {
        tenant: tenant(),
        execution: id,
        priority: 0,
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(house.runner.calls(), ["gate@1", "gate@1"]);
    gate.add_permits(2);
    second.handle(id).await.unwrap().wait().await;
    assert_eq!(house.runner.calls(), ["gate@1", "gate@1"]);
    drop(first);
}
