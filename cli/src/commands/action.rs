//! `nebula action …`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use super::{Context, segment};
use crate::error::Result;
use crate::output::{self, Show};

mod build;
mod test;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Run an action in the real sandbox, without a node
    Test(test::Test),
    /// List the actions that are installed
    List {
        /// Only those whose id, name or description has this text
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
}

pub(crate) async fn run(context: &Context, verb: Action) -> Result<ExitCode> {
    match verb {
        Action::Test(test) => test::run(context, test).await,
        Action::List { search } => list(context, search).await,
    }
}

async fn list(context: &Context, search: Option<String>) -> Result<ExitCode> {
    let node = context.node.connect().await?;
    let path = match search {
        Some(text) => format!("/api/v1/actions/search?q={}&limit=200", segment(&text)),
        None => "/api/v1/actions?limit=200".to_owned(),
    };
    let result = node.client.get(&path).await;
    node.close().await;
    let answer = result?;
    let items = answer
        .get("items")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    output::rows(
        context.format,
        &answer,
        &items,
        &[
            ("ACTION", "/id", Show::Text),
            ("VERSION", "/version", Show::Text),
            ("EFFECT", "/effect", Show::Text),
            ("ASKS FOR", "/hosts", Show::Text),
            ("CREDENTIALS", "/credentials", Show::Text),
            ("DESCRIPTION", "/description", Show::Text),
        ],
    )?;
    Ok(ExitCode::SUCCESS)
}
