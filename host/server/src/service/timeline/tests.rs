use nebula_api::Time;
use nebula_flow::event::Failure;

use super::*;
use bytes::Bytes;
use nebula_flow::event::FailureKind;
use nebula_flow::ports::Records;
use nebula_flow::{WorkflowBuilder, json};
use nebula_storage::Memory;

fn at(version: u64, millis: u64, event: Event) -> Recorded {
    Recorded {
        version,
        at: Timestamp::from_millis(millis),
        event,
    }
}

fn step(node: &str) -> StepKey {
    StepKey::root(NodeId::new(node).expect("a node id"))
}

fn payload(value: &nebula_flow::Value) -> Payload {
    Payload::Inline(nebula_flow::payload::encode(value).expect("encodes"))
}

fn summary(status: &str) -> wire::ExecutionSummary {
    wire::ExecutionSummary {
        id: "exec-1".into(),
        workflow_id: "wf-1".into(),
        workflow: "w".into(),
        workflow_version: 1,
        status: status.into(),
        version: 9,
        created_at: Time::from_millis(0),
        updated_at: Time::from_millis(0),
        finished_at: None,
        wake_at: None,
        priority: 0,
        waits_for_slot: false,
        error: None,
    }
}

async fn finish(timeline: Timeline, status: &str) -> wire::Execution {
    let records: Box<dyn Records> = Box::new(Memory::new());
    timeline
        .finish(summary(status), &mut Values::new(&*records))
        .await
        .expect("finishes")
}

const USAGE: Usage = Usage {
    fuel: 10,
    memory_bytes: 64,
    duration_us: 2_000,
    cpu_us: 1_500,
};

#[tokio::test]
async fn what_a_step_waits_for_is_shown_while_it_waits() {
    let definition = WorkflowBuilder::new("w")
        .add_node("a", nebula_flow::NodeBuilder::wait_signal("approval"))
        .add_node("b", "x.b")
        .build();
    let wait = at(
        1,
        100,
        Event::WaitStarted {
            step: step("a"),
            signal: Some("approval".parse().expect("a name")),
            until: Some(Timestamp::from_millis(900)),
        },
    );
    let refused = at(
        2,
        200,
        Event::AttemptFailed {
            step: step("b"),
            attempt: 1,
            error: Failure::new(FailureKind::Retryable, "busy"),
            retry_at: Timestamp::from_millis(500),
            usage: USAGE,
        },
    );
    let shown = |execution: &wire::Execution| {
        let node = |n: usize| {
            let node = &execution.nodes[n];
            let waits_for = node.waits_for.as_ref();
            waits_for.map(|w| (w.signal.clone(), w.attempt, w.until.map(Time::as_millis)))
        };
        assert_eq!(execution.nodes[0].waits_for, execution.steps[0].waits_for);
        (node(0), node(1))
    };
    let mut timeline = Timeline::new(&definition);
    timeline.apply(wait.clone());
    timeline.apply(refused);
    let waiting = finish(timeline, "waiting").await;
    assert_eq!(
        shown(&waiting),
        (
            Some((Some("approval".into()), None, Some(900))),
            Some((None, Some(2), Some(500)))
        )
    );
    assert_eq!(waiting.nodes[0].status, "waiting");

    let mut timeline = Timeline::new(&definition);
    timeline.apply(wait);
    timeline.apply(at(
        2,
        300,
        Event::StepSucceeded {
            step: step("a"),
            attempt: 0,
            output: payload(&json!("yes")),
            port: None,
            usage: Usage::default(),
        },
    ));
    let over = finish(timeline, "running").await;
    assert_eq!(shown(&over), (None, None));
    assert_eq!(over.steps[0].output, Some(json!("yes")));
}

#[tokio::test]
async fn a_retried_step_shows_each_attempt_and_what_they_cost_together() {
    let definition = WorkflowBuilder::new("w")
        .add_node("a", "x.a")
        .add_node("b", "x.b")
        .connect("a", "b")
        .build();
    let mut timeline = Timeline::new(&definition);
    let failure = Failure::new(FailureKind::Retryable, "busy");
    for recorded in [
        at(
            1,
            100,
            Event::StepReady {
                step: step("a"),
                input: Payload::null(),
            },
        ),
        at(
            2,
            100,
            Event::AttemptStarted {
                step: step("a"),
                attempt: 1,
            },
        ),
        at(
            3,
            110,
            Event::AttemptFailed {
                step: step("a"),
                attempt: 1,
                error: failure,
                retry_at: Timestamp::from_millis(310),
                usage: USAGE,
            },
        ),
    ] {
        timeline.apply(recorded);
    }
    assert_eq!(
        timeline
            .nodes
            .values()
            .map(|n| n.status)
            .collect::<Vec<_>>(),
        [State::Waiting, State::Pending]
    );
    for recorded in [
        at(
            4,
            310,
            Event::AttemptStarted {
                step: step("a"),
                attempt: 2,
            },
        ),
        at(
            5,
            320,
            Event::StepSucceeded {
                step: step("a"),
                attempt: 2,
                output: payload(&json!({"n": 1})),
                port: Some("hot".into()),
                usage: USAGE,
            },
        ),
        at(
            6,
            320,
            Event::StepSkipped {
                step: step("b"),
                reason: Some("cold".into()),
                usage: Usage::default(),
            },
        ),
    ] {
        timeline.apply(recorded);
    }
    let execution = finish(timeline, "succeeded").await;
    let a = &execution.steps[0];
    assert_eq!(
        (a.status.as_str(), a.attempts.len(), a.usage.fuel),
        ("succeeded", 2, 20)
    );
    assert_eq!(
        a.attempts[0].error.as_ref().map(|e| e.kind.as_str()),
        Some("retryable")
    );
    assert_eq!(a.attempts[1].started_at, Some(Time::from_millis(310)));
    assert_eq!(
        (a.output.clone(), a.port.as_deref()),
        (Some(json!({"n": 1})), Some("hot"))
    );
    assert_eq!(execution.steps[1].reason.as_deref(), Some("cold"));
    assert_eq!(
        (execution.nodes[1].status.as_str(), execution.usage.fuel),
        ("skipped", 20)
    );
}

#[tokio::test]
async fn a_map_counts_its_items_and_a_long_one_is_cut() {
    let mut definition = WorkflowBuilder::new("w").add_node("m", "x.a").build();
    definition.nodes[0].each = None;
    let mut timeline = Timeline::new(&definition);
    let map = step("m");
    timeline.apply(at(
        1,
        1,
        Event::MapStarted {
            step: map.clone(),
            items: Payload::null(),
            count: 700,
        },
    ));
    for i in 0..600 {
        let event = Event::StepSucceeded {
            step: map.item(i),
            attempt: 1,
            output: Payload::Inline(Bytes::from_static(&[1])),
            port: None,
            usage: USAGE,
        };
        timeline.apply(at(2 + u64::from(i), 5, event));
    }
    let execution = finish(timeline, "cancelled").await;
    let node = &execution.nodes[0];
    assert_eq!(
        (node.items, node.items_done, node.status.as_str()),
        (Some(700), Some(600), "cancelled")
    );
    assert_eq!(
        (execution.steps.len(), execution.steps_total),
        (MAX_STEPS, 601)
    );
    assert_eq!(execution.steps[1].step, "m[0]");
    assert_eq!(
        execution.steps[1].attempts[0].started_at,
        Some(Time::from_millis(3))
    );
}

#[tokio::test]
async fn outputs_beyond_the_budget_are_left_out_and_marked() {
    let definition = WorkflowBuilder::new("w")
        .add_node("a", "x.a")
        .add_node("b", "x.b")
        .build();
    let mut timeline = Timeline::new(&definition);
    let large = Payload::Blob {
        digest: nebula_flow::Digest::of(b"x"),
        size: 1 << 40,
    };
    let done = |node: &str, output| Event::StepSucceeded {
        step: step(node),
        attempt: 1,
        output,
        port: None,
        usage: USAGE,
    };
    timeline.apply(at(1, 1, done("a", large)));
    timeline.apply(at(2, 1, done("b", payload(&json!(2)))));
    let execution = finish(timeline, "running").await;
    assert!(execution.steps[0].output_omitted && execution.steps[0].output.is_none());
    assert_eq!(execution.steps[1].output, Some(json!(2)));
}
