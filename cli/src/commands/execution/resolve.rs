//! `nebula execution resolve`: what became of an attempt whose outcome is unknown.

use std::process::ExitCode;

use http::Method;
use serde_json::json;

use super::super::Context;
use super::super::input::Input;
use super::path;
use crate::client::{Body, Client};
use crate::error::{Error, Result};
use crate::output;

/// Say what became of a step whose outcome is unknown (`delivery: at-most-once`)
#[derive(Debug, clap::Args)]
pub(crate) struct Resolve {
    /// The execution's id
    execution: String,
    /// The step: a node, or an item of a map, as `totals[3]`
    step: String,
    /// What became of it: it `succeeded` with the given output, it `failed`, or it is to be tried again
    #[arg(long = "as", value_name = "WHAT", value_parser = ["succeeded", "failed", "retry"])]
    verdict: String,
    #[command(flatten)]
    output: Input,
    /// Why; needed for `failed`
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(super) async fn run(context: &Context, client: &Client, resolve: Resolve) -> Result<ExitCode> {
    let said = resolve.output.value()?;
    if !said.is_null() && resolve.verdict != "succeeded" {
        return Err(Error::refused("an output belongs to `--as succeeded`"));
    }
    let body = json!({
        "step": resolve.step,
        "as": resolve.verdict,
        "output": said,
        "reason": resolve.reason,
    });
    let path = path(&resolve.execution, "/resolve");
    let answer = client.call(Method::POST, &path, Body::json(&body)).await?;
    if context.format.is_for_people() {
        let what = match resolve.verdict.as_str() {
            "retry" => "is tried again",
            "failed" => "counts as failed",
            _ => "counts as succeeded",
        };
        output::line(&format!("{} of {} {what}", resolve.step, resolve.execution))?;
    } else {
        output::value(context.format, &answer)?;
    }
    Ok(ExitCode::SUCCESS)
}
