//! Workflows that the clock starts, with a clock that is turned by hand: it
//! begins at 08:00 on a Friday.

use std::time::Duration;

use nebula_engine::WorkflowEngine;
use nebula_flow::component::Effect::Pure;
use nebula_flow::definition::{CatchUp, Overlap, TriggerBuilder};
use nebula_flow::event::FailureKind;
use nebula_flow::ports::{Clock, Durability, ExecutionQuery, ExecutionSummary, Status};
use nebula_flow::trigger::on_end::MAX_CHAIN;
use nebula_flow::trigger::{self, State};
use nebula_flow::{TriggerName, Value, WorkflowBuilder, WorkflowDefinition, json, payload};

use crate::faults;
use crate::house::{HandClock, House, gives, tenant, value};
use crate::strikes::Struck;

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

// ------------------------------------------------------------------ ends --

/// A workflow that gives its input, or fails if that is negative.
fn leads(house: &House) -> WorkflowDefinition {
    house.action("test.check", Pure, |call| async move {
        match value(&call).as_i64() {
            Some(n) if n < 0 => crate::house::fails(FailureKind::Permanent, "it is negative"),
            _ => gives(&value(&call)),
        }
    });
    WorkflowBuilder::new("leads")
        .add_node("a", "test.check")
        .output("${ $nodes.a.result }")
        .build()
}

/// One that follows its ends.
fn follows(status: &[Status], input: Value) -> WorkflowDefinition {
    let trigger = TriggerBuilder::on_end("leads".parse().unwrap(), status).input(input);
    WorkflowBuilder::new("w")
        .trigger("tick", trigger)
        .input_schema(json!({"type": "object"}))
        .add_node("a", "test.echo")
        .output("${ $input }")
        .build()
}

/// The executions of a workflow that have ended, oldest first, once there are so many.
async fn ended(house: &House, name: &str, count: usize) -> Vec<ExecutionSummary> {
    for _ in 0..2_000 {
        let mut all = started(house).await;
        all.retain(|e| e.workflow_name.as_str() == name && e.status.is_final());
        if all.len() >= count {
            all.reverse();
            return all;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{name}: {:?}", started(house).await)
}

async fn output(engine: &WorkflowEngine, execution: &ExecutionSummary) -> Value {
    let ended = engine.handle(execution.id).await.unwrap().wait().await;
    ended.output.unwrap()
}

#[tokio::test]
async fn the_end_of_an_execution_starts_what_follows_it_with_what_became_of_it() {
    let (house, _) = house();
    let deployed = house.deploy(leads(&house)).await;
    let whole = json!({"of": "${ $trigger }"});
    house.deploy(follows(&[], whole)).await;
    let engine = house.engine("one");
    let first = house.start(&engine, &deployed, json!(7)).await.id();
    let followers = ended(&house, "w", 1).await;
    assert_eq!(
        output(&engine, &followers[0]).await["of"],
        json!({"execution": first.to_string(), "workflow": "leads", "version": 1, "status": "succeeded", "output": 7})
    );
    let second = house.start(&engine, &deployed, json!(-1)).await.id();
    let followers = ended(&house, "w", 2).await;
    assert_eq!(
        output(&engine, &followers[1]).await["of"],
        json!({
            "execution": second.to_string(), "workflow": "leads", "version": 1, "status": "failed",
            "error": {"kind": "permanent", "message": "it is negative", "node": "a"},
        })
    );
    let last = followers[1].id;
    let state = until(&house, "it says what it did", |s| {
        s.last.as_ref().is_some_and(|l| l.execution == Some(last))
    });
    assert_eq!(state.await.troubles, 0);
    let history = house.history(last).await;
    assert!(matches!(
        history[0].event,
        nebula_flow::Event::Started { follows: Some(follows), .. }
            if (follows.execution, follows.chain) == (second, 1)
    ));
}

#[tokio::test]
async fn only_the_ends_that_are_asked_for_are_followed_while_the_switch_is_on() {
    let (house, clock) = house();
    let deployed = house.deploy(leads(&house)).await;
    house.deploy(follows(&[Status::Failed], json!({}))).await;
    let engine = house.engine("one");
    for input in [1, -1, 2] {
        house
            .start(&engine, &deployed, json!(input))
            .await
            .wait()
            .await;
    }
    assert_eq!(ended(&house, "w", 1).await.len(), 1);
    let (workflow, name) = ("w".parse().unwrap(), TriggerName::new("tick").unwrap());
    let (of, which) = (tenant(), (&workflow, &name));
    let off = trigger::switch(&*house.records, &of, which, false, clock.now());
    off.await.unwrap();
    engine.trigger_bell().ring();
    tokio::time::sleep(Duration::from_millis(100)).await;
    house
        .start(&engine, &deployed, json!(-2))
        .await
        .wait()
        .await;
    assert_eq!(ended(&house, "w", 1).await.len(), 1);
    assert_eq!(started(&house).await.len(), 5);
}

#[tokio::test]
async fn an_end_that_makes_no_input_is_the_triggers_last_error() {
    let (house, _) = house();
    let deployed = house.deploy(leads(&house)).await;
    house
        .deploy(follows(&[], json!("${ $trigger.output }")))
        .await;
    let engine = house.engine("one");
    house.start(&engine, &deployed, json!(1)).await.wait().await;
    let state = until(&house, "a trouble", |s| s.trouble.is_some()).await;
    let message = state.trouble.unwrap().message;
    assert!(
        message.contains("the input is not what the workflow takes"),
        "{message}"
    );
    assert_eq!((state.troubles, state.last), (1, None));
}

#[tokio::test]
async fn a_circle_of_ends_stops() {
    let (house, _) = house();
    let leads = leads(&house);
    house.deploy(leads.clone()).await;
    house.deploy(follows(&[], json!({}))).await;
    let back = TriggerBuilder::on_end("w".parse().unwrap(), []).input(json!(1));
    let deployed = {
        let mut leads = leads;
        let one = WorkflowBuilder::new("x").trigger("back", back).build();
        leads.triggers = one.triggers;
        house.deploy(leads).await
    };
    let engine = house.engine("one");
    house.start(&engine, &deployed, json!(1)).await.wait().await;
    let most = MAX_CHAIN as usize;
    assert_eq!(ended(&house, "w", most / 2).await.len(), most / 2);
    let state = until(&house, "the circle is noticed", |s| s.trouble.is_some()).await;
    assert!(state.trouble.unwrap().message.contains("in a row"));
    assert_eq!(started(&house).await.len(), most + 1);
}

#[tokio::test]
async fn a_workflow_that_is_not_there_or_its_own_is_not_followed() {
    let (house, _) = house();
    let engine = house.engine("one");
    let unknown = engine
        .deploy_workflow(follows(&[], json!({})))
        .await
        .unwrap_err();
    assert!(
        unknown.to_string().contains("there is no workflow `leads`"),
        "{unknown}"
    );
    let mut own = follows(&[], json!({}));
    own.name = "leads".parse().unwrap();
    let own = engine.deploy_workflow(own).await.unwrap_err();
    assert!(own.to_string().contains("follows its own ends"), "{own}");
    house.deploy(leads(&house)).await;
    let running = engine
        .deploy_workflow(follows(&[Status::Running], json!({})))
        .await
        .unwrap_err();
    assert!(
        running.to_string().contains("`running` is no end"),
        "{running}"
    );
}

#[tokio::test]
async fn an_engine_that_is_stopped_before_it_knows_its_triggers_overlooks_no_end() {
    let (house, _) = house();
    let deployed = house.deploy(leads(&house)).await;
    house.deploy(follows(&[], json!({}))).await;
    let id = house.submit(&deployed, json!(1), Durability::Now).await;
    let store = Struck::slow(house.records.clone(), "list", Duration::from_millis(300));
    let engine = faults::engine(&house, &store, "slow");
    let called = async {
        while house.runner.calls().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    called.await;
    let stopped = tokio::time::timeout(Duration::from_secs(20), engine.shutdown());
    stopped.await.expect("it comes to rest");
    assert_eq!(house.summary(id).await.status, Status::Succeeded);
    let engine = house.engine("next");
    assert_eq!(ended(&house, "w", 1).await.len(), 1);
    drop(engine);
}
