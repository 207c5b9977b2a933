//! One test for each rule.

use bytes::Bytes;
use serde_json::json;

use crate::decide::{Command, Target, decide};
use crate::event::{Event, FailureKind, Usage};
use crate::execution::StepStatus;
use crate::id::NodeId;
use crate::payload::Payload;
use crate::ports::{Outcome, Status};

use super::bench::{Bench, failure, payload, plan, started, step};

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
