//! Deploying and starting through the engine's own door.

use nebula_engine::{EngineError, ExecutionOptions};
use nebula_flow::component::Effect::Pure;
use nebula_flow::ports::{LogError, Status};
use nebula_flow::start::StartError;
use nebula_flow::{WorkflowBuilder, WorkflowDefinition, json};

use crate::house::{House, gives, value};

fn echo(house: &House) -> WorkflowDefinition {
    house.action(
        "test.same",
        Pure,
        |call| async move { gives(&value(&call)) },
    );
    WorkflowBuilder::new("echo")
        .add_node("a", "test.same")
        .build()
}

#[tokio::test]
async fn a_workflow_is_deployed_started_and_waited_for() {
    let house = House::new();
    let definition = echo(&house);
    let engine = house.engine("one");
    let deployed = engine.deploy_workflow(definition).await.unwrap();
    for name in ["echo".to_owned(), deployed.id.to_string()] {
        let execution = engine
            .execute_workflow(name, json!({"x": 1}), ExecutionOptions::default())
            .await
            .unwrap();
        let result = execution.wait().await;
        assert_eq!(result.id, execution.id());
        assert_eq!(
            (result.status, result.output),
            (Status::Succeeded, Some(json!({"a": {"x": 1}})))
        );
    }
    assert_eq!(
        house.log.appends(),
        2,
        "each start shares the commit of its end"
    );
}

#[tokio::test]
async fn a_version_is_chosen_and_the_newest_is_the_default() {
    let house = House::new();
    let first = echo(&house);
    let engine = house.engine("one");
    engine.deploy_workflow(first).await.unwrap();
    let second = WorkflowBuilder::new("echo")
        .add_node("b", "test.same")
        .build();
    assert_eq!(engine.deploy_workflow(second).await.unwrap().version, 2);
    for (version, output) in [(None, json!({"b": 1})), (Some(1), json!({"a": 1}))] {
        let options = ExecutionOptions {
            version,
            ..ExecutionOptions::default()
        };
        let execution = engine
            .execute_workflow("echo", json!(1), options)
            .await
            .unwrap();
        assert_eq!(execution.wait().await.output, Some(output));
    }
    let options = ExecutionOptions {
        version: Some(3),
        ..ExecutionOptions::default()
    };
    let refused = engine
        .execute_workflow("echo", json!(1), options)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, EngineError::UnknownVersion { newest: 2, .. }),
        "{refused}"
    );
    let refused = engine
        .execute_workflow("nobody", json!(1), ExecutionOptions::default())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, EngineError::UnknownWorkflow(_)),
        "{refused}"
    );
}

#[tokio::test]
async fn a_repeated_start_names_the_first_execution_and_runs_nothing() {
    let house = House::new();
    let definition = echo(&house);
    let engine = house.engine("one");
    engine.deploy_workflow(definition).await.unwrap();
    let options = ExecutionOptions {
        idempotency_key: Some("order-7".into()),
        ..ExecutionOptions::default()
    };
    let first = engine
        .execute_workflow("echo", json!(7), options.clone())
        .await
        .unwrap();
    let again = engine
        .execute_workflow("echo", json!(7), options.clone())
        .await
        .unwrap();
    assert_eq!(first.id(), again.id());
    assert_eq!(first.wait().await, again.wait().await);
    assert_eq!(house.runner.calls(), ["a@1"]);
    let refused = engine
        .execute_workflow("echo", json!(8), options)
        .await
        .unwrap_err();
    let EngineError::Start(StartError::Log(LogError::KeyReused(key))) = refused else {
        panic!("{refused}")
    };
    assert_eq!(key, "order-7");
}

#[tokio::test]
async fn input_that_breaks_the_schema_starts_nothing() {
    let house = House::new();
    let mut definition = echo(&house);
    definition.input = Some(json!({"type": "object", "required": ["city"]}));
    let engine = house.engine("one");
    engine.deploy_workflow(definition).await.unwrap();
    let refused = engine
        .execute_workflow("echo", json!({}), ExecutionOptions::default())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, EngineError::Start(StartError::InvalidInput(_))),
        "{refused}"
    );
    assert_eq!(house.runner.calls(), [""; 0]);
}

#[tokio::test]
async fn after_a_shutdown_nothing_is_started_and_nobody_waits_for_ever() {
    let house = House::new();
    let definition = echo(&house);
    let engine = house.engine("one");
    let deployed = engine.deploy_workflow(definition).await.unwrap();
    engine.shutdown().await;
    engine.shutdown().await;
    let refused = engine
        .execute_workflow("echo", json!(1), ExecutionOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(refused, EngineError::ShuttingDown), "{refused}");
    let id = house
        .submit(&deployed, json!(1), nebula_flow::ports::Durability::Now)
        .await;
    let handle = engine.handle(id).await.unwrap();
    assert!(!handle.wait().await.status.is_final());
    assert_eq!(house.summary(id).await.status, Status::Queued);
}

#[tokio::test]
async fn an_execution_that_does_not_exist_has_no_handle() {
    let house = House::new();
    let engine = house.engine("one");
    let nobody = nebula_flow::ExecutionId::from_u128(42);
    let refused = engine.handle(nobody).await.unwrap_err();
    assert!(
        matches!(refused, EngineError::Log(LogError::NotFound(id)) if id == nobody),
        "{refused}"
    );
    assert!(engine.cancel(nobody, "why").await.is_err());
}
