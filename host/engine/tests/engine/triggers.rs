//! Workflows that the clock starts, with a clock that is turned by hand: it
//! begins at 08:00 on a Friday.

use std::time::Duration;

use nebula_engine::WorkflowEngine;
use nebula_flow::component::Effect::Pure;
use nebula_flow::definition::{CatchUp, Overlap, TriggerBuilder};
use nebula_flow::ports::{Clock, ExecutionQuery, ExecutionSummary};
use nebula_flow::trigger::{self, State};
use nebula_flow::{TriggerName, Value, WorkflowBuilder, WorkflowDefinition, json, payload};

use crate::house::{HandClock, House, gives, tenant, value};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

fn workflow(trigger: TriggerBuilder) -> WorkflowDefinition {
    WorkflowBuilder::new("w")
        .trigger("tick", trigger)
        .add_node("a", "test.echo")
        .output("${ $input.slot }")
        .build()
}

fn house() -> (House, std::sync::Arc<HandClock>) {
    let clock = HandClock::new();
    let house = House::with_clock(clock.clone());
    house.action("test.echo", Pure, |call| {
        let value = value(&call);
        async move { gives(&value) }
    });
    (house, clock)
}

async fn state(house: &House) -> State {
    let (workflow, name) = ("w".parse().unwrap(), TriggerName::new("tick").unwrap());
    let found = trigger::get(&*house.records, &tenant(), &workflow, &name).await;
    found.unwrap().unwrap().0
}

/// Lets others work until it holds; the clock stands still meanwhile.
async fn until(house: &House, what: &str, holds: impl Fn(&State) -> bool) -> State {
    for _ in 0..4_000 {
        let state = state(house).await;
        if holds(&state) {
            return state;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}: {:?}", state(house).await)
}

async fn started(house: &House) -> Vec<ExecutionSummary> {
    use nebula_flow::ports::EventLog;
    let query = ExecutionQuery {
        limit: 1_000,
        ..ExecutionQuery::default()
    };
    house.log.executions(&tenant(), &query).await.unwrap()
}

/// The slots of all executions, in order.
async fn slots(house: &House) -> Vec<String> {
    let mut slots = Vec::new();
    for execution in started(house).await {
        let history = house.history(execution.id).await;
        let Some(nebula_flow::Event::Started { input, .. }) = history.first().map(|r| &r.event)
        else {
            continue;
        };
        let nebula_flow::Payload::Inline(bytes) = input else {
            panic!("a small input")
        };
        let input: Value = payload::decode(bytes).unwrap();
        slots.push(input["slot"].as_str().unwrap().replace(":00.000Z", "Z"));
    }
    slots.sort_unstable();
    slots
}

/// Deploys through an engine, once it holds its shards.
async fn deploy(engine: &WorkflowEngine, trigger: TriggerBuilder) {
    engine.deploy_workflow(workflow(trigger)).await.unwrap();
}

#[tokio::test]
async fn the_clock_starts_executions_and_the_trigger_says_what_it_did() {
    let (house, clock) = house();
    let engine = house.engine("one");
    deploy(&engine, TriggerBuilder::cron("@hourly")).await;
    assert!(started(&house).await.is_empty());
    for hour in 1..=3_u64 {
        clock.advance(HOUR);
        let slot = clock.now();
        let state = until(&house, "a slot", |s| {
            s.last.as_ref().is_some_and(|l| l.slot == Some(slot))
        });
        let execution = state.await.last.unwrap().execution.unwrap();
        let ended = engine.handle(execution).await.unwrap().wait().await;
        assert_eq!(ended.output, Some(json!(slot.to_string())), "hour {hour}");
    }
    assert_eq!(started(&house).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_engines_start_each_slot_once() {
    let (house, clock) = house();
    let (one, two) = (house.engine("one"), house.engine("two"));
    let every_minute = TriggerBuilder::cron("* * * * *").overlap(Overlap::Allow);
    deploy(&one, every_minute.catch_up(CatchUp::All)).await;
    two.trigger_bell().ring();
    for minute in 0..25_u64 {
        // A minute, or several at once.
        clock.advance(MINUTE * if minute % 5 == 0 { 3 } else { 1 });
        let now = clock.now();
        until(&house, "the last slot", |s| {
            s.cron
                .as_ref()
                .is_some_and(|c| c.until == now && c.owed.is_none())
        })
        .await;
    }
    // The other one is late by two seconds, and finds all done.
    clock.advance(Duration::from_secs(3));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let slots = slots(&house).await;
    let mut once = slots.clone();
    once.dedup();
    assert_eq!(slots, once);
    assert_eq!(slots.len(), 35);
    drop((one, two));
}

#[tokio::test]
async fn the_next_engine_makes_up_for_what_no_engine_saw() {
    let (house, clock) = house();
    let engine = house.engine("one");
    let all = TriggerBuilder::cron("@hourly")
        .overlap(Overlap::Allow)
        .catch_up(CatchUp::All);
    deploy(&engine, all).await;
    drop(engine);
    clock.advance(HOUR * 4 + MINUTE * 30);
    let engine = house.engine("two");
    let noon = "2027-01-15T12:00:00Z".parse().unwrap();
    until(&house, "all four", |s| {
        s.cron
            .as_ref()
            .is_some_and(|c| c.until == noon && c.owed.is_none())
    })
    .await;
    for execution in started(&house).await {
        engine.handle(execution.id).await.unwrap().wait().await;
    }
    assert_eq!(
        slots(&house).await,
        [
            "2027-01-15T09:00Z",
            "2027-01-15T10:00Z",
            "2027-01-15T11:00Z",
            "2027-01-15T12:00Z"
        ]
    );
}

#[tokio::test]
async fn what_another_node_deploys_is_heard_of_and_only_the_newest_version_is_live() {
    let (house, clock) = house();
    let _engine = house.engine("one");
    // Not through the engine: it finds it when it looks.
    house
        .deploy(workflow(TriggerBuilder::cron("* * * * * *")))
        .await;
    clock.advance(Duration::from_secs(8));
    until(&house, "found by looking", |s| s.last.is_some()).await;
    let silent = WorkflowBuilder::new("w").add_node("a", "test.echo").build();
    house.deploy(silent).await;
    clock.advance(Duration::from_secs(6));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = started(&house).await.len();
    clock.advance(HOUR);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(started(&house).await.len(), before);
}

#[tokio::test]
async fn an_engine_that_shuts_down_starts_nothing_more() {
    let (house, clock) = house();
    let engine = house.engine("one");
    deploy(&engine, TriggerBuilder::cron("@hourly")).await;
    engine.shutdown().await;
    clock.advance(HOUR * 2);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(started(&house).await.is_empty());
}
