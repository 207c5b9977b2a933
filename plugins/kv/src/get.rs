//! `kv.get`.

use nebula_sdk::prelude::*;

use crate::VALUES;

/// What `kv.get` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// The key.
    #[param(length = 1..=512)]
    pub key: String,
    /// The value where there is none; null if absent.
    #[serde(default)]
    pub otherwise: Value,
}

/// What `kv.get` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// The value, or `otherwise`.
    pub value: Value,
    /// Whether there is one.
    pub found: bool,
    /// Its version, for the `version` of `kv.set`; 0 if there is none.
    pub version: u64,
}

/// Reads the value of a key.
#[derive(Action)]
#[action(id = "kv.get", name = "Read a value", resources(values = "kv"))]
pub struct Get;

impl SimpleAction for Get {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, ctx: &ActionContext) -> Result<Output> {
        let values: Kv = ctx.resource(VALUES).await?;
        let entry = values.entry(&input.key).await?;
        let (found, version) = entry.as_ref().map_or((false, 0), |e| (true, e.version));
        Ok(Output {
            value: entry.map_or(input.otherwise, |entry| entry.value),
            found,
            version,
        })
    }
}
