//! What goes between a call that runs and the engine: heartbeats, and a cancel that
//! the guest hears of.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nebula_flow::component::Effect::{Effectful, Pure};
use nebula_flow::definition::{Jitter, RetryPolicy};
use nebula_flow::event::FailureKind;
use nebula_flow::ports::{Call, Status};
use nebula_flow::time::Span;
use nebula_flow::{NodeBuilder, WorkflowBuilder, WorkflowDefinition, json};
use tokio::sync::mpsc;

use crate::house::{House, gives};

/// What a cancel may take to reach a guest.
const SOON: Duration = Duration::from_millis(100);

fn alone(node: NodeBuilder) -> WorkflowDefinition {
    WorkflowBuilder::new("w").add_node("a", node).build()
}

fn at_once(max_attempts: u32) -> RetryPolicy {
    RetryPolicy {
        max_attempts,
        initial: Span(Duration::from_millis(1)),
        factor: 1.0,
        max: Span(Duration::from_millis(1)),
        jitter: Jitter::None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_goes_quiet_is_ended_and_tried_again() {
    let house = House::new();
    house.action("test.quiet", Effectful, |call| async move {
        call.pulse.beat();
        if call.identity.attempt == 1 {
            std::future::pending::<()>().await;
        }
        gives(&json!(call.identity.attempt))
    });
    let engine = house.engine("one");
    let node = NodeBuilder::action("test.quiet")
        .heartbeat(Duration::from_millis(200))
        .retry(at_once(2));
    let deployed = house.deploy(alone(node)).await;
    let began = Instant::now();
    let execution = house.start(&engine, &deployed, json!(null)).await;
    assert_eq!(execution.wait().await.output, Some(json!({"a": 2})));
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert!(began.elapsed() < Duration::from_secs(10), "its time-out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_gives_heartbeats_goes_on_for_as_long_as_its_time_out() {
    let house = House::new();
    house.action("test.busy", Pure, |call| async move {
        for _ in 0..20 {
            call.pulse.beat();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        gives(&json!("done"))
    });
    let engine = house.engine("one");
    let node = NodeBuilder::action("test.busy").heartbeat(Duration::from_millis(500));
    let deployed = house.deploy(alone(node)).await;
    let execution = house.start(&engine, &deployed, json!(null)).await;
    assert_eq!(execution.wait().await.output, Some(json!({"a": "done"})));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_attempt_of_a_step_that_must_not_be_tried_again_is_unknown() {
    let house = House::new();
    house.action("test.quiet", Effectful, |call| async move {
        call.pulse.beat();
        std::future::pending().await
    });
    let engine = house.engine("one");
    let node = NodeBuilder::action("test.quiet")
        .heartbeat(Duration::from_millis(100))
        .at_most_once();
    let deployed = house.deploy(alone(node)).await;
    let execution = house.start(&engine, &deployed, json!(null)).await;
    house
        .until(execution.id(), |s| s.status == Status::Waiting)
        .await;
    let story = house.story(execution.id()).await;
    assert_eq!(story.last().map(String::as_str), Some("step_unknown a"));
    engine.cancel(execution.id(), "enough").await.unwrap();
    assert_eq!(execution.wait().await.status, Status::Cancelled);
}

/// Tells when it ends, whatever way.
struct Ends(mpsc::UnboundedSender<(&'static str, Instant)>);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.send(("stopped", Instant::now()));
    }
}

/// Cancels an execution whose call does this, and gives what the call told, and
/// how long after the cancel.
async fn cancelled(listens: bool, waits: bool) -> Vec<(&'static str, Duration)> {
    let house = House::new();
    let (tells, mut told) = mpsc::unbounded_channel();
    let (begins, mut begun) = mpsc::unbounded_channel();
    house.action("test.long", Effectful, move |call: Call| {
        let ends = Ends(tells.clone());
        let begins = begins.clone();
        async move {
            if listens {
                let _ = call.pulse.ask();
            }
            call.pulse.wait(waits);
            let _ = begins.send(());
            while !(listens && call.pulse.ask()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let _ = ends.0.send(("heard", Instant::now()));
            gives(&json!("nobody hears this"))
        }
    });
    let engine = house.engine("one");
    let deployed = house.deploy(alone("test.long".into())).await;
    let execution = house.start(&engine, &deployed, json!(null)).await;
    begun.recv().await.unwrap();
    let asked = Instant::now();
    engine.cancel(execution.id(), "enough").await.unwrap();
    assert_eq!(execution.wait().await.status, Status::Cancelled);
    let mut all = Vec::new();
    while let Some((what, at)) = told.recv().await {
        all.push((what, at.duration_since(asked)));
        if what == "stopped" {
            break;
        }
    }
    let story = house.story(execution.id()).await;
    assert_eq!(story.last().map(String::as_str), Some("cancelled"));
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_is_heard_by_a_guest_that_asks_and_stops_any_other() {
    let what = |told: &[(&'static str, Duration)]| told.iter().map(|t| t.0).collect::<Vec<_>>();
    // The machine may be busy now and then.
    let soon = |tries: Vec<Vec<(&'static str, Duration)>>| {
        tries.iter().any(|told| told.iter().all(|t| t.1 <= SOON))
    };
    for (listens, waits, expected) in [
        (true, false, vec!["heard", "stopped"]),
        (true, true, vec!["stopped"]),
        (false, false, vec!["stopped"]),
    ] {
        let mut tries = Vec::new();
        for _ in 0..5 {
            let told = cancelled(listens, waits).await;
            assert_eq!(what(&told), expected, "{listens} {waits}");
            tries.push(told);
        }
        assert!(soon(tries), "{listens} {waits}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminate_stops_a_guest_that_asks_too() {
    let house = House::new();
    let (begins, mut begun) = mpsc::unbounded_channel();
    let alive = Arc::new(());
    let held = alive.clone();
    house.action("test.long", Effectful, move |call| {
        let (begins, held) = (begins.clone(), held.clone());
        async move {
            let _ = call.pulse.ask();
            let _ = begins.send(());
            while !call.pulse.ask() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            drop(held);
            gives(&json!(null))
        }
    });
    let engine = house.engine("one");
    let deployed = house.deploy(alone("test.long".into())).await;
    let execution = house.start(&engine, &deployed, json!(null)).await;
    begun.recv().await.unwrap();
    let terminate = nebula_flow::control::Control::Terminate;
    engine
        .control(execution.id(), terminate, "now")
        .await
        .unwrap();
    assert_eq!(execution.wait().await.status, Status::Terminated);
    for _ in 0..200 {
        // One in the script, one here.
        if Arc::strong_count(&alive) == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it still runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_message_says_how_long_it_was_quiet() {
    let house = House::new();
    house.action("test.quiet", Pure, |call| async move {
        call.pulse.beat();
        std::future::pending().await
    });
    let engine = house.engine("one");
    let node = NodeBuilder::action("test.quiet").heartbeat(Duration::from_millis(100));
    let deployed = house.deploy(alone(node)).await;
    let execution = house.start(&engine, &deployed, json!(null)).await;
    let error = execution.wait().await.error.unwrap();
    assert_eq!(error.kind, FailureKind::TimedOut);
    assert!(error.message.contains("no heartbeat for 100ms"), "{error}");
}
