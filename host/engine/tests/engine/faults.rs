//! Every call of the store fails once: of each kind the first, the second, and so
//! on to the last, with nothing done, or done and not said. Nothing is lost, and nothing
//! happens twice.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use nebula_engine::{EngineConfig, EngineError, ExecutionOptions, WorkflowEngine};
use nebula_flow::component::Effect::{Effectful, Pure};
use nebula_flow::definition::{Jitter, RetryPolicy};
use nebula_flow::event::FailureKind;
use nebula_flow::payload::MAX_INLINE;
use nebula_flow::ports::{EventLog, ExecutionQuery, Limits};
use nebula_flow::time::Span;
use nebula_flow::{ExecutionId, NodeBuilder, Value, WorkflowBuilder, WorkflowDefinition, json};

use crate::house::{House, fails, gives, tenant, told, value};
use crate::strikes::{Strike, Struck};

/// So many runs go on at once.
const ABREAST: u32 = 8;

/// What of the store an engine asks for in one run. Not among them are `lines`,
/// `executions` and `remove`, which are for the API, `pin_blob`, which a deploy
/// asks for, and `ended`, `remove_executions` and `sweep`, which come by the clock.
const CALLS: [&str; 13] = [
    "append",
    "blob",
    "claim",
    "execution",
    "get",
    "history",
    "inbox",
    "list",
    "put",
    "put_blob",
    "release",
    "submit",
    "unfinished",
];

/// Effects one after the other and for each item of a list, one that is tried
/// again, a result that is kept as a blob, a child, a wait for a time, one for a
/// signal.
fn everything() -> WorkflowDefinition {
    let soon = Span(Duration::from_millis(1));
    let retry = RetryPolicy {
        max_attempts: 2,
        initial: soon,
        factor: 1.0,
        max: soon,
        jitter: Jitter::None,
    };
    let last = NodeBuilder::action("test.last").input(
        json!({ "says": "${ $nodes.approve.result }", "large": "${ $nodes.large.result }" }),
    );
    WorkflowBuilder::new("everything")
        .add_node("first", "test.effect")
        .add_node("large", "test.large")
        .add_node(
            "each",
            NodeBuilder::map("${ $input }", "test.effect").concurrency(1),
        )
        .add_node("flaky", NodeBuilder::action("test.flaky").retry(retry))
        .add_node(
            "child",
            NodeBuilder::workflow("child").input("${ $nodes.flaky.result }"),
        )
        .add_node("pause", NodeBuilder::wait_for("2ms"))
        .add_node("approve", NodeBuilder::wait_signal("approval"))
        .add_node("last", last)
        .connect("first", "large")
        .connect("large", "each")
        .connect("each", "flaky")
        .connect("flaky", "child")
        .connect("child", "pause")
        .connect("pause", "approve")
        .connect("approve", "last")
        .output(json!({
            "first": "${ $nodes.first.result }", "each": "${ $nodes.each.result }",
            "flaky": "${ $nodes.flaky.result }", "child": "${ $nodes.child.result }",
            "last": "${ $nodes.last.result }",
        }))
        .build()
}

fn child() -> WorkflowDefinition {
    WorkflowBuilder::new("child")
        .input_schema(json!({"type": "integer"}))
        .add_node("effect", "test.effect")
        .build()
}

fn with_actions() -> House {
    let house = House::new();
    house.action("test.effect", Effectful, |call| async move {
        gives(&value(&call))
    });
    house.action("test.large", Pure, |_| async {
        gives(&json!("x".repeat(MAX_INLINE + 1)))
    });
    house.action("test.last", Effectful, |call| async move {
        let input = value(&call);
        let long = input["large"].as_str().map(str::len);
        gives(&json!([input["says"], long]))
    });
    house.action("test.flaky", Effectful, |call| async move {
        match call.identity.attempt {
            1 => fails(FailureKind::Retryable, "busy"),
            _ => gives(&json!(2)),
        }
    });
    house
}

pub(crate) fn engine(house: &House, store: &Arc<Struck>, owner: &str) -> WorkflowEngine {
    WorkflowEngine::new(EngineConfig {
        log: store.clone(),
        records: store.clone(),
        runner: house.runner.clone(),
        components: house.runner.clone(),
        clock: house.clock.clone(),
        limits: Limits::default(),
        owner: owner.into(),
        max_active: 10,
        retention: Default::default(),
    })
}

/// Asks again, as a client does, until it is told that it is done.
async fn insist<T>(mut ask: impl AsyncFnMut() -> Result<T, EngineError>) -> T {
    if let Ok(done) = ask().await {
        return done;
    }
    ask().await.expect("one call fails, not two")
}

/// What is left of a run in which one call of the store fails.
#[derive(Debug, PartialEq)]
struct Left {
    output: Option<Value>,
    story: Vec<String>,
    calls: Vec<String>,
    executions: usize,
}

/// Runs it by two engines, the second from where the first was shut down; says
/// also whether the strike fell.
async fn run(strike: Strike) -> (Left, bool) {
    let house = with_actions();
    let store = Struck::new(house.records.clone(), strike);
    let first = engine(&house, &store, "one");
    insist(async || first.deploy_workflow(child()).await).await;
    insist(async || first.deploy_workflow(everything()).await).await;
    let once = ExecutionOptions {
        idempotency_key: Some("once".into()),
        ..ExecutionOptions::default()
    };
    let start = async || {
        let input = json!([1, 2, 3]);
        let started = first.execute_workflow("everything", input, once.clone());
        started.await
    };
    let id = insist(start).await.id();
    until_it_asks(&house, id).await;
    first.shutdown().await;

    let second = engine(&house, &store, "two");
    let execution = insist(async || second.handle(id).await).await;
    let approval = "approval".parse().unwrap();
    let answer = async || {
        second
            .signal(id, &approval, json!("yes"), Some("yes"))
            .await
    };
    insist(answer).await;
    let result = execution.wait().await;
    second.shutdown().await;
    // The bare store is asked, so that looking strikes nothing.
    let all = ExecutionQuery {
        limit: 10,
        ..ExecutionQuery::default()
    };
    let executions = house.records.executions(&tenant(), &all).await.unwrap();
    let left = Left {
        output: result.output,
        story: house.story(id).await,
        calls: house.runner.calls(),
        executions: executions.len(),
    };
    (left, store.has_struck())
}

async fn until_it_asks(house: &House, id: ExecutionId) {
    loop {
        let history = house.history(id).await;
        if history
            .iter()
            .any(|r| told(&r.event) == "wait_started approve")
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_of_the_store_fails_all_steps_happen_once() {
    let never = Strike {
        call: "none",
        nth: 1,
        done: false,
    };
    let (wanted, _) = run(never).await;
    let output = json!({ "first": [1, 2, 3], "each": [1, 2, 3], "flaky": 2, "child": {"effect": 2}, "last": ["yes", MAX_INLINE + 1] });
    assert_eq!(wanted.output, Some(output));
    assert_eq!(wanted.executions, 2);
    for call in CALLS {
        for done in [false, true] {
            let count = strike_each(call, done, &wanted).await;
            assert!(count > 0, "nothing asks the store for `{call}`");
        }
    }
}

/// Lets every call of this kind fail once; how many there are.
async fn strike_each(call: &'static str, done: bool, wanted: &Left) -> u32 {
    let mut count = 0;
    loop {
        let next = count + 1..=count + ABREAST;
        let runs = next.map(async |nth| {
            let strike = Strike { call, nth, done };
            let run = tokio::time::timeout(Duration::from_secs(60), run(strike));
            let (left, struck) = run.await.expect("it ends");
            assert_eq!(left, *wanted, "{strike:?}");
            u32::from(struck)
        });
        let struck: u32 = join_all(runs).await.into_iter().sum();
        count += struck;
        if struck < ABREAST {
            return count;
        }
    }
}
