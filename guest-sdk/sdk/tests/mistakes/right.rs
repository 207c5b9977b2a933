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

#[derive(Action)]
#[action(id = "sample.fetch")]
pub struct Fetch;

impl SimpleAction for Fetch {
    type Input = Input;
    type Output = Value;

    async fn execute_simple(&self, input: Input, _: &ActionContext) -> Result<Value> {
        Ok(json!(input.days))
    }
}

nebula_sdk::export!(Fetch);

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
