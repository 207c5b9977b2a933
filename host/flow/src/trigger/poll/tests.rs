#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::component::TRIGGER;
use crate::definition::{TriggerBuilder, WorkflowBuilder};
use crate::deploy::{self, Place as DeployPlace};
use crate::event::FailureKind;
use crate::fakes::{Inbox, Shelf, Store, metadata, now};
use crate::id::{TenantId, WorkflowId};
use crate::ports::{Message, Status};
use crate::time::Span;
use crate::trigger::switch;

/// A workflow that a poll starts, and the ports that it works over.
struct House {
    tenant: TenantId,
    store: Store,
    log: Inbox,
    shelf: Shelf,
    workflow: Mutex<Arc<DeployedWorkflow>>,
}

/// How a poll is answered; given what it is called with.
type Source<'a> = &'a dyn Fn(&Value) -> Result<Value, Failure>;

fn name() -> TriggerName {
    TriggerName::new("new").unwrap()
}

fn at(secs: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + secs * 1_000)
}

fn every(secs: u64) -> Poll {
    let action = "shop.orders".parse().unwrap();
    Poll::new(action, Duration::from_secs(secs))
}

fn orders(version: &str) -> crate::ActionMetadata {
    let mut orders = metadata("shop.orders", json!({ TRIGGER: true }), json!(true));
    orders.version = version.parse().unwrap();
    orders
}

fn house(poll: Poll) -> House {
    let shelf = Shelf::new([metadata("a.b", json!(true), json!(true)), orders("1.2.0")]);
    let house = House {
        workflow: Mutex::new(deployed(&Store::default(), &shelf, Some(every(1)), at(0))),
        tenant: TenantId::default_tenant(),
        store: Store::default(),
        log: Inbox::default(),
        shelf,
    };
    house.deploy(Some(poll), at(0));
    house
}

fn deployed(
    store: &Store,
    shelf: &Shelf,
    poll: Option<Poll>,
    at: Timestamp,
) -> Arc<DeployedWorkflow> {
    let mut builder = WorkflowBuilder::new("w").add_node("a", "a.b");
    if let Some(poll) = poll {
        let input = json!({ "n": "${ $trigger.event }", "at": "${ $trigger.cursor }" });
        builder = builder.trigger("new", TriggerBuilder::poll(poll).input(input));
    }
    let tenant = TenantId::default_tenant();
    let place = DeployPlace {
        records: store,
        components: shelf,
        tenant: &tenant,
        resources: None,
    };
    let fresh = WorkflowId::mint(at, 1);
    now(deploy::deploy(place, builder.build(), at, fresh))
        .unwrap()
        .0
}

impl House {
    fn place(&self) -> Place<'_> {
        Place {
            log: &self.log,
            records: &self.store,
            tenant: &self.tenant,
        }
    }

    fn deploy(&self, poll: Option<Poll>, at: Timestamp) {
        *self.workflow.lock().unwrap() = deployed(&self.store, &self.shelf, poll, at);
    }

    /// What the engine does in one turn; a call takes no time.
    fn turn(&self, at: Timestamp, source: Source<'_>) -> Result<Next, TriggerError> {
        let workflow = self.workflow.lock().unwrap().clone();
        let look = Look {
            workflow: &workflow,
            trigger: &name(),
            now: at,
        };
        match now(turn(self.place(), look))? {
            Turn::Next(next) => Ok(next),
            Turn::Poll(asked) => {
                let answer = source(&asked.input).and_then(Found::read);
                now(decide(self.place(), look, &asked, answer))
            }
        }
    }

    /// Turns until nothing is due; gives when something is next.
    fn work(&self, at: Timestamp, source: Source<'_>) -> Option<Timestamp> {
        for _ in 0..1_000 {
            match self.turn(at, source) {
                Ok(Next::At(next)) if next.is_none_or(|next| next > at) => return next,
                Ok(Next::Gone) => panic!("the trigger is gone"),
                Ok(_) => {}
                Err(error) => assert!(error.may_pass(), "{error}"),
            }
        }
        panic!("it turns for ever")
    }

    fn state(&self) -> State {
        let workflow = "w".parse().unwrap();
        let found = now(get(&self.store, &self.tenant, &workflow, &name()));
        found.unwrap().unwrap().0
    }

    fn stand(&self) -> Stand {
        self.state().poll.unwrap()
    }

    fn switch(&self, enabled: bool, at: Timestamp) {
        let which = (&"w".parse().unwrap(), &name());
        now(switch(&self.store, &self.tenant, which, enabled, at)).unwrap();
    }

    /// The inputs of what was started, in order.
    fn inputs(&self) -> Vec<Value> {
        let input = |message: &Message| match message {
            Message::Start {
                input: crate::Payload::Inline(bytes),
                ..
            } => crate::payload::decode(bytes).unwrap(),
            other => panic!("{other:?}"),
        };
        let submitted = self.log.0.lock().unwrap();
        submitted.iter().map(|s| input(&s.message)).collect()
    }

    /// The events that started something, in order.
    fn started(&self) -> Vec<u64> {
        let inputs = self.inputs();
        inputs.iter().map(|i| i["n"].as_u64().unwrap()).collect()
    }
}

/// All numbers below `top`, a few at once; the cursor is how many were given.
fn numbers(top: u64, at_once: u64) -> impl Fn(&Value) -> Result<Value, Failure> {
    move |input| {
        let from = input["cursor"].as_u64().unwrap_or(0);
        let to = top.min(from + at_once);
        let events: Vec<u64> = (from..to).collect();
        Ok(json!({ "cursor": to, "events": events, "more": to < top }))
    }
}

fn fails(_: &Value) -> Result<Value, Failure> {
    Err(Failure::new(FailureKind::Retryable, "the shop is closed"))
}

#[test]
fn each_event_starts_one_execution_and_the_next_poll_begins_at_the_cursor() {
    let house = house(every(60));
    assert_eq!(house.work(at(0), &numbers(3, 10)), Some(at(60)));
    let wanted = [0, 1, 2].map(|n| json!({ "n": n, "at": 3 }));
    assert_eq!(house.inputs(), wanted);
    // Not due yet.
    assert_eq!(house.work(at(59), &numbers(9, 10)), Some(at(60)));
    assert_eq!(house.work(at(60), &numbers(5, 10)), Some(at(120)));
    assert_eq!(house.started(), [0, 1, 2, 3, 4]);
    let stand = house.stand();
    assert_eq!((stand.polls, stand.events), (2, 5));
    assert_eq!((stand.polled_at, stand.owed), (Some(at(60)), None));
    let last = house.state().last.unwrap();
    assert_eq!(
        (last.outcome, last.execution),
        (Outcome::Started, stand.execution)
    );
    assert_eq!(house.state().troubles, 0);
}

#[test]
fn without_an_input_the_event_is_the_input() {
    let house = house(every(60));
    let tenant = TenantId::default_tenant();
    let place = DeployPlace {
        records: &house.store,
        components: &house.shelf,
        tenant: &tenant,
        resources: None,
    };
    let definition = WorkflowBuilder::new("w")
        .add_node("a", "a.b")
        .trigger("new", TriggerBuilder::poll(every(60)));
    let fresh = WorkflowId::mint(at(0), 1);
    let plain = now(deploy::deploy(place, definition.build(), at(0), fresh));
    *house.workflow.lock().unwrap() = plain.unwrap().0;
    house.work(at(0), &numbers(2, 10));
    assert_eq!(house.inputs(), [0, 1]);
}

#[test]
fn what_has_more_is_polled_again_at_once_but_not_for_ever() {
    let house = house(every(60));
    assert_eq!(house.work(at(0), &numbers(250, 99)), Some(at(60)));
    assert_eq!(house.started(), (0..250).collect::<Vec<_>>());
    let stuck = |_: &Value| Ok(json!({ "cursor": 250, "events": [], "more": true }));
    assert_eq!(house.work(at(60), &stuck), Some(at(120)));
}

#[test]
fn a_poll_that_fails_is_tried_again_later_and_later_and_keeps_its_cursor() {
    let house = house(every(60));
    house.work(at(0), &numbers(2, 10));
    let mut due = at(60);
    for longest in [10, 20, 40, 80, 160, 240, 240, 240] {
        let next = house.work(due, &fails).unwrap();
        let pause = next.since(due);
        let longest = Duration::from_secs(longest);
        assert!(pause <= longest && pause >= longest / 2, "{pause:?}");
        due = next;
    }
    let state = house.state();
    assert_eq!(state.troubles, 8);
    let message = state.trouble.unwrap().message;
    assert_eq!(message, "retryable: the shop is closed");
    assert_eq!(house.stand().cursor, 2);
    assert_eq!(
        house.work(due, &numbers(3, 10)),
        Some(due.plus(Duration::from_secs(60)))
    );
    assert_eq!(
        (house.started(), house.stand().failures),
        (vec![0, 1, 2], 0)
    );
    // What it wishes for is the least.
    let wishes = |_: &Value| {
        Err(Failure {
            retry_after_ms: Some(900_000),
            ..Failure::new(FailureKind::Retryable, "slow down")
        })
    };
    let due = due.plus(Duration::from_secs(60));
    assert_eq!(
        house.work(due, &wishes),
        Some(due.plus(Duration::from_secs(900)))
    );
}

#[test]
fn a_poll_is_one_call_with_one_identity_however_often_it_is_tried() {
    let house = house(every(60));
    let identity = |secs| {
        let workflow = house.workflow.lock().unwrap().clone();
        let look = Look {
            workflow: &workflow,
            trigger: &name(),
            now: at(secs),
        };
        asked(look, &house.state()).unwrap().identity
    };
    let first = identity(0);
    assert_eq!(first.step.to_string(), "trigger:new");
    house.work(at(0), &fails);
    let again = identity(30);
    assert_eq!(again.attempt, 2);
    assert_eq!(again.idempotency_key("x"), first.idempotency_key("x"));
    house.work(at(60), &numbers(0, 1));
    let next = identity(120);
    assert_eq!(next.attempt, 1);
    assert_ne!(next.idempotency_key("x"), first.idempotency_key("x"));
}

#[test]
fn an_answer_that_is_none_or_too_large_fails_the_poll_and_names_the_limit() {
    let many = vec![0; MAX_EVENTS + 1];
    let long = "x".repeat(MAX_EVENT_BYTES);
    let wide = "x".repeat(MAX_CURSOR);
    for (answer, part) in [
        (json!(7), "no object"),
        (json!({ "events": [] }), "no `cursor`"),
        (json!({ "cursor": 1 }), "no `events`"),
        (json!({ "cursor": 1, "events": {} }), "no list"),
        (
            json!({ "cursor": 1, "events": [], "more": 1 }),
            "neither true nor false",
        ),
        (
            json!({ "cursor": 1, "events": many }),
            "1001 events, and at most 1000",
        ),
        (json!({ "cursor": 1, "events": [long] }), "at most 1048576"),
        (json!({ "cursor": wide, "events": [] }), "at most 262144"),
    ] {
        let house = house(every(60));
        house.work(at(0), &|_| Ok(answer.clone()));
        let state = house.state();
        let message = state.trouble.unwrap().message;
        assert!(message.contains(part), "{message}");
        assert_eq!(state.poll.unwrap().cursor, Value::Null);
    }
}

#[test]
fn each_event_starts_once_wherever_a_node_is_stopped() {
    // A store call that fails stands for a crash there: whoever comes next sees
    // what was on disk before it, or after it.
    for after in [false, true] {
        for nth in 0.. {
            let house = house(every(60));
            let left = house.store.fail(nth, after);
            house.work(at(0), &numbers(150, 140));
            let all: Vec<u64> = (0..150).collect();
            assert_eq!(house.started(), all, "write {nth}, after {after}");
            assert_eq!(house.stand().owed, None);
            if left() {
                // Fewer writes than this are made: all were tried.
                assert!(nth >= 4, "two polls and their settlements are writes");
                break;
            }
        }
    }
}

#[test]
fn a_start_that_was_not_answered_is_made_once() {
    for taken in [false, true] {
        let house = house(every(60));
        assert_eq!(house.turn(at(0), &numbers(3, 10)).unwrap(), Next::Again);
        house.log.lose_next_answer(taken);
        assert!(house.turn(at(0), &numbers(3, 10)).is_err());
        assert!(house.stand().owed.is_some());
        house.work(at(0), &numbers(3, 10));
        assert_eq!(house.started(), [0, 1, 2]);
    }
}

#[test]
fn of_two_nodes_that_poll_at_once_one_is_heard() {
    let house = house(every(60));
    let workflow = house.workflow.lock().unwrap().clone();
    let look = Look {
        workflow: &workflow,
        trigger: &name(),
        now: at(0),
    };
    let asks = || match now(turn(house.place(), look)).unwrap() {
        Turn::Poll(asked) => asked,
        Turn::Next(next) => panic!("{next:?}"),
    };
    let (one, other) = (asks(), asks());
    let found = |top| numbers(top, 10)(&Value::Null).and_then(Found::read);
    now(decide(house.place(), look, &one, found(2))).unwrap();
    let late = now(decide(house.place(), look, &other, found(5))).unwrap();
    assert_eq!(late, Next::Again);
    house.work(at(0), &numbers(2, 10));
    assert_eq!(house.started(), [0, 1]);
}

#[test]
fn while_it_is_off_it_is_not_polled_and_then_at_once() {
    let house = house(every(60));
    // What was found before starts.
    assert_eq!(house.turn(at(0), &numbers(2, 10)).unwrap(), Next::Again);
    house.switch(false, at(1));
    let never = |_: &Value| -> Result<Value, Failure> { panic!("it is polled") };
    assert_eq!(house.work(at(1), &never), None);
    assert_eq!(house.started(), [0, 1]);
    assert_eq!(house.work(at(1_000), &never), None);
    house.switch(true, at(1_000));
    house.work(at(1_000), &numbers(4, 10));
    assert_eq!(house.started(), [0, 1, 2, 3]);
    // Switched off while it is polled: what it finds is found again later.
    house.work(at(1_060), &|input| {
        house.switch(false, at(1_060));
        numbers(6, 10)(input)
    });
    assert_eq!((house.started().len(), house.stand().cursor), (4, json!(4)));
    house.switch(true, at(1_070));
    house.work(at(1_070), &numbers(6, 10));
    assert_eq!(house.started(), (0..6).collect::<Vec<_>>());
}

#[test]
fn a_version_with_another_action_or_config_begins_anew_and_any_other_goes_on() {
    let with = |with: Value| Poll {
        with: Some(with),
        ..every(60)
    };
    let house = house(with(json!({ "a": 1, "b": 2 })));
    house.work(at(0), &numbers(2, 10));
    // The same config in another order, another time, a credential.
    let mut same = with(json!({ "b": 2, "a": 1 }));
    same.every = Span(Duration::from_secs(30));
    house.deploy(Some(same.clone()), at(10));
    assert_eq!(house.work(at(10), &numbers(9, 10)), Some(at(60)));
    // A minor version of the action keeps the cursor too.
    house.shelf.install(orders("1.3.0"), "2");
    same.every = Span(Duration::from_secs(20));
    house.deploy(Some(same.clone()), at(20));
    house.work(at(60), &numbers(3, 10));
    assert_eq!(house.started(), [0, 1, 2]);
    // Another config, and another major version, do not; what was owed starts.
    house.turn(at(80), &numbers(4, 10)).unwrap();
    house.deploy(Some(with(json!({ "a": 2 }))), at(90));
    house.work(at(90), &numbers(1, 10));
    assert_eq!(house.started(), [0, 1, 2, 3, 0]);
    house.shelf.install(orders("2.0.0"), "1");
    let other = || Poll {
        every: Span(Duration::from_secs(61)),
        ..with(json!({ "a": 2 }))
    };
    house.deploy(Some(other()), at(100));
    house.work(at(100), &numbers(1, 10));
    assert_eq!(house.started(), [0, 1, 2, 3, 0, 0]);
    // Gone, and back: anew.
    house.deploy(None, at(110));
    house.deploy(Some(other()), at(120));
    house.work(at(120), &numbers(1, 10));
    assert_eq!(house.started(), [0, 1, 2, 3, 0, 0, 0]);
}

#[test]
fn a_poll_is_passed_over_while_the_last_execution_runs_if_that_is_asked_for() {
    let house = house(Poll {
        overlap: Overlap::Skip,
        ..every(60)
    });
    house.work(at(0), &numbers(1, 10));
    let never = |_: &Value| -> Result<Value, Failure> { panic!("it is polled") };
    assert_eq!(house.work(at(60), &never), Some(at(120)));
    let last = house.state().last.unwrap();
    assert_eq!((last.outcome, last.at), (Outcome::Skipped, at(60)));
    assert_eq!(last.execution, house.stand().execution);
    house.log.end(Status::Succeeded);
    house.work(at(120), &numbers(2, 10));
    assert_eq!(house.started(), [0, 1]);
}

#[test]
fn an_event_whose_input_is_refused_is_noted_and_passed() {
    let house = house(every(60));
    let odd = |_: &Value| Ok(json!({ "cursor": 1, "events": [1, 2] }));
    let tenant = TenantId::default_tenant();
    let place = DeployPlace {
        records: &house.store,
        components: &house.shelf,
        tenant: &tenant,
        resources: None,
    };
    let trigger = TriggerBuilder::poll(every(60)).input(json!({ "n": "${ $trigger.event }" }));
    let definition = WorkflowBuilder::new("w")
        .add_node("a", "a.b")
        .input_schema(json!({ "properties": { "n": { "const": 2 } } }))
        .trigger("new", trigger);
    let fresh = WorkflowId::mint(at(0), 1);
    let strict = now(deploy::deploy(place, definition.build(), at(0), fresh));
    *house.workflow.lock().unwrap() = strict.unwrap().0;
    house.work(at(0), &odd);
    assert_eq!(house.started(), [2]);
    let state = house.state();
    assert_eq!(state.troubles, 1);
    let message = state.trouble.unwrap().message;
    assert!(message.starts_with("event 0 of poll 0: "), "{message}");
}

/// Something that happens to a trigger.
#[derive(Debug, Clone)]
enum Step {
    /// So many events come.
    Come(u64),
    /// Time passes, and the trigger is worked on; so many are given at once.
    Work(u64, u64),
    /// The n-th write from now on fails, before or after it was made.
    Break(usize, bool),
    /// The next start is not answered, though perhaps made.
    Lose(bool),
    /// The service is down once.
    Down,
    /// A version with another `every` is deployed.
    Deploy(u64),
    /// It is switched.
    Switch(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_u64..40).prop_map(Step::Come),
        6 => (1_u64..400, 1_u64..30).prop_map(|(secs, most)| Step::Work(secs, most)),
        2 => (0_usize..6, any::<bool>()).prop_map(|(nth, after)| Step::Break(nth, after)),
        1 => any::<bool>().prop_map(Step::Lose),
        1 => Just(Step::Down),
        1 => (1_u64..100).prop_map(Step::Deploy),
        1 => any::<bool>().prop_map(Step::Switch),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_each_event_starts_once_in_order(steps in proptest::collection::vec(step(), 1..60)) {
        let house = house(every(60));
        let (mut top, mut secs, mut down) = (0, 0, false);
        for step in steps {
            match step {
                Step::Come(more) => top += more,
                Step::Work(pass, most) => {
                    secs += pass;
                    let was = std::mem::take(&mut down);
                    let first = std::cell::Cell::new(was);
                    let source = |input: &Value| if first.take() { fails(input) } else { numbers(top, most)(input) };
                    house.work(at(secs), &source);
                }
                Step::Break(nth, after) => _ = house.store.fail(nth, after),
                Step::Lose(taken) => house.log.lose_next_answer(taken),
                Step::Down => down = true,
                Step::Deploy(every_secs) => {
                    _ = house.store.fail(1_000_000, false);
                    house.deploy(Some(every(every_secs)), at(secs));
                }
                Step::Switch(on) => {
                    _ = house.store.fail(1_000_000, false);
                    house.switch(on, at(secs));
                }
            }
            let started = house.started();
            prop_assert_eq!(&started, &(0..started.len() as u64).collect::<Vec<_>>());
        }
        _ = house.store.fail(1_000_000, false);
        house.switch(true, at(secs));
        house.work(at(secs + 1_000_000), &numbers(top, 100));
        prop_assert_eq!(house.started(), (0..top).collect::<Vec<_>>());
    }
}
