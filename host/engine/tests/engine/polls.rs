//! Workflows that are started by what a trigger finds, with a clock that is turned by
//! hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use nebula_engine::WorkflowEngine;
use nebula_flow::component::Effect::{Effectful, Pure};
use nebula_flow::definition::{Poll, TriggerBuilder};
use nebula_flow::event::FailureKind;
use nebula_flow::ports::{Clock, EventLog, ExecutionQuery};
use nebula_flow::time::Span;
use nebula_flow::trigger::{self, State};
use nebula_flow::{Event, Payload, TriggerName, Value, WorkflowBuilder, WorkflowDefinition};
use nebula_flow::{json, payload};
use tokio::sync::Notify;

use crate::house::{HandClock, House, fails, gives, tenant, value};

const MINUTE: Duration = Duration::from_secs(60);

/// What a trigger finds: all numbers below, from its cursor on.
#[derive(Default)]
struct Shop {
    top: AtomicU64,
    polls: AtomicU64,
    closed: AtomicBool,
}

fn every_minute() -> Poll {
    Poll::new("new.orders".parse().unwrap(), MINUTE)
}

fn workflow(poll: Poll) -> WorkflowDefinition {
    named("w", poll)
}

fn named(name: &str, poll: Poll) -> WorkflowDefinition {
    WorkflowBuilder::new(name)
        .trigger("orders", TriggerBuilder::poll(poll))
        .add_node("a", "test.echo")
        .build()
}

fn house() -> (House, Arc<HandClock>, Arc<Shop>) {
    let clock = HandClock::new();
    let house = House::with_clock(clock.clone());
    house.action("test.echo", Pure, |call| {
        let value = value(&call);
        async move { gives(&value) }
    });
    let shop = Arc::new(Shop::default());
    let serves = shop.clone();
    house.action("new.orders", Effectful, move |call| {
        let (from, shop) = (value(&call)["cursor"].as_u64().unwrap_or(0), serves.clone());
        async move {
            shop.polls.fetch_add(1, SeqCst);
            if shop.closed.load(SeqCst) {
                return fails(FailureKind::Retryable, "the shop is closed");
            }
            let top = shop.top.load(SeqCst);
            let events: Vec<u64> = (from..top).collect();
            gives(&json!({ "cursor": top, "events": events }))
        }
    });
    (house, clock, shop)
}

async fn state(house: &House) -> State {
    let (workflow, name) = ("w".parse().unwrap(), TriggerName::new("orders").unwrap());
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

/// Until so many events were found and started.
async fn settled(house: &House, events: u64) -> State {
    let settled = |state: &State| {
        let stand = state.poll.as_ref();
        stand.is_some_and(|stand| stand.events == events && stand.owed.is_none())
    };
    until(house, "all are started", settled).await
}

/// The inputs of all executions, in order.
async fn started(house: &House) -> Vec<u64> {
    let query = ExecutionQuery {
        limit: 1_000,
        ..ExecutionQuery::default()
    };
    let mut inputs = Vec::new();
    for execution in house.log.executions(&tenant(), &query).await.unwrap() {
        let history = house.log.history(execution.id, 0, 1).await.unwrap();
        let inbox = house.log.inbox(execution.id).await.unwrap();
        let input = match (history.first().map(|r| &r.event), inbox.first()) {
            (Some(Event::Started { input, .. }), _) => input.clone(),
            (_, Some(row)) => match &row.message {
                nebula_flow::ports::Message::Start { input, .. } => input.clone(),
                other => panic!("{other:?}"),
            },
            _ => continue,
        };
        let Payload::Inline(bytes) = input else {
            panic!("a small input")
        };
        let input: Value = payload::decode(&bytes).unwrap();
        inputs.push(input.as_u64().unwrap());
    }
    inputs.sort_unstable();
    inputs
}

async fn deploy(engine: &WorkflowEngine, poll: Poll) {
    engine.deploy_workflow(workflow(poll)).await.unwrap();
}

#[tokio::test]
async fn what_is_found_starts_executions_and_the_trigger_says_what_it_did() {
    let (house, clock, shop) = house();
    let engine = house.engine("one");
    shop.top.store(2, SeqCst);
    deploy(&engine, every_minute()).await;
    settled(&house, 2).await;
    assert_eq!(started(&house).await, [0, 1]);
    shop.top.store(5, SeqCst);
    clock.advance(MINUTE);
    let state = settled(&house, 5).await;
    assert_eq!(started(&house).await, [0, 1, 2, 3, 4]);
    let stand = state.poll.unwrap();
    assert_eq!(stand.polled_at, Some(clock.now()));
    assert_eq!(state.last.unwrap().execution, stand.execution);
    let last = engine.handle(stand.execution.unwrap()).await.unwrap();
    assert_eq!(last.wait().await.output, Some(json!({ "a": 4 })));
    // The calls are those of a step that no node has, the first attempt of each poll.
    let calls = house.runner.calls();
    let polls = calls.iter().filter(|call| call.starts_with("trigger:"));
    assert_eq!(polls.collect::<Vec<_>>(), ["trigger:orders@1"; 2]);
}

#[tokio::test]
async fn a_service_that_is_down_is_the_triggers_last_error_and_loses_nothing() {
    let (house, clock, shop) = house();
    let engine = house.engine("one");
    shop.closed.store(true, SeqCst);
    shop.top.store(3, SeqCst);
    deploy(&engine, every_minute()).await;
    let state = until(&house, "a trouble", |s| s.troubles == 1).await;
    let message = state.trouble.unwrap().message;
    assert_eq!(message, "retryable: the shop is closed");
    // Sooner than its next turn would be.
    clock.advance(Duration::from_secs(10));
    until(&house, "another", |s| s.troubles == 2).await;
    shop.closed.store(false, SeqCst);
    clock.advance(Duration::from_secs(20));
    let state = settled(&house, 3).await;
    assert_eq!(started(&house).await, [0, 1, 2]);
    assert_eq!(state.poll.unwrap().failures, 0);
}

#[tokio::test]
async fn a_poll_whose_node_is_lost_is_made_again_by_the_next() {
    let (house, _, shop) = house();
    let (asked, never) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, hold) = (asked.clone(), never.clone());
    house.action("new.orders", Effectful, move |_| {
        let (tell, hold) = (tell.clone(), hold.clone());
        async move {
            tell.notify_one();
            hold.notified().await;
            gives(&json!({ "cursor": 7, "events": [7] }))
        }
    });
    let engine = house.engine("one");
    deploy(&engine, every_minute()).await;
    asked.notified().await;
    drop(engine);
    let serves = shop.clone();
    shop.top.store(3, SeqCst);
    house.action("new.orders", Effectful, move |call| {
        let (from, top) = (value(&call)["cursor"].as_u64(), serves.top.load(SeqCst));
        let events: Vec<u64> = (from.unwrap_or(0)..top).collect();
        async move { gives(&json!({ "cursor": top, "events": events })) }
    });
    let _next = house.engine("two");
    settled(&house, 3).await;
    never.notify_waiters();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(started(&house).await, [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_engines_one_polls() {
    let (house, clock, shop) = house();
    let (one, two) = (house.engine("one"), house.engine("two"));
    deploy(&one, every_minute()).await;
    two.trigger_bell().ring();
    until(&house, "the first poll", |s| s.poll.is_some()).await;
    for minute in 1..=10_u64 {
        shop.top.fetch_add(minute % 3, SeqCst);
        clock.advance(MINUTE);
        let top = shop.top.load(SeqCst);
        let done = |s: &State| {
            let stand = s.poll.as_ref();
            stand.is_some_and(|p| p.polls == minute + 1 && p.events == top && p.owed.is_none())
        };
        until(&house, "polled", done).await;
    }
    // The clock jumps by more than a lease: a shard may pass on while its owner polls, whose
    // answer counts for nothing then.
    let polls = shop.polls.load(SeqCst);
    assert!((11..22).contains(&polls), "two polled each time: {polls}");
    let all: Vec<u64> = (0..shop.top.load(SeqCst)).collect();
    assert_eq!(started(&house).await, all);
    drop((one, two));
}

#[tokio::test]
async fn polls_that_take_long_hold_up_no_schedule() {
    let (house, clock, _) = house();
    house.action("new.orders", Effectful, |_| async {
        std::future::pending::<()>().await;
        gives(&json!(null))
    });
    let slow = Poll {
        timeout: Some(Span(Duration::from_secs(600))),
        ..every_minute()
    };
    let engine = house.engine("one");
    for number in 0..40 {
        let slow = named(&format!("slow{number}"), slow.clone());
        engine.deploy_workflow(slow).await.unwrap();
    }
    let cron = WorkflowBuilder::new("z")
        .trigger("tick", TriggerBuilder::cron("* * * * *"))
        .add_node("a", "test.echo")
        .build();
    engine.deploy_workflow(cron).await.unwrap();
    let called = || house.runner.calls().len();
    for _ in 0..2_000 {
        if called() == 32 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(called(), 32, "so many at once");
    clock.advance(MINUTE);
    let (workflow, name) = ("z".parse().unwrap(), TriggerName::new("tick").unwrap());
    for _ in 0..2_000 {
        let tenant = tenant();
        let found = trigger::get(&*house.records, &tenant, &workflow, &name);
        if found.await.unwrap().unwrap().0.last.is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the schedule waits for the polls")
}

#[tokio::test]
async fn a_poll_that_takes_too_long_is_ended_and_what_is_no_answer_is_refused() {
    let (house, clock, _) = house();
    house.action("new.orders", Effectful, |_| async {
        std::future::pending::<()>().await;
        gives(&json!(null))
    });
    let engine = house.engine("one");
    let quick = Poll {
        timeout: Some(Span(Duration::from_secs(2))),
        ..every_minute()
    };
    deploy(&engine, quick).await;
    while house.runner.calls().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    clock.advance(Duration::from_secs(3));
    let state = until(&house, "a time-out", |s| s.troubles == 1).await;
    let message = state.trouble.unwrap().message;
    assert!(message.contains("its time-out of 2000 ms"), "{message}");
    house.action("new.orders", Effectful, |_| async {
        crate::house::report(Ok(nebula_flow::ports::Outcome::Skip(None)))
    });
    clock.advance(MINUTE);
    let state = until(&house, "a refusal", |s| s.troubles == 2).await;
    let message = state.trouble.unwrap().message;
    assert!(
        message.contains("a trigger gives what it found"),
        "{message}"
    );
}

#[tokio::test]
async fn only_triggers_are_polled_and_no_node_runs_one() {
    let (house, _, _) = house();
    let engine = house.engine("one");
    let echo = Poll::new("test.echo".parse().unwrap(), MINUTE);
    let refused = engine.deploy_workflow(workflow(echo)).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("the trigger `orders` polls `test.echo`, and that action is no trigger"),
        "{refused}"
    );
    let node = WorkflowBuilder::new("w").add_node("a", "new.orders");
    let refused = engine.deploy_workflow(node.build()).await.unwrap_err();
    assert!(
        refused.to_string().contains("`new.orders` is a trigger"),
        "{refused}"
    );
}
