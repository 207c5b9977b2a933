//! What is over goes, and nothing else, with a clock that is turned by hand.

use std::sync::Arc;
use std::time::Duration;

use nebula_engine::WorkflowEngine;
use nebula_flow::component::Effect::Pure;
use nebula_flow::definition::Retention;
use nebula_flow::deploy::DeployedWorkflow;
use nebula_flow::ports::{EventLog, ExecutionQuery, Records};
use nebula_flow::retention::BLOB_GRACE;
use nebula_flow::time::Span;
use nebula_flow::{
    Event, ExecutionId, NodeBuilder, Payload, Value, WorkflowBuilder, WorkflowDefinition, json,
};

use crate::house::{HandClock, House, gives, tenant, value};

const MINUTE: Duration = Duration::from_secs(60);

fn house() -> (House, Arc<HandClock>) {
    let clock = HandClock::new();
    let house = House::with_clock(clock.clone());
    house.action("test.echo", Pure, |call| {
        let value = value(&call);
        async move { gives(&value) }
    });
    (house, clock)
}

fn echo(name: &str) -> WorkflowBuilder {
    WorkflowBuilder::new(name).add_node("a", "test.echo")
}

fn kept(age: Option<Duration>, count: Option<u32>) -> Retention {
    Retention {
        age: age.map(Span),
        count,
    }
}

async fn all(house: &House) -> Vec<ExecutionId> {
    let query = ExecutionQuery {
        limit: 1_000,
        ..ExecutionQuery::default()
    };
    let found = house.log.executions(&tenant(), &query).await.unwrap();
    let mut ids: Vec<_> = found.into_iter().map(|summary| summary.id).collect();
    ids.sort_unstable();
    ids
}

/// Runs executions to their ends, a second after each other.
async fn run(
    (house, clock): (&House, &HandClock),
    engine: &WorkflowEngine,
    workflow: &DeployedWorkflow,
    times: u32,
) -> Vec<ExecutionId> {
    let mut ids = Vec::new();
    for _ in 0..times {
        let handle = house.start(engine, workflow, Value::Null).await;
        handle.wait().await;
        ids.push(handle.id());
        clock.advance(Duration::from_secs(1));
    }
    ids
}

/// Lets time pass, a second at once, and others work meanwhile.
async fn pass(clock: &HandClock, time: Duration) {
    for _ in 0..time.as_secs() {
        clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Lets time pass until just these are there.
async fn until((house, clock): (&House, &HandClock), wanted: &[ExecutionId]) {
    for _ in 0..600 {
        if all(house).await == wanted {
            return;
        }
        pass(clock, Duration::from_secs(1)).await;
    }
    panic!("{:?} are there, not {wanted:?}", all(house).await)
}

#[tokio::test]
async fn the_last_so_many_are_kept_and_those_that_have_not_ended() {
    let (house, clock) = house();
    let engine = house.engine("one");
    let waits = house
        .deploy(
            echo("w")
                .add_node("wait", NodeBuilder::wait_signal("go"))
                .retention(kept(None, Some(2)))
                .build(),
        )
        .await;
    let waiting = house.start(&engine, &waits, Value::Null).await;
    let quick = house
        .deploy(echo("w").retention(kept(None, Some(2))).build())
        .await;
    assert_eq!(quick.version, 2);
    let ran = run((&house, &clock), &engine, &quick, 5).await;
    assert_eq!(all(&house).await.len(), 6);
    until((&house, &clock), &[waiting.id(), ran[3], ran[4]]).await;
    assert!(house.history(ran[0]).await.is_empty());
    // Nothing more goes, however long it takes.
    pass(&clock, 3 * MINUTE).await;
    assert_eq!(all(&house).await, [waiting.id(), ran[3], ran[4]]);
}

#[tokio::test]
async fn the_nodes_settings_say_for_a_workflow_that_does_not() {
    let (mut house, clock) = house();
    house.retention = kept(Some(10 * MINUTE), None);
    let engine = house.engine("one");
    let of_its_own = kept(Some(60 * MINUTE), None);
    let long = house
        .deploy(echo("long").retention(of_its_own).build())
        .await;
    let plain = house.deploy(echo("plain").build()).await;
    let long = run((&house, &clock), &engine, &long, 1).await;
    let old = run((&house, &clock), &engine, &plain, 2).await;
    pass(&clock, 5 * MINUTE).await;
    assert_eq!(all(&house).await, [long[0], old[0], old[1]]);
    let young = run((&house, &clock), &engine, &plain, 1).await;
    until((&house, &clock), &[long[0], young[0]]).await;
}

#[tokio::test]
async fn an_end_can_be_read_for_a_minute() {
    let (house, clock) = house();
    let engine = house.engine("one");
    let soon = kept(Some(Duration::from_secs(1)), None);
    let workflow = house.deploy(echo("w").retention(soon).build()).await;
    let ran = run((&house, &clock), &engine, &workflow, 1).await;
    pass(&clock, Duration::from_secs(55)).await;
    assert_eq!(all(&house).await, ran);
    until((&house, &clock), &[]).await;
}

#[tokio::test]
async fn a_child_stays_until_its_parent_has_ended() {
    let (house, clock) = house();
    let engine = house.engine("one");
    let soon = kept(Some(Duration::from_secs(1)), None);
    house.deploy(echo("child").retention(soon).build()).await;
    let parent: WorkflowDefinition = WorkflowBuilder::new("parent")
        .add_node("child", NodeBuilder::workflow("child"))
        .add_node("wait", NodeBuilder::wait_for("10m"))
        .connect("child", "wait")
        .retention(soon)
        .build();
    let parent = house.deploy(parent).await;
    let handle = house.start(&engine, &parent, Value::Null).await;
    pass(&clock, 5 * MINUTE).await;
    let both = all(&house).await;
    assert_eq!(both.len(), 2);
    let child = both.iter().find(|id| **id != handle.id()).unwrap();
    assert!(house.summary(*child).await.status.is_final());
    until((&house, &clock), &[]).await;
}

#[tokio::test]
async fn large_values_go_with_the_executions_that_used_them() {
    let (house, clock) = house();
    house.action("test.large", Pure, |_| async {
        gives(&Value::from("x".repeat(100_000)))
    });
    let engine = house.engine("one");
    let large = WorkflowBuilder::new("w")
        .add_node("large", "test.large")
        .output("${ $nodes.large.result }")
        .retention(kept(Some(Duration::from_secs(1)), None))
        .build();
    let workflow = house.deploy(large).await;
    let handle = house.start(&engine, &workflow, json!(1)).await;
    assert!(handle.wait().await.output.is_some());
    let digest = house
        .history(handle.id())
        .await
        .iter()
        .find_map(|recorded| match &recorded.event {
            Event::Succeeded {
                output: Payload::Blob { digest, .. },
            } => Some(*digest),
            _ => None,
        })
        .unwrap();
    until((&house, &clock), &[]).await;
    assert!(house.records.blob(digest).await.unwrap().is_some());
    pass(&clock, MINUTE).await;
    clock.advance(BLOB_GRACE);
    pass(&clock, MINUTE).await;
    assert!(house.records.blob(digest).await.unwrap().is_none());
    // The component of the version that is deployed is no such value.
    let component = workflow.actions.values().next().unwrap().digest;
    assert!(house.records.blob(component).await.unwrap().is_some());
}
