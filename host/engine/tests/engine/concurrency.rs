//! How many executions of a workflow run at once.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use nebula_flow::component::Effect::Effectful;
use nebula_flow::control::Control;
use nebula_flow::definition::Concurrency;
use nebula_flow::event::Event;
use nebula_flow::ports::{Durability, Status, WhenFull};
use nebula_flow::{NodeBuilder, Value, WorkflowBuilder, WorkflowDefinition, json};
use tokio::sync::Semaphore;

use crate::house::{House, gives, value};

/// `test.gate`: notes who runs, and passes once it is let.
struct Gate {
    pass: Arc<Semaphore>,
    began: Arc<Mutex<Vec<Value>>>,
    most: Arc<AtomicU32>,
}

fn gate(house: &House) -> Gate {
    let gate = Gate {
        pass: Arc::new(Semaphore::new(0)),
        began: Arc::default(),
        most: Arc::default(),
    };
    let (pass, began, most) = (gate.pass.clone(), gate.began.clone(), gate.most.clone());
    let running = Arc::new(AtomicU32::new(0));
    house.action("test.gate", Effectful, move |call| {
        let (pass, began, most) = (pass.clone(), began.clone(), most.clone());
        let running = running.clone();
        async move {
            let input = value(&call);
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            began.lock().unwrap().push(input.clone());
            pass.acquire().await.unwrap().forget();
            running.fetch_sub(1, Ordering::SeqCst);
            gives(&input)
        }
    });
    gate
}

impl Gate {
    async fn has_begun(&self, count: usize) {
        while self.began.lock().unwrap().len() < count {
            tokio::task::yield_now().await;
        }
    }
}

fn limited(limit: u32, when_full: WhenFull) -> WorkflowDefinition {
    WorkflowBuilder::new("w")
        .add_node("gate", "test.gate")
        .output("${ $nodes.gate.result }")
        .concurrency(Concurrency {
            key: Some(json!("${ $input.of }")),
            when_full,
            ..Concurrency::of(limit)
        })
        .build()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_run_than_may_and_all_end() {
    let house = House::new();
    let gate = gate(&house);
    let deployed = house.deploy(limited(2, WhenFull::Queue)).await;
    let engine = house.engine("one");
    let mut handles = Vec::new();
    for n in 0..20 {
        handles.push(house.start(&engine, &deployed, json!({ "n": n })).await);
    }
    gate.has_begun(2).await;
    let other = json!({ "of": "another" });
    let other = house.start(&engine, &deployed, other).await;
    gate.has_begun(3).await;
    assert!(house.summary(handles[2].id()).await.waits_for_slot);
    assert!(!house.summary(handles[1].id()).await.waits_for_slot);
    gate.pass.add_permits(21);
    for handle in handles {
        assert!(handle.wait().await.output.is_some());
    }
    assert!(other.wait().await.output.is_some());
    assert_eq!(
        gate.most.load(Ordering::SeqCst),
        3,
        "two, and one of another"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_slot_gets_it_from_the_next_engine_too() {
    let house = House::new();
    let gate = gate(&house);
    let deployed = house.deploy(limited(1, WhenFull::Queue)).await;
    let engine = house.engine("one");
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(house.submit(&deployed, json!({}), Durability::Now).await);
    }
    gate.has_begun(1).await;
    drop(engine);
    let _engine = house.engine("two");
    gate.pass.add_permits(4);
    for id in ids {
        house.until(id, |e| e.status == Status::Succeeded).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_too_many_is_dropped_before_it_begins() {
    let house = House::new();
    let gate = gate(&house);
    let deployed = house.deploy(limited(1, WhenFull::Drop)).await;
    let engine = house.engine("one");
    let first = house.start(&engine, &deployed, json!({ "n": 1 })).await;
    gate.has_begun(1).await;
    let second = house.start(&engine, &deployed, json!({ "n": 2 })).await;
    let id = second.id();
    second.wait().await;
    assert_eq!(house.summary(id).await.status, Status::Cancelled);
    assert_eq!(
        house.story(id).await,
        ["started", "cancel_requested", "cancelled"]
    );
    gate.pass.add_permits(1);
    first.wait().await;
    assert_eq!(*gate.began.lock().unwrap(), [json!({ "n": 1 })]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_replaces_the_one_that_runs() {
    let house = House::new();
    let gate = gate(&house);
    let deployed = house.deploy(limited(1, WhenFull::Replace)).await;
    let engine = house.engine("one");
    let first = house.start(&engine, &deployed, json!({ "n": 1 })).await;
    gate.has_begun(1).await;
    let second = house.start(&engine, &deployed, json!({ "n": 2 })).await;
    let id = first.id();
    first.wait().await;
    let end = house.history(id).await.pop().unwrap().event;
    let Event::Cancelled { reason } = end else {
        panic!("it was replaced, not {end:?}");
    };
    assert_eq!(
        reason,
        format!("execution {} takes its place (concurrency)", second.id())
    );
    gate.has_begun(2).await;
    gate.pass.add_permits(1);
    assert_eq!(second.wait().await.output, Some(json!({ "n": 2 })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_waits_can_be_cancelled_and_hears_its_signals_once_it_runs() {
    let house = House::new();
    let gate = gate(&house);
    let definition = WorkflowBuilder::new("w")
        .add_node("gate", "test.gate")
        .add_node("approval", NodeBuilder::wait_signal("approval"))
        .connect("gate", "approval")
        .output("${ $nodes.approval.result }")
        .concurrency(Concurrency::of(1));
    let deployed = house.deploy(definition.build()).await;
    let engine = house.engine("one");
    let mut handles = Vec::new();
    for n in 1..=3 {
        handles.push(house.start(&engine, &deployed, json!(n)).await);
    }
    gate.has_begun(1).await;
    let [first, second, third] = handles.try_into().ok().unwrap();
    let cancelled = second.id();
    engine
        .control(cancelled, Control::Cancel, "by hand")
        .await
        .unwrap();
    second.wait().await;
    assert_eq!(house.summary(cancelled).await.status, Status::Cancelled);
    for (handle, word) in [(&third, "yes"), (&first, "no")] {
        engine
            .signal(handle.id(), &"approval".parse().unwrap(), json!(word), None)
            .await
            .unwrap();
    }
    gate.pass.add_permits(2);
    assert_eq!(first.wait().await.output, Some(json!("no")));
    assert_eq!(third.wait().await.output, Some(json!("yes")));
    assert_eq!(*gate.began.lock().unwrap(), [json!(1), json!(3)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn children_need_slots_and_one_that_is_dropped_is_told_to_its_parent() {
    for (when_full, succeeded) in [(WhenFull::Queue, 4), (WhenFull::Drop, 1)] {
        let house = House::new();
        let gate = gate(&house);
        house.deploy(limited(1, when_full)).await;
        let each = NodeBuilder::workflow("w").input(json!({ "n": "${ $item }" }));
        let parent = WorkflowBuilder::new("parent")
            .add_node(
                "all",
                NodeBuilder::map("${ $input }", each).continue_on_failure(),
            )
            .output("${ $nodes.all.result }");
        let deployed = house.deploy(parent.build()).await;
        let engine = house.engine("one");
        let handle = house.start(&engine, &deployed, json!([1, 2, 3, 4])).await;
        gate.has_begun(1).await;
        gate.pass.add_permits(4);
        let result = handle.wait().await;
        assert_eq!(gate.most.load(Ordering::SeqCst), 1);
        let began = gate.began.lock().unwrap().len();
        assert_eq!(began, succeeded, "{when_full:?}: {result:?}");
    }
}
