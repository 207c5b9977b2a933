//! Workflows that run workflows: children start once, end once for their parent,
//! and stop with it.

use std::time::Duration;

use nebula_flow::component::Effect::Pure;
use nebula_flow::control::Control;
use nebula_flow::deploy::DeployedWorkflow;
use nebula_flow::event::{Event, FailureKind};
use nebula_flow::execution::MAX_DEPTH;
use nebula_flow::ports::{Durability, EventLog, ExecutionQuery, Status};
use nebula_flow::{ExecutionId, NodeBuilder, Value, WorkflowBuilder, json};

use crate::house::{HandClock, House, fails, gives, tenant, value};

/// `test.double`: doubles a number, and refuses a text.
fn double(house: &House) {
    house.action("test.double", Pure, |call| async move {
        match value(&call).as_i64() {
            Some(n) => gives(&json!(2 * n)),
            None => fails(FailureKind::Permanent, "this is no number"),
        }
    });
}

async fn child(house: &House) {
    double(house);
    let child = WorkflowBuilder::new("child")
        .add_node("double", "test.double")
        .output("${ $nodes.double.result }");
    house.deploy(child.build()).await;
}

async fn run(house: &House, node: NodeBuilder) -> std::sync::Arc<DeployedWorkflow> {
    let parent = WorkflowBuilder::new("parent")
        .add_node("run", node)
        .output("${ $nodes.run.result }");
    house.deploy(parent.build()).await
}

/// The executions of a workflow, oldest first.
async fn all(house: &House, name: &str) -> Vec<ExecutionId> {
    let query = ExecutionQuery {
        limit: 1_000,
        ..ExecutionQuery::default()
    };
    let found = house.log.executions(&tenant(), &query).await.unwrap();
    let of = found.iter().filter(|e| e.workflow_name.as_str() == name);
    of.rev().map(|e| e.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_output_of_a_child_is_the_result_of_its_step() {
    let house = House::new();
    child(&house).await;
    let deployed = run(&house, NodeBuilder::workflow("child")).await;
    let engine = house.engine("one");
    let execution = house.start(&engine, &deployed, json!(21)).await;
    let result = execution.wait().await;
    assert_eq!(result.output, Some(json!(42)), "{result:?}");
    assert_eq!(
        house.story(execution.id()).await,
        [
            "started",
            "step_ready run",
            "child_started run",
            "step_succeeded run",
            "succeeded"
        ]
    );
    let children = all(&house, "child").await;
    let [child] = children[..] else {
        panic!("{children:?}")
    };
    let history = house.history(child).await;
    let Event::Started {
        parent: Some(parent),
        ..
    } = &history[0].event
    else {
        panic!("{history:?}")
    };
    assert_eq!(
        (parent.execution, parent.step.to_string(), parent.depth),
        (execution.id(), "run".to_owned(), 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_fails_fails_its_step_and_says_which_it_is() {
    let house = House::new();
    child(&house).await;
    let deployed = run(&house, NodeBuilder::workflow("child")).await;
    let engine = house.engine("one");
    let execution = house.start(&engine, &deployed, json!("x")).await;
    let error = execution.wait().await.error.unwrap();
    let child = all(&house, "child").await[0];
    assert_eq!(error.kind, FailureKind::Permanent);
    assert_eq!(
        error.message,
        format!("execution {child}: this is no number")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_item_of_a_map_may_be_a_child() {
    let house = House::new();
    child(&house).await;
    let each = NodeBuilder::map("${ $input }", NodeBuilder::workflow("child")).concurrency(3);
    let deployed = run(&house, each).await;
    let engine = house.engine("one");
    let numbers: Vec<i64> = (0..50).collect();
    let execution = house.start(&engine, &deployed, json!(numbers)).await;
    let doubled: Vec<i64> = numbers.iter().map(|n| 2 * n).collect();
    assert_eq!(execution.wait().await.output, Some(json!(doubled)));
    assert_eq!(all(&house, "child").await.len(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_detached_child_is_named_and_not_waited_for() {
    let house = House::with_clock(HandClock::new());
    let waits = WorkflowBuilder::new("child").add_node("rest", NodeBuilder::wait_for("1h"));
    house.deploy(waits.build()).await;
    let deployed = run(&house, NodeBuilder::workflow("child").detach()).await;
    let engine = house.engine("one");
    let execution = house.start(&engine, &deployed, json!(null)).await;
    let output = execution.wait().await.output.unwrap();
    let child = all(&house, "child").await[0];
    assert_eq!(output, json!({ "execution": child.to_string() }));
    // Its parent has ended, and it goes on.
    house.until(child, |s| s.status == Status::Waiting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_is_refused_what_its_workflow_does_not_take() {
    let house = House::new();
    double(&house);
    let child = WorkflowBuilder::new("child")
        .input_schema(json!({"type": "integer"}))
        .add_node("double", "test.double");
    house.deploy(child.build()).await;
    let deployed = run(&house, NodeBuilder::workflow("child")).await;
    let engine = house.engine("one");
    let execution = house.start(&engine, &deployed, json!("x")).await;
    let error = execution.wait().await.error.unwrap();
    assert_eq!(error.kind, FailureKind::InvalidInput, "{error}");
    assert!(error.message.contains("workflow `child`"), "{error}");
    assert_eq!(all(&house, "child").await, []);
}

/// A parent whose child waits for an hour, both at rest.
async fn resting(house: &House) -> (ExecutionId, ExecutionId) {
    let waits = WorkflowBuilder::new("child").add_node("rest", NodeBuilder::wait_for("1h"));
    house.deploy(waits.build()).await;
    let deployed = run(house, NodeBuilder::workflow("child")).await;
    let parent = house.submit(&deployed, json!(null), Durability::Now).await;
    house.until(parent, |s| s.status == Status::Waiting).await;
    let child = all(house, "child").await[0];
    house.until(child, |s| s.status == Status::Waiting).await;
    (parent, child)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_stops_with_its_parent() {
    for (what, parents, childs) in [
        (Control::Cancel, Status::Cancelled, Status::Cancelled),
        (Control::Terminate, Status::Terminated, Status::Terminated),
    ] {
        let house = House::with_clock(HandClock::new());
        let engine = house.engine("one");
        let (parent, child) = resting(&house).await;
        engine.control(parent, what, "enough").await.unwrap();
        house.until(parent, |s| s.status == parents).await;
        house.until(child, |s| s.status == childs).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_is_cancelled_by_hand_fails_its_step() {
    let house = House::with_clock(HandClock::new());
    let engine = house.engine("one");
    let (parent, child) = resting(&house).await;
    engine.cancel(child, "by hand").await.unwrap();
    let result = engine.handle(parent).await.unwrap().wait().await;
    let error = result.error.unwrap();
    assert_eq!(
        (result.status, error.kind),
        (Status::Failed, FailureKind::Cancelled)
    );
    assert_eq!(
        error.message,
        format!("execution {child} was cancelled: by hand")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_hears_of_its_childs_end_after_a_crash() {
    let clock = HandClock::new();
    let house = House::with_clock(clock.clone());
    let engine = house.engine("one");
    let (parent, child) = resting(&house).await;
    drop(engine);
    clock.advance(Duration::from_secs(3_600));
    let engine = house.engine("two");
    let result = engine.handle(parent).await.unwrap().wait().await;
    assert_eq!(result.output, Some(json!({"rest": null})), "{result:?}");
    assert_eq!(house.summary(child).await.status, Status::Succeeded);
    assert_eq!(all(&house, "child").await.len(), 1, "started once");
}

/// A version that cannot be loaded, ended by the one thing that reaches it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_hears_of_a_child_that_could_not_be_loaded_and_is_terminated() {
    let house = House::with_clock(HandClock::new());
    let engine = house.engine("one");
    let (parent, child) = resting(&house).await;
    drop(engine);
    house.forget_version("child").await;
    let engine = house.engine("two");
    engine
        .control(child, Control::Terminate, "by hand")
        .await
        .unwrap();
    let error = engine.handle(parent).await.unwrap().wait().await.error;
    let error = error.unwrap();
    assert_eq!(error.kind, FailureKind::Cancelled);
    assert_eq!(
        error.message,
        format!("execution {child} was terminated: by hand")
    );
}

/// Each version of a workflow runs the one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_of_children_has_an_end() {
    let house = House::new();
    double(&house);
    let first = WorkflowBuilder::new("parent").add_node("run", "test.double");
    let mut chain = vec![house.deploy(first.build()).await];
    for _ in 0..=MAX_DEPTH {
        chain.push(run(&house, NodeBuilder::workflow("parent")).await);
    }
    let engine = house.engine("one");
    let longest = usize::try_from(MAX_DEPTH).unwrap();
    let well = house.start(&engine, &chain[longest], json!(1)).await;
    assert_eq!(well.wait().await.status, Status::Succeeded);
    let too_long = house.start(&engine, &chain[longest + 1], json!(1)).await;
    let error = too_long.wait().await.error.unwrap();
    assert_eq!(error.kind, FailureKind::Permanent);
    assert!(error.message.contains("execution 33 in a row"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_starts_the_workflow_that_is_named_for_it() {
    let house = House::new();
    double(&house);
    house.action(
        "test.tell",
        Pure,
        |call| async move { gives(&value(&call)) },
    );
    let report = WorkflowBuilder::new("report").add_node("tell", "test.tell");
    house.deploy(report.build()).await;
    let main = WorkflowBuilder::new("main")
        .on_failure("report")
        .add_node("double", "test.double");
    let deployed = house.deploy(main.build()).await;
    let engine = house.engine("one");
    let failed = house.start(&engine, &deployed, json!("x")).await;
    assert_eq!(failed.wait().await.status, Status::Failed);
    let well = house.start(&engine, &deployed, json!(1)).await;
    assert_eq!(well.wait().await.status, Status::Succeeded);
    let reports = all(&house, "report").await;
    let [report] = reports[..] else {
        panic!("{reports:?}")
    };
    let told = engine.handle(report).await.unwrap().wait().await;
    let expected: Value = json!({"tell": {
        "workflow": "main",
        "version": 1,
        "execution": failed.id().to_string(),
        "node": "double",
        "error": {"kind": "permanent", "message": "this is no number"},
    }});
    assert_eq!(told.output, Some(expected));
}
