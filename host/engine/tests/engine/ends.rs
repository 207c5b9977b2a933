//! How executions end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use nebula_engine::ExecutionResult;
use nebula_flow::component::Effect::{Effectful, Pure};
use nebula_flow::definition::On;
use nebula_flow::event::FailureKind;
use nebula_flow::ports::{Durability, EventLog, Outcome, Status};
use nebula_flow::{Event, NodeBuilder, Payload, WorkflowBuilder, json};
use tokio::sync::{Barrier, mpsc, oneshot};

use crate::house::{HandClock, House, fails, gives, report, value};

/// An action that adds one to its input.
fn adding(house: &House, effect: nebula_flow::Effect) {
    house.action("math.add", effect, |call| async move {
        gives(&json!(value(&call).as_i64().unwrap() + 1))
    });
}

#[tokio::test]
async fn results_flow_from_node_to_node() {
    for effect in [Pure, Effectful] {
        let house = House::new();
        adding(&house, effect);
        let engine = house.engine("one");
        let chain = WorkflowBuilder::new("chain")
            .add_node("a", "math.add")
            .add_node("b", "math.add")
            .add_node("c", "math.add")
            .connect("a", "b")
            .connect("b", "c")
            .build();
        let deployed = house.deploy(chain).await;
        let execution = house.start(&engine, &deployed, json!(5)).await;
        let id = execution.id();
        let result = execution.wait().await;
        assert_eq!(
            result,
            ExecutionResult {
                id,
                status: Status::Succeeded,
                output: Some(json!({"c": 8})),
                error: None
            }
        );
        assert_eq!(house.summary(id).await.status, Status::Succeeded);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn independent_nodes_run_at_the_same_time() {
    for effect in [Pure, Effectful] {
        let house = House::new();
        let both = Arc::new(Barrier::new(2));
        house.action("test.meet", effect, move |_| {
            let both = both.clone();
            async move {
                both.wait().await;
                gives(&json!("met"))
            }
        });
        house.action(
            "test.join",
            Pure,
            |call| async move { gives(&value(&call)) },
        );
        let engine = house.engine("one");
        let diamond = WorkflowBuilder::new("diamond")
            .add_node("left", "test.meet")
            .add_node("right", "test.meet")
            .add_node("both", "test.join")
            .connect("left", "both")
            .connect("right", "both")
            .build();
        let deployed = house.deploy(diamond).await;
        let result = house
            .start(&engine, &deployed, json!(null))
            .await
            .wait()
            .await;
        assert_eq!(
            result.output,
            Some(json!({"both": {"left": "met", "right": "met"}}))
        );
    }
}

#[tokio::test]
async fn a_failure_that_no_connection_takes_fails_the_execution() {
    let house = House::new();
    adding(&house, Pure);
    house.action("test.fail", Pure, |_| async {
        fails(FailureKind::Permanent, "no such city")
    });
    let engine = house.engine("one");
    let workflow = WorkflowBuilder::new("w")
        .add_node("bad", "test.fail")
        .add_node("after", "math.add")
        .connect("bad", "after")
        .build();
    let deployed = house.deploy(workflow).await;
    let result = house.start(&engine, &deployed, json!(1)).await.wait().await;
    assert_eq!(result.status, Status::Failed);
    let error = result.error.unwrap();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (FailureKind::Permanent, "no such city")
    );
    assert_eq!(house.runner.calls(), ["bad@1"]);
    assert_eq!(house.summary(result.id).await.error, Some(error));
}

#[tokio::test]
async fn a_failure_connection_takes_the_failure() {
    let house = House::new();
    house.action("test.fail", Pure, |_| async {
        fails(FailureKind::Permanent, "no")
    });
    house.action("test.mend", Pure, |_| async { gives(&json!("mended")) });
    let engine = house.engine("one");
    let workflow = WorkflowBuilder::new("w")
        .add_node("bad", "test.fail")
        .add_node("mend", "test.mend")
        .connect_on("bad", "mend", On::Failure)
        .build();
    let deployed = house.deploy(workflow).await;
    let result = house.start(&engine, &deployed, json!(1)).await.wait().await;
    assert_eq!(result.output, Some(json!({"mend": "mended"})));
}

#[tokio::test]
async fn a_failure_that_does_not_matter_gives_null_and_its_error_can_be_read() {
    let house = House::new();
    house.action("test.fail", Pure, |_| async {
        fails(FailureKind::Permanent, "no such city")
    });
    house.action(
        "test.same",
        Pure,
        |call| async move { gives(&value(&call)) },
    );
    let engine = house.engine("one");
    let said = json!({
        "status": "${ $nodes.bad.status }",
        "kind": "${ $nodes.bad.error.kind }",
        "result": "${ $nodes.bad.result }",
    });
    let workflow = WorkflowBuilder::new("w")
        .add_node(
            "bad",
            NodeBuilder::action("test.fail").continue_on_failure(),
        )
        .add_node("plain", "test.same")
        .add_node("asks", NodeBuilder::action("test.same").input(said))
        .connect("bad", "plain")
        .connect("bad", "asks")
        .build();
    let deployed = house.deploy(workflow).await;
    let result = house.start(&engine, &deployed, json!(1)).await.wait().await;
    assert_eq!(
        result.output,
        Some(json!({
            "plain": null,
            "asks": {"status": "failed", "kind": "permanent", "result": null},
        }))
    );
}

#[tokio::test]
async fn an_execution_that_takes_too_long_is_stopped_and_fails() {
    let clock = HandClock::new();
    let house = House::with_clock(clock.clone());
    let (stopped, mut has_stopped) = mpsc::unbounded_channel();
    house.action("test.hang", Effectful, move |_| {
        let dropped = Dropped(stopped.clone());
        async move {
            let _dropped = dropped;
            std::future::pending().await
        }
    });
    let engine = house.engine("one");
    let hour = Duration::from_secs(3_600);
    let workflow = WorkflowBuilder::new("w")
        .timeout(hour)
        .add_node("a", NodeBuilder::action("test.hang").timeout(10 * hour))
        .build();
    let deployed = house.deploy(workflow).await;
    let execution = house.start(&engine, &deployed, json!(1)).await;
    while house.runner.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    clock.advance(hour);
    has_stopped.recv().await.unwrap();
    let result = execution.wait().await;
    assert_eq!(result.status, Status::Failed);
    let error = result.error.unwrap();
    assert_eq!(error.kind, FailureKind::TimedOut);
    assert!(error.message.contains("1h"), "{error}");
    assert_eq!(house.summary(result.id).await.error, Some(error));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_map_keeps_its_concurrency_and_its_order() {
    for effect in [Pure, Effectful] {
        let house = House::new();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let full = Arc::new(Barrier::new(3));
        let seen = most.clone();
        house.action("test.item", effect, move |call| {
            let (running, most, full) = (running.clone(), most.clone(), full.clone());
            async move {
                most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                // 21 items in threes: nobody goes on before three run.
                full.wait().await;
                running.fetch_sub(1, SeqCst);
                let item = value(&call).as_u64().unwrap();
                if item == 4 {
                    report(Ok(Outcome::Skip(None)))
                } else {
                    gives(&json!(item * 10))
                }
            }
        });
        let engine = house.engine("one");
        let items: Vec<u64> = (0..21).collect();
        let node = NodeBuilder::map(json!(items), "test.item").concurrency(3);
        let deployed = house
            .deploy(WorkflowBuilder::new("w").add_node("each", node).build())
            .await;
        let result = house
            .start(&engine, &deployed, json!(null))
            .await
            .wait()
            .await;
        let expected: Vec<_> = items
            .iter()
            .map(|i| if *i == 4 { json!(null) } else { json!(i * 10) })
            .collect();
        assert_eq!(
            result.output,
            Some(json!({ "each": expected })),
            "{:?}",
            result.error
        );
        assert_eq!(seen.load(SeqCst), 3);
    }
}

#[tokio::test]
async fn a_map_over_nothing_gives_an_empty_list() {
    let house = House::new();
    adding(&house, Pure);
    let engine = house.engine("one");
    let node = NodeBuilder::map(json!([]), "math.add");
    let deployed = house
        .deploy(WorkflowBuilder::new("w").add_node("each", node).build())
        .await;
    let result = house
        .start(&engine, &deployed, json!(null))
        .await
        .wait()
        .await;
    assert_eq!(result.output, Some(json!({"each": []})));
}

/// Says when it is dropped.
struct Dropped(mpsc::UnboundedSender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_stops_a_runner_that_hangs() {
    for effect in [Pure, Effectful] {
        let house = House::new();
        let (begun, mut has_begun) = mpsc::unbounded_channel();
        let (dropped, mut is_dropped) = mpsc::unbounded_channel();
        house.action("test.hang", effect, move |_| {
            let (begun, dropped) = (begun.clone(), Dropped(dropped.clone()));
            async move {
                let _dropped = dropped;
                begun.send(()).unwrap();
                std::future::pending().await
            }
        });
        let engine = house.engine("one");
        let workflow = WorkflowBuilder::new("w")
            .add_node("a", "test.hang")
            .add_node("b", "test.hang")
            .build();
        let deployed = house.deploy(workflow).await;
        let execution = house.start(&engine, &deployed, json!(null)).await;
        has_begun.recv().await.unwrap();
        has_begun.recv().await.unwrap();
        engine
            .cancel(execution.id(), "changed my mind")
            .await
            .unwrap();
        let result = execution.wait().await;
        assert_eq!(result.status, Status::Cancelled);
        assert_eq!(result.error.unwrap().message, "changed my mind");
        is_dropped.recv().await.unwrap();
        is_dropped.recv().await.unwrap();
        let events = house.story(execution.id()).await;
        assert_eq!(
            events.iter().filter(|e| *e == "cancel_requested").count(),
            1
        );
    }
}

#[tokio::test]
async fn large_outputs_are_kept_as_blobs_and_larger_ones_are_refused() {
    let house = House::new();
    house.action("test.make", Pure, |call| async move {
        gives(&json!("x".repeat(
            usize::try_from(value(&call).as_u64().unwrap()).unwrap()
        )))
    });
    let huge = 5 << 20;
    house.action("test.huge", Pure, move |_| async move {
        report(Ok(Outcome::Success(
            [&[0xdb][..], &(huge as u32).to_be_bytes(), &vec![b'x'; huge]]
                .concat()
                .into(),
        )))
    });
    house.action("test.measure", Pure, |call| async move {
        gives(&json!(value(&call).as_str().unwrap().len()))
    });
    let engine = house.engine("one");
    let workflow = WorkflowBuilder::new("large")
        .add_node("make", "test.make")
        .add_node("measure", "test.measure")
        .connect("make", "measure")
        .build();
    let deployed = house.deploy(workflow).await;
    let result = house
        .start(&engine, &deployed, json!(100_000))
        .await
        .wait()
        .await;
    assert_eq!(result.output, Some(json!({"measure": 100_000})));
    let kept = house
        .history(result.id)
        .await
        .into_iter()
        .find_map(|r| match r.event {
            Event::StepSucceeded { output, .. } => Some(output),
            _ => None,
        });
    assert!(matches!(kept, Some(Payload::Blob { .. })), "{kept:?}");

    let deployed = house
        .deploy(
            WorkflowBuilder::new("huge")
                .add_node("huge", "test.huge")
                .build(),
        )
        .await;
    let result = house
        .start(&engine, &deployed, json!(null))
        .await
        .wait()
        .await;
    assert_eq!(
        result.error.map(|e| e.kind),
        Some(FailureKind::InvalidOutput)
    );
}

#[tokio::test]
async fn an_output_that_is_not_messagepack_is_the_guests_fault() {
    let house = House::new();
    house.action("test.noise", Pure, |_| async {
        report(Ok(Outcome::Success(vec![0xc1, 0, 0].into())))
    });
    let engine = house.engine("one");
    let deployed = house
        .deploy(
            WorkflowBuilder::new("w")
                .add_node("noise", "test.noise")
                .build(),
        )
        .await;
    let result = house
        .start(&engine, &deployed, json!(null))
        .await
        .wait()
        .await;
    assert_eq!(
        result.error.map(|e| e.kind),
        Some(FailureKind::InvalidOutput)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_comes_once_before_or_after_the_end() {
    let house = House::new();
    let (open, gate) = oneshot::channel::<()>();
    let gate = Arc::new(tokio::sync::Mutex::new(Some(gate)));
    house.action("test.wait", Pure, move |_| {
        let gate = gate.clone();
        async move {
            if let Some(gate) = gate.lock().await.take() {
                gate.await.unwrap();
            }
            gives(&json!(1))
        }
    });
    let engine = house.engine("one");
    let deployed = house
        .deploy(WorkflowBuilder::new("w").add_node("a", "test.wait").build())
        .await;
    let execution = house.start(&engine, &deployed, json!(null)).await;
    let (called, mut calls) = mpsc::unbounded_channel();
    let before = called.clone();
    execution.on_complete(move |result| before.send(result).unwrap());
    open.send(()).unwrap();
    assert_eq!(calls.recv().await.unwrap().status, Status::Succeeded);

    let later = engine.handle(execution.id()).await.unwrap();
    later.on_complete(move |result| called.send(result).unwrap());
    assert_eq!(calls.recv().await.unwrap().output, Some(json!({"a": 1})));
    assert!(
        calls.recv().await.is_none(),
        "both callbacks are gone, and were called once each"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_executions_than_places_all_end() {
    let mut house = House::new();
    house.max_active = 3;
    adding(&house, Effectful);
    let engine = house.engine("one");
    let deployed = house
        .deploy(WorkflowBuilder::new("w").add_node("a", "math.add").build())
        .await;
    let mut executions = Vec::new();
    for n in 0..200 {
        executions.push((n, house.start(&engine, &deployed, json!(n)).await));
    }
    for (n, execution) in executions {
        assert_eq!(execution.wait().await.output, Some(json!({"a": n + 1})));
    }
}

// On one thread, so that a few turns carry the cancel to the execution.
#[tokio::test]
async fn a_long_run_of_quick_steps_hears_a_cancel() {
    let house = House::new();
    let (reached, mut is_reached) = mpsc::unbounded_channel();
    house.action("test.quick", Pure, move |call| {
        if value(&call) == json!(1000) {
            reached.send(()).unwrap();
        }
        async { gives(&json!(null)) }
    });
    let engine = house.engine("one");
    let items: Vec<u32> = (0..10_000).collect();
    let node = NodeBuilder::map(json!(items), "test.quick").concurrency(1);
    let deployed = house
        .deploy(WorkflowBuilder::new("w").add_node("each", node).build())
        .await;
    let id = house.submit(&deployed, json!(null), Durability::Now).await;
    let execution = engine.handle(id).await.unwrap();
    is_reached.recv().await.unwrap();
    engine.cancel(id, "enough").await.unwrap();
    assert_eq!(execution.wait().await.status, Status::Cancelled);
    let calls = house.runner.calls().len();
    assert!((1000..9000).contains(&calls), "{calls}");
}

#[tokio::test]
async fn what_a_guest_logs_is_kept_with_its_step() {
    let house = House::new();
    house.action("test.talk", Pure, |_| async {
        let mut report = gives(&json!(1));
        report.lines = vec![
            ("info".into(), "hello".into()),
            ("warn".into(), "bye".into()),
        ];
        report
    });
    let engine = house.engine("one");
    let deployed = house
        .deploy(WorkflowBuilder::new("w").add_node("a", "test.talk").build())
        .await;
    let result = house
        .start(&engine, &deployed, json!(null))
        .await
        .wait()
        .await;
    let lines = house.log.lines(result.id, 0, 10).await.unwrap();
    let lines: Vec<_> = lines
        .iter()
        .map(|(_, l)| {
            (
                l.level.as_str(),
                l.message.as_str(),
                l.step.to_string(),
                l.attempt,
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            ("info", "hello", "a".into(), 1),
            ("warn", "bye", "a".to_owned(), 1)
        ]
    );
}
