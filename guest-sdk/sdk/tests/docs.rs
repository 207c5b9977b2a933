//! The Rust of `docs/actions.md`, `docs/workflows.md`, `docs/cli.md` and of the README,
//! as it stands there.
#![allow(
    clippy::unwrap_used,
    clippy::missing_errors_doc,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "listings, and what stands around them"
)]

use std::time::Duration;

use nebula_sdk::action::schema::{Shape, schema};
use nebula_sdk::prelude::*;

pub struct Money(u32);

#[rustfmt::skip]
impl Schema for Money {
    fn shape() -> &'static Shape { // nebula_sdk::action::schema::Shape
        &Shape::Json(r#"{"type":"string","pattern":"^[0-9]+ EUR$"}"#)
    }
}

#[data]
#[derive(Default)]
pub enum Order {
    #[default]
    Best,
    Custom,
}

#[rustfmt::skip]
#[data]
#[derive(Parameters)]
pub struct SearchInput {
    /// Words that all must be there.
    #[param(label = "Query", length = 1..=200, example = "rust wasm")]
    pub text: String,
    #[param(default = 10, range = 1..=100, group = "Advanced")]
    pub limit: u8,
    #[serde(default)]
    pub order: Order,                                 // an enum of yours
    #[serde(default)]
    #[param(pattern = "^[a-z_]+$", show_when(order = "custom"))]
    pub order_by: Option<String>,
}

/// An action that is called again.
mod again {
    use super::*;

    #[data]
    pub struct Ask {
        question: String,
    }

    #[data]
    pub struct Ticket(u64);

    #[data]
    pub struct Answer {
        ticket: Ticket,
        says: String,
    }

    async fn open_ticket(_: &Ask, ctx: &ActionContext) -> Result<Ticket> {
        ctx.log().info("a ticket is opened");
        Ok(Ticket(7))
    }

    /// Asks somebody.
    #[derive(Action)]
    #[action(id = "shown.ask")]
    pub struct AskSomebody;

    #[rustfmt::skip]
    impl ProcessAction for AskSomebody {
        type Input = Ask;
        type Output = Answer;

        async fn execute(&self, input: Ask, ctx: &ActionContext) -> Result<ProcessResult<Answer>> {
            let Some(resumed) = ctx.resumed::<Ticket>()? else {
                let ticket = open_ticket(&input, ctx).await?;
                return ProcessResult::wait(Wake::signal_within("answer", Duration::from_secs(86_400)), &ticket);
            };
            match resumed.woken {
                Woken::Signal(says) => Ok(ProcessResult::Success(Answer { ticket: resumed.state, says: says.decode()? })),
                _ => Err(ActionError::permanent("nobody answered")),
            }
        }
    }
}

/// Requests with a credential.
mod requests {
    use nebula_sdk::action::http::Multipart;
    use nebula_sdk::prelude::*;

    #[data]
    pub struct Order {
        id: u64,
    }

    #[rustfmt::skip]
    async fn sent(ctx: &ActionContext, csv: Vec<u8>) -> Result<Vec<Order>> {
        let orders: Vec<Order> = ctx.http().get("https://shop.example/orders").credential("shop")
            .query("page", "2").send().await?.error_for_status()?.json()?;
        let form = Multipart::new().text("title", "Orders").file("data", "orders.csv", "text/csv", csv);
        ctx.http().post("https://shop.example/files").credential("shop").multipart(form).send().await?;
        Ok(orders)
    }
}

/// An action that is a trigger.
mod triggers {
    use nebula_sdk::prelude::*;

    #[data]
    pub struct Config {
        room: String,
    }

    #[data]
    pub struct Message {
        id: u64,
        text: String,
    }

    async fn messages_after(
        config: &Config,
        cursor: Option<u64>,
        ctx: &ActionContext,
    ) -> Result<Vec<Message>> {
        ctx.log().with("room", &config.room).info("asked");
        let next = cursor.unwrap_or(0) + 1;
        Ok(vec![Message {
            id: next,
            text: "hello".into(),
        }])
    }

    #[rustfmt::skip]
    mod listing {
        use super::*;

        /// Looks for messages that have come since the last time.
        #[derive(Action)]
        #[action(id = "chat.messages", hosts("api.chat.example"), trigger)]
        pub struct Messages;

        impl PollingTrigger for Messages {
            type Config = Config;      // what a workflow says at `with`
            type Cursor = u64;         // any type that serde writes and reads; the host keeps it
            type Event = Message;      // `$trigger.event` in a workflow; each starts an execution

            async fn poll(&self, config: Config, cursor: Option<u64>, ctx: &ActionContext) -> Result<Polled<u64, Message>> {
                let messages = messages_after(&config, cursor, ctx).await?;
                let last = messages.iter().map(|message| message.id).max().or(cursor).unwrap_or(0);
                let events = if cursor.is_some() { messages } else { vec![] };
                Ok(Polled::new(last, events))
            }
        }
    }

    #[test]
    fn the_trigger_of_the_page_begins_with_nothing() {
        let poll = |cursor: Option<u64>| {
            let input = json!({ "config": { "room": "tea" }, "cursor": cursor });
            match ActionContext::for_test().run::<listing::Messages>(&input) {
                Ok(ProcessResult::Success(polled)) => polled,
                other => panic!("{other:?}"),
            }
        };
        let first = poll(None);
        assert_eq!(
            (&first["cursor"], &first["events"]),
            (&json!(1), &json!([]))
        );
        assert_eq!(poll(Some(1))["events"][0]["id"], 2);
    }
}

/// What actions keep.
mod kept {
    use super::*;

    #[data]
    pub struct Input {
        rows: Blob,
    }

    #[data]
    pub struct Output {
        rows: Blob,
    }

    async fn next_part() -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    #[rustfmt::skip]
    async fn written(ctx: &ActionContext) -> Result<Output> {
        let mut writer = ctx.blobs().writer();
        while let Some(part) = next_part().await? {
            writer.write(&part).await?;
        }
        Ok(Output { rows: writer.finish().await? })          // `rows: Blob`, { digest, size }
    }

    #[rustfmt::skip]
    async fn read(input: Input, offset: u64, ctx: &ActionContext) -> Result<Vec<u8>> {
        let part = ctx.blobs().read(&input.rows, offset, 65_536).await?;   // in a later step; `get` reads it all
        Ok(part)
    }

    #[rustfmt::skip]
    async fn counted(ctx: &ActionContext) -> Result<(u64, Option<String>)> {
        let count = ctx.state().update(|count: Option<u64>| count.unwrap_or(0) + 1).await?;
        let cursor: Option<String> = ctx.state_of("cursor").get().await?;
        Ok((count, cursor))
    }
}

/// Workflows in Rust.
mod workflows {
    use std::convert::Infallible;

    use nebula_sdk::workflow::WorkflowDefinition;

    use super::*;

    #[data]
    pub struct City {
        city: String,
    }

    #[derive(Action)]
    #[action(id = "weather.fetch")]
    pub struct WeatherAction;

    impl SimpleAction for WeatherAction {
        type Input = City;
        type Output = City;

        async fn execute_simple(&self, input: City, _: &ActionContext) -> Result<City> {
            Ok(input)
        }
    }

    #[rustfmt::skip]
    #[test]
    fn the_macro_of_the_page_makes_a_workflow() {
        let workflow = workflow!("weather-notification" => {
            fetch: WeatherAction => check, apologise on failure
            check: "condition.check" => notify if "$nodes.fetch.result.temp > 30"
            notify: NodeBuilder::action("notification.send").input(json!({ "text": "It is hot." }))
            apologise: "notification.send"
        });
        assert_eq!((workflow.nodes.len(), workflow.connections.len()), (4, 3));
    }

    /// Of a host: what the page's last line speaks to.
    struct Engine;

    impl Engine {
        async fn deploy_workflow(&self, _: WorkflowDefinition) -> Result<(), Infallible> {
            Ok(())
        }
    }

    #[rustfmt::skip]
    async fn deploys(engine: Engine) -> Result<(), Infallible> {
        /// Tells when it is hot.
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
            output = json!({ "told": "${ $nodes.notify.status }" }),
        )]
        struct WeatherNotification {
            #[param(length = 1..=80)]
            city: String,
        }

        engine.deploy_workflow(WeatherNotification::definition()).await?;
        Ok(())
    }
}

/// Generated types.
mod bindings {
    use nebula_sdk::prelude::*;
    use nebula_sdk::workflow::WorkflowDefinition;

    /// As `nebula action bindings weather` makes it, the rest left out.
    mod actions {
        pub mod weather {
            pub mod fetch {
                pub const ID: &str = "weather.fetch";

                #[derive(Default, serde::Serialize)]
                pub struct Input {
                    pub city: String,
                    pub units: Option<String>,
                }
            }
        }
    }

    #[rustfmt::skip]
    fn built() -> serde_json::Result<WorkflowDefinition> {
        let ask = actions::weather::fetch::Input { city: "Oslo".into(), ..Default::default() };
        let workflow = WorkflowBuilder::new("weather")
            .add_node("fetch", NodeBuilder::action(actions::weather::fetch::ID).input(serde_json::to_value(ask)?))
            .build();
        Ok(workflow)
    }

    #[test]
    fn an_input_of_a_generated_type_is_the_nodes() {
        assert_eq!(built().unwrap().nodes.len(), 1);
    }
}

/// The action of the README.
mod readme {
    #[rustfmt::skip]
    mod listing {
        use nebula_sdk::prelude::*;

        /// What the action takes.
        #[data]
        pub struct Input {
            /// Whom to greet.
            pub name: String,
        }

        /// What the action gives.
        #[data]
        pub struct Output {
            /// The greeting.
            pub text: String,
        }

        /// Greets by name.
        #[derive(Action)]
        #[action(id = "greet.run")]
        pub struct Greet;

        impl SimpleAction for Greet {
            type Input = Input;
            type Output = Output;

            async fn execute_simple(&self, input: Input, ctx: &ActionContext) -> Result<Output> {
                if input.name.is_empty() {
                    return Err(ActionError::invalid_input("`name` is empty"));
                }
                ctx.log().info(format!("greeting {}", input.name));
                Ok(Output { text: format!("Hello, {}!", input.name) })
            }
        }

        nebula_sdk::export!(Greet);
    }
}

#[test]
fn a_schema_by_hand_is_the_types() {
    let schema: Value =
        serde_json::from_str(&schema::<Money>(nebula_sdk::action::schema::Side::Read)).unwrap();
    assert_eq!(schema["pattern"], "^[0-9]+ EUR$");
}

/// What a test cannot begin with: `plugins/text` is a component without std, and
/// `tests/house/bindings.rs` compiles what `nebula action bindings` makes.
const ELSEWHERE: [&str; 2] = ["#![no_std]", "mod actions;"];

#[test]
fn the_rust_of_the_pages_is_here() {
    let here = squeezed(include_str!("docs.rs"));
    let mut seen = 0;
    for page in [
        "docs/actions.md",
        "docs/workflows.md",
        "docs/cli.md",
        "README.md",
    ] {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../").to_owned() + page;
        let text = std::fs::read_to_string(file).unwrap();
        let blocks = text.split("```").skip(1).step_by(2);
        for listing in blocks.filter_map(|block| block.strip_prefix("rust\n")) {
            for part in listing.split("\n\n") {
                if ELSEWHERE.iter().any(|begin| part.starts_with(begin)) {
                    continue;
                }
                seen += 1;
                assert!(
                    here.contains(&squeezed(part)),
                    "{page} shows, and not here:\n{part}"
                );
            }
        }
    }
    assert!(seen >= 15, "only {seen} listings were found");
}

fn squeezed(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace()).collect()
}
