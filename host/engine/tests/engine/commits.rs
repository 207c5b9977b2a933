//! What is on disk when: nothing leaves before what it depends on is committed.

use std::sync::Arc;

use nebula_flow::component::Effect::{Effectful, Pure};
use nebula_flow::ports::{Durability, EventLog, Status};
use nebula_flow::{WorkflowBuilder, WorkflowDefinition, json};

use crate::house::{House, gives, told, value};

fn chain(actions: &[&str]) -> WorkflowDefinition {
    let mut builder = WorkflowBuilder::new("chain");
    for (n, action) in actions.iter().enumerate() {
        builder = builder.add_node(format!("n{n}"), *action);
        if n > 0 {
            builder = builder.connect(format!("n{}", n - 1), format!("n{n}"));
        }
    }
    builder.build()
}

#[tokio::test]
async fn pure_steps_share_one_commit_with_the_start_and_the_end() {
    let house = House::new();
    house.action(
        "test.same",
        Pure,
        |call| async move { gives(&value(&call)) },
    );
    let engine = house.engine("one");
    let deployed = house.deploy(chain(&["test.same"; 10])).await;
    let execution = house.start(&engine, &deployed, json!("x")).await;
    assert_eq!(execution.wait().await.output, Some(json!({"n9": "x"})));
    assert_eq!(house.log.appends(), 1);
}

#[tokio::test]
async fn an_effect_starts_only_after_its_attempt_and_all_before_it_are_on_disk() {
    let house = House::new();
    house.action(
        "test.same",
        Pure,
        |call| async move { gives(&value(&call)) },
    );
    let log = house.log.clone();
    house.action("test.effect", Effectful, move |call| {
        let log = log.clone();
        async move {
            let history = log.history(call.identity.execution, 0, 1000).await.unwrap();
            let events: Vec<String> = history.iter().map(|r| told(&r.event)).collect();
            gives(&json!(events))
        }
    });
    let engine = house.engine("one");
    let deployed = house.deploy(chain(&["test.same", "test.effect"])).await;
    let result = house
        .start(&engine, &deployed, json!(null))
        .await
        .wait()
        .await;
    let seen = [
        "started",
        "step_ready n0",
        "step_succeeded n0",
        "step_ready n1",
        "attempt_started n1",
    ];
    assert_eq!(result.output, Some(json!({ "n1": seen })));
    assert_eq!(
        house.log.appends(),
        2,
        "one before the effect, one at the end"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_decided_is_on_disk_soon_even_if_a_step_goes_on() {
    let house = House::new();
    house.action(
        "test.same",
        Pure,
        |call| async move { gives(&value(&call)) },
    );
    house.action("test.hang", Pure, |_| std::future::pending());
    let engine = house.engine("one");
    let deployed = house.deploy(chain(&["test.same", "test.hang"])).await;
    let id = house.submit(&deployed, json!(null), Durability::Now).await;
    house
        .until(id, |s| s.status == Status::Running && s.version >= 4)
        .await;
    let story = house.story(id).await;
    assert_eq!(
        story,
        [
            "started",
            "step_ready n0",
            "step_succeeded n0",
            "step_ready n1"
        ]
    );
    drop(engine);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_in_trouble_is_tried_again_and_nothing_is_lost() {
    let house = House::new();
    house.action("test.effect", Effectful, |call| async move {
        gives(&value(&call))
    });
    let engine = house.engine("one");
    let deployed = house.deploy(chain(&["test.effect"; 2])).await;
    house.log.fail_appends(4);
    let mut executions = Vec::new();
    for n in 0..5 {
        executions.push((n, house.start(&engine, &deployed, json!(n)).await));
    }
    for (n, execution) in executions {
        assert_eq!(execution.wait().await.output, Some(json!({ "n1": n })));
    }
    assert_eq!(house.log.refusals_left(), 0);
    assert_eq!(house.runner.calls().len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_effects_wait_for_one_commit() {
    let house = House::new();
    let both = Arc::new(tokio::sync::Barrier::new(3));
    house.action("test.effect", Effectful, move |_| {
        let both = both.clone();
        async move {
            both.wait().await;
            gives(&json!(1))
        }
    });
    let engine = house.engine("one");
    let workflow = WorkflowBuilder::new("w")
        .add_node("a", "test.effect")
        .add_node("b", "test.effect")
        .add_node("c", "test.effect")
        .build();
    let deployed = house.deploy(workflow).await;
    let execution = house.start(&engine, &deployed, json!(null)).await;
    assert_eq!(execution.wait().await.status, Status::Succeeded);
    let starts = house.story(execution.id()).await;
    let starts: Vec<_> = starts
        .iter()
        .filter(|e| e.starts_with("attempt_started"))
        .collect();
    assert_eq!(
        starts,
        [
            "attempt_started a",
            "attempt_started b",
            "attempt_started c"
        ]
    );
}
