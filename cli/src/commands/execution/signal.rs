//! `nebula execution signal`: what a wait of an execution is for.

use std::process::ExitCode;

use http::Method;

use super::super::input::Input;
use super::super::{Context, segment};
use super::path;
use crate::client::{Body, Client};
use crate::error::Result;
use crate::output;

/// Send an execution a signal that one of its nodes waits for
#[derive(Debug, clap::Args)]
pub(crate) struct Signal {
    /// Its id
    execution: String,
    /// Name of the signal, as the wait has it
    signal: String,
    #[command(flatten)]
    input: Input,
    /// Makes a repeated signal harmless
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

pub(super) async fn run(context: &Context, client: &Client, signal: Signal) -> Result<ExitCode> {
    let mut body = Body::json(&signal.input.value()?);
    if let Some(key) = signal.idempotency_key {
        body = body.header("idempotency-key", key);
    }
    let rest = format!("/signals/{}", segment(&signal.signal));
    let path = path(&signal.execution, &rest);
    let answer = client.call(Method::POST, &path, body).await?;
    if context.format.is_for_people() {
        output::line(&format!(
            "{} takes the signal {}",
            signal.execution, signal.signal
        ))?;
    } else {
        output::value(context.format, &answer)?;
    }
    Ok(ExitCode::SUCCESS)
}
