//! Who goes first when the engine is full.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use nebula_flow::component::Effect::Pure;
use nebula_flow::ports::{Arrival, EventLog};
use nebula_flow::{NodeBuilder, Value, WorkflowBuilder, json};
use tokio::sync::Semaphore;

use crate::house::{House, gives, value};

#[tokio::test]
async fn of_those_that_wait_the_highest_priority_goes_first() {
    let mut house = House::new();
    house.max_active = 1;
    let (gate, order) = (
        Arc::new(Semaphore::new(0)),
        Arc::new(Mutex::new(Vec::new())),
    );
    let (pass, seen) = (gate.clone(), order.clone());
    house.action("test.gate", Pure, move |call| {
        let (pass, seen) = (pass.clone(), seen.clone());
        async move {
            let input = value(&call);
            seen.lock().unwrap().push(input.clone());
            pass.acquire().await.unwrap().forget();
            gives(&input)
        }
    });
    let workflow = |name: &str, priority| {
        WorkflowBuilder::new(name)
            .add_node("gate", "test.gate")
            .priority(priority)
            .build()
    };
    let usual = house.deploy(workflow("usual", 0)).await;
    let urgent = house.deploy(workflow("urgent", 5)).await;
    let later = house.deploy(workflow("later", -5)).await;
    let engine = house.engine("one");
    let mut handles = vec![house.start(&engine, &usual, json!("first")).await];
    while order.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    // The line has one place: each of these takes it from the one before.
    for (deployed, name) in [(&later, "later"), (&usual, "usual"), (&urgent, "urgent")] {
        handles.push(house.start(&engine, deployed, json!(name)).await);
    }
    // Until the owner has heard of all.
    tokio::time::sleep(Duration::from_millis(300)).await;
    gate.add_permits(4);
    for handle in handles {
        handle.wait().await;
    }
    let order = order.lock().unwrap().clone();
    assert_eq!(order[..2], [json!("first"), json!("urgent")]);
    assert_eq!(order.len(), 4);
}

#[tokio::test]
async fn a_child_has_the_priority_of_its_own_workflow() {
    let house = House::new();
    house.action("test.echo", Pure, |call| {
        let value = value(&call);
        async move { gives(&value) }
    });
    let child = WorkflowBuilder::new("child").add_node("a", "test.echo");
    house.deploy(child.priority(7).build()).await;
    let parent = WorkflowBuilder::new("parent").add_node("child", NodeBuilder::workflow("child"));
    let parent = house.deploy(parent.priority(-3).build()).await;
    let mut arrivals = house.log.arrivals();
    let engine = house.engine("one");
    let id = house.start(&engine, &parent, Value::Null).await.id();
    let mut of_child = None;
    while of_child.is_none() {
        if let Some(Arrival::Message {
            execution,
            priority,
            ..
        }) = arrivals.next().await
            && execution != id
        {
            of_child = Some(priority);
        }
    }
    assert_eq!(of_child, Some(7));
}
