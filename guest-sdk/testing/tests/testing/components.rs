//! Real components beside mocks: time does not pass while they work on other threads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use nebula_flow::component::{ActionMetadata, Origin};
use nebula_flow::deploy::EVALUATOR;
use nebula_flow::event::{Failure, FailureKind, Usage};
use nebula_flow::payload;
use nebula_flow::ports::{
    Call, Components, Outcome, Prepared, Report, ResolveError, ResolvedAction, Runner,
};
use nebula_flow::{ActionId, Component, Digest, Effect, TenantId, Verified};
use nebula_sdk::prelude::*;
use nebula_sdk::testing::WorkflowTestHarness;
use semver::{Version, VersionReq};

/// Components whose every call takes a moment of real time, on another thread, and
/// gives what it was given; as the evaluator it gives 42.
struct Slow;

fn component() -> Component {
    Component::new(Bytes::from_static(b"slow"))
}

#[async_trait]
impl Components for Slow {
    async fn resolve(
        &self,
        _: &TenantId,
        action: &ActionId,
        _: &VersionReq,
    ) -> Result<ResolvedAction, ResolveError> {
        if ![EVALUATOR, "real.same"].contains(&action.as_str()) {
            return Err(ResolveError::UnknownAction {
                action: action.clone(),
                similar: None,
            });
        }
        let metadata = ActionMetadata {
            id: action.clone(),
            name: action.to_string(),
            version: Version::new(1, 0, 0),
            description: String::new(),
            category: String::new(),
            input_schema: json!(true),
            output_schema: json!(true),
            credentials: Vec::new(),
            hosts: Vec::new(),
        };
        Ok(ResolvedAction {
            digest: component().digest(),
            effect: Effect::Pure,
            metadata: Arc::new(metadata),
            origin: Origin::Local,
        })
    }

    async fn component(
        &self,
        _: &TenantId,
        _: Digest,
    ) -> Result<Verified<Component>, ResolveError> {
        moment().await;
        #[allow(clippy::disallowed_methods, reason = "nothing of it is ever run")]
        Ok(Verified::vouch(component(), Origin::Local))
    }

    async fn actions(
        &self,
        _: &TenantId,
    ) -> Result<BTreeMap<ActionId, ResolvedAction>, ResolveError> {
        Ok(BTreeMap::new())
    }
}

/// A little real time, on another thread.
async fn moment() {
    let (tell, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        let _ = tell.send(());
    });
    told.await.unwrap();
}

#[async_trait]
impl Runner for Slow {
    async fn prepare(&self, _: &Verified<Component>) -> Result<Prepared, Failure> {
        Err(Failure::new(FailureKind::Component, "not asked for"))
    }

    async fn run(&self, call: Call) -> Report {
        moment().await;
        let output = match call.action.as_str() {
            EVALUATOR => payload::encode(&json!(42)).unwrap(),
            _ => call.input.clone(),
        };
        Report {
            result: Ok(Outcome::Success(output)),
            usage: Usage::default(),
            lines: Vec::new(),
        }
    }
}

fn harness() -> WorkflowTestHarness {
    WorkflowTestHarness::new()
        .with_components(Arc::new(Slow), Arc::new(Slow))
        .with_mock_action("mock.same", |input| input)
}

#[tokio::test]
async fn a_real_component_runs_beside_mocks_and_takes_no_virtual_time() {
    let workflow = WorkflowBuilder::new("w")
        .add_node("mock", "mock.same")
        .add_node("hour", NodeBuilder::wait_for("1h"))
        .add_node(
            "real",
            NodeBuilder::action("real.same").timeout(Duration::from_millis(1)),
        )
        .add_node("again", "real.same")
        .connect("mock", "hour")
        .connect("hour", "real")
        .connect("mock", "again")
        .output(json!("${ $nodes.real.result }"))
        .build();
    let result = harness()
        .execute(workflow, json!({}))
        .await
        .expect_success();
    assert_eq!(result.output, json!(null));
    assert_eq!(result.metrics.elapsed, Duration::from_secs(60 * 60));
    assert_eq!(result.metrics.calls["real.same"], 2);
}

#[tokio::test]
async fn an_expression_runs_in_its_component_and_is_no_call_of_an_action() {
    let node = NodeBuilder::action("mock.same").input("${ $input | map(. + 1) | add }");
    let workflow = WorkflowBuilder::new("w").add_node("a", node).build();
    let result = harness()
        .execute(workflow, json!([1]))
        .await
        .expect_success();
    assert_eq!(result.node_outputs["a"], 42);
    assert_eq!(result.calls.len(), 1);
}

#[tokio::test]
async fn what_neither_has_is_unknown() {
    let workflow = WorkflowBuilder::new("w").add_node("a", "none.such").build();
    let result = harness().execute(workflow, json!(null)).await;
    assert!(result.error.unwrap().to_string().contains("`none.such`"));
}

#[tokio::test]
async fn a_real_component_can_be_made_to_fail() {
    let workflow = WorkflowBuilder::new("w").add_node("a", "real.same").build();
    let harness = harness().failing("a", 1, ActionError::permanent("it is broken"));
    let result = harness.execute(workflow, json!(null)).await;
    assert_eq!(result.expect_failure().message, "it is broken");
}
