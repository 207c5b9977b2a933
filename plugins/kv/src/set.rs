//! `kv.set`.

use nebula_sdk::prelude::*;

use crate::{VALUES, time};

/// What `kv.set` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// The key.
    #[param(length = 1..=512)]
    pub key: String,
    /// Its new value; null removes the key.
    pub value: Value,
    /// How long it is there, in seconds; for good if absent.
    #[serde(default)]
    #[param(range = 1..)]
    pub ttl_seconds: Option<u64>,
    /// Sets it only if the key has this version, 0 for none.
    #[serde(default)]
    pub version: Option<u64>,
}

/// What `kv.set` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// Whether it was set, or removed; false where the key has another version.
    pub set: bool,
    /// Its new version; 0 if it has none.
    pub version: u64,
}

/// Sets the value of a key, for good or for a time, or removes it.
#[derive(Action)]
#[action(id = "kv.set", name = "Set a value", resources(values = "kv"))]
pub struct Set;

impl SimpleAction for Set {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, ctx: &ActionContext) -> Result<Output> {
        let values: Kv = ctx.resource(VALUES).await?;
        let Input {
            key,
            value,
            ttl_seconds,
            version,
        } = input;
        if value.is_null() {
            let set = match version {
                None => values.delete(&key).await?,
                Some(version) => values.delete_if(&key, version).await?,
            };
            return Ok(Output { set, version: 0 });
        }
        let new = match (version, time(ttl_seconds)) {
            (Some(version), time) => values.set_if(&key, version, &value, time).await?,
            (None, Some(time)) => Some(values.set_for(&key, &value, time).await?),
            (None, None) => Some(values.set(&key, &value).await?),
        };
        Ok(Output {
            set: new.is_some(),
            version: new.unwrap_or(0),
        })
    }
}
