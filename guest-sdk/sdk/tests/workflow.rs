//! Workflows in Rust: `workflow!`, the builder and the derive write the same
//! definitions.
#![cfg(feature = "workflow")]
#![allow(
    dead_code,
    missing_docs,
    reason = "tests; fields that only their types matter of"
)]

use nebula_sdk::prelude::*;
use nebula_sdk::workflow::{On, node};

#[data]
struct City {
    city: String,
}

/// Fetches the weather of a city.
#[derive(Action)]
#[action(id = "weather.fetch")]
struct WeatherAction;

impl SimpleAction for WeatherAction {
    type Input = City;
    type Output = City;

    async fn execute_simple(&self, input: City, _: &ActionContext) -> Result<City> {
        Ok(input)
    }
}

#[test]
fn the_macro_and_the_builder_make_the_same_workflow() {
    let built = WorkflowBuilder::new("my-workflow")
        .add_node("input", "validation.input")
        .add_node("process", "my.custom_action")
        .add_node("output", "notification.send")
        .connect("input", "process")
        .connect("process", "output")
        .build();
    let written = workflow!("my-workflow" => {
        input: "validation.input" => process
        process: "my.custom_action" => output
        output: "notification.send"
    });
    assert_eq!(written, built);
}

#[test]
fn connections_have_conditions_outcomes_and_several_targets() {
    let hot = "$nodes.fetch.result.temp > 30";
    let built = WorkflowBuilder::new("weather")
        .add_node("fetch", "weather.fetch")
        .add_node("check", "condition.check@^0.1")
        .add_node("notify", "notification.send")
        .add_node("if", "notification.send")
        .connect("fetch", "check")
        .connect_on("fetch", "if", On::Failure)
        .connect_conditional("check", "notify", hot)
        .connect_on_conditional("check", "if", On::Port("invalid".into()), "$input.mail")
        .connect_on("notify", "if", On::Skip)
        .build();
    let written = workflow!("weather" => {
        fetch: WeatherAction => check, if on failure
        check: "condition.check@^0.1" =>
            notify if "$nodes.fetch.result.temp > 30",
            if on port("invalid") if "$input.mail",
        notify: "notification.send" => if on skip
        if: "notification.send",
    });
    assert_eq!(written, built);
    assert!(nebula_flow::definition::check(&written).is_empty());
}

#[test]
fn a_node_of_the_macro_may_be_built() {
    let name = String::from("w");
    let workflow = workflow!(name => {
        greet: NodeBuilder::action("sample.greet").input(json!({ "name": "${ $input.name }" })) => fetch
        fetch: node::<WeatherAction>().at_most_once()
    });
    assert_eq!(workflow.name.as_str(), "w");
    assert_eq!(
        workflow.nodes["greet"].input,
        Some(json!({ "name": "${ $input.name }" }))
    );
    assert_eq!(workflow.connections.len(), 1);
    assert!(workflow.nodes["fetch"].delivery.is_some());
}

/// Tells when it is hot.
///
/// Not when it is cold.
#[data]
#[derive(Workflow)]
#[workflow(
    id = "weather-notification",
    nodes(
        fetch = WeatherAction,
        check = "condition.check",
        notify = NodeBuilder::action("notification.send").input(json!({ "text": "It is hot." })),
    ),
    edges(fetch => check, check => notify if "$nodes.fetch.result.temp > 30"),
    output = json!({ "told": "${ $nodes.notify.status }" })
)]
struct WeatherNotification {
    /// Where to look.
    #[param(length = 1..=80)]
    city: String,
}

#[derive(Workflow)]
#[workflow(id = "one", description = "One node.", nodes(only = "condition.check"))]
struct One;

#[test]
fn a_declared_workflow_is_the_one_that_is_built() {
    let built = WorkflowBuilder::new("weather-notification")
        .description("Tells when it is hot.")
        .input_schema(json!({
            "title": "WeatherNotification",
            "description": "Tells when it is hot.\n\nNot when it is cold.",
            "type": "object",
            "properties": { "city": {
                "type": "string", "description": "Where to look.", "minLength": 1, "maxLength": 80,
            } },
            "required": ["city"],
        }))
        .add_node("fetch", "weather.fetch")
        .add_node("check", "condition.check")
        .add_node(
            "notify",
            NodeBuilder::action("notification.send").input(json!({ "text": "It is hot." })),
        )
        .connect("fetch", "check")
        .connect_conditional("check", "notify", "$nodes.fetch.result.temp > 30")
        .output(json!({ "told": "${ $nodes.notify.status }" }))
        .build();
    assert_eq!(WeatherNotification::definition(), built);
    assert_eq!(WeatherNotification::NAME, "weather-notification");
    assert!(nebula_flow::definition::check(&built).is_empty());

    let one = One::definition();
    assert_eq!(
        (one.name.as_str(), one.description.as_str()),
        ("one", "One node.")
    );
    assert!(one.input.is_none() && one.connections.is_empty());
}
