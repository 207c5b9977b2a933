//! `kv.increment`.

use nebula_sdk::prelude::*;

use crate::{VALUES, time};

/// What `kv.increment` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// The key.
    #[param(length = 1..=512)]
    pub key: String,
    /// So much is added; 1 if absent.
    #[param(default = 1)]
    pub by: i64,
    /// How long a number that it makes is there, in seconds; for good if absent. One that
    /// was there keeps its time.
    #[serde(default)]
    #[param(range = 1..)]
    pub ttl_seconds: Option<u64>,
}

/// What `kv.increment` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// The sum.
    pub value: i64,
}

/// Adds to the number of a key, which is 0 if there is none: nobody's is lost, however
/// many do it at once.
#[derive(Action)]
#[action(id = "kv.increment", name = "Add to a value", resources(values = "kv"))]
pub struct Increment;

impl SimpleAction for Increment {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, ctx: &ActionContext) -> Result<Output> {
        let values: Kv = ctx.resource(VALUES).await?;
        let value = match time(input.ttl_seconds) {
            None => values.increment(&input.key, input.by).await?,
            Some(time) => values.increment_for(&input.key, input.by, time).await?,
        };
        Ok(Output { value })
    }
}
