//! Nothing is wrong here: with the SDK that the test wants, it compiles.

use nebula_sdk::prelude::*;

#[data]
#[derive(Parameters)]
pub struct Input {
    #[param(label = "City", length = 1..=80, pattern = "^[A-Z]")]
    pub city: String,
    #[param(default = 3, range = 1..=9)]
    pub days: u8,
}

#[derive(Resource)]
#[resource(name = "orders", kind = "sql")]
pub struct Orders(Sql);

#[derive(Action)]
#[action(id = "sample.fetch", resources(Orders, cache = "kv", mail = "smtp"))]
pub struct Fetch;

impl SimpleAction for Fetch {
    type Input = Input;
    type Output = Value;

    async fn execute_simple(&self, input: Input, _: &ActionContext) -> Result<Value> {
        Ok(json!(input.days))
    }
}

#[derive(Action)]
#[action(id = "sample.new", trigger)]
pub struct New;

impl PollingTrigger for New {
    type Config = Input;
    type Cursor = u64;
    type Event = Value;

    async fn poll(
        &self,
        _: Input,
        cursor: Option<u64>,
        _: &ActionContext,
    ) -> Result<Polled<u64, Value>> {
        Ok(Polled::new(cursor.unwrap_or(0) + 1, vec![]))
    }
}

nebula_sdk::export!(Fetch, New);

#[data]
#[derive(Workflow)]
#[workflow(id = "declared", nodes(fetch = Fetch))]
pub struct Declared {
    pub city: String,
}

pub fn written() -> WorkflowDefinition {
    workflow!("written" => {
        fetch: Fetch => check if "$nodes.fetch.result > 3"
        check: "condition.check"
    })
}
