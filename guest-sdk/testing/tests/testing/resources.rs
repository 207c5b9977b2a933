//! Databases that actions ask for, and what stands in for them; the listings of
//! `docs/resources.md`, as they stand there.

use nebula_sdk::prelude::*;
use nebula_sdk::testing::{
    ActionTestHarness, MockResource, SqlAnswer, SqlStatement, WorkflowTestHarness,
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
struct Orders;

impl MockResource for Orders {
    fn sql(&mut self, statement: &SqlStatement) -> Option<Result<SqlAnswer, ResourceError>> {
        assert_eq!(statement.parameters, [json!("Rome")]);
        Some(Ok(SqlAnswer::rows(vec![
            json!({ "id": 7, "total": "9.50" }),
        ])))
    }
}

#[tokio::test]
async fn the_open_orders_are_read() {
    let harness = ActionTestHarness::new().with_resource::<Orders>();

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
    assert_eq!(listings.len(), 2);
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
    let harness = ActionTestHarness::new().with_resource::<Orders>();
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
        .with_resource::<Orders>();
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
