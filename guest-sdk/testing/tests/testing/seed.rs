//! The programs that the SDK promises for tests, as their authors write them.

use nebula_sdk::prelude::*;
use nebula_sdk::testing::{
    ActionTestHarness, HttpError, MockResource, Request, Response, WorkflowTestHarness,
};

#[data]
pub struct EmailInput {
    to: String,
    subject: String,
    body: String,
}

#[data]
pub struct EmailReceipt {
    message_id: String,
}

/// Sends an e-mail through a mail server's HTTP interface.
#[derive(Action)]
#[action(id = "email.send", credentials("smtp"), hosts("mail.example"))]
pub struct EmailAction;

impl SimpleAction for EmailAction {
    type Input = EmailInput;
    type Output = EmailReceipt;

    async fn execute_simple(
        &self,
        input: Self::Input,
        ctx: &ActionContext,
    ) -> Result<Self::Output> {
        let smtp = ctx.get_credential("smtp").await?;
        let request = ctx.http().post("https://mail.example/v1/messages");
        let response = request
            .bearer(&smtp)
            .idempotent("send")
            .json(&input)
            .send()
            .await?;
        Ok(response.error_for_status()?.json()?)
    }
}

fn mock_smtp_credential() -> &'static str {
    "the-key"
}

/// A mail server that takes whatever comes with the key.
#[derive(Default)]
struct MockEmailClient {
    sent: Vec<Value>,
}

impl MockResource for MockEmailClient {
    fn answer(&mut self, request: &Request) -> Option<Result<Response, HttpError>> {
        if request.url != "https://mail.example/v1/messages" {
            return None;
        }
        let key = ("authorization".to_owned(), "Bearer the-key".to_owned());
        if !request.headers.contains(&key) {
            return Some(Ok(Response::new(401)));
        }
        self.sent
            .push(serde_json::from_slice(&request.body).unwrap());
        let answer = json!({ "message_id": "mock-123" });
        Some(Ok(Response::new(200).with_body(answer.to_string())))
    }
}

#[tokio::test]
async fn test_email_action() {
    let harness = ActionTestHarness::new()
        .with_credential("smtp", mock_smtp_credential())
        .with_resource::<MockEmailClient>();

    // `.into()`: a literal is no `String`, and a field that is read from what a workflow
    // gives cannot borrow.
    let result = harness
        .execute::<EmailAction>(EmailInput {
            to: "test@example.com".into(),
            subject: "Test".into(),
            body: "Hello".into(),
        })
        .await;

    assert!(result.is_success());
    assert_eq!(result.output.message_id, "mock-123");

    let sent = harness
        .resources()
        .with(|mail: &mut MockEmailClient| mail.sent.clone());
    let sent = sent.unwrap();
    assert_eq!(
        sent,
        [json!({ "to": "test@example.com", "subject": "Test", "body": "Hello" })]
    );
}

fn registration_workflow() -> WorkflowDefinition {
    workflow!("user-registration" => {
        validate: "validation.user" => create_user
        create_user: "database.insert"
    })
}

#[tokio::test]
async fn test_registration_workflow() {
    let harness = WorkflowTestHarness::new()
        .with_mock_action(
            "validation.user",
            |input| json!({ "validated": true, "data": input }),
        )
        // `_`: the closure of the listing does not use its argument, which Rust warns of.
        .with_mock_action(
            "database.insert",
            |_input| json!({ "id": 123, "created": true }),
        );

    let result = harness
        .execute(
            registration_workflow(),
            json!({ "email": "user@example.com" }),
        )
        .await;

    assert_eq!(result.node_outputs["create_user"]["id"], 123);

    assert!(result.is_success());
    assert_eq!(
        result.inputs_of("database.insert"),
        [&json!({ "validated": true, "data": { "email": "user@example.com" } })]
    );
    assert_eq!(
        result.output,
        json!({ "create_user": { "id": 123, "created": true } })
    );
    assert_eq!(result.metrics.succeeded, 2);
    assert_eq!(result.events.len(), result.story().len());
}

#[data]
pub struct WeatherInput {
    pub(crate) city: String,
}

#[data]
pub struct WeatherData {
    pub(crate) temp: f64,
}

struct WeatherClient<'a> {
    ctx: &'a ActionContext,
    api_key: String,
}

// The client of the listing is made of the key alone. An action has no network but its
// context's, so that this one is made of that too.
impl<'a> WeatherClient<'a> {
    fn new(ctx: &'a ActionContext, api_key: String) -> Self {
        Self { ctx, api_key }
    }

    async fn get_weather(&self, city: &str) -> Result<WeatherData, HttpError> {
        let request = self.ctx.http().get("https://api.weather.example/v1/now");
        let response = request
            .query("city", city)
            .bearer(&self.api_key)
            .send()
            .await?;
        response.error_for_status()?.json()
    }
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
        let client = WeatherClient::new(ctx, api_key);
        Ok(client.get_weather(&input.city).await?)
    }
}

fn weather_workflow() -> WorkflowDefinition {
    WorkflowBuilder::new("weather-notification")
        .add_node("fetch", "weather.fetch")
        .add_node("check", "condition.check")
        .add_node("notify", "notification.send")
        .connect("fetch", "check")
        .connect_conditional("check", "notify", "$nodes.fetch.result.temp > 30")
        .build()
}

#[tokio::test]
async fn the_full_example_runs_with_its_own_action_natively() {
    let answers = nebula_sdk::testing::HttpMock::new()
        .route(
            "GET",
            "https://api.weather.example/v1/now?city=Cairo",
            |_| Ok(Response::new(200).with_body(r#"{"temp": 36.5}"#)),
        )
        .route("GET", "https://api.weather.example/v1/now", |_| {
            Ok(Response::new(200).with_body(r#"{"temp": -3}"#))
        });
    let harness = WorkflowTestHarness::new()
        .with_action::<WeatherAction>()
        .with_credential("weather_api", "the-key")
        .with_http(answers)
        .with_mock_action("condition.check", |input| input)
        .with_mock_action("notification.send", |_| json!({ "sent": true }));

    let hot = harness
        .execute(weather_workflow(), json!({ "city": "Cairo" }))
        .await;
    let hot = hot.expect_success();
    assert_eq!(hot.node_outputs["fetch"]["temp"], 36.5);
    assert_eq!(hot.output, json!({ "notify": { "sent": true } }));

    let cold = harness
        .execute(weather_workflow(), json!({ "city": "Moscow" }))
        .await;
    let cold = cold.expect_success();
    assert_eq!(cold.output, json!({ "notify": null }));
    assert_eq!(cold.node_outputs.get("notify"), None);
    assert_eq!(cold.node_outputs.why_not("notify"), "it was skipped");
    assert_eq!(cold.metrics.calls.get("notification.send"), None);
}

#[data]
pub struct MyInput {
    text: String,
}

#[data]
pub struct MyOutput {
    length: u32,
}

#[derive(Action)]
#[action(id = "my.custom_action")]
pub struct MyAction;

impl SimpleAction for MyAction {
    type Input = MyInput;
    type Output = MyOutput;

    // `_ctx`: the listing leaves the body out, which would not use it either.
    async fn execute_simple(
        &self,
        input: Self::Input,
        _ctx: &ActionContext,
    ) -> Result<Self::Output> {
        let length = u32::try_from(input.text.chars().count())?;
        Ok(MyOutput { length })
    }
}

#[tokio::test]
async fn the_macro_workflow_runs_with_the_custom_action() {
    let workflow = workflow!("my-workflow" => {
        input: "validation.input" => process
        process: "my.custom_action" => output
        output: "notification.send"
    });
    let harness = WorkflowTestHarness::new()
        .with_mock_action("validation.input", |input| input)
        .with_action::<MyAction>()
        .with_mock_action("notification.send", |input| json!({ "sent": input }));
    let result = harness
        .execute(workflow, json!({ "text": "Грюѕ" }))
        .await
        .expect_success();
    assert_eq!(
        result.output,
        json!({ "output": { "sent": { "length": 4 } } })
    );
}

#[derive(Action)]
#[action(id = "test.action", name = "Test Action")]
pub struct TestAction;

#[test]
fn the_derived_metadata_is_what_the_attribute_says() {
    let metadata = TestAction.metadata();
    // The listing's `ActionId::new("test.action")`, `"Test Action".to_string()`: both are
    // constants here, since a component has no lazy statics to pay for.
    assert_eq!(
        metadata.id,
        nebula_sdk::action::ActionId::new("test.action")
    );
    assert_eq!(metadata.name, "Test Action");
    assert!(std::ptr::eq(metadata, TestAction.metadata()));
}
