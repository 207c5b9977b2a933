//! One action at a time, natively.

use nebula_sdk::prelude::*;
use nebula_sdk::testing::{ActionTestHarness, HttpMock, Level, Response};

#[data]
pub struct Order {
    item: String,
    amount: Option<u32>,
}

#[data]
pub struct Placed {
    id: String,
    receipt: Blob,
}

/// Orders something.
#[derive(Action)]
#[action(id = "shop.order", credentials("shop"), hosts("shop.example"))]
pub struct OrderAction;

impl ProcessAction for OrderAction {
    type Input = Order;
    type Output = Placed;

    async fn execute(&self, input: Order, ctx: &ActionContext) -> Result<ProcessResult<Placed>> {
        if input.amount == Some(0) {
            return Ok(ProcessResult::skip("nothing is wanted"));
        }
        if let Some(Resumed {
            state,
            woken: Woken::Signal(says),
        }) = ctx.resumed::<String>()?
        {
            let receipt = ctx.blobs().put(&says.decode::<Vec<u8>>()?).await?;
            return Ok(ProcessResult::branch("paid", Placed { id: state, receipt }));
        }
        let key = ctx.get_credential("shop").await?;
        let request = ctx.http().post("https://shop.example/orders").bearer(&key);
        let id: String = request
            .json(&input)
            .send()
            .await?
            .error_for_status()?
            .json()?;
        ctx.log()
            .with("item", &input.item)
            .with("by", "\"Ada\" Lovelace")
            .with("note", "")
            .info("ordered");
        ctx.metric("ordered", input.amount.unwrap_or(1));
        ctx.state().set(&id).await?;
        ctx.heartbeat();
        ctx.check_cancelled()?;
        ProcessResult::wait(Wake::signal("paid"), &id)
    }
}

fn order(amount: Option<u32>) -> Order {
    Order {
        item: "tea".into(),
        amount,
    }
}

fn shop() -> HttpMock {
    HttpMock::new().route("POST", "https://shop.example/orders", |request| {
        assert!(String::from_utf8_lossy(&request.body).contains("tea"));
        Ok(Response::new(200).with_body("\"o-1\""))
    })
}

#[tokio::test]
async fn a_call_shows_what_it_logged_sent_and_kept() {
    let harness = ActionTestHarness::new()
        .with_credential("shop", "key")
        .with_http(shop());
    let result = harness.execute::<OrderAction>(order(None)).await;
    let Ok(ProcessResult::Wait { wake, state }) = &result.outcome else {
        panic!("{:?}", result.outcome);
    };
    assert_eq!(*wake, Wake::signal("paid"));
    assert_eq!(state.decode::<String>().unwrap(), "o-1");
    let line = r#"ordered item=tea by="\"Ada\" Lovelace" note="""#;
    assert_eq!(result.logs, [(Level::Info, line.to_owned())]);
    assert_eq!(result.measured, [("ordered".to_owned(), 1.0)]);
    assert_eq!(result.requests.len(), 1);
    assert_eq!(result.heartbeats, 1);
    assert_eq!(
        result
            .kept
            .state::<String>("test", "test")
            .unwrap()
            .as_deref(),
        Some("o-1")
    );
    assert!(!result.is_success(), "it waits");
    let why = result.output.into_result().err().unwrap();
    assert!(why.starts_with("it waits: "), "{why}");
}

#[tokio::test]
async fn a_later_iteration_begins_with_its_state_and_what_woke_it() {
    let says = nebula_sdk::action::Encoded::of(&b"receipt".to_vec()).unwrap();
    let harness = ActionTestHarness::new().resumed_with(&"o-1", Woken::Signal(says));
    let result = harness.execute::<OrderAction>(order(None)).await;
    assert!(result.is_success());
    assert_eq!(result.output.id, "o-1");
    assert_eq!(
        result.kept.blob(&result.output.receipt).unwrap(),
        b"receipt"
    );
    assert!(matches!(&result.outcome, Ok(ProcessResult::Branch { port, .. }) if port == "paid"));
}

#[tokio::test]
async fn a_skip_and_an_error_are_told_apart() {
    let harness = ActionTestHarness::new()
        .with_credential("shop", "key")
        .with_http(
            HttpMock::new().route("POST", "https://shop.example/*", |_| Ok(Response::new(503))),
        );
    let result = harness.execute::<OrderAction>(order(Some(0))).await;
    assert!(matches!(result.outcome, Ok(ProcessResult::Skip { .. })) && !result.is_success());
    let result = harness.execute::<OrderAction>(order(None)).await;
    assert!(result.expect_error().is_retryable());
    assert_eq!(result.kept.state::<String>("test", "test").unwrap(), None);
}

#[tokio::test]
async fn an_input_as_a_workflow_gives_it_is_read_as_in_the_sandbox() {
    let harness = ActionTestHarness::new();
    let result = harness
        .execute_json::<OrderAction>(&json!({ "item": "tea", "amount": "two" }))
        .await;
    let error = result.expect_error();
    assert!(
        matches!(error, ActionError::InvalidInput(why) if why.contains("amount")),
        "{error}"
    );
    let skipped = harness
        .execute_json::<OrderAction>(&json!({ "item": "tea", "amount": 0.0 }))
        .await;
    assert!(matches!(skipped.outcome, Ok(ProcessResult::Skip { .. })));
}

#[tokio::test]
async fn a_cancelled_call_ends_by_itself() {
    let harness = ActionTestHarness::new()
        .with_credential("shop", "key")
        .with_http(shop())
        .cancelled();
    let result = harness.execute::<OrderAction>(order(None)).await;
    assert_eq!(*result.expect_error(), ActionError::Cancelled);
}

/// Asks for nothing.
#[derive(Action)]
#[action(id = "shop.forgetful")]
pub struct ForgetfulAction;

impl SimpleAction for ForgetfulAction {
    type Input = Value;
    type Output = Value;

    async fn execute_simple(&self, input: Value, ctx: &ActionContext) -> Result<Value> {
        if input.is_null() {
            return Ok(ctx.get_credential("shop").await?.into());
        }
        let asked = ctx.http().get("https://shop.example/").send().await;
        Ok(json!({ "answered": asked.is_ok() }))
    }
}

#[tokio::test]
async fn what_an_action_does_not_ask_for_it_does_not_get() {
    let harness = ActionTestHarness::new()
        .with_credential("shop", "key")
        .with_http(shop());
    let result = harness.execute::<ForgetfulAction>(json!(null)).await;
    let message = result.expect_error().to_string();
    assert!(
        message.contains(r#"#[action(credentials("shop"))]"#),
        "{message}"
    );
    let result = harness.execute::<ForgetfulAction>(json!(1)).await;
    assert_eq!(*result.output, json!({ "answered": false }));
}

#[tokio::test]
#[should_panic(expected = "the action gave no output: it skips: nothing is wanted")]
async fn an_output_that_is_not_there_says_why() {
    let result = ActionTestHarness::new()
        .execute::<OrderAction>(order(Some(0)))
        .await;
    let _ = &result.output.id;
}

/// What a trigger is told.
#[data]
pub struct Shelf {
    /// Whose.
    name: String,
}

/// Looks for what is new on a shelf.
#[derive(Action)]
#[action(id = "shop.new", hosts("shop.example"), trigger)]
pub struct NewAction;

impl PollingTrigger for NewAction {
    type Config = Shelf;
    type Cursor = usize;
    type Event = String;

    async fn poll(
        &self,
        config: Shelf,
        cursor: Option<usize>,
        ctx: &ActionContext,
    ) -> Result<Polled<usize, String>> {
        let url = format!("https://shop.example/{}", config.name);
        let response = ctx.http().get(url).send().await?.error_for_status()?;
        let items: Vec<String> = response.json()?;
        let from = cursor.unwrap_or(items.len());
        Ok(Polled::new(
            items.len(),
            items.into_iter().skip(from).collect(),
        ))
    }
}

#[tokio::test]
async fn a_trigger_goes_on_where_its_last_poll_that_ended_well_was() {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    static ITEMS: AtomicUsize = AtomicUsize::new(1);
    let http = HttpMock::new().route("GET", "https://shop.example/tea", |_| {
        let count = ITEMS.load(SeqCst);
        if count == 3 {
            return Ok(Response::new(503));
        }
        let items: Vec<String> = (0..count).map(|n| format!("tea {n}")).collect();
        Ok(Response::new(200).with_body(json!(items).to_string()))
    });
    let harness = ActionTestHarness::new().with_http(http);
    let poll = async |items| {
        ITEMS.store(items, SeqCst);
        let name = "tea".into();
        harness.poll::<NewAction>(Shelf { name }).await
    };
    let first = poll(1).await;
    assert!(first.is_success());
    assert_eq!((first.output.cursor, first.output.events.len()), (1, 0));
    assert_eq!(poll(2).await.output.events, ["tea 1"]);
    assert!(poll(3).await.expect_error().is_retryable());
    assert_eq!(poll(4).await.output.events, ["tea 2", "tea 3"]);
    assert_eq!(poll(4).await.output.events, [""; 0]);
}
