//! `nebula grant …`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::Context;
use super::credential::report;
use crate::client::{Body, Client};
use crate::error::{Error, Result};
use crate::output::{self, Show};

/// Let actions reach hosts: `nebula grant weather.fetch api.weather.example`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct GrantArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The action
    #[arg(required = true)]
    action: Option<String>,
    /// The host it may reach, `host` or `host:port`
    #[arg(required = true)]
    host: Option<String>,
    /// Where the host really is; the only way to a loopback or private address
    #[arg(long, value_name = "URL")]
    at: Option<String>,
    /// Only these HTTP methods (repeatable)
    #[arg(long = "method", value_name = "METHOD")]
    methods: Vec<String>,
}

/// The other verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List what actions may reach
    List,
    /// Take a grant back
    Revoke {
        /// The action
        action: String,
        /// The host, as it was granted
        host: String,
    },
}

pub(crate) async fn run(context: &Context, grant: GrantArgs) -> Result<ExitCode> {
    let node = context.node.connect().await?;
    let result = go(context, &node.client, grant).await;
    node.close().await;
    result
}

async fn go(context: &Context, client: &Client, grant: GrantArgs) -> Result<ExitCode> {
    match grant.verb {
        Some(Verb::List) => {
            let answer = client.get("/api/v1/grants?limit=200").await?;
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
                    ("ACTION", "/action", Show::Text),
                    ("HOST", "/host", Show::Text),
                    ("AT", "/at", Show::Text),
                    ("METHODS", "/methods", Show::Text),
                ],
            )?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Verb::Revoke { action, host }) => {
            let body = Body::json(&json!({ "action": action, "host": host }));
            let answer = client.call(Method::DELETE, "/api/v1/grants", body).await?;
            report(
                context,
                &answer,
                &format!("{action} may no longer reach {host}"),
            )
        }
        None => {
            let (Some(action), Some(host)) = (grant.action, grant.host) else {
                return Err(Error::refused("an action and a host are needed"));
            };
            let mut body = json!({ "action": action, "host": host });
            if let Some(at) = &grant.at {
                body["at"] = at.as_str().into();
            }
            if !grant.methods.is_empty() {
                body["methods"] = grant
                    .methods
                    .iter()
                    .map(|m| m.to_ascii_uppercase())
                    .collect();
            }
            let answer = client
                .call(Method::POST, "/api/v1/grants", Body::json(&body))
                .await?;
            let at = grant.at.map(|at| format!(" at {at}")).unwrap_or_default();
            report(context, &answer, &format!("{action} may reach {host}{at}"))
        }
    }
}
