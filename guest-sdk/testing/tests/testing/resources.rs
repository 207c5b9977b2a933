//! Resources that actions ask for, and what stands in for them; the listings of
//! `docs/resources.md`, as they stand there.

use std::time::Duration;

use nebula_sdk::action::resource::Message;
use nebula_sdk::prelude::*;
use nebula_sdk::testing::{
    ActionTestHarness, KvAsk, KvRequest, Mail, MockResource, SqlAnswer, SqlStatement,
    WorkflowTestHarness,
};

use crate::docs::{listings, squeezed};

#[data]
pub struct City {
    city: String,
}

#[data]
pub struct Order {
    id: u64,
    total: String,
}

/// The orders of a city that are open.
#[derive(Action)]
#[action(id = "shop.open_orders", resources(db = "sql"))]
pub struct OpenOrders;

impl SimpleAction for OpenOrders {
    type Input = City;
    type Output = Vec<Order>;

    async fn execute_simple(&self, input: City, ctx: &ActionContext) -> Result<Vec<Order>> {
        let db: Sql = ctx.resource("db").await?;
        let rows = db
            .query(
                "SELECT id, total FROM orders WHERE city = $1",
                &(input.city,),
            )
            .await?;
        Ok(rows.all().await?)
    }
}

#[derive(Default)]
struct OrdersOfRome;

impl MockResource for OrdersOfRome {
    fn sql(&mut self, statement: &SqlStatement) -> Option<Result<SqlAnswer, ResourceError>> {
        assert_eq!(statement.parameters, [json!("Rome")]);
        Some(Ok(SqlAnswer::rows(vec![
            json!({ "id": 7, "total": "9.50" }),
        ])))
    }
}

#[tokio::test]
async fn the_open_orders_are_read() {
    let harness = ActionTestHarness::new().with_resource::<OrdersOfRome>();

    let result = harness
        .execute::<OpenOrders>(City {
            city: "Rome".into(),
        })
        .await;

    assert_eq!(result.output[0].id, 7);
}

#[test]
fn the_listings_of_the_page_are_here() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/resources.md");
    let listings = listings(&std::fs::read_to_string(file).unwrap(), "rust");
    assert_eq!(listings.len(), 5);
    let here = squeezed(include_str!("resources.rs"));
    for listing in listings {
        assert!(here.contains(&squeezed(&listing)), "not here:\n{listing}");
    }
}

/// Asks for a database that its metadata does not name.
#[derive(Action)]
#[action(id = "shop.forgetful")]
pub struct Forgetful;

impl SimpleAction for Forgetful {
    type Input = City;
    type Output = u64;

    async fn execute_simple(&self, input: City, ctx: &ActionContext) -> Result<u64> {
        let db: Sql = ctx.resource("db").await?;
        let text = "DELETE FROM orders WHERE city = $1";
        Ok(db.execute(text, &[input.city]).await?)
    }
}

#[tokio::test]
async fn what_is_not_asked_for_or_has_no_stand_in_is_refused_with_what_to_write() {
    let rome = || City {
        city: "Rome".into(),
    };
    let harness = ActionTestHarness::new().with_resource::<OrdersOfRome>();
    let result = harness.execute::<Forgetful>(rome()).await;
    let error = result.expect_error().to_string();
    assert!(error.contains("`#[action(resources("), "{error}");
    let result = ActionTestHarness::new().execute::<OpenOrders>(rome()).await;
    let error = result.expect_error();
    assert!(error.to_string().contains("`MockResource::sql`"), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_workflow_binds_what_its_actions_ask_for() {
    let workflow = |node: NodeBuilder| {
        WorkflowBuilder::new("orders")
            .add_node("read", node)
            .add_node(
                "save",
                NodeBuilder::action("database.insert").resource("db", "orders"),
            )
            .connect("read", "save")
            .build()
    };
    let harness = WorkflowTestHarness::new()
        .with_action::<OpenOrders>()
        .with_mock_action("database.insert", |_| json!({ "inserted": 1, "rows": [] }))
        .with_resource::<OrdersOfRome>();
    let bound = NodeBuilder::action("shop.open_orders").resource("db", "orders");
    let result = harness
        .execute(workflow(bound), json!({ "city": "Rome" }))
        .await
        .expect_success();
    assert_eq!(result.node_outputs["read"][0]["total"], "9.50");
    let unbound = workflow(NodeBuilder::action("shop.open_orders"));
    let result = harness.execute(unbound, json!({ "city": "Rome" })).await;
    let error = format!("{:?}", result.error.unwrap());
    assert!(error.contains("resources: { db: NAME }"), "{error}");
}

/// Tells a customer that an order is on its way.
#[derive(Action)]
#[action(id = "shop.tell", resources(mail = "smtp"))]
pub struct Tell;

impl SimpleAction for Tell {
    type Input = Order;
    type Output = String;

    async fn execute_simple(&self, order: Order, ctx: &ActionContext) -> Result<String> {
        let mail: Smtp = ctx.resource("mail").await?;
        let subject = format!("Your order {}", order.id);
        let message = Message::new("Ada <ada@example.com>", subject).with_text("It is on its way.");
        Ok(mail.send(&message).await?)
    }
}

/// Lets a customer ask ten times a minute.
#[derive(Action)]
#[action(id = "shop.allow", resources(calls = "kv"))]
pub struct Allow;

impl SimpleAction for Allow {
    type Input = String;
    type Output = bool;

    async fn execute_simple(&self, customer: String, ctx: &ActionContext) -> Result<bool> {
        let calls: Kv = ctx.resource("calls").await?;
        let minute = Duration::from_secs(60);
        let so_many = calls
            .increment_for(&format!("calls/{customer}"), 1, minute)
            .await?;
        Ok(so_many <= 10)
    }
}

/// The orders of the shop.
#[derive(Resource)]
#[resource(name = "orders")]
struct Orders(Sql);

impl Orders {
    async fn of(&self, city: &str) -> Result<Vec<Order>> {
        let rows = self
            .query("SELECT id, total FROM orders WHERE city = $1", &(city,))
            .await?;
        Ok(rows.all().await?)
    }
}

/// How many orders a city has.
#[derive(Action)]
#[action(id = "shop.count_orders", resources(Orders))]
pub struct CountOrders;

impl SimpleAction for CountOrders {
    type Input = City;
    type Output = usize;

    async fn execute_simple(&self, input: City, ctx: &ActionContext) -> Result<usize> {
        let orders = Orders::open(ctx).await?;
        Ok(orders.of(&input.city).await?.len())
    }
}

#[test]
fn a_type_of_a_resource_says_its_name_and_kind() {
    let asked = CountOrders.metadata().resources;
    assert_eq!(asked, [("orders", "sql")]);
}

#[tokio::test]
async fn a_resource_of_a_type_has_the_methods_of_its_kind() {
    let harness = ActionTestHarness::new().with_resource::<OrdersOfRome>();
    let result = harness
        .execute::<CountOrders>(City {
            city: "Rome".into(),
        })
        .await;
    assert_eq!(*result.output, 1);
}

/// Takes one message, and is full then.
#[derive(Default)]
struct Mailbox(Vec<Mail>);

impl MockResource for Mailbox {
    fn smtp(&mut self, mail: &Mail) -> Option<Result<(), ResourceError>> {
        if self.0.len() == 1 {
            return Some(Err(ResourceError::Unavailable("it is full".into())));
        }
        self.0.push(mail.clone());
        Some(Ok(()))
    }
}

#[tokio::test]
async fn a_stand_in_takes_messages_or_says_why_not() {
    let harness = ActionTestHarness::new().with_resource::<Mailbox>();
    let order = || Order {
        id: 7,
        total: String::new(),
    };
    let first = harness.execute::<Tell>(order()).await;
    let sent = harness
        .resources()
        .with(|mail: &mut Mailbox| mail.0.clone());
    let sent = sent.unwrap();
    assert_eq!(sent[0].message.subject, "Your order 7");
    assert_eq!(
        (sent[0].resource.as_str(), &sent[0].id),
        ("mail", &*first.output)
    );
    let second = harness.execute::<Tell>(order()).await;
    assert!(second.expect_error().is_retryable());
    let nobody = ActionTestHarness::new().execute::<Tell>(order()).await;
    let error = nobody.expect_error().to_string();
    assert!(error.contains("`MockResource::smtp`"), "{error}");
}

/// Values that cannot be had.
#[derive(Default)]
struct Away;

impl MockResource for Away {
    fn kv(&mut self, request: &KvRequest) -> Option<ResourceError> {
        assert_eq!(request.resource, "calls");
        let wanted = KvAsk::Increment {
            key: "calls/ada".into(),
            by: 1,
        };
        assert_eq!(request.ask, wanted);
        Some(ResourceError::Unavailable("they are away".into()))
    }
}

#[tokio::test]
async fn values_are_kept_in_memory_and_their_time_passes_when_a_test_says_so() {
    let harness = ActionTestHarness::new();
    let ask = async || *harness.execute::<Allow>("ada".into()).await.output;
    for n in 0..11 {
        assert_eq!(ask().await, n < 10, "{n}");
    }
    let values = harness.resources().values("calls");
    assert_eq!(values.all()["calls/ada"], 11);
    values.pass(Duration::from_secs(60));
    assert!(ask().await);
    let harness = ActionTestHarness::new().with_resource::<Away>();
    let result = harness.execute::<Allow>("ada".into()).await;
    assert!(result.expect_error().is_retryable());
}

#[tokio::test]
async fn workflows_share_values_by_the_name_that_they_bind_and_in_virtual_time() {
    let ask = || {
        NodeBuilder::action("shop.allow")
            .resource("calls", "cache")
            .input("${ $input }")
    };
    let workflow = || {
        WorkflowBuilder::new("thrice")
            .add_node("first", ask())
            .add_node("wait", NodeBuilder::wait_for("59s"))
            .add_node("second", ask())
            .add_node("more", NodeBuilder::wait_for("2s"))
            .add_node("third", ask())
            .connect("first", "wait")
            .connect("wait", "second")
            .connect("second", "more")
            .connect("more", "third")
            .build()
    };
    let harness = WorkflowTestHarness::new().with_action::<Allow>();
    let values = harness.resources().values("cache");
    harness
        .execute(workflow(), json!("ada"))
        .await
        .expect_success();
    assert_eq!(values.all()["calls/ada"], 1, "two were a minute ago");
}
