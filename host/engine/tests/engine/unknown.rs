//! `delivery: at-most-once`: an attempt whose outcome is unknown is not tried again
//! before a person says so.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nebula_engine::{EngineError, WorkflowEngine};
use nebula_flow::component::Effect::{Effectful, Pure};
use nebula_flow::event::FailureKind;
use nebula_flow::execution::Resolved;
use nebula_flow::ports::{Durability, Status};
use nebula_flow::resolve::{ResolveStepError, Verdict};
use nebula_flow::{ExecutionId, NodeBuilder, StepKey, WorkflowBuilder, WorkflowDefinition, json};

use crate::house::{HandClock, House, fails, gives};

fn pay() -> StepKey {
    "pay".parse().unwrap()
}

fn once(action: &str) -> WorkflowDefinition {
    let node = NodeBuilder::action(action).at_most_once();
    WorkflowBuilder::new("w").add_node("pay", node).build()
}

/// `test.pay`: hangs at its first attempt, and gives how often it was called.
fn hangs_once(house: &House) -> Arc<AtomicU32> {
    let calls = Arc::new(AtomicU32::new(0));
    let counter = calls.clone();
    house.action("test.pay", Effectful, move |_| {
        let nth = counter.fetch_add(1, SeqCst) + 1;
        async move {
            if nth == 1 {
                std::future::pending::<()>().await;
            }
            gives(&json!(nth))
        }
    });
    calls
}

/// An execution that a crash cut off in its only step; the next engine.
async fn cut_off(house: &House) -> (WorkflowEngine, ExecutionId) {
    let engine = house.engine("one");
    let deployed = house.deploy(once("test.pay")).await;
    let id = house.submit(&deployed, json!(null), Durability::Now).await;
    while house.runner.calls().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(engine);
    let engine = house.engine("two");
    house.until(id, |s| s.status == Status::Waiting).await;
    (engine, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_a_crash_cut_off_waits_and_is_not_tried_again() {
    let house = House::new();
    let calls = hangs_once(&house);
    let (engine, id) = cut_off(&house).await;
    assert_eq!(
        house.story(id).await,
        [
            "started",
            "step_ready pay",
            "attempt_started pay",
            "step_unknown pay"
        ]
    );
    let verdict = Verdict::Succeeded(json!("paid"));
    engine.resolve(id, &pay(), &verdict).await.unwrap();
    let result = engine.handle(id).await.unwrap().wait().await;
    assert_eq!(result.output, Some(json!({"pay": "paid"})));
    assert_eq!(calls.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_may_let_it_fail_or_have_it_tried_again() {
    for (verdict, status, output, tried) in [
        (
            Verdict::Failed("it was not paid".into()),
            Status::Failed,
            None,
            1,
        ),
        (
            Verdict::Retry("nothing arrived".into()),
            Status::Succeeded,
            Some(json!({"pay": 2})),
            2,
        ),
    ] {
        let house = House::new();
        let calls = hangs_once(&house);
        let (engine, id) = cut_off(&house).await;
        engine.resolve(id, &pay(), &verdict).await.unwrap();
        let result = engine.handle(id).await.unwrap().wait().await;
        assert_eq!(
            (result.status, result.output),
            (status, output),
            "{verdict:?}"
        );
        assert_eq!(calls.load(SeqCst), tried, "{verdict:?}");
        if let Verdict::Failed(why) = verdict {
            let error = result.error.unwrap();
            assert_eq!((error.kind, error.message), (FailureKind::Permanent, why));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_asks_is_refused_and_leaves_no_trace() {
    let house = House::with_clock(HandClock::new());
    hangs_once(&house);
    let (engine, id) = cut_off(&house).await;
    let refused = async |step: &str| {
        let said = Verdict::Retry(String::new());
        match engine.resolve(id, &step.parse().unwrap(), &said).await {
            Err(EngineError::Resolve(ResolveStepError::Refused(refused))) => refused,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        refused("other").await,
        Resolved::NoStep("other".parse().unwrap())
    );
    assert_eq!(
        refused("pay[0]").await,
        Resolved::NoStep("pay[0]".parse().unwrap())
    );
    let before = house.story(id).await;
    let verdict = Verdict::Succeeded(json!(1));
    engine.resolve(id, &pay(), &verdict).await.unwrap();
    engine.handle(id).await.unwrap().wait().await;
    assert_eq!(refused("pay").await, Resolved::Over);
    let after = house.story(id).await;
    assert_eq!(after[..before.len()], before);
    assert_eq!(after[before.len()..], ["step_succeeded pay", "succeeded"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_words_at_once_one_counts() {
    let house = House::new();
    let calls = hangs_once(&house);
    let (engine, id) = cut_off(&house).await;
    let engine = Arc::new(engine);
    let said: Vec<_> = (0..8)
        .map(|n| {
            let engine = engine.clone();
            let verdict = Verdict::Succeeded(json!(n));
            tokio::spawn(async move { engine.resolve(id, &pay(), &verdict).await.is_ok() })
        })
        .collect();
    let mut accepted = 0;
    for said in said {
        accepted += u32::from(said.await.unwrap());
    }
    assert_eq!(accepted, 1);
    let result = engine.handle(id).await.unwrap().wait().await;
    assert_eq!(result.status, Status::Succeeded);
    assert_eq!(calls.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_action_says_is_known_and_what_ends_it_is_not() {
    let kinds = [
        (FailureKind::Permanent, true),
        (FailureKind::InvalidInput, true),
        (FailureKind::TimedOut, false),
        (FailureKind::Trapped, false),
        (FailureKind::MemoryLimit, false),
    ];
    for (kind, known) in kinds {
        let house = House::new();
        house.action("test.fails", Effectful, move |_| async move {
            fails(kind, "so it is")
        });
        let engine = house.engine("one");
        let deployed = house.deploy(once("test.fails")).await;
        let id = house.submit(&deployed, json!(null), Durability::Now).await;
        let ends = |s: Status| s == Status::Waiting || s.is_final();
        house.until(id, |s| ends(s.status)).await;
        let status = if known {
            Status::Failed
        } else {
            Status::Waiting
        };
        assert_eq!(house.summary(id).await.status, status, "{kind}");
        drop(engine);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_typed_retryable_error_is_tried_again_and_a_pure_action_always() {
    let house = House::new();
    let tries = Arc::new(Mutex::new(0));
    for (action, effect) in [("test.effect", Effectful), ("test.pure", Pure)] {
        let tries = tries.clone();
        house.action(action, effect, move |_| {
            let mut tries = tries.lock().unwrap();
            *tries += 1;
            let nth = *tries;
            let kind = match effect {
                Effectful => FailureKind::Retryable,
                Pure => FailureKind::TimedOut,
            };
            async move {
                match nth {
                    1 => fails(kind, "busy"),
                    _ => gives(&json!(nth)),
                }
            }
        });
    }
    let engine = house.engine("one");
    for action in ["test.effect", "test.pure"] {
        *tries.lock().unwrap() = 0;
        let retry = nebula_flow::definition::RetryPolicy::default();
        let node = NodeBuilder::action(action).at_most_once().retry(retry);
        let definition = WorkflowBuilder::new(action.replace('.', "-"))
            .add_node("pay", node)
            .build();
        let deployed = house.deploy(definition).await;
        let execution = house.start(&engine, &deployed, json!(null)).await;
        let result = execution.wait().await;
        assert_eq!(
            result.output,
            Some(json!({"pay": 2})),
            "{action}: {result:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_waits_for_a_word_can_be_cancelled() {
    let house = House::new();
    hangs_once(&house);
    let (engine, id) = cut_off(&house).await;
    engine.cancel(id, "enough").await.unwrap();
    let result = engine.handle(id).await.unwrap().wait().await;
    assert_eq!(result.status, Status::Cancelled);
}
