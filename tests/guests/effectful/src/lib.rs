//! An action that may reach the world, and returns at once: what a step with
//! effects costs the engine, and nothing else.

#![no_std]

use nebula_sdk::prelude::*;

/// What the action takes.
#[data]
pub struct Input {
    /// Where to ask; nothing is asked without it.
    #[serde(default)]
    ask: Option<String>,
}

/// What the action gives.
#[data]
pub struct Output {
    /// The answer's status, if something was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

/// Asks, or does nothing.
#[derive(Action)]
#[action(id = "bench.effectful", hosts("*"))]
pub struct Effectful;

impl SimpleAction for Effectful {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Self::Input, ctx: &ActionContext) -> Result<Self::Output> {
        let status = match input.ask {
            Some(url) => Some(ctx.http().get(url).send().await?.status()),
            None => None,
        };
        Ok(Output { status })
    }
}

nebula_sdk::export!(Effectful);
