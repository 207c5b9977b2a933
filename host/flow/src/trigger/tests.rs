#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use serde_json::json;

use super::cron::{Look, turn};
use super::*;
use crate::definition::{CatchUp, Overlap, TriggerBuilder, WorkflowBuilder};
use crate::deploy::{self, Place as DeployPlace};
use crate::fakes::{Inbox, Shelf, Store, metadata, now};
use crate::id::WorkflowId;
use crate::ports::{Kind, Message, Status};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A workflow that is started by the clock, and the ports that it works over.
struct House {
    tenant: TenantId,
    store: Store,
    log: Inbox,
    shelf: Shelf,
    workflow: Mutex<std::sync::Arc<DeployedWorkflow>>,
    minted: AtomicU64,
}

fn name() -> TriggerName {
    TriggerName::new("tick").unwrap()
}

fn house(trigger: TriggerBuilder, deployed_at: &str) -> House {
    let shelf = Shelf::new([metadata("a.b", json!(true), json!(true))]);
    let (tenant, store) = (TenantId::default_tenant(), Store::default());
    let definition = WorkflowBuilder::new("w")
        .trigger("tick", trigger)
        .add_node("a", "a.b")
        .build();
    let place = DeployPlace {
        records: &store,
        components: &shelf,
        tenant: &tenant,
        resources: None,
    };
    let at = at(deployed_at);
    let fresh = WorkflowId::mint(at, 1);
    let (workflow, _) = now(deploy::deploy(place, definition, at, fresh)).unwrap();
    House {
        workflow: Mutex::new(workflow),
        tenant,
        store,
        log: Inbox::default(),
        shelf,
        minted: AtomicU64::new(0),
    }
}

impl House {
    fn place(&self) -> Place<'_> {
        Place {
            log: &self.log,
            records: &self.store,
            tenant: &self.tenant,
        }
    }

    fn deploy(&self, trigger: Option<TriggerBuilder>, at: Timestamp) {
        let mut builder = WorkflowBuilder::new("w").add_node("a", "a.b");
        if let Some(trigger) = trigger {
            builder = builder.trigger("tick", trigger);
        }
        let place = DeployPlace {
            records: &self.store,
            components: &self.shelf,
            tenant: &self.tenant,
            resources: None,
        };
        let fresh = WorkflowId::mint(at, 99);
        let deployed = now(deploy::deploy(place, builder.build(), at, fresh)).unwrap();
        *self.workflow.lock().unwrap() = deployed.0;
    }

    fn turn(&self, at: Timestamp) -> Result<Next, TriggerError> {
        let workflow = self.workflow.lock().unwrap().clone();
        let cron = workflow.definition.triggers["tick"].cron.clone().unwrap();
        let look = Look {
            workflow: &workflow,
            trigger: &name(),
            schedule: &cron.schedule().unwrap(),
            now: at,
            execution: ExecutionId::mint(at, u128::from(self.minted.fetch_add(1, SeqCst))),
        };
        now(turn(self.place(), look))
    }

    /// Turns until nothing is due; gives when something is next.
    fn work(&self, at: Timestamp) -> Option<Timestamp> {
        for _ in 0..1_000 {
            match self.turn(at).unwrap() {
                Next::Again => {}
                Next::At(next) => return next,
                Next::Gone => panic!("the trigger is gone"),
            }
        }
        panic!("it turns for ever")
    }

    fn state(&self) -> State {
        let workflow = "w".parse().unwrap();
        let found = now(get(&self.store, &self.tenant, &workflow, &name()));
        found.unwrap().unwrap().0
    }

    /// The slots for which executions were started, by their inputs.
    fn slots(&self) -> Vec<String> {
        let submitted = self.log.0.lock().unwrap();
        let slot = |message: &Message| match message {
            Message::Start {
                input: crate::Payload::Inline(bytes),
                ..
            } => crate::payload::decode(bytes).unwrap()["slot"]
                .as_str()
                .unwrap()
                .replace(":00.000Z", "Z"),
            other => panic!("{other:?}"),
        };
        submitted.iter().map(|s| slot(&s.message)).collect()
    }
}

fn hourly() -> TriggerBuilder {
    TriggerBuilder::cron("@hourly")
}

#[test]
fn each_slot_starts_one_execution_with_its_time_as_input() {
    let house = house(hourly(), "2026-01-01T00:30:00Z");
    assert_eq!(
        house.work(at("2026-01-01T00:59:59.999Z")),
        Some(at("2026-01-01T01:00:00Z"))
    );
    assert!(house.slots().is_empty());
    assert_eq!(
        house.work(at("2026-01-01T01:00:00Z")),
        Some(at("2026-01-01T02:00:00Z"))
    );
    house.work(at("2026-01-01T01:00:10Z"));
    house.log.end(Status::Succeeded);
    house.work(at("2026-01-01T02:00:00.001Z"));
    assert_eq!(house.slots(), ["2026-01-01T01:00Z", "2026-01-01T02:00Z"]);
    let last = house.state().last.unwrap();
    assert_eq!(
        (last.outcome, last.slot),
        (Outcome::Started, Some(at("2026-01-01T02:00:00Z")))
    );
    assert!(last.execution.is_some());
    assert_eq!(house.state().troubles, 0);
}

#[test]
fn a_slot_is_skipped_while_an_earlier_execution_runs_unless_that_is_allowed() {
    let skips = house(hourly(), "2026-01-01T00:30:00Z");
    skips.work(at("2026-01-01T01:00:00Z"));
    let first = skips.state().last.unwrap().execution;
    skips.work(at("2026-01-01T02:00:00Z"));
    assert_eq!(skips.slots(), ["2026-01-01T01:00Z"]);
    let last = skips.state().last.unwrap();
    assert_eq!((last.outcome, last.execution), (Outcome::Skipped, first));
    skips.log.end(Status::Failed);
    skips.work(at("2026-01-01T03:00:00Z"));
    assert_eq!(skips.slots(), ["2026-01-01T01:00Z", "2026-01-01T03:00Z"]);

    let allows = house(hourly().overlap(Overlap::Allow), "2026-01-01T00:30:00Z");
    allows.work(at("2026-01-01T01:00:00Z"));
    allows.work(at("2026-01-01T02:00:00Z"));
    assert_eq!(allows.slots(), ["2026-01-01T01:00Z", "2026-01-01T02:00Z"]);
}

#[test]
fn slots_that_were_missed_are_made_up_for_as_the_policy_says() {
    let deployed = "2026-01-01T00:30:00Z";
    let missed = |catch_up, now: &str| {
        let house = house(
            hourly().overlap(Overlap::Allow).catch_up(catch_up),
            deployed,
        );
        house.work(at(now));
        // What was passed over is not started later.
        house.work(at(now).plus(Duration::from_secs(1)));
        house.slots()
    };
    let (between, just_now) = ("2026-01-01T04:30:00Z", "2026-01-01T04:00:30Z");
    assert_eq!(missed(CatchUp::None, between), [""; 0]);
    assert_eq!(missed(CatchUp::Last, between), ["2026-01-01T04:00Z"]);
    let all = [
        "2026-01-01T01:00Z",
        "2026-01-01T02:00Z",
        "2026-01-01T03:00Z",
        "2026-01-01T04:00Z",
    ];
    assert_eq!(missed(CatchUp::All, between), all);
    assert_eq!(missed(CatchUp::None, just_now), ["2026-01-01T04:00Z"]);
    assert_eq!(missed(CatchUp::Last, just_now), ["2026-01-01T04:00Z"]);
    assert_eq!(missed(CatchUp::All, just_now), all);
    let long = missed(CatchUp::All, "2026-02-01T00:30:00Z");
    assert_eq!(long.len(), cron::MAX_CATCH_UP);
    assert_eq!(long.last().map(String::as_str), Some("2026-02-01T00:00Z"));
}

#[test]
fn a_slot_starts_once_wherever_a_node_is_stopped_and_however_many_there_are() {
    // A store call that fails stands for a crash there: whoever comes next sees
    // what was on disk before it, or after it.
    for after in [false, true] {
        for nth in 0.. {
            let house = house(hourly().overlap(Overlap::Allow), "2026-01-01T00:30:00Z");
            let now = at("2026-01-01T01:00:00Z");
            let left = house.store.fail(nth, after);
            let mut crashed = 0;
            for _ in 0..20 {
                match house.turn(now) {
                    Ok(Next::At(_)) => break,
                    Ok(_) => {}
                    Err(error) => {
                        assert!(error.may_pass(), "{error}");
                        crashed += 1;
                    }
                }
            }
            assert_eq!(
                house.slots(),
                ["2026-01-01T01:00Z"],
                "write {nth}, after {after}"
            );
            assert!(house.state().cron.unwrap().owed.is_none());
            assert_eq!(house.state().last.unwrap().outcome, Outcome::Started);
            if left() {
                // Fewer writes than this are made: all were tried.
                assert!(nth >= 2, "the decision and the settlement are writes");
                break;
            }
            assert_eq!(crashed, 1, "write {nth}, after {after}");
        }
    }
}

#[test]
fn the_start_that_was_not_answered_is_made_once() {
    for taken in [false, true] {
        let house = house(hourly().overlap(Overlap::Allow), "2026-01-01T00:30:00Z");
        let now = at("2026-01-01T01:00:00Z");
        house.log.lose_next_answer(taken);
        assert!(house.turn(now).is_err());
        assert!(house.state().cron.unwrap().owed.is_some());
        // Deployed with another input meanwhile: still the same slot.
        let other = json!({"slot": "another"});
        house.deploy(Some(hourly().overlap(Overlap::Allow).input(other)), now);
        house.work(now);
        assert_eq!(
            house.slots(),
            [if taken {
                "2026-01-01T01:00Z"
            } else {
                "another"
            }]
        );
        let state = house.state();
        assert_eq!(state.cron.unwrap().execution, state.last.unwrap().execution);
    }
}

#[test]
fn while_it_is_off_nothing_starts_and_nothing_is_made_up_for() {
    let house = house(hourly().catch_up(CatchUp::Last), "2026-01-01T00:30:00Z");
    let workflow = "w".parse().unwrap();
    let switch = |enabled, text| {
        let which = (&workflow, &name());
        now(switch(
            &house.store,
            &house.tenant,
            which,
            enabled,
            at(text),
        ))
        .unwrap()
    };
    assert!(!switch(false, "2026-01-01T00:40:00Z").unwrap().enabled);
    assert_eq!(house.work(at("2026-01-01T03:30:00Z")), None);
    // A deploy leaves the switch as it is.
    house.deploy(
        Some(hourly().input(json!({"slot": "x"}))),
        at("2026-01-01T03:40:00Z"),
    );
    assert_eq!(house.work(at("2026-01-01T03:50:00Z")), None);
    switch(true, "2026-01-01T05:30:00Z");
    assert_eq!(
        house.work(at("2026-01-01T05:30:00Z")),
        Some(at("2026-01-01T06:00:00Z"))
    );
    assert!(house.slots().is_empty());
}

#[test]
fn another_schedule_begins_with_its_version_and_a_trigger_that_comes_back_anew() {
    let house = house(hourly(), "2026-01-01T00:30:00Z");
    // The slot at 01:00 passes unseen; the same schedule keeps it.
    house.deploy(
        Some(hourly().input(json!({"slot": "same"}))),
        at("2026-01-01T01:00:10Z"),
    );
    house.work(at("2026-01-01T01:00:20Z"));
    assert_eq!(house.slots(), ["same"]);
    house.log.end(Status::Succeeded);
    // Another schedule makes up for nothing before its version.
    let half_past = || TriggerBuilder::cron("30 * * * *");
    house.deploy(Some(half_past()), at("2026-01-01T04:40:00Z"));
    assert_eq!(
        house.work(at("2026-01-01T04:40:00Z")),
        Some(at("2026-01-01T05:30:00Z"))
    );
    house.work(at("2026-01-01T05:30:00Z"));
    assert_eq!(house.slots(), ["same", "2026-01-01T05:30Z"]);
    house.log.end(Status::Succeeded);
    // Gone, and back: nothing of the time between.
    house.deploy(None, at("2026-01-01T06:00:00Z"));
    house.deploy(Some(half_past()), at("2026-01-01T09:00:00Z"));
    assert_eq!(
        house.work(at("2026-01-01T09:00:00Z")),
        Some(at("2026-01-01T09:30:00Z"))
    );
    assert_eq!(house.slots().len(), 2);
}

#[test]
fn a_slot_whose_input_is_refused_is_noted_and_passed() {
    let trigger = hourly().input(json!("${ $trigger.slot - 1 }"));
    let house = house(trigger, "2026-01-01T00:30:00Z");
    assert_eq!(
        house.work(at("2026-01-01T01:00:00Z")),
        Some(at("2026-01-01T02:00:00Z"))
    );
    let state = house.state();
    assert_eq!(state.troubles, 1);
    let message = state.trouble.unwrap().message;
    assert!(
        message.starts_with("slot 2026-01-01T01:00:00.000Z: "),
        "{message}"
    );
    assert!(house.slots().is_empty());
}

#[test]
fn callers_cannot_use_the_keys_of_slots() {
    let house = house(hourly(), "2026-01-01T00:30:00Z");
    let workflow = house.workflow.lock().unwrap().clone();
    let start = Start {
        tenant: &house.tenant,
        workflow: &workflow,
        input: &json!(null),
        key: Some("nebula:cron/x"),
        priority: None,
        paused: false,
        execution: ExecutionId::mint(at("2026-01-01T00:00:00Z"), 7),
        at: at("2026-01-01T00:00:00Z"),
        durability: Durability::Now,
    };
    let refused = now(crate::start::start(&house.log, &house.store, start));
    assert!(
        matches!(refused, Err(StartError::ReservedKey)),
        "{refused:?}"
    );
}

#[test]
fn a_trigger_has_a_record_before_its_version_is_live() {
    let house = house(hourly(), "2026-01-01T00:30:00Z");
    let records = house.store.records.lock().unwrap();
    assert!(records.contains_key(&(Kind::Trigger.name(), "w/tick".to_owned())));
    drop(records);
    let listed = now(list(&house.store, &house.tenant, None, None, 10)).unwrap();
    assert_eq!(listed.len(), 1);
    assert!(matches!(
        now(update(
            &house.store,
            &house.tenant,
            (&"w".parse().unwrap(), &"x".parse().unwrap()),
            |_| true
        )),
        Ok(None)
    ));
}
