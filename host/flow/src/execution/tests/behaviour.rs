//! One test for each rule.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::decide::{Command, Target, decide};
use crate::event::{Event, FailureKind, Usage};
use crate::execution::{MAX_KEPT, MAX_KEPT_BYTES, Refused, StepStatus};
use crate::id::{NodeId, SignalName};
use crate::payload::Payload;
use crate::ports::{InboxRow, Message, Outcome, Status};
use crate::time::Timestamp;

use super::bench::{Bench, failure, payload, plan, started, step, timed};

fn pure() -> serde_json::Value {
    json!({"action": "test.pure"})
}

fn fired_sources<'a>(bench: &'a Bench, node: &str) -> Vec<&'a str> {
    let node = NodeId::new(node).unwrap();
    let sources = bench.execution.fired_sources(&node);
    sources.into_iter().map(NodeId::as_str).collect()
}

#[test]
fn a_chain_runs_step_by_step_to_its_output() {
    let plan = plan(
        json!({"a": pure(), "b": pure()}),
        json!([{"from": "a", "to": "b"}]),
    );
    let mut bench = Bench::new(&plan);
    assert_eq!(bench.execution.status().0, Status::Queued);
    assert_eq!(bench.work(), [""; 0]);
    bench.push(started());
    assert_eq!(bench.execution.status().0, Status::Running);
    assert_eq!(bench.work(), ["input a"]);
    bench.ready("a");
    assert_eq!(bench.execution.ready_at(&step("a")), Some(bench.now));
    assert_eq!(bench.work(), ["run a:1"]);
    bench.settle("a", 1, Ok(Outcome::Success(Bytes::new())));
    assert_eq!(bench.status_of("a"), StepStatus::Succeeded);
    assert_eq!(bench.status_of("b"), StepStatus::Running);
    assert_eq!(fired_sources(&bench, "b"), ["a"]);
    bench.succeed("b");
    let output = bench.execution.output_of(&step("b").node);
    assert_eq!(output, Some(&payload(&json!({"of": "b"}))));
    assert_eq!(bench.work(), ["output"]);
    bench.push(Event::Succeeded {
        output: Payload::null(),
    });
    assert_eq!(bench.work(), [""; 0]);
    assert_eq!(bench.execution.status(), (Status::Succeeded, None));
}

#[test]
fn a_workflow_without_nodes_only_has_an_output() {
    let mut bench = Bench::started(&plan(json!({}), json!([])));
    assert_eq!(bench.work(), ["output"]);
}

#[test]
fn independent_nodes_run_at_once_and_a_join_waits_for_both() {
    let mut bench = Bench::started(&plan(
        json!({"join": pure(), "a": pure(), "b": pure()}),
        json!([{"from": "b", "to": "join"}, {"from": "a", "to": "join"}]),
    ));
    assert_eq!(bench.work(), ["input a", "input b"]);
    bench.succeed("b");
    assert_eq!(bench.work(), ["input a"]);
    bench.succeed("a");
    assert_eq!(bench.work(), ["input join"]);
    assert_eq!(fired_sources(&bench, "join"), ["a", "b"]);
}

#[test]
fn a_condition_that_does_not_hold_skips_the_target_and_the_skip_spreads() {
    let mut bench = Bench::started(&plan(
        json!({"a": pure(), "b": pure(), "c": pure(), "instead": pure()}),
        json!([
            {"from": "a", "to": "b", "when": "$nodes.a.result > 1"},
            {"from": "b", "to": "c"},
            {"from": "c", "to": "instead", "on": "skip"},
        ]),
    ));
    bench.succeed("a");
    assert_eq!(bench.work(), ["connection 0"]);
    bench.decided(0, false);
    assert_eq!(bench.work(), ["input instead"]);
    for node in ["b", "c"] {
        assert_eq!(bench.status_of(node), StepStatus::Skipped);
    }
    assert_eq!(fired_sources(&bench, "instead"), ["c"]);
}

#[test]
fn an_action_that_answers_skip_counts_as_skipped() {
    let mut bench = Bench::started(&plan(
        json!({"a": pure(), "b": pure(), "instead": pure()}),
        json!([{"from": "a", "to": "b"}, {"from": "a", "to": "instead", "on": "skip"}]),
    ));
    bench.answer("a", Ok(Outcome::Skip(None)));
    assert_eq!(bench.work(), ["input instead"]);
    assert_eq!(bench.status_of("b"), StepStatus::Skipped);
}

#[test]
fn a_port_fires_its_own_connections_and_not_those_for_success() {
    let mut bench = Bench::started(&plan(
        json!({"a": pure(), "left": pure(), "right": pure(), "plain": pure()}),
        json!([
            {"from": "a", "to": "left", "on": "port:left"},
            {"from": "a", "to": "right", "on": "port:right"},
            {"from": "a", "to": "plain"},
        ]),
    ));
    bench.answer("a", Ok(Outcome::Branch("left".into(), Bytes::new())));
    assert_eq!(bench.work(), ["input left"]);
    assert_eq!(bench.status_of("a"), StepStatus::Succeeded);
    assert_eq!(bench.status_of("right"), StepStatus::Skipped);
    assert_eq!(bench.status_of("plain"), StepStatus::Skipped);
}

#[test]
fn a_failure_that_a_connection_takes_does_not_fail_the_execution() {
    let mut bench = Bench::started(&plan(
        json!({"a": pure(), "b": pure(), "mend": pure()}),
        json!([{"from": "a", "to": "b"}, {"from": "a", "to": "mend", "on": "failure"}]),
    ));
    bench.fail("a");
    assert_eq!(bench.work(), ["input mend"]);
    assert_eq!(bench.status_of("b"), StepStatus::Skipped);
    bench.succeed("mend");
    assert_eq!(bench.work(), ["output"]);
}

fn tolerated() -> serde_json::Value {
    json!({"action": "test.pure", "continue_on_failure": true})
}

#[test]
fn a_failure_that_does_not_matter_lets_what_waits_for_success_go_on_with_null() {
    let mut bench = Bench::started(&plan(
        json!({"a": tolerated(), "next": pure(), "asked": pure(), "left": pure(), "other": pure()}),
        json!([
            {"from": "a", "to": "next"},
            {"from": "a", "to": "asked", "when": "$nodes.a.status == \"succeeded\""},
            {"from": "a", "to": "left", "on": "port:left"},
            {"from": "a", "to": "other", "on": "skip"},
        ]),
    ));
    bench.fail("a");
    assert_eq!(bench.work(), ["input next", "connection 1"]);
    assert_eq!(fired_sources(&bench, "next"), ["a"]);
    bench.decided(1, false);
    bench.succeed("next");
    assert_eq!(bench.work(), ["output"]);
    for node in ["asked", "left", "other"] {
        assert_eq!(bench.status_of(node), StepStatus::Skipped);
    }
    let error = failure(FailureKind::Permanent, "a");
    assert_eq!(bench.status_of("a"), StepStatus::Failed(&error));
    assert_eq!(bench.execution.output_of(&step("a").node), None);
}

#[test]
fn a_connection_that_takes_a_failure_comes_before_continuing() {
    let plan = plan(
        json!({"a": tolerated(), "next": pure(), "mend": pure()}),
        json!([
            {"from": "a", "to": "next"},
            {"from": "a", "to": "mend", "on": "failure", "when": "$input"},
        ]),
    );
    let mut taken = Bench::started(&plan);
    taken.fail("a");
    assert_eq!(taken.work(), ["connection 1"]);
    taken.decided(1, true);
    assert_eq!(taken.work(), ["input mend"]);
    assert_eq!(taken.status_of("next"), StepStatus::Skipped);
    let mut not_taken = Bench::started(&plan);
    not_taken.fail("a");
    not_taken.decided(1, false);
    assert_eq!(not_taken.work(), ["input next"]);
    assert_eq!(not_taken.status_of("mend"), StepStatus::Skipped);
}

#[test]
fn an_item_whose_failure_does_not_matter_leaves_a_null_in_the_list() {
    let each = json!({"map": "${ $input }", "each": tolerated(), "concurrency": 1});
    let mut bench = Bench::started(&plan(json!({"m": each}), json!([])));
    bench.map("m", 2);
    bench.fail("m[0]");
    bench.succeed("m[1]");
    assert_eq!(bench.work(), ["gather m"]);
    let second = payload(&json!({"of": "m[1]"}));
    assert_eq!(
        bench.execution.item_outputs(&step("m")),
        [None, Some(&second)]
    );
}

#[test]
fn a_failure_whose_condition_does_not_hold_is_not_taken() {
    let mut bench = Bench::started(&plan(
        json!({"a": pure(), "skipped": pure(), "mend": pure()}),
        json!([
            {"from": "a", "to": "mend", "on": "failure", "when": "$nodes.a.error.kind == \"x\""},
            {"from": "a", "to": "skipped"},
        ]),
    ));
    bench.fail("a");
    assert_eq!(bench.work(), ["connection 0"]);
    assert_eq!(bench.status_of("skipped"), StepStatus::Pending);
    bench.decided(0, false);
    assert_eq!(bench.work(), [""; 0]);
    let error = failure(FailureKind::Permanent, "a");
    let end = Event::Failed {
        node: Some(step("a").node),
        error,
    };
    assert_eq!(bench.execution.final_event(), Some(&end));
    assert_eq!(bench.status_of("skipped"), StepStatus::Pending);
}

#[test]
fn after_a_failure_started_nodes_finish_and_no_more_begin() {
    let mut bench = Bench::started(&plan(
        json!({"a": pure(), "b": pure(), "after": pure(), "other": pure()}),
        json!([{"from": "b", "to": "after"}]),
    ));
    bench.ready("b");
    bench.fail("a");
    assert_eq!(bench.work(), ["run b:1"], "`other` has no input yet");
    bench.settle("b", 1, Ok(Outcome::Success(Bytes::new())));
    assert_eq!(bench.work(), [""; 0]);
    assert_eq!(bench.execution.status(), (Status::Failed, None));
    assert_eq!(bench.status_of("after"), StepStatus::Pending);
}

#[test]
fn the_first_failure_in_node_order_is_reported_whichever_came_first() {
    let plan = plan(
        json!({"first": pure(), "second": pure(), "before_first": pure()}),
        json!([{"from": "before_first", "to": "first"}]),
    );
    let mut early = Bench::started(&plan);
    early.succeed("before_first");
    early.fail("first");
    early.work();
    let mut late = Bench::started(&plan);
    late.fail("second");
    assert_eq!(late.work(), ["input before_first"], "it leads to `first`");
    late.succeed("before_first");
    late.fail("first");
    assert_eq!(late.work(), [""; 0]);
    assert_eq!(early.execution.final_event(), late.execution.final_event());
}

#[test]
fn after_a_failure_it_is_still_asked_who_takes_one_that_holds_back_an_earlier_node() {
    let mut bench = Bench::started(&plan(
        json!({"first": pure(), "second": pure(), "late": pure(), "mend": pure()}),
        json!([
            {"from": "late", "to": "first", "on": "skip"},
            {"from": "late", "to": "mend", "on": "failure", "when": "$input"},
        ]),
    ));
    bench.fail("second");
    bench.fail("late");
    assert_eq!(bench.work(), ["connection 1"]);
    bench.decided(1, true);
    assert_eq!(bench.work(), [""; 0]);
    assert_eq!(bench.status_of("first"), StepStatus::Skipped);
    assert_eq!(bench.status_of("mend"), StepStatus::Pending);
    assert_eq!(bench.execution.status(), (Status::Failed, None));
}

#[test]
fn a_condition_that_errs_fails_its_target_once_all_its_connections_are_decided() {
    let mut bench = Bench::started(&plan(
        json!({"a": pure(), "b": pure(), "target": pure(), "mend": pure()}),
        json!([
            {"from": "a", "to": "target", "when": "$nodes.a.result"},
            {"from": "b", "to": "target", "when": "$nodes.b.result"},
            {"from": "target", "to": "mend", "on": "failure"},
        ]),
    ));
    bench.succeed("a");
    bench.succeed("b");
    let error = failure(FailureKind::Expression, "of b");
    let event = bench.execution.erred(&Target::Connection(1), error);
    bench.push(event);
    assert_eq!(bench.work(), ["connection 0"]);
    let first = failure(FailureKind::Expression, "of a");
    let event = bench.execution.erred(&Target::Connection(0), first.clone());
    bench.push(event);
    assert_eq!(bench.work(), ["input mend"]);
    assert_eq!(bench.status_of("target"), StepStatus::Failed(&first));
}

#[test]
fn an_input_or_output_that_errs_fails_what_it_belongs_to() {
    let mut bench = Bench::started(&plan(
        json!({"a": pure(), "mend": pure()}),
        json!([{"from": "a", "to": "mend", "on": "failure"}]),
    ));
    let error = failure(FailureKind::Expression, "no such field");
    let event = bench
        .execution
        .erred(&Target::Input(step("a")), error.clone());
    bench.push(event);
    assert_eq!(bench.status_of("a"), StepStatus::Failed(&error));
    bench.succeed("mend");
    assert_eq!(bench.work(), ["output"]);
    let event = bench.execution.erred(&Target::Output, error);
    bench.push(event);
    assert_eq!(bench.execution.status().0, Status::Failed);
}

// ------------------------------------------------------------------ maps --

fn map(concurrency: u32) -> serde_json::Value {
    json!({"map": "${ $input }", "each": pure(), "concurrency": concurrency})
}

#[test]
fn a_map_runs_items_in_order_within_its_concurrency_and_gathers() {
    let mut bench = Bench::started(&plan(json!({"m": map(2)}), json!([])));
    assert_eq!(bench.work(), ["items m"]);
    bench.map("m", 3);
    assert_eq!(bench.execution.item_count(&step("m")), Some(3));
    assert_eq!(bench.work(), ["input m[0]", "input m[1]"]);
    bench.succeed("m[1]");
    assert_eq!(bench.work(), ["input m[0]", "input m[2]"]);
    bench.answer("m[2]", Ok(Outcome::Skip(None)));
    bench.succeed("m[0]");
    assert_eq!(bench.work(), ["gather m"]);
    let output = |key: &str| payload(&json!({"of": key}));
    let (first, second) = (output("m[0]"), output("m[1]"));
    assert_eq!(
        bench.execution.item_outputs(&step("m")),
        [Some(&first), Some(&second), None]
    );
    bench.push(Event::StepSucceeded {
        step: step("m"),
        attempt: 0,
        output: Payload::null(),
        port: None,
        usage: Usage::default(),
    });
    assert_eq!(bench.work(), ["output"]);
}

#[test]
fn a_map_over_an_empty_list_gathers_at_once() {
    let mut bench = Bench::started(&plan(json!({"m": map(2)}), json!([])));
    bench.map("m", 0);
    assert_eq!(bench.work(), ["gather m"]);
    assert!(bench.execution.item_outputs(&step("m")).is_empty());
}

#[test]
fn a_map_reports_its_lowest_failed_item_once_its_running_items_end() {
    let mut bench = Bench::started(&plan(json!({"m": map(3)}), json!([])));
    bench.map("m", 10);
    bench.fail("m[2]");
    assert_eq!(bench.work(), ["input m[0]", "input m[1]"]);
    bench.succeed("m[0]");
    assert_eq!(bench.work(), ["input m[1]"]);
    bench.fail("m[1]");
    assert_eq!(bench.work(), [""; 0]);
    let error = failure(FailureKind::Permanent, "item 1: m[1]");
    assert_eq!(bench.status_of("m"), StepStatus::Failed(&error));
}

#[test]
fn maps_nest() {
    let nested = json!({"map": "${ $input }", "each": map(1), "concurrency": 2});
    let mut bench = Bench::started(&plan(json!({"m": nested}), json!([])));
    bench.map("m", 2);
    assert_eq!(bench.work(), ["items m[0]", "items m[1]"]);
    bench.map("m[1]", 2);
    bench.map("m[0]", 0);
    assert_eq!(bench.work(), ["gather m[0]", "input m[1][0]"]);
    bench.fail("m[1][0]");
    assert_eq!(bench.work(), ["gather m[0]"]);
    let error = failure(FailureKind::Permanent, "item 0: m[1][0]");
    assert_eq!(bench.status_of("m[1]"), StepStatus::Failed(&error));
}

#[test]
fn a_long_list_folds_and_only_its_running_items_are_looked_at() {
    let mut bench = Bench::started(&plan(json!({"m": map(8)}), json!([])));
    bench.map("m", 10_000);
    for index in 0..10_000 {
        let outstanding = decide(&bench.execution, bench.now).commands;
        assert!(outstanding.len() <= 8);
        bench.succeed(&format!("m[{index}]"));
    }
    assert_eq!(bench.work(), ["gather m"]);
}

// ----------------------------------------------------------------- waits --

fn wait(wait: serde_json::Value) -> serde_json::Value {
    json!({ "wait": wait })
}

fn over(key: &str, output: Payload) -> Event {
    Event::StepSucceeded {
        step: step(key),
        attempt: 0,
        output,
        port: None,
        usage: Usage::default(),
    }
}

#[test]
fn a_wait_for_a_duration_is_over_that_long_after_its_event_and_not_before() {
    let mut bench = Bench::started(&plan(json!({"w": wait(json!({"for": "10m"}))}), json!([])));
    assert_eq!(bench.work(), ["wake"]);
    let began = bench.log.last().expect("an event");
    let due = began.at.plus(Duration::from_secs(600));
    let expected = Event::WaitStarted {
        step: step("w"),
        signal: None,
        until: Some(due),
    };
    assert_eq!(began.event, expected);
    assert_eq!(bench.execution.status(), (Status::Waiting, Some(due)));
    assert_eq!(bench.status_of("w"), StepStatus::Waiting);
    let early = bench.try_push(over("w", Payload::null()));
    assert!(
        early
            .expect_err("is refused")
            .to_string()
            .contains("waits until")
    );
    bench.now = due;
    assert_eq!(bench.work(), ["output"]);
    assert_eq!(
        bench.execution.output_of(&step("w").node),
        Some(&Payload::null())
    );
}

#[test]
fn a_wait_until_an_instant_that_is_past_is_over_at_once() {
    let past = wait(json!({"until": "1970-01-01T00:00:00.500Z"}));
    let mut bench = Bench::started(&plan(json!({ "w": past }), json!([])));
    assert_eq!(bench.work(), ["output"]);
}

#[test]
fn the_time_of_a_wait_may_be_evaluated_and_what_is_no_time_fails_it() {
    let nodes = json!({
        "a": wait(json!({"until": "${ $input.at }"})),
        "b": wait(json!({"for": "${ $input.long }"})),
        "mend": pure(),
    });
    let connections = json!([{"from": "b", "to": "mend", "on": "failure"}]);
    let mut bench = Bench::started(&plan(nodes, connections));
    assert_eq!(bench.work(), ["until a", "until b"]);
    let at = Timestamp::from_millis(9_000);
    let began = bench
        .execution
        .waits_until(&step("a"), &json!(at.to_string()), bench.now);
    bench.push(began);
    for wrong in [json!(7), json!("soon"), json!("0s"), json!("99999d")] {
        let event = bench.execution.waits_until(&step("b"), &wrong, bench.now);
        let Event::StepFailed { error, .. } = event else {
            panic!("{wrong}: {event:?}")
        };
        assert_eq!(error.kind, FailureKind::Expression, "{wrong}");
    }
    let event = bench
        .execution
        .waits_until(&step("b"), &json!(7), bench.now);
    bench.push(event);
    assert_eq!(bench.work(), ["input mend", "wake"]);
    bench.succeed("mend");
    assert_eq!(bench.execution.status(), (Status::Waiting, Some(at)));
    bench.now = at;
    assert_eq!(bench.work(), ["output"]);
}

fn approval(timeout: Option<&str>) -> serde_json::Value {
    match timeout {
        Some(timeout) => wait(json!({"signal": "approval", "timeout": timeout})),
        None => wait(json!({"signal": "approval"})),
    }
}

#[test]
fn the_payload_of_a_signal_is_the_result_of_its_wait() {
    let mut bench = Bench::started(&plan(json!({"w": approval(None)}), json!([])));
    assert_eq!(bench.work(), ["await w"]);
    assert_eq!(bench.execution.status(), (Status::Waiting, None));
    let forged = bench.try_push(over("w", Payload::null()));
    assert!(
        forged
            .expect_err("is refused")
            .to_string()
            .contains("no signal")
    );
    bench.signal("approval", &json!({"by": "Ada"}));
    assert_eq!(bench.work(), ["output"]);
    let said = payload(&json!({"by": "Ada"}));
    assert_eq!(bench.execution.output_of(&step("w").node), Some(&said));
}

#[test]
fn a_signal_that_comes_first_is_kept_for_its_wait() {
    let mut bench = Bench::started(&plan(
        json!({"a": pure(), "w": approval(None)}),
        json!([{"from": "a", "to": "w"}]),
    ));
    bench.signal("approval", &json!(1));
    assert_eq!(bench.work(), ["input a"]);
    bench.succeed("a");
    assert_eq!(bench.work(), ["output"]);
    assert_eq!(
        bench.execution.output_of(&step("w").node),
        Some(&payload(&json!(1)))
    );
}

#[test]
fn signals_go_to_the_waits_in_the_order_in_which_these_began() {
    let mut bench = Bench::started(&plan(
        json!({"late": approval(None), "early": approval(None), "a": pure()}),
        json!([{"from": "a", "to": "late"}]),
    ));
    assert_eq!(bench.work(), ["await early", "input a"]);
    bench.succeed("a");
    assert_eq!(bench.work(), ["await late", "await early"]);
    bench.signal("approval", &json!("first"));
    bench.signal("approval", &json!("second"));
    assert_eq!(bench.work(), ["output"]);
    for (node, said) in [("early", "first"), ("late", "second")] {
        let said = payload(&json!(said));
        assert_eq!(bench.execution.output_of(&step(node).node), Some(&said));
    }
}

#[test]
fn a_signal_that_does_not_come_is_a_failure_that_a_connection_can_take() {
    let nodes = json!({"w": approval(Some("24h")), "remind": pure()});
    let connections = json!([{"from": "w", "to": "remind", "on": "failure"}]);
    let mut bench = Bench::started(&plan(nodes, connections));
    assert_eq!(bench.work(), ["await w", "wake"]);
    let (_, due) = bench.execution.status();
    bench.now = due.expect("its time-out");
    assert_eq!(bench.work(), ["input remind"]);
    let error = failure(FailureKind::TimedOut, "no signal `approval` came within 1d");
    assert_eq!(bench.status_of("w"), StepStatus::Failed(&error));
}

#[test]
fn a_signal_answers_only_a_wait_whose_time_out_was_not_over_when_it_was_accepted() {
    let plan = plan(json!({"w": approval(Some("1h"))}), json!([]));
    let signal = |received_at| Event::SignalReceived {
        name: "approval".parse().unwrap(),
        payload: Payload::null(),
        received_at,
    };
    let mut bench = Bench::started(&plan);
    bench.work();
    let due = bench.execution.status().1.expect("its time-out");
    let mut late = bench.clone();
    // Both are taken long after; one was accepted in time.
    bench.now = due.plus(Duration::from_secs(3_600));
    bench.push(signal(Timestamp::from_millis(due.as_millis() - 1)));
    assert_eq!(bench.work(), ["output"]);
    late.now = due.plus(Duration::from_secs(3_600));
    late.push(signal(due));
    assert_eq!(late.work(), [""; 0]);
    assert_eq!(late.execution.status().0, Status::Failed);
}

#[test]
fn the_items_of_a_map_may_wait() {
    let each = json!({"map": "${ $input }", "each": approval(None), "concurrency": 2});
    let mut bench = Bench::started(&plan(json!({"m": each}), json!([])));
    bench.map("m", 3);
    assert_eq!(bench.work(), ["await m[0]", "await m[1]"]);
    for n in 0..2 {
        bench.signal("approval", &json!(n));
    }
    assert_eq!(bench.work(), ["await m[2]"]);
    bench.signal("approval", &json!(2));
    assert_eq!(bench.work(), ["gather m"]);
    let outputs = [0, 1, 2].map(|n| payload(&json!(n)));
    let outputs: Vec<_> = outputs.iter().map(Some).collect();
    assert_eq!(bench.execution.item_outputs(&step("m")), outputs);
}

fn admits(bench: &Bench, name: &str) -> Result<(), Refused> {
    let name = name.parse().unwrap();
    bench.execution.admits(&name, 1, bench.now)
}

#[test]
fn a_signal_is_admitted_while_a_wait_can_still_take_it() {
    let name: SignalName = "approval".parse().unwrap();
    let answered = || Err(Refused::Answered(name.clone()));
    let mut bench = Bench::started(&plan(
        json!({"a": pure(), "w": approval(Some("1h")), "later": approval(None)}),
        json!([{"from": "a", "to": "w"}, {"from": "w", "to": "later"}]),
    ));
    let unknown = admits(&bench, "approvel").expect_err("is refused");
    assert!(matches!(unknown, Refused::Unknown { awaited, .. } if awaited == [name.clone()]));
    for _ in 0..2 {
        assert_eq!(admits(&bench, "approval"), Ok(()));
        bench.signal("approval", &json!(1));
    }
    assert_eq!(
        admits(&bench, "approval"),
        answered(),
        "one for each of two waits"
    );
    bench.succeed("a");
    assert_eq!(bench.work(), ["output"]);
    assert_eq!(admits(&bench, "approval"), answered());
    bench.push(Event::Succeeded {
        output: Payload::null(),
    });
    assert_eq!(
        admits(&bench, "approval"),
        Err(Refused::Ended(Status::Succeeded))
    );
}

#[test]
fn a_signal_is_refused_from_the_time_out_of_its_last_wait_on() {
    let mut bench = Bench::started(&plan(json!({"w": approval(Some("1h"))}), json!([])));
    bench.work();
    let due = bench.execution.status().1.expect("its time-out");
    bench.now = Timestamp::from_millis(due.as_millis() - 1);
    assert_eq!(admits(&bench, "approval"), Ok(()));
    bench.now = due;
    let over = Err(Refused::Over("approval".parse().unwrap()));
    assert_eq!(
        admits(&bench, "approval"),
        over,
        "though nobody has said so yet"
    );
    bench.push(Event::CancelRequested {
        reason: String::new(),
    });
    assert_eq!(admits(&bench, "approval"), Err(Refused::Ending));
}

#[test]
fn a_signal_whose_wait_is_skipped_or_will_not_begin_is_refused() {
    let nodes = json!({"a": pure(), "w": approval(None), "behind": approval(None)});
    let connections =
        json!([{"from": "a", "to": "w", "on": "skip"}, {"from": "a", "to": "behind"}]);
    let plan = plan(nodes, connections);
    let over = || Err(Refused::Over("approval".parse().unwrap()));
    let mut bench = Bench::started(&plan);
    bench.fail("a");
    assert_eq!(
        admits(&bench, "approval"),
        over(),
        "it fails and nothing begins"
    );
    let mut bench = Bench::started(&plan);
    bench.succeed("a");
    bench.signal("approval", &json!(1));
    bench.work();
    assert_eq!(bench.status_of("w"), StepStatus::Skipped);
    let answered = Err(Refused::Answered("approval".parse().unwrap()));
    assert_eq!(admits(&bench, "approval"), answered);
}

#[test]
fn as_many_signals_are_admitted_as_a_map_has_items_to_take_them() {
    let each = json!({"map": "${ $input }", "each": approval(None), "concurrency": 2});
    let mut bench = Bench::started(&plan(json!({"m": each}), json!([])));
    bench.signal("approval", &json!(0));
    assert_eq!(
        admits(&bench, "approval"),
        Ok(()),
        "how many come is not known yet"
    );
    bench.map("m", 3);
    bench.work();
    for n in 1..3 {
        assert_eq!(admits(&bench, "approval"), Ok(()));
        bench.signal("approval", &json!(n));
    }
    let answered = Err(Refused::Answered("approval".parse().unwrap()));
    assert_eq!(admits(&bench, "approval"), answered);
    assert_eq!(bench.work(), ["gather m"]);
}

#[test]
fn only_so_many_signals_and_bytes_are_kept() {
    let each = json!({"map": "${ $input }", "each": approval(None)});
    let plan = plan(
        json!({"a": pure(), "m": each}),
        json!([{"from": "a", "to": "m"}]),
    );
    let mut bench = Bench::started(&plan);
    let name = "approval".parse().unwrap();
    for _ in 0..MAX_KEPT {
        assert_eq!(admits(&bench, "approval"), Ok(()));
        bench.signal("approval", &json!(1));
    }
    let full = admits(&bench, "approval").expect_err("is refused");
    assert!(
        matches!(
            full,
            Refused::Full {
                count: MAX_KEPT,
                ..
            }
        ),
        "{full}"
    );
    let fresh = Bench::started(&plan);
    let admits = |bytes| fresh.execution.admits(&name, bytes, fresh.now);
    assert_eq!(admits(MAX_KEPT_BYTES), Ok(()));
    assert!(matches!(
        admits(MAX_KEPT_BYTES + 1),
        Err(Refused::Full { .. })
    ));
}

#[test]
fn a_wait_ends_with_its_execution() {
    let mut bench = Bench::started(&plan(json!({"w": approval(None)}), json!([])));
    bench.work();
    bench.push(Event::CancelRequested {
        reason: String::new(),
    });
    assert_eq!(bench.work(), [""; 0]);
    assert_eq!(bench.status_of("w"), StepStatus::Cancelled);
}

// --------------------------------------------------------------- retries --

fn retried() -> serde_json::Value {
    let retry = json!({"max_attempts": 2, "initial": "1s", "jitter": "none"});
    json!({"action": "test.effect", "retry": retry})
}

fn attempt(bench: &mut Bench, key: &str, attempt: u32) {
    bench.push(Event::AttemptStarted {
        step: step(key),
        attempt,
    });
}

#[test]
fn a_retry_waits_until_it_is_due() {
    let mut bench = Bench::started(&plan(json!({"a": retried()}), json!([])));
    bench.ready("a");
    attempt(&mut bench, "a", 1);
    let failed_at = bench.now;
    bench.settle("a", 1, Err(failure(FailureKind::Retryable, "busy")));
    let due = failed_at.plus(std::time::Duration::from_secs(1));
    assert_eq!(bench.commands(), [Command::Wake(due)]);
    assert_eq!(bench.execution.status(), (Status::Waiting, Some(due)));
    assert!(!bench.execution.attempt_started(&step("a")));
    bench.now = due;
    assert_eq!(bench.work(), ["run a:2"]);
    attempt(&mut bench, "a", 2);
    assert_eq!(bench.execution.status(), (Status::Running, None));
    let last = failure(FailureKind::Retryable, "still busy");
    bench.settle("a", 2, Err(last.clone()));
    assert_eq!(bench.work(), [""; 0]);
    assert_eq!(bench.status_of("a"), StepStatus::Failed(&last));
}

#[test]
fn an_execution_waits_only_if_nothing_runs_and_until_the_earliest() {
    let slow = json!({"max_attempts": 2, "initial": "9s", "jitter": "none"});
    let slow = json!({"action": "test.effect", "retry": slow});
    let nodes = json!({"slow": slow, "quick": retried(), "runs": pure()});
    let mut bench = Bench::started(&plan(nodes, json!([])));
    for node in ["slow", "quick"] {
        bench.ready(node);
        attempt(&mut bench, node, 1);
        bench.settle(node, 1, Err(failure(FailureKind::Retryable, "busy")));
    }
    let failed_at = bench.now;
    assert_eq!(bench.work(), ["input runs", "wake"]);
    assert_eq!(bench.execution.status(), (Status::Running, None));
    bench.succeed("runs");
    let (status, wake) = bench.execution.status();
    let wait = wake.expect("a time").since(failed_at);
    assert_eq!(status, Status::Waiting);
    assert!(wait.as_millis() <= 1_000, "{wait:?}");
}

#[test]
fn an_effect_that_was_not_recorded_as_started_cannot_have_succeeded() {
    let mut bench = Bench::started(&plan(json!({"a": retried()}), json!([])));
    bench.ready("a");
    let succeeded = Event::StepSucceeded {
        step: step("a"),
        attempt: 1,
        output: Payload::null(),
        port: None,
        usage: Usage::default(),
    };
    let error = bench.try_push(succeeded.clone()).expect_err("is refused");
    assert!(
        error.to_string().contains("not recorded as started"),
        "{error}"
    );
    attempt(&mut bench, "a", 1);
    bench.push(succeeded);
}

// ---------------------------------------------------------------- cancel --

#[test]
fn a_cancel_leaves_nothing_outstanding() {
    let mut bench = Bench::started(&plan(json!({"a": pure(), "b": pure()}), json!([])));
    bench.ready("a");
    for reason in ["by hand", "again"] {
        bench.push(Event::CancelRequested {
            reason: reason.into(),
        });
    }
    assert_eq!(bench.execution.cancel_requested(), Some("by hand"));
    assert_eq!(bench.work(), [""; 0]);
    assert_eq!(bench.execution.status(), (Status::Cancelled, None));
    assert_eq!(bench.status_of("a"), StepStatus::Cancelled);
    assert_eq!(bench.status_of("b"), StepStatus::Pending);
}

// -------------------------------------------------------------- time-out --

#[test]
fn an_execution_that_takes_too_long_fails_whatever_is_outstanding() {
    let nodes = json!({"a": pure(), "b": pure(), "w": approval(None)});
    let plan = timed(nodes, json!([{"from": "a", "to": "b"}]), "1h");
    let mut bench = Bench::started(&plan);
    let due = bench.execution.deadline().expect("a deadline");
    assert_eq!(due, bench.now.plus(Duration::from_secs(3_600)));
    bench.ready("a");
    assert_eq!(bench.work(), ["run a:1", "await w", "wake"]);
    let error = failure(
        FailureKind::TimedOut,
        "the execution took longer than its time-out of 1h",
    );
    let end = Event::Failed { node: None, error };
    assert!(bench.try_push(end.clone()).is_err(), "early");
    bench.now = due;
    assert_eq!(admits(&bench, "approval"), Err(Refused::Ending));
    assert_eq!(bench.work(), [""; 0]);
    assert_eq!(bench.execution.final_event(), Some(&end));
    for (node, status) in [
        ("a", StepStatus::Cancelled),
        ("b", StepStatus::Pending),
        ("w", StepStatus::Cancelled),
    ] {
        assert_eq!(bench.status_of(node), status);
    }
}

#[test]
fn an_execution_that_waits_is_due_at_its_time_out_at_the_latest() {
    let mut bench = Bench::started(&timed(json!({"w": approval(None)}), json!([]), "1h"));
    assert_eq!(bench.work(), ["await w", "wake"]);
    let due = bench.execution.deadline();
    assert_eq!(bench.execution.status(), (Status::Waiting, due));
    bench.signal("approval", &json!(1));
    assert_eq!(bench.work(), ["output", "wake"]);
}

// ------------------------------------------------------ pause, terminate --

fn because(make: fn(String) -> Event) -> Event {
    make("by hand".into())
}

fn pause() -> Event {
    because(|reason| Event::Paused { reason })
}

fn resume() -> Event {
    because(|reason| Event::Resumed { reason })
}

#[test]
fn a_pause_lets_work_end_and_nothing_follows_until_it_is_resumed() {
    let nodes = json!({"a": pure(), "b": pure(), "w": wait(json!({"for": "1s"}))});
    let mut bench = Bench::started(&plan(nodes, json!([{"from": "a", "to": "b"}])));
    bench.ready("a");
    assert_eq!(bench.work(), ["run a:1", "wake"]);
    bench.push(pause());
    assert_eq!(bench.work(), ["run a:1"], "no time matters");
    assert_eq!(bench.execution.status(), (Status::Paused, None));
    bench.settle("a", 1, Ok(Outcome::Success(Bytes::new())));
    bench.now = bench.now.plus(Duration::from_secs(60));
    let paused = bench.log.len();
    assert_eq!(bench.work(), ["input b"], "which the engine does not begin");
    assert_eq!(bench.log.len(), paused, "nothing follows");
    assert_eq!(bench.status_of("w"), StepStatus::Waiting);
    bench.push(resume());
    assert_eq!(bench.work(), ["input b"]);
    assert_eq!(bench.status_of("w"), StepStatus::Succeeded);
}

#[test]
fn a_paused_execution_keeps_signals_and_can_be_cancelled_or_terminated() {
    let plan = plan(json!({"w": approval(None)}), json!([]));
    let mut bench = Bench::started(&plan);
    bench.work();
    bench.push(pause());
    assert_eq!(admits(&bench, "approval"), Ok(()));
    bench.signal("approval", &json!(1));
    bench.work();
    assert_eq!(bench.status_of("w"), StepStatus::Waiting);
    let mut cancelled = bench.clone();
    cancelled.push(because(|reason| Event::CancelRequested { reason }));
    assert_eq!(cancelled.work(), [""; 0]);
    assert_eq!(cancelled.execution.status().0, Status::Cancelled);
    let mut terminated = bench.clone();
    terminated.push(because(|reason| Event::Terminated { reason }));
    assert_eq!(terminated.work(), [""; 0]);
    assert_eq!(terminated.execution.status(), (Status::Terminated, None));
    assert_eq!(terminated.status_of("w"), StepStatus::Cancelled);
    bench.push(resume());
    assert_eq!(bench.work(), ["output"]);
}

fn one_step() -> Event {
    because(|reason| Event::Stepped { reason })
}

#[test]
fn one_step_runs_to_its_end_and_it_is_paused_again() {
    let nodes = json!({"a": pure(), "b": pure(), "c": pure()});
    let mut bench = Bench::started(&plan(nodes, json!([{"from": "a", "to": "c"}])));
    bench.ready("a");
    bench.ready("b");
    assert!(bench.try_push(one_step()).is_err(), "it is not paused");
    bench.push(pause());
    bench.push(one_step());
    assert_eq!(bench.execution.status().0, Status::Running);
    assert_eq!(bench.work(), ["run a:1"], "one of two");
    bench.settle("a", 1, Ok(Outcome::Success(Bytes::new())));
    assert_eq!(bench.execution.status().0, Status::Paused);
    bench.push(one_step());
    assert_eq!(bench.work(), ["run b:1", "input c"]);
    bench.ready("c");
    bench.settle("b", 1, Err(failure(FailureKind::Permanent, "no")));
    assert_eq!(bench.execution.status().0, Status::Paused, "a failure too");
    bench.push(one_step());
    let mut paused = bench.clone();
    paused.push(pause());
    assert_eq!(paused.execution.status().0, Status::Paused);
    bench.push(resume());
    assert_eq!(bench.work(), ["run c:1"], "which was ready");
}

#[test]
fn an_attempt_that_ran_before_the_pause_goes_on_and_no_other_begins() {
    let nodes = json!({"a": pure(), "b": {"action": "test.effect"}});
    let mut bench = Bench::started(&plan(nodes, json!([])));
    bench.ready("a");
    bench.ready("b");
    bench.push(Event::AttemptStarted {
        step: step("b"),
        attempt: 1,
    });
    bench.push(pause());
    bench.push(one_step());
    assert_eq!(bench.work(), ["run b:1"]);
}

#[test]
fn what_is_paused_cannot_be_paused_again_nor_go_on_twice() {
    let mut bench = Bench::started(&plan(json!({"a": pure()}), json!([])));
    assert!(bench.try_push(resume()).is_err());
    bench.push(pause());
    assert!(bench.try_push(pause()).is_err());
    bench.push(resume());
}

#[test]
fn a_message_that_changes_nothing_becomes_no_event() {
    let plan = plan(json!({"w": approval(None)}), json!([]));
    let reason = String::new;
    let taken = |bench: &Bench, message: Message| {
        let row = InboxRow {
            seq: 2,
            at: bench.now,
            message,
        };
        bench.execution.taken(&row).map(|event| event.name())
    };
    let (pause, go_on) = (
        Message::Pause { reason: reason() },
        Message::Resume { reason: reason() },
    );
    let terminate = Message::Terminate { reason: reason() };
    let cancel = Message::Cancel { reason: reason() };
    let signal = |name: &str| Message::Signal {
        name: name.parse().unwrap(),
        payload: Payload::null(),
    };
    let mut bench = Bench::new(&plan);
    assert_eq!(taken(&bench, pause.clone()), None, "it has not begun");
    bench.push(started());
    assert_eq!(taken(&bench, go_on.clone()), None);
    assert_eq!(taken(&bench, signal("approval")), Some("signal_received"));
    assert_eq!(taken(&bench, signal("unknown")), None);
    assert_eq!(taken(&bench, pause.clone()), Some("paused"));
    bench.push(super::behaviour::pause());
    assert_eq!(taken(&bench, pause), None);
    assert_eq!(taken(&bench, go_on), Some("resumed"));
    assert_eq!(taken(&bench, cancel.clone()), Some("cancel_requested"));
    assert_eq!(taken(&bench, terminate.clone()), Some("terminated"));
    bench.push(because(|reason| Event::Terminated { reason }));
    for message in [cancel, terminate, signal("approval")] {
        assert_eq!(taken(&bench, message), None, "it has ended");
    }
}

// --------------------------------------------------------- illegal events --

#[test]
fn an_event_that_cannot_follow_says_why() {
    let plan = plan(json!({"a": pure(), "m": map(1)}), json!([]));
    let mut bench = Bench::new(&plan);
    let ready = |key: &str| Event::StepReady {
        step: step(key),
        input: Payload::null(),
    };
    let refused = |bench: &mut Bench, event: Event, why: &str| {
        let error = bench.try_push(event).expect_err("is refused").to_string();
        assert!(error.contains(why), "{error}");
    };
    refused(&mut bench, ready("a"), "has not started");
    let Event::Started {
        workflow, input, ..
    } = started()
    else {
        unreachable!("it is one")
    };
    let other = |workflow_version, rules| Event::Started {
        workflow,
        workflow_version,
        input: input.clone(),
        rules,
        parent: None,
        origin: None,
        follows: None,
    };
    refused(&mut bench, other(2, 1), "version 2");
    refused(&mut bench, other(1, 99), "rules 99");
    bench.push(started());
    refused(&mut bench, started(), "started before");
    refused(&mut bench, ready("nobody"), "no node `nobody`");
    refused(&mut bench, ready("m"), "is a map");
    refused(&mut bench, ready("m[0]"), "has not begun");
    bench.ready("a");
    refused(&mut bench, ready("a"), "is ready");
    let cancelled = Event::Cancelled {
        reason: String::new(),
    };
    refused(&mut bench, cancelled, "no cancel");
    let succeeded = Event::Succeeded {
        output: Payload::null(),
    };
    refused(&mut bench, succeeded, "not every node has ended");
}
