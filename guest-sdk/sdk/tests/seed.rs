//! The programs that the SDK and its macros promise, as their authors write them.
//! Those of the engine and of the test harnesses stand beside these.
#![cfg(feature = "workflow")]
#![allow(
    clippy::unwrap_used,
    clippy::needless_question_mark,
    missing_docs,
    reason = "tests; as the programs are promised"
)]

use nebula_sdk::action::http::{Http, Response};
use nebula_sdk::action::{ActionId, ActionMetadata};
use nebula_sdk::prelude::*;

// ---------------------------------------------------------------- prelude --

/// Every name that the prelude promises, by itself.
mod promised {
    #[allow(unused_imports, reason = "that they are there is what is tested")]
    pub(super) use nebula_sdk::prelude::{
        Action, NodeBuilder, Parameter, Parameters, ProcessAction, SimpleAction, Value,
        WorkflowBuilder, json, workflow,
    };
}

// -------------------------------------------------------- a custom action --

#[data]
#[derive(Parameters)]
pub struct MyInput {
    name: String,
}

#[data]
pub struct MyOutput {
    text: String,
}

#[derive(Action)]
#[action(id = "my.custom_action")]
pub struct MyAction;

impl SimpleAction for MyAction {
    type Input = MyInput;
    type Output = MyOutput;

    async fn execute_simple(
        &self,
        input: Self::Input,
        ctx: &ActionContext,
    ) -> Result<Self::Output> {
        ctx.log().info("greeting");
        Ok(MyOutput {
            text: format!("Hello, {}!", input.name),
        })
    }
}

#[test]
fn the_custom_action_runs_and_the_macro_workflow_names_it() {
    let ctx = ActionContext::for_test();
    let result = ctx.run::<MyAction>(&json!({ "name": "Ada" })).unwrap();
    assert_eq!(
        result,
        ProcessResult::Success(json!({ "text": "Hello, Ada!" }))
    );
    let names: Vec<String> = MyInput::parameters().into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["name"]);

    let workflow = workflow!("my-workflow" => {
        input: "validation.input" => process
        process: "my.custom_action" => output
        output: "notification.send"
    });
    assert_eq!((workflow.nodes.len(), workflow.connections.len()), (3, 2));
    assert!(nebula_flow::definition::check(&workflow).is_empty());
}

// ----------------------------------------------------- what the derive makes --

#[derive(Action)]
#[action(id = "test.action", name = "Test Action")]
pub struct TestAction;

/// The same by hand. The texts of an action are known when it is compiled, so the
/// metadata is a plain `static` of `&'static str`s: no `Lazy`, and no `to_string`.
pub struct ByHand;

impl Action for ByHand {
    fn metadata(&self) -> &ActionMetadata {
        static METADATA: ActionMetadata = ActionMetadata {
            id: ActionId::new("test.action"),
            name: "Test Action",
            version: env!("CARGO_PKG_VERSION"),
            description: "",
            category: "test",
            credentials: &[],
            hosts: &[],
            resources: &[],
            trigger: false,
        };
        &METADATA
    }

    fn instance() -> Self {
        Self
    }
}

#[test]
fn the_derive_makes_what_one_would_write_by_hand() {
    assert_eq!(TestAction.metadata(), ByHand.metadata());
}

// --------------------------------------------------------- the full example --

#[data]
pub struct WeatherInput {
    city: String,
}

#[data]
pub struct WeatherData {
    temp: f64,
}

#[derive(Action)]
#[action(
    id = "weather.fetch",
    credentials("weather_api"),
    hosts("api.weather.example")
)]
pub struct WeatherAction;

impl SimpleAction for WeatherAction {
    type Input = WeatherInput;
    type Output = WeatherData;

    async fn execute_simple(
        &self,
        input: Self::Input,
        ctx: &ActionContext,
    ) -> Result<Self::Output> {
        let api_key = ctx.get_credential("weather_api").await?;
        // A client reaches the network only through the call's context.
        let client = WeatherClient::new(ctx.http(), api_key);
        Ok(client.get_weather(&input.city).await?)
    }
}

struct WeatherClient<'a> {
    http: Http<'a>,
    key: String,
}

impl<'a> WeatherClient<'a> {
    fn new(http: Http<'a>, key: String) -> Self {
        Self { http, key }
    }

    async fn get_weather(&self, city: &str) -> Result<WeatherData> {
        let request = self.http.get("https://api.weather.example/v1/current");
        let response = request.query("city", city).bearer(&self.key).send().await?;
        Ok(response.error_for_status()?.json()?)
    }
}

#[test]
fn the_weather_action_asks_with_its_credential() {
    let ctx = ActionContext::for_test()
        .with_credential("weather_api", "the-key")
        .with_response(
            "GET",
            "https://api.weather.example/v1/current?city=Moscow",
            Response::new(200).with_body(r#"{"temp": 31.5}"#),
        );
    let result = ctx
        .run::<WeatherAction>(&json!({ "city": "Moscow" }))
        .unwrap();
    assert_eq!(result, ProcessResult::Success(json!({ "temp": 31.5 })));
    assert_eq!(
        ctx.requests()[0].headers,
        [("authorization".to_owned(), "Bearer the-key".to_owned())]
    );

    let weather_workflow = WorkflowBuilder::new("weather-notification")
        .add_node("fetch", "weather.fetch")
        .add_node("check", "condition.check")
        .add_node("notify", "notification.send")
        .connect("fetch", "check")
        .connect_conditional("check", "notify", "$nodes.fetch.result.temp > 30")
        .build();
    // The macro says the same.
    let written = workflow!("weather-notification" => {
        fetch: WeatherAction => check
        check: "condition.check" => notify if "$nodes.fetch.result.temp > 30"
        notify: "notification.send"
    });
    assert_eq!(weather_workflow, written);
}
