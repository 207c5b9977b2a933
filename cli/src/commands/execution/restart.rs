//! `nebula execution retry|replay`: an execution from one that has ended.

use std::process::ExitCode;

use http::Method;

use super::super::{Context, segment};
use super::{path, watch};
use crate::client::Body;
use crate::error::Result;
use crate::node::Node;

/// Go on where an execution failed or was stopped: a new one that keeps what succeeded
#[derive(Debug, clap::Args)]
pub(crate) struct Retry {
    /// Its id
    execution: String,
    #[command(flatten)]
    how: How,
}

/// Begin again with an execution's input: a new one
#[derive(Debug, clap::Args)]
pub(crate) struct Replay {
    /// Its id
    execution: String,
    /// Which version of the workflow: a number, or `newest`; that of the execution if absent
    #[arg(long)]
    version: Option<String>,
    #[command(flatten)]
    how: How,
}

/// What both take.
#[derive(Debug, clap::Args)]
struct How {
    /// Wait for its end; the exit code is its outcome
    #[arg(long)]
    wait: bool,
    /// Makes a repeat harmless
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

pub(super) async fn retry(context: &Context, node: &Node, retry: Retry) -> Result<ExitCode> {
    send(context, node, &path(&retry.execution, "/retry"), retry.how).await
}

pub(super) async fn replay(context: &Context, node: &Node, replay: Replay) -> Result<ExitCode> {
    let version = replay.version.as_deref();
    let query = version.map(|version| format!("?version={}", segment(version)));
    let rest = format!("/replay{}", query.unwrap_or_default());
    send(context, node, &path(&replay.execution, &rest), replay.how).await
}

async fn send(context: &Context, node: &Node, path: &str, how: How) -> Result<ExitCode> {
    let mut body = Body::json(&serde_json::json!({}));
    if let Some(key) = how.idempotency_key {
        body = body.header("idempotency-key", key);
    }
    let made = node.client.call(Method::POST, path, body).await?;
    watch::started(context, node, &made, how.wait).await
}
