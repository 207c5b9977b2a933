//! What holds of executions that are undone, and of those that go on with others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use crate::event::{Event, Kept, Origin, Restart};
use crate::execution::StepStatus;
use crate::id::{ExecutionId, NodeId, StepKey};
use crate::plan::Plan;
use crate::ports::Status;

use super::bench::{Bench, plan, started};
use super::properties::{Case, case, config, finish, order, replayed, run};
use super::world::World;

/// Whether a bit of the seed is set.
fn is_chosen(seed: u64, index: usize) -> bool {
    seed >> (index % 64) & 1 == 1
}

/// The same with an undo for some of its nodes.
fn undoable(mut case: Case) -> Case {
    let nodes = case.nodes.as_object_mut().unwrap();
    for (index, node) in nodes.values_mut().enumerate() {
        if is_chosen(case.world.seed, index) {
            node["undo"] = json!({"action": "test.effect"});
        }
    }
    case
}

/// The nodes in whose order their undo has to begin.
fn to_undo(plan: &Plan, bench: &Bench) -> Vec<NodeId> {
    let ended = bench.log.iter().filter_map(|r| match &r.event {
        Event::StepSucceeded { step, .. } if step.path.is_empty() => Some(&step.node),
        _ => None,
    });
    let undo = |node: &NodeId| {
        let undo = plan.nodes[plan.index(node)?].undo?;
        Some(plan.nodes[undo].id.clone())
    };
    let mut order: Vec<_> = ended.filter_map(undo).collect();
    order.reverse();
    order
}

/// The nodes of steps that ended, or could not begin, in order.
fn undone(bench: &Bench) -> Vec<NodeId> {
    let begun = bench
        .log
        .iter()
        .skip_while(|r| !matches!(r.event, Event::UndoStarted { .. }));
    let mut seen = BTreeSet::new();
    let steps = begun.filter_map(|r| match &r.event {
        Event::StepReady { step, .. }
        | Event::StepSucceeded { step, .. }
        | Event::StepSkipped { step, .. }
        | Event::StepFailed { step, .. } => Some(step.node.clone()),
        _ => None,
    });
    steps.filter(|node| seen.insert(node.clone())).collect()
}

fn again(plan: &Arc<Plan>, events: Vec<Event>) -> Bench {
    let mut bench = Bench::new(plan);
    let Event::Started {
        workflow,
        workflow_version,
        input,
        rules,
        parent,
        ..
    } = started()
    else {
        unreachable!("it is one")
    };
    bench.push(Event::Started {
        workflow,
        workflow_version,
        input,
        rules,
        parent,
        origin: Some(Origin {
            execution: ExecutionId::from_u128(9),
            restart: Restart::Retry,
        }),
        follows: None,
    });
    for event in events {
        bench.push(event);
    }
    bench
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_succeeded_is_undone_in_reverse_and_only_before_an_end_that_is_none(
        case in case(),
        order in order(),
    ) {
        let case = undoable(case);
        let plan = case.plan();
        let bench = run(&plan, case.world, &order, |_| {});
        let expected = match bench.execution.status().0 {
            Status::Succeeded => Vec::new(),
            _ => to_undo(&plan, &bench),
        };
        prop_assert_eq!(undone(&bench), expected);
    }

    #[test]
    fn a_cancel_at_any_time_undoes_all_that_succeeded(
        case in case(),
        order in order(),
        at in any::<prop::sample::Index>(),
    ) {
        let case = undoable(case);
        let plan = case.plan();
        let full = run(&plan, case.world, &order, |_| {}).log;
        let running = full.iter().take_while(|r| !matches!(r.event, Event::UndoStarted { .. }) && !r.event.is_final());
        let running = running.count();
        let mut bench = replayed(&plan, &full[..1 + at.index(running)]);
        if bench.execution.is_undoing() || bench.execution.final_event().is_some() {
            return Ok(());
        }
        bench.push(Event::CancelRequested { reason: "enough".into() });
        let bench = finish(bench, case.world, &order, |bench| {
            // What was under way is cut off, whatever it was.
            for node in plan.own_nodes() {
                let status = bench.execution.node_status(&node.id);
                assert!(!matches!(status, Some(StepStatus::Running)), "{node:?}");
            }
        });
        prop_assert_eq!(bench.execution.status().0, Status::Cancelled);
        prop_assert_eq!(undone(&bench), to_undo(&plan, &bench));
    }

    #[test]
    fn what_is_kept_follows_a_start_and_the_rest_of_it_runs_to_an_end(
        case in case(),
        order in order(),
        at in any::<prop::sample::Index>(),
        stopped in any::<bool>(),
    ) {
        let plan = case.plan();
        let mut bench = run(&plan, case.world, &order, |_| {});
        if stopped {
            let last = at.index(bench.log.len());
            bench = replayed(&plan, &bench.log[..last.max(1)]);
            bench.push(Event::Terminated { reason: "now".into() });
        }
        let kept = bench.execution.kept(&bench.log);
        let outputs: BTreeMap<StepKey, _> = kept.iter().filter_map(|event| match event {
            Event::StepKept { step, outcome: Kept::Succeeded { output, .. } } => Some((step.clone(), output.clone())),
            _ => None,
        }).collect();
        for (step, output) in outputs.iter().filter(|(step, _)| step.path.is_empty()) {
            prop_assert_eq!(bench.execution.output_of(&step.node), Some(output));
        }
        let failed = plan.own_nodes().iter().filter(|node| {
            matches!(bench.execution.node_status(&node.id), Some(StepStatus::Failed(_)))
        });
        if failed.count() == 0 {
            let all = plan.own_nodes().iter().filter(|node| bench.execution.output_of(&node.id).is_some());
            let kept = outputs.keys().filter(|step| step.path.is_empty());
            prop_assert_eq!(kept.count(), all.count(), "without a failure all that succeeded is kept");
        }
        let calm = World { trouble: 0, ..case.world };
        let mut next = again(&plan, kept);
        let from = next.log.len();
        next = finish(next, calm, &order, |_| {});
        for recorded in &next.log[from..] {
            if let Event::StepReady { step, .. } | Event::AttemptStarted { step, .. } = &recorded.event {
                prop_assert!(!outputs.contains_key(step), "{step} was kept, and ran");
            }
        }
        for (step, output) in outputs.iter().filter(|(step, _)| step.path.is_empty()) {
            prop_assert_eq!(next.execution.output_of(&step.node), Some(output));
        }
    }
}

#[test]
fn what_stands_behind_a_failure_that_no_condition_took_is_not_kept() {
    let nodes = json!({"after": {"action": "test.pure"}, "fails": {"action": "test.pure"}});
    let connections =
        json!([{"from": "fails", "to": "after", "on": "failure", "when": "$input > 1"}]);
    let plan = plan(nodes, connections);
    let mut bench = Bench::started(&plan);
    bench.fail("fails");
    bench.decided(0, false);
    let _ = bench.commands();
    assert_eq!(bench.execution.status().0, Status::Failed);
    assert_eq!(bench.status_of("after").name(), "skipped");
    assert_eq!(bench.execution.kept(&bench.log), []);
    let next = again(&plan, Vec::new());
    assert_eq!(next.status_of("fails").name(), "running");
}
