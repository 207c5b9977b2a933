//! `nebula key …`

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use super::{Context, credential, segment};
use crate::client::{Body, Client};
use crate::error::Result;
use crate::output::{self, Show};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key; its secret is shown once, and not kept
    Create {
        /// Whose it is, or what for
        #[arg(long)]
        name: String,
        /// What it may do
        #[arg(long, value_enum)]
        role: Role,
        /// How long it is good for, e.g. 90d [default: until it is revoked]
        #[arg(long, value_name = "TIME")]
        expires_in: Option<String>,
    },
    /// List the keys; their secrets are never shown
    List,
    /// Revoke a key, at once
    Revoke {
        /// Its id, as `nebula key list` shows it
        id: String,
    },
}

/// What a key may do; each role may all that the one before it may.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Role {
    /// Look
    Viewer,
    /// Deploy, execute, cancel
    Operator,
    /// Set credentials, grants and keys
    Admin,
}

impl From<Role> for nebula_api::key::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Operator => Self::Operator,
            Role::Admin => Self::Admin,
        }
    }
}

pub(crate) async fn run(context: &Context, verb: Key) -> Result<ExitCode> {
    let node = context.node.connect().await?;
    let result = go(context, &node.client, verb).await;
    node.close().await;
    result
}

async fn go(context: &Context, client: &Client, verb: Key) -> Result<ExitCode> {
    match verb {
        Key::Create {
            name,
            role,
            expires_in,
        } => {
            let role = nebula_api::key::Role::from(role).name();
            let mut body = json!({ "name": name, "role": role });
            if let Some(expires_in) = expires_in {
                body["expires_in"] = expires_in.into();
            }
            let path = "/api/v1/keys";
            let answer = client.call(Method::POST, path, Body::json(&body)).await?;
            created(context, &answer)
        }
        Key::List => {
            let answer = client.get("/api/v1/keys?limit=200").await?;
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
                    ("ID", "/id", Show::Text),
                    ("NAME", "/name", Show::Text),
                    ("ROLE", "/role", Show::Text),
                    ("CREATED", "/created_at", Show::Text),
                    ("EXPIRES", "/expires_at", Show::Text),
                    ("LAST USED", "/last_used_at", Show::Text),
                ],
            )?;
            Ok(ExitCode::SUCCESS)
        }
        Key::Revoke { id } => {
            let path = format!("/api/v1/keys/{}", segment(&id));
            let answer = client.call(Method::DELETE, &path, Body::default()).await?;
            credential::report(context, &answer, &format!("revoked {id}"))
        }
    }
}

/// The key on a line of its own, so that it can be copied or piped.
#[expect(
    clippy::print_stderr,
    reason = "what is said of the key is not the key"
)]
fn created(context: &Context, answer: &Value) -> Result<ExitCode> {
    if !context.format.is_for_people() {
        output::value(context.format, answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    output::line(text("secret"))?;
    eprintln!(
        "key {} ({}) is made, and shown this once: keep it in NEBULA_API_KEY or in a file of mode 0600",
        text("id"),
        text("role"),
    );
    Ok(ExitCode::SUCCESS)
}
