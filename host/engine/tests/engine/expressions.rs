//! Templates, conditions and lists, evaluated by the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use nebula_flow::component::Effect::{Effectful, Pure};
use nebula_flow::event::FailureKind;
use nebula_flow::ports::Status;
use nebula_flow::{NodeBuilder, Value, WorkflowBuilder, json};

use crate::house::{House, fails, gives, value};

fn same(house: &House) {
    house.action(
        "test.same",
        Pure,
        |call| async move { gives(&value(&call)) },
    );
}

#[tokio::test]
async fn templates_and_conditions_read_inputs_and_results() {
    let house = House::new();
    same(&house);
    let engine = house.engine("one");
    let workflow = WorkflowBuilder::new("w")
        .var("unit", "°C")
        .add_node(
            "fetch",
            NodeBuilder::action("test.same").input(json!({"temp": "${ $input.temp }"})),
        )
        .add_node(
            "hot",
            NodeBuilder::action("test.same")
                .input(json!("${ $nodes.fetch.result.temp } ${ $vars.unit }")),
        )
        .connect_conditional("fetch", "hot", "$nodes.fetch.result.temp > 30")
        .output(json!({"hot": "${ $nodes.hot.result }", "status": "${ $nodes.hot.status }"}))
        .build();
    let deployed = house.deploy(workflow).await;
    let run = async |temp: i64| {
        let execution = house
            .start(&engine, &deployed, json!({ "temp": temp }))
            .await;
        execution.wait().await.output
    };
    assert_eq!(
        run(35).await,
        Some(json!({"hot": "35 °C", "status": "succeeded"}))
    );
    assert_eq!(
        run(5).await,
        Some(json!({"hot": null, "status": "skipped"}))
    );
}

#[tokio::test]
async fn items_of_a_map_are_seen_one_by_one() {
    for effect in [Pure, Effectful] {
        let house = House::new();
        house.action(
            "test.same",
            effect,
            |call| async move { gives(&value(&call)) },
        );
        let engine = house.engine("one");
        let each = NodeBuilder::action("test.same").input(json!("${ $index }: ${ $item.name }"));
        let deployed = house
            .deploy(
                WorkflowBuilder::new("w")
                    .map("names", "$input.people", each)
                    .build(),
            )
            .await;
        let input = json!({"people": [{"name": "Ada"}, {"name": "Kurt"}]});
        let result = house.start(&engine, &deployed, input).await.wait().await;
        assert_eq!(
            result.output,
            Some(json!({"names": ["0: Ada", "1: Kurt"]})),
            "{:?}",
            result.error
        );
        let result = house
            .start(&engine, &deployed, json!({"people": 3}))
            .await
            .wait()
            .await;
        assert_eq!(result.error.map(|e| e.kind), Some(FailureKind::Expression));
    }
}

/// An expression outside the direct subset, whatever that is.
const INDIRECT: &str = "[range($input)] | map(. * 2) | add";

#[tokio::test]
async fn what_is_not_evaluated_directly_runs_in_the_sandbox() {
    let house = House::new();
    same(&house);
    house.action("transform.jq", Pure, |call| async move {
        let input = value(&call);
        assert_eq!(input["input"], Value::Null);
        assert_eq!(input["filter"], INDIRECT);
        assert_eq!(call.limits.fuel, 100_000_000);
        match input["variables"]["input"].as_u64() {
            Some(n) => gives(&json!(n * (n - 1))),
            None => fails(FailureKind::Permanent, "cannot iterate over null"),
        }
    });
    let engine = house.engine("one");
    let node = NodeBuilder::action("test.same").input(json!(format!("${{ {INDIRECT} }}")));
    let deployed = house
        .deploy(WorkflowBuilder::new("w").add_node("a", node).build())
        .await;
    let result = house.start(&engine, &deployed, json!(5)).await.wait().await;
    assert_eq!(result.output, Some(json!({"a": 20})), "{:?}", result.error);
    let result = house
        .start(&engine, &deployed, json!(null))
        .await
        .wait()
        .await;
    assert_eq!(result.status, Status::Failed);
    let error = result.error.unwrap();
    assert_eq!(error.kind, FailureKind::Expression);
    assert!(
        error.message.contains("cannot iterate over null"),
        "{error}"
    );
}

#[tokio::test]
async fn an_output_that_errs_fails_the_execution() {
    let house = House::new();
    same(&house);
    let engine = house.engine("one");
    let workflow = WorkflowBuilder::new("w")
        .add_node("a", "test.same")
        .output(json!("${ $input.x + 1 }"))
        .build();
    let deployed = house.deploy(workflow).await;
    let result = house
        .start(&engine, &deployed, json!({"x": "text"}))
        .await
        .wait()
        .await;
    assert_eq!(result.status, Status::Failed);
    assert_eq!(result.error.map(|e| e.kind), Some(FailureKind::Expression));
}

#[tokio::test]
async fn a_template_that_grows_too_large_ends_before_all_of_it_is_computed() {
    let house = House::new();
    same(&house);
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    house.action("transform.jq", Pure, move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move { gives(&json!("x".repeat(1 << 20))) }
    });
    let engine = house.engine("one");
    let expressions = vec!["${ $input | tostring }"; 900];
    let node = NodeBuilder::action("test.same").input(json!(expressions));
    let deployed = house
        .deploy(WorkflowBuilder::new("w").add_node("a", node).build())
        .await;
    let result = house.start(&engine, &deployed, json!(1)).await.wait().await;
    let error = result.error.unwrap();
    assert_eq!(error.kind, FailureKind::Expression);
    assert!(error.message.contains("cap of 4194304 bytes"), "{error}");
    assert_eq!(calls.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn expressions_read_a_bounded_amount_together() {
    let house = House::new();
    house.action("test.big", Pure, |_| async move {
        gives(&json!("x".repeat((4 << 20) - 16)))
    });
    let engine = house.engine("one");
    let run = async |name: &str, nodes: u32| {
        let mut workflow = WorkflowBuilder::new(name);
        let mut output = Vec::new();
        for node in 0..nodes {
            workflow = workflow.add_node(format!("n{node}"), "test.big");
            output.push(format!("${{ $nodes.n{node}.result > 1 }}"));
        }
        let deployed = house.deploy(workflow.output(json!(output)).build()).await;
        house.start(&engine, &deployed, json!(1)).await.wait().await
    };
    let result = run("fits", 16).await;
    assert_eq!(result.output, Some(json!(vec![true; 16])));
    let error = run("too-much", 17).await.error.unwrap();
    assert_eq!(error.kind, FailureKind::Expression);
    assert!(error.message.contains("at most 67108864"), "{error}");
}
