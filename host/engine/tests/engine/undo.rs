//! What nodes did is taken back before their execution ends in failure or by a
//! cancel, the last first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use nebula_engine::EngineError;
use nebula_flow::component::Effect::Effectful;
use nebula_flow::control::Control;
use nebula_flow::event::{Event, FailureKind, Restart};
use nebula_flow::ports::{EventLog, Status};
use nebula_flow::restart::RestartError;
use nebula_flow::{NodeBuilder, WorkflowBuilder, WorkflowDefinition, json};
use tokio::sync::mpsc;

use crate::house::{House, fails, gives, value};

fn actions(house: &House) {
    house.action("test.echo", Effectful, |call| async move {
        gives(&value(&call))
    });
    house.action("test.fail", Effectful, |_| async {
        fails(FailureKind::Permanent, "no")
    });
}

/// Books a hotel and a flight, and then does what it is given.
fn trip(then: &str) -> WorkflowDefinition {
    let book = |what: &str| NodeBuilder::action("test.echo").input(json!({ "booked": what }));
    WorkflowBuilder::new("trip")
        .add_node("hotel", book("hotel").undo("test.echo"))
        .add_node("plain", "test.echo")
        .add_node(
            "flight",
            book("flight").undo(
                NodeBuilder::action("test.echo").input(
                    json!({"seat": "${ $nodes.flight.result.booked }", "of": "${ $input }"}),
                ),
            ),
        )
        .add_node("then", then)
        .connect("hotel", "plain")
        .connect("plain", "flight")
        .connect("flight", "then")
        .build()
}

/// The steps that were undone, with their inputs, in order.
async fn undone(house: &House, id: nebula_flow::ExecutionId) -> Vec<(String, nebula_flow::Value)> {
    let history = house.history(id).await;
    let ready = history.iter().filter_map(|r| match &r.event {
        Event::StepReady { step, input } if step.node.as_str().starts_with("undo_") => {
            let nebula_flow::Payload::Inline(bytes) = input else {
                panic!("it is small");
            };
            Some((
                step.to_string(),
                nebula_flow::payload::decode(bytes).unwrap(),
            ))
        }
        _ => None,
    });
    ready.collect()
}

#[tokio::test]
async fn what_a_failed_execution_did_is_undone_the_last_first() {
    let house = House::new();
    actions(&house);
    let deployed = house.deploy(trip("test.fail")).await;
    let engine = house.engine("one");
    let execution = house.start(&engine, &deployed, json!(1)).await;
    let id = execution.id();
    let result = execution.wait().await;
    let error = result.error.unwrap();
    assert_eq!(
        (result.status, error.message.as_str()),
        (Status::Failed, "no")
    );
    assert_eq!(
        undone(&house, id).await,
        [
            ("undo_flight".to_owned(), json!({"seat": "flight", "of": 1})),
            ("undo_hotel".to_owned(), json!({"booked": "hotel"})),
        ]
    );
    let refused = engine.restart(id, Restart::Retry).await.unwrap_err();
    assert!(
        matches!(refused, EngineError::Restart(RestartError::Undone(_))),
        "{refused}"
    );
    assert!(engine.restart(id, Restart::Replay).await.is_ok());
}

#[tokio::test]
async fn what_ends_well_is_not_undone_and_a_wrong_output_is() {
    let house = House::new();
    actions(&house);
    let engine = house.engine("one");
    let deployed = house.deploy(trip("test.echo")).await;
    let execution = house.start(&engine, &deployed, json!(1)).await;
    let id = execution.id();
    let result = execution.wait().await;
    assert_eq!(
        result.output,
        Some(json!({"then": {"booked": "flight"}})),
        "{result:?}"
    );
    assert_eq!(undone(&house, id).await, []);

    let mut wrong = trip("test.echo");
    wrong.output = Some(json!("${ $input + {} }"));
    let deployed = house.deploy(wrong).await;
    let execution = house.start(&engine, &deployed, json!(1)).await;
    let id = execution.id();
    let error = execution.wait().await.error.unwrap();
    assert_eq!(error.kind, FailureKind::Expression);
    assert_eq!(undone(&house, id).await.len(), 2);
}

#[tokio::test]
async fn a_cancel_cuts_off_what_runs_and_undoes_the_rest_also_after_a_crash() {
    let house = House::new();
    actions(&house);
    let (begun, mut begins) = mpsc::unbounded_channel();
    let flight = begun.clone();
    house.action("test.hang", Effectful, move |_| {
        let _ = begun.send(());
        std::future::pending()
    });
    // The first undo hangs once, so that the engine can be stopped in it.
    let times = Arc::new(AtomicU32::new(0));
    let counted = times.clone();
    house.action("test.slow", Effectful, move |call| {
        let hangs = counted.fetch_add(1, SeqCst) == 0;
        let _ = flight.send(());
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            gives(&value(&call))
        }
    });
    let mut trip = trip("test.hang");
    trip.nodes
        .get_mut("flight")
        .unwrap()
        .undo
        .as_mut()
        .unwrap()
        .action = Some("test.slow".parse().unwrap());
    let deployed = house.deploy(trip).await;
    let engine = house.engine("one");
    let id = house.start(&engine, &deployed, json!(1)).await.id();
    begins.recv().await.unwrap();
    engine.control(id, Control::Cancel, "enough").await.unwrap();
    begins.recv().await.unwrap();
    drop(engine);
    let engine = house.engine("two");
    let result = engine.handle(id).await.unwrap().wait().await;
    assert_eq!(result.status, Status::Cancelled);
    let steps = undone(&house, id).await;
    assert_eq!(
        steps.iter().map(|(s, _)| s.as_str()).collect::<Vec<_>>(),
        ["undo_flight", "undo_hotel"]
    );
    assert_eq!(times.load(SeqCst), 2);
    let last = house.history(id).await.pop().unwrap().event;
    assert_eq!(
        last,
        Event::Cancelled {
            reason: "enough".into()
        }
    );
}

#[tokio::test]
async fn what_cannot_be_undone_is_said_and_keeps_nothing_else_from_it() {
    let house = House::new();
    actions(&house);
    let mut trip = trip("test.fail");
    trip.nodes
        .get_mut("flight")
        .unwrap()
        .undo
        .as_mut()
        .unwrap()
        .action = Some("test.fail".parse().unwrap());
    let deployed = house.deploy(trip).await;
    let engine = house.engine("one");
    let execution = house.start(&engine, &deployed, json!(1)).await;
    let id = execution.id();
    let error = execution.wait().await.error.unwrap();
    assert_eq!(error.message, "no; `flight` is not undone: permanent: no");
    assert_eq!(undone(&house, id).await.len(), 2);
    assert!(
        house
            .story(id)
            .await
            .contains(&"step_succeeded undo_hotel".to_owned())
    );
}

#[tokio::test]
async fn a_terminated_execution_undoes_nothing_and_its_time_out_everything() {
    let house = House::new();
    actions(&house);
    let mut trip = trip("test.echo");
    let wait = NodeBuilder::wait_signal("go");
    trip.nodes.insert("then".parse().unwrap(), wait_node(wait));
    let deployed = house.deploy(trip.clone()).await;
    let engine = house.engine("one");
    let id = house.start(&engine, &deployed, json!(1)).await.id();
    house.until(id, |e| e.status == Status::Waiting).await;
    engine.control(id, Control::Terminate, "now").await.unwrap();
    assert_eq!(
        engine.handle(id).await.unwrap().wait().await.status,
        Status::Terminated
    );
    assert_eq!(undone(&house, id).await, []);

    trip.timeout = Some("100ms".parse().unwrap());
    let deployed = house.deploy(trip).await;
    let execution = house.start(&engine, &deployed, json!(1)).await;
    let id = execution.id();
    let error = execution.wait().await.error.unwrap();
    assert_eq!(error.kind, FailureKind::TimedOut);
    assert_eq!(undone(&house, id).await.len(), 2);
    assert!(house.log.inbox(id).await.unwrap().is_empty());
}

fn wait_node(builder: NodeBuilder) -> nebula_flow::definition::Node {
    let one = WorkflowBuilder::new("one").add_node("a", builder).build();
    one.nodes.into_values().next().unwrap()
}
