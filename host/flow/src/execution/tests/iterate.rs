//! Actions that are called again: at once, after a time, by a signal.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::event::{Event, FailureKind};
use crate::execution::{Refused, StepStatus};
use crate::payload::Payload;
use crate::ports::{Outcome, Resumption, Status, Wake, Woken};
use crate::time::Timestamp;

use super::bench::{Bench, failure, payload, plan, step};

const MINUTE: Duration = Duration::from_secs(60);

fn one(node: serde_json::Value) -> Bench {
    let mut bench = Bench::started(&plan(json!({"a": node}), json!([])));
    bench.work();
    bench.ready("a");
    bench
}

fn pure() -> Bench {
    one(json!({"action": "test.pure"}))
}

fn waits(bench: &mut Bench, wake: Wake) -> Event {
    bench.settle("a", 1, Ok(Outcome::Wait(wake, Bytes::new())))
}

fn signal(timeout: Option<Duration>) -> Wake {
    Wake::Signal("approval".parse().unwrap(), timeout)
}

/// The state that `settle` leaves for this step, and why it is called again.
fn begins(with: &str, woken: Woken<Payload>) -> Resumption<Payload> {
    Resumption {
        state: payload(&json!({"of": with})),
        woken,
    }
}

#[test]
fn an_action_that_continues_is_called_again_at_once_with_its_state() {
    let mut bench = pure();
    bench.settle("a", 1, Ok(Outcome::Continue(Bytes::new())));
    assert_eq!(bench.work(), ["run a#1:1"]);
    assert_eq!(bench.status_of("a"), StepStatus::Running);
    let resumption = bench.execution.resumption(&step("a#1")).cloned();
    assert_eq!(resumption, Some(begins("a", Woken::Continued)));
    assert_eq!(bench.execution.ready_at(&step("a#1")), Some(bench.now));
    bench.settle("a#1", 1, Ok(Outcome::Success(Bytes::new())));
    assert_eq!(bench.work(), ["output"]);
    let output = bench.execution.output_of(&step("a").node).cloned();
    assert_eq!(output, Some(payload(&json!({"of": "a#1"}))));
}

#[test]
fn a_wait_for_a_time_costs_a_timer_and_is_never_over_early() {
    let mut bench = pure();
    let due = bench.now.plus(10 * MINUTE);
    waits(&mut bench, Wake::After(10 * MINUTE));
    assert_eq!(bench.work(), ["wake"]);
    assert_eq!(bench.status_of("a"), StepStatus::Waiting);
    assert_eq!(bench.execution.status(), (Status::Waiting, Some(due)));
    let early = Event::StepResumed { step: step("a#1") };
    assert!(bench.try_push(early).is_err());
    bench.now = due;
    assert_eq!(bench.work(), ["run a#1:1"]);
    let resumption = bench.execution.resumption(&step("a#1")).cloned();
    assert_eq!(resumption, Some(begins("a", Woken::Time)));
}

#[test]
fn a_wait_until_an_instant_that_has_passed_is_over_at_once() {
    let mut bench = pure();
    waits(&mut bench, Wake::At(Timestamp::from_millis(3)));
    assert_eq!(bench.work(), ["run a#1:1"]);
}

#[test]
fn a_signal_that_an_action_waits_for_wakes_it() {
    let mut bench = pure();
    let name = "approval".parse().unwrap();
    let admits = |bench: &Bench| bench.execution.admits(&name, 1, bench.now);
    assert!(matches!(admits(&bench), Err(Refused::Unknown { .. })));
    waits(&mut bench, signal(None));
    assert_eq!(bench.work(), ["await a"]);
    assert_eq!(bench.execution.status(), (Status::Waiting, None));
    assert_eq!(admits(&bench), Ok(()));
    let other = bench
        .execution
        .admits(&"approva".parse().unwrap(), 1, bench.now);
    let awaited = vec![name.clone()];
    assert!(matches!(other, Err(Refused::Unknown { awaited: a, .. }) if a == awaited));
    bench.signal("approval", &json!("yes"));
    assert!(admits(&bench).is_err(), "one answer is enough");
    assert_eq!(bench.work(), ["run a#1:1"]);
    let woken = Woken::Signal(payload(&json!("yes")));
    let resumption = bench.execution.resumption(&step("a#1")).cloned();
    assert_eq!(resumption, Some(begins("a", woken)));
}

#[test]
fn a_signal_that_does_not_come_in_time_wakes_it_too() {
    let mut bench = pure();
    waits(&mut bench, signal(Some(MINUTE)));
    assert_eq!(bench.work(), ["await a", "wake"]);
    assert!(bench.execution.lacks_signal(&step("a#1")));
    bench.now = bench.now.plus(MINUTE);
    assert_eq!(bench.work(), ["run a#1:1"]);
    let resumption = bench.execution.resumption(&step("a#1")).cloned();
    assert_eq!(resumption, Some(begins("a", Woken::TimedOut)));
    let late = (bench.execution).admits(&"approval".parse().unwrap(), 1, bench.now);
    assert!(late.is_err());
}

#[test]
fn a_signal_of_a_node_that_is_kept_goes_to_the_action_that_waits_first() {
    let nodes = json!({"a": {"action": "test.pure"}, "w": {"wait": {"signal": "approval"}}});
    let connections = json!([{"from": "a", "to": "w"}]);
    let mut bench = Bench::started(&plan(nodes, connections));
    bench.signal("approval", &json!(1));
    bench.work();
    bench.ready("a");
    waits(&mut bench, signal(None));
    assert_eq!(bench.work(), ["run a#1:1"]);
    bench.settle("a#1", 1, Ok(Outcome::Success(Bytes::new())));
    assert_eq!(bench.work(), ["await w"]);
}

#[test]
fn an_action_that_was_called_too_often_fails_and_says_how_to_allow_more() {
    let mut bench = one(json!({"action": "test.pure", "max_iterations": 2}));
    bench.settle("a", 1, Ok(Outcome::Continue(Bytes::new())));
    bench.work();
    bench.settle("a#1", 1, Ok(Outcome::Continue(Bytes::new())));
    let StepStatus::Failed(error) = bench.status_of("a") else {
        panic!("{:?}", bench.status_of("a"));
    };
    assert_eq!(error.kind, FailureKind::IterationLimit);
    assert!(error.message.contains("called 2 times"), "{error}");
    assert!(error.message.contains("raise `max_iterations` of node `a`"));
}

#[test]
fn a_wait_that_is_longer_than_any_may_be_fails() {
    for wake in [
        Wake::After(Duration::MAX),
        Wake::At(Timestamp::from_millis(u64::MAX)),
        signal(Some(Duration::MAX)),
    ] {
        let mut bench = pure();
        let event = waits(&mut bench, wake);
        assert!(matches!(event, Event::StepFailed { error, .. }
            if error.kind == FailureKind::InvalidOutput && error.message.contains("3650d")));
    }
}

#[test]
fn each_iteration_has_its_own_attempts() {
    let retry = json!({"max_attempts": 2, "initial": "10ms", "jitter": "none"});
    let mut bench = one(json!({"action": "test.effect", "retry": retry}));
    let begin = |bench: &mut Bench, key: &str, attempt| {
        let step = step(key);
        bench.push(Event::AttemptStarted { step, attempt });
    };
    let trouble = || Err(failure(FailureKind::Retryable, "no"));
    begin(&mut bench, "a", 1);
    bench.settle("a", 1, trouble());
    begin(&mut bench, "a", 2);
    bench.settle("a", 2, Ok(Outcome::Continue(Bytes::new())));
    assert_eq!(bench.work(), ["run a#1:1"]);
    begin(&mut bench, "a#1", 1);
    let event = bench.settle("a#1", 1, trouble());
    assert!(matches!(event, Event::AttemptFailed { .. }));
    begin(&mut bench, "a#1", 2);
    bench.settle("a#1", 2, trouble());
    assert!(matches!(bench.status_of("a"), StepStatus::Failed(_)));
}

#[test]
fn a_cancel_ends_an_action_that_waits() {
    let mut bench = pure();
    waits(&mut bench, signal(None));
    bench.push(Event::CancelRequested {
        reason: "enough".into(),
    });
    assert!(bench.work().is_empty());
    assert_eq!(bench.execution.status(), (Status::Cancelled, None));
    assert_eq!(bench.status_of("a"), StepStatus::Cancelled);
}

#[test]
fn items_of_a_map_wait_each_for_itself() {
    let each = json!({"action": "test.pure"});
    let nodes = json!({"m": {"map": "${ $input }", "each": each}});
    let mut bench = Bench::started(&plan(nodes, json!([])));
    bench.work();
    bench.map("m", 2);
    for item in ["m[0]", "m[1]"] {
        bench.ready(item);
        bench.settle(item, 1, Ok(Outcome::Wait(signal(None), Bytes::new())));
    }
    assert_eq!(bench.work(), ["await m[0]", "await m[1]"]);
    bench.signal("approval", &json!(0));
    assert_eq!(bench.work(), ["run m[0]#1:1", "await m[1]"]);
}

#[test]
fn an_event_of_another_iteration_cannot_follow() {
    let mut bench = pure();
    bench.settle("a", 1, Ok(Outcome::Continue(Bytes::new())));
    for key in ["a", "a#2"] {
        let before = bench.execution.clone();
        let event = Event::StepSucceeded {
            step: step(key),
            attempt: 1,
            output: Payload::null(),
            port: None,
            usage: crate::event::Usage::default(),
        };
        assert!(bench.try_push(event).is_err(), "{key}");
        assert_eq!(bench.execution, before);
    }
}
