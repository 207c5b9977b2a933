//! What holds for every workflow, every world and every order of results.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::decide::{Command, decide};
use crate::definition::On;
use crate::event::{Event, Failure, FailureKind, Kept, Recorded, Usage};
use crate::execution::{Execution, StepStatus};
use crate::id::{NodeId, SignalName, StepKey};
use crate::payload::Payload;
use crate::plan::Plan;
use crate::ports::Status;
use crate::time::Timestamp;

use super::bench::{Bench, failure, plan, started};
use super::model::{Ends, expected};
use super::world::World;

// ------------------------------------------------------------ generating --

/// A workflow and the world it runs in.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) nodes: Value,
    connections: Value,
    pub(super) world: World,
}

impl Case {
    pub(super) fn plan(&self) -> Arc<Plan> {
        plan(self.nodes.clone(), self.connections.clone())
    }
}

/// An action, a wait or a child, or maps of one two deep at the most.
fn task() -> impl Strategy<Value = Value> {
    let action = prop_oneof![Just("test.pure"), Just("test.effect")];
    let retry = json!({"max_attempts": 3, "initial": "10ms", "factor": 1.0, "jitter": "full"});
    let delivery = prop_oneof![Just("at-least-once"), Just("at-most-once")];
    let action = (action, delivery, 1..5_u32).prop_map(move |(action, delivery, most)| {
        json!({"action": action, "retry": retry, "delivery": delivery, "max_iterations": most})
    });
    let wait = prop_oneof![
        Just(json!({"for": "20ms"})),
        Just(json!({"until": "1970-01-01T00:00:01.100Z"})),
        Just(json!({"until": "${ $input }"})),
        Just(json!({"signal": "named-later", "timeout": "1h"})),
        Just(json!({"signal": "named-later"})),
    ];
    let wait = wait.prop_map(|wait| json!({"wait": wait}));
    let child = any::<bool>().prop_map(|detach| json!({"workflow": "child", "detach": detach}));
    let task = prop_oneof![6 => action, 2 => wait, 1 => child].prop_recursive(2, 3, 1, |each| {
        (may_continue(each), 1..4_u32).prop_map(|(each, concurrency)| {
            json!({"map": "${ $input }", "each": each, "concurrency": concurrency})
        })
    });
    may_continue(task)
}

/// One in five goes on whatever fails.
fn may_continue(task: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    (task, proptest::bool::weighted(0.2)).prop_map(|(mut task, continues)| {
        task["continue_on_failure"] = json!(continues);
        task
    })
}

/// Gives a task's signal a name of its own: which of two nodes gets the first
/// signal of a name hangs on which of them waits first.
fn named(mut task: Value, node: &str) -> Value {
    if let Some(each) = task.get_mut("each") {
        *each = named(each.take(), node);
    }
    if let Some(signal) = task.pointer_mut("/wait/signal") {
        *signal = json!(format!("s-{node}"));
    }
    task
}

fn connection() -> impl Strategy<Value = (usize, usize, &'static str, bool)> {
    let on = prop_oneof![
        4 => Just("success"),
        2 => Just("failure"),
        2 => Just("skip"),
        1 => Just("port:a"),
        1 => Just("port:b"),
    ];
    (0..64_usize, 0..64_usize, on, proptest::bool::weighted(0.3))
}

/// Up to eight nodes, whose order in the definition says nothing about who
/// comes before whom.
pub(super) fn case() -> impl Strategy<Value = Case> {
    (1..9_usize)
        .prop_flat_map(|count| {
            let place = Just((0..count).collect::<Vec<_>>()).prop_shuffle();
            let tasks = prop::collection::vec(task(), count);
            let connections = prop::collection::vec(connection(), 0..14);
            (place, tasks, connections, any::<u64>(), 0..4_u64)
        })
        .prop_map(|(place, tasks, connections, seed, trouble)| {
            let count = tasks.len();
            let name = |rank: usize| format!("n{}", place[rank]);
            let nodes: serde_json::Map<_, _> = tasks
                .into_iter()
                .enumerate()
                .map(|(index, task)| (format!("n{index}"), task))
                .map(|(node, task)| (node.clone(), named(task, &node)))
                .collect();
            let connections: Vec<_> = connections
                .into_iter()
                .map(|(a, b, on, when)| (a % count, b % count, on, when))
                .filter(|(a, b, ..)| a != b)
                .map(|(a, b, on, when)| {
                    let (from, to) = (name(a.min(b)), name(a.max(b)));
                    let mut connection = json!({"from": from, "to": to, "on": on});
                    if when {
                        connection["when"] = json!("$input > 1");
                    }
                    connection
                })
                .collect();
            Case {
                nodes: nodes.into(),
                connections: connections.into(),
                world: World { seed, trouble },
            }
        })
}

/// The choices of an order; from its end on, always the first.
pub(super) fn order() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..200)
}

// --------------------------------------------------------------- running --

/// Runs to the end, answering outstanding commands in the given order; an odd
/// choice answers a second command before deciding again, as a batch does. A
/// signal that comes is there before any time passes.
pub(super) fn run(plan: &Arc<Plan>, world: World, order: &[u8], seen: impl FnMut(&Bench)) -> Bench {
    finish(Bench::started(plan), world, order, seen)
}

pub(super) fn finish(
    mut bench: Bench,
    world: World,
    order: &[u8],
    mut seen: impl FnMut(&Bench),
) -> Bench {
    let mut choices = order.iter().copied();
    for _ in 0..20_000 {
        let mut commands = bench.commands();
        seen(&bench);
        if bench.execution.final_event().is_some() {
            assert_eq!(commands, [], "work after the end");
            return bench;
        }
        assert!(!commands.is_empty(), "stuck: {:?}", bench.execution);
        let unique: BTreeSet<_> = commands.iter().map(|c| format!("{c:?}")).collect();
        assert_eq!(unique.len(), commands.len(), "a command twice");
        let choice = choices.next().unwrap_or(0);
        let answers = 1 + usize::from(choice % 2 == 1 && commands.len() > 1);
        for _ in 0..answers {
            let command = commands.swap_remove(usize::from(choice / 2) % commands.len());
            match (world.answer(&bench, &command), command) {
                (Some(event), _) => bench.push(event),
                (None, passes @ (Command::Wake(_) | Command::Await(_))) => {
                    commands.push(passes);
                    let_time_pass(&mut bench, world);
                }
                (None, other) => panic!("no answer to {other:?}"),
            }
        }
    }
    panic!("20000 answers and no end");
}

/// An execution with this history.
pub(super) fn replayed(plan: &Arc<Plan>, events: &[Recorded]) -> Bench {
    let mut bench = Bench::new(plan);
    for recorded in events {
        bench.now = recorded.at;
        bench.execution.apply(recorded).unwrap();
        bench.log.push(recorded.clone());
    }
    bench
}

/// Lets the signals come that are awaited and come; time passes if there are none.
/// What the batch has answered already may have begun a wait: that is asked for anew.
fn let_time_pass(bench: &mut Bench, world: World) {
    let commands = bench.commands();
    let before = bench.log.len();
    for command in &commands {
        if let Command::Await(_) = command
            && let Some(event) = world.answer(bench, command)
        {
            bench.push(event);
        }
    }
    let wake = commands.iter().find_map(|command| match command {
        Command::Wake(at) if bench.log.len() == before => Some(*at),
        _ => None,
    });
    bench.now = bench.now.max(wake.unwrap_or_default());
}

/// Nodes that the log has ended, and how.
#[derive(Default)]
struct Log<'a> {
    ended: BTreeMap<&'a NodeId, &'a Event>,
    decided: BTreeMap<u32, bool>,
}

impl<'a> Log<'a> {
    fn read(&mut self, event: &'a Event) {
        match event {
            Event::StepSucceeded { step, .. }
            | Event::StepFailed { step, .. }
            | Event::StepSkipped { step, .. }
                if step.path.is_empty() =>
            {
                let before = self.ended.insert(&step.node, event);
                assert_eq!(before, None, "{step} ended twice");
            }
            Event::ConnectionDecided {
                connection, fired, ..
            } => {
                let before = self.decided.insert(*connection, *fired);
                assert_eq!(before, None, "connection {connection} decided twice");
            }
            _ => {}
        }
    }

    /// Whether a connection fired, by the log alone; none if it is undecided.
    fn fired(&self, plan: &Plan, index: usize) -> Option<bool> {
        let connection = &plan.connections[index];
        let source = *self.ended.get(&plan.nodes[connection.from].id)?;
        let matched = match (source, &connection.on) {
            (Event::StepFailed { .. }, On::Success) => self.goes_on(plan, connection.from)?,
            (Event::StepSucceeded { port: None, .. }, On::Success)
            | (Event::StepFailed { .. }, On::Failure)
            | (Event::StepSkipped { .. }, On::Skip) => true,
            (Event::StepSucceeded { port: Some(p), .. }, On::Port(name)) => p == name,
            _ => false,
        };
        match &connection.when {
            Some(_) if matched => self.decided.get(&u32::try_from(index).unwrap()).copied(),
            _ => Some(matched),
        }
    }

    /// Whether a failed node lets go on what waits for its success, if that is known.
    fn goes_on(&self, plan: &Plan, node: usize) -> Option<bool> {
        let node = &plan.nodes[node];
        let takes = |index: &&usize| plan.connections[**index].on == On::Failure;
        let taking: Vec<_> = (node.outgoing.iter().filter(takes))
            .map(|index| self.fired(plan, *index))
            .collect();
        // One that took it is enough, whatever becomes of the others.
        match (taking.contains(&Some(true)), taking.contains(&None)) {
            (true, _) => Some(false),
            (false, true) => None,
            (false, false) => Some(node.continues),
        }
    }
}

fn check_inputs_were_decided(plan: &Plan, events: &[Recorded]) {
    let mut log = Log::default();
    for recorded in events {
        if let Event::StepReady { step, .. }
        | Event::MapStarted { step, .. }
        | Event::WaitStarted { step, .. } = &recorded.event
        {
            let node = &plan.nodes[plan.index(&step.node).unwrap()];
            let fired: Vec<_> = node
                .incoming
                .iter()
                .map(|&index| log.fired(plan, index))
                .collect();
            assert!(!fired.contains(&None), "{step} began too early: {fired:?}");
            let runs = fired.is_empty() || fired.contains(&Some(true));
            assert!(runs, "{step} began and nothing fired");
        }
        log.read(&recorded.event);
    }
}

/// Compares with the model: the end, and every node that ended. All of them
/// ended if the execution succeeded, and all up to the one that is reported
/// if it failed, unless they lie behind a failure.
fn check_model(plan: &Plan, world: World, bench: &Bench) {
    let expected = expected(plan, world);
    let end = bench.execution.final_event().unwrap();
    assert_eq!(end, &expected.end);
    let certain = match end {
        Event::Failed {
            node: Some(node), ..
        } => plan.index(node).unwrap() + 1,
        _ => plan.nodes.len(),
    };
    for (index, (node, ends)) in plan.nodes.iter().zip(&expected.nodes).enumerate() {
        let status = bench.execution.node_status(&node.id).unwrap();
        let output = bench.execution.output_of(&node.id);
        match (status, ends) {
            (StepStatus::Pending, None) => {}
            (StepStatus::Pending, Some(_)) => assert!(index >= certain, "{} is pending", node.id),
            (StepStatus::Succeeded, Some(Ends::Succeeded(expected, _))) => {
                assert_eq!(output, Some(expected), "{}", node.id);
            }
            (StepStatus::Failed(error), Some(Ends::Failed(expected))) => {
                assert_eq!(error, expected, "{}", node.id);
            }
            (StepStatus::Skipped, Some(Ends::Skipped)) => {}
            other => panic!("{}: {other:?}", node.id),
        }
    }
}

// -------------------------------------------------------------- the four --

pub(super) fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_execution_ends_once_its_work_is_answered(case in case(), order in order()) {
        let bench = run(&case.plan(), case.world, &order, |_| {});
        prop_assert!(bench.execution.status().0.is_final());
        let ends = bench.log.iter().filter(|r| r.event.is_final());
        prop_assert_eq!(ends.count(), 1);
    }

    #[test]
    fn no_node_runs_before_its_inputs_are_decided(case in case(), order in order()) {
        let plan = case.plan();
        check_inputs_were_decided(&plan, &run(&plan, case.world, &order, |_| {}).log);
    }

    #[test]
    fn the_outcome_is_that_of_the_model_in_every_order(
        case in case(),
        orders in prop::collection::vec(order(), 3),
    ) {
        let plan = case.plan();
        for order in orders {
            check_model(&plan, case.world, &run(&plan, case.world, &order, |_| {}));
        }
    }

    #[test]
    fn replay_of_any_prefix_gives_the_same_state_and_decision(case in case(), order in order()) {
        let plan = case.plan();
        let mut states = Vec::new();
        let bench = run(&plan, case.world, &order, |bench| states.push(bench.execution.clone()));
        let mut replayed = Execution::new(bench.execution.id(), plan);
        let mut states = states.into_iter().peekable();
        for recorded in &bench.log {
            let bytes = rmp_serde::to_vec_named(recorded).unwrap();
            replayed.apply(&rmp_serde::from_slice(&bytes).unwrap()).unwrap();
            while let Some(state) = states.next_if(|s| s.version() == replayed.version()) {
                prop_assert_eq!(&state, &replayed);
                let now = recorded.at;
                prop_assert_eq!(decide(&state, now), decide(&replayed, now));
                prop_assert_eq!(state.status(), replayed.status());
            }
        }
        prop_assert!(states.next().is_none());
    }

    #[test]
    fn a_cancel_ends_an_execution_whatever_is_outstanding(
        case in case(),
        order in order(),
        at in any::<prop::sample::Index>(),
    ) {
        let plan = case.plan();
        let full = run(&plan, case.world, &order, |_| {}).log;
        let mut bench = replayed(&plan, &full[..1 + at.index(full.len() - 1)]);
        bench.push(Event::CancelRequested { reason: "enough".into() });
        prop_assert_eq!(bench.commands(), []);
        prop_assert_eq!(bench.execution.status(), (Status::Cancelled, None));
    }

    #[test]
    fn a_terminate_ends_an_execution_whatever_is_outstanding(
        case in case(),
        order in order(),
        at in any::<prop::sample::Index>(),
        paused in any::<bool>(),
    ) {
        let plan = case.plan();
        let full = run(&plan, case.world, &order, |_| {}).log;
        let mut bench = replayed(&plan, &full[..1 + at.index(full.len() - 1)]);
        if paused {
            bench.push(Event::Paused { reason: String::new() });
        }
        bench.push(Event::Terminated { reason: "now".into() });
        prop_assert_eq!(bench.commands(), []);
        prop_assert_eq!(bench.execution.status(), (Status::Terminated, None));
    }

    /// Whatever ends while it is paused, and however much time passes: it comes
    /// to what it would have come to.
    #[test]
    fn a_pause_changes_nothing_but_when(
        case in case(),
        order in order(),
        at in any::<prop::sample::Index>(),
        ends in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let plan = case.plan();
        let full = run(&plan, case.world, &order, |_| {}).log;
        let mut bench = replayed(&plan, &full[..1 + at.index(full.len() - 1)]);
        let under_way = bench.commands();
        if bench.execution.final_event().is_some() {
            return Ok(());
        }
        bench.push(Event::Paused { reason: String::new() });
        for index in ends {
            let paused = bench.commands();
            prop_assert!(bench.log.last().is_some_and(|r| !r.event.is_final()));
            let may_end: Vec<_> = under_way.iter().filter(|c| paused.contains(c)).collect();
            if may_end.is_empty() {
                break;
            }
            let command = may_end[index.index(may_end.len())];
            if let Some(event) = case.world.answer(&bench, command) {
                let is_final = event.is_final();
                bench.push(event);
                if is_final {
                    break;
                }
            }
        }
        if bench.execution.final_event().is_none() {
            prop_assert_eq!(bench.execution.status(), (Status::Paused, None));
            bench.push(Event::Resumed { reason: String::new() });
        }
        check_model(&plan, case.world, &finish(bench, case.world, &[], |_| {}));
    }
}

// ------------------------------------------------------ arbitrary events --

fn any_step() -> impl Strategy<Value = StepKey> {
    let path = prop::collection::vec(prop_oneof![0..3_u32, Just(u32::MAX)], 0..4);
    (
        0..10_u32,
        path,
        prop_oneof![9 => Just(0_u32), 1 => any::<u32>()],
    )
        .prop_map(|(node, path, iteration)| StepKey {
            node: NodeId::new(format!("n{node}")).unwrap(),
            path,
            iteration,
        })
}

/// The signal of a step's node, if that waits for one.
fn any_signal(step: &StepKey) -> SignalName {
    SignalName::new(format!("s-{}", step.node)).unwrap()
}

fn any_number() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..4_u32, 1 => any::<u32>()]
}

fn any_error() -> impl Strategy<Value = Failure> {
    any::<bool>().prop_map(|host| match host {
        true => failure(FailureKind::Host, "trouble"),
        false => failure(FailureKind::Permanent, "no"),
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![3 => any_end_of_attempt(), 5 => any_other_event()]
}

fn any_end_of_attempt() -> impl Strategy<Value = Event> {
    let usage = Usage::default();
    let attempt = || (any_step(), any_number());
    prop_oneof![
        (attempt(), any_error(), any::<u64>()).prop_map(move |((step, attempt), error, at)| {
            let retry_at = Timestamp::from_millis(at);
            Event::AttemptFailed {
                step,
                attempt,
                error,
                retry_at,
                usage,
            }
        }),
        (attempt(), any::<bool>()).prop_map(move |((step, attempt), port)| {
            let port = port.then(|| "a".to_owned());
            Event::StepSucceeded {
                step,
                attempt,
                output: Payload::null(),
                port,
                usage,
            }
        }),
        (attempt(), any_error()).prop_map(move |((step, attempt), error)| {
            Event::StepFailed {
                step,
                attempt,
                error,
                usage,
            }
        }),
        any_step().prop_map(move |step| Event::StepSkipped {
            step,
            reason: None,
            usage
        }),
        any_step().prop_map(|step| Event::StepResumed { step }),
        any_continued(),
    ]
}

fn any_continued() -> impl Strategy<Value = Event> {
    let wait = (any::<bool>(), prop::option::of(0..3_000_u64));
    (any_step(), any_number(), wait).prop_map(|(step, attempt, (for_signal, until))| {
        Event::StepContinued {
            signal: for_signal.then(|| any_signal(&step)),
            until: until.map(Timestamp::from_millis),
            step,
            attempt,
            state: Payload::null(),
            usage: Usage::default(),
        }
    })
}

fn any_other_event() -> impl Strategy<Value = Event> {
    let output = Payload::null;
    let text = String::new;
    let (number, error) = (any_number, any_error);
    prop_oneof![
        Just(started()),
        any_step().prop_map(move |step| Event::StepReady {
            step,
            input: output()
        }),
        (any_step(), number()).prop_map(move |(step, count)| {
            Event::MapStarted {
                step,
                items: output(),
                count,
            }
        }),
        (any_step(), any::<bool>(), prop::option::of(0..3_000_u64)).prop_map(
            |(step, for_signal, until)| {
                let signal = for_signal.then(|| any_signal(&step));
                let until = until.map(Timestamp::from_millis);
                Event::WaitStarted {
                    step,
                    signal,
                    until,
                }
            }
        ),
        (any_step(), any::<u64>()).prop_map(move |(step, at)| {
            Event::SignalReceived {
                name: any_signal(&step),
                payload: output(),
                received_at: Timestamp::from_millis(at),
            }
        }),
        (any_step(), number()).prop_map(|(step, attempt)| Event::AttemptStarted { step, attempt }),
        (number(), any::<bool>(), prop::option::of(error())).prop_map(
            |(connection, fired, error)| Event::ConnectionDecided {
                connection,
                fired,
                error
            }
        ),
        (any_step(), error(), any::<bool>()).prop_map(move |(step, error, failed)| {
            let output = output();
            let outcome = match failed {
                true => Kept::Failed { error },
                false => Kept::Succeeded { output, port: None },
            };
            Event::StepKept { step, outcome }
        }),
        prop::option::of(error()).prop_map(|error| Event::UndoStarted { node: None, error }),
        any_step().prop_map(move |step| Event::Warning {
            node: step.node,
            message: text()
        }),
        Just(Event::CancelRequested { reason: text() }),
        Just(Event::Paused { reason: text() }),
        Just(Event::Resumed { reason: text() }),
        Just(Event::Stepped { reason: text() }),
        Just(Event::Terminated { reason: text() }),
        Just(Event::Succeeded { output: output() }),
        (prop::option::of(any_step()), error()).prop_map(|(step, error)| {
            Event::Failed {
                node: step.map(|step| step.node),
                error,
            }
        }),
        Just(Event::Cancelled { reason: text() }),
    ]
}

proptest! {
    #![proptest_config(config())]

    /// Some at their place in a legal history, so that deep states are met.
    #[test]
    fn no_event_panics_and_an_illegal_one_changes_nothing(
        case in case(),
        order in order(),
        strays in prop::collection::vec((any_event(), any::<prop::sample::Index>(), 0..20_u64), 1..60),
    ) {
        let plan = case.plan();
        let mut events: Vec<_> = run(&plan, case.world, &order, |_| {})
            .log.into_iter().map(|r| (r.event, 1)).collect();
        for (event, place, ahead) in strays {
            // One in twenty has a version that does not follow.
            let ahead = if ahead == 0 { 2 } else { 1 };
            events.insert(place.index(events.len()), (event, ahead));
        }
        let mut bench = Bench::new(&plan);
        for (event, ahead) in events {
            let before = bench.execution.clone();
            let version = before.version() + ahead;
            let at = bench.now;
            if bench.execution.apply(&Recorded { version, at, event }).is_err() {
                prop_assert_eq!(&bench.execution, &before);
            } else {
                prop_assert_eq!(bench.execution.version(), before.version() + 1);
            }
            let _ = (decide(&bench.execution, at), bench.execution.status());
        }
    }
}

#[test]
fn the_generated_cases_succeed_and_fail_and_run_in_different_orders() {
    let mut runner = TestRunner::deterministic();
    let (mut succeeded, mut failed, mut differ) = (0, 0, 0);
    for _ in 0..300 {
        let case = case().new_tree(&mut runner).unwrap().current();
        let order = order().new_tree(&mut runner).unwrap().current();
        let plan = case.plan();
        let first = run(&plan, case.world, &[], |_| {});
        let second = run(&plan, case.world, &order, |_| {});
        let events = |bench: &Bench| {
            bench
                .log
                .iter()
                .map(|r| r.event.clone())
                .collect::<Vec<_>>()
        };
        differ += usize::from(events(&first) != events(&second));
        match first.execution.status().0 {
            Status::Succeeded => succeeded += 1,
            _ => failed += 1,
        }
    }
    assert!(
        succeeded > 60 && failed > 60 && differ > 100,
        "{succeeded} succeeded, {failed} failed, {differ} differ"
    );
}

/// The wait that the action asks for begins beside one whose time-out is the same
/// instant and whose signal does not come; its own signal comes before time passes.
#[test]
fn no_time_passes_before_a_signal_that_comes_for_a_wait_of_the_same_batch() {
    let nodes = json!({
        "n0": {"action": "test.pure", "max_iterations": 3},
        "n1": {"wait": {"signal": "s-n1", "timeout": "1h"}, "continue_on_failure": true},
        "n2": {"workflow": "child", "detach": true},
    });
    let plan = plan(nodes, json!([{"from": "n2", "to": "n1"}]));
    let world = World {
        seed: 283,
        trouble: 0,
    };
    check_model(&plan, world, &run(&plan, world, &[0, 2, 1], |_| {}));
}
