//! `nebula credential …`

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use super::list::{List, ListArgs};
use super::{Context, read, segment};
use crate::client::{Body, Client};
use crate::error::{Error, Result};
use crate::output::{self, Column, Show};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Credential {
    /// Store a secret, from a prompt, a file or the environment; never from an argument
    Set {
        /// The name that workflows bind
        name: String,
        /// A host whose requests may carry it (repeatable); none for the secret of a webhook
        #[arg(long = "host", value_name = "HOST")]
        hosts: Vec<String>,
        /// Read the secret from a file (`-` for standard input)
        #[arg(long, value_name = "FILE", conflicts_with = "from_env")]
        from_file: Option<String>,
        /// Read the secret from an environment variable
        #[arg(long, value_name = "VARIABLE")]
        from_env: Option<String>,
    },
    /// List the names of stored credentials; values are never shown
    List(ListArgs),
    /// Remove a credential
    Remove {
        /// Its name
        name: String,
    },
}

pub(crate) async fn run(context: &Context, verb: Credential) -> Result<ExitCode> {
    let node = context.node.connect().await?;
    let result = go(context, &node.client, verb).await;
    node.close().await;
    result
}

async fn go(context: &Context, client: &Client, verb: Credential) -> Result<ExitCode> {
    match verb {
        Credential::Set {
            name,
            hosts,
            from_file,
            from_env,
        } => {
            let secret = secret(&name, from_file, from_env)?;
            let body = Body::json(&json!({ "secret": secret, "hosts": hosts }));
            let answer = client.call(Method::PUT, &path(&name), body).await?;
            let whom = match hosts.as_slice() {
                [] => String::new(),
                hosts => format!(" for {}", hosts.join(", ")),
            };
            report(context, &answer, &format!("stored {name}{whom}"))
        }
        Credential::List(args) => {
            List::new("/api/v1/credentials", COLUMNS)
                .show(context, client, &args)
                .await
        }
        Credential::Remove { name } => {
            let answer = client
                .call(Method::DELETE, &path(&name), Body::default())
                .await?;
            report(context, &answer, &format!("removed {name}"))
        }
    }
}

/// Columns of a list.
const COLUMNS: &[Column] = &[
    ("NAME", "/name", Show::Key),
    ("HOSTS", "/hosts", Show::Text),
    ("VERSION", "/version", Show::Count),
    ("REVEAL", "/reveal", Show::Wide(&Show::Text)),
];

fn path(name: &str) -> String {
    format!("/api/v1/credentials/{}", segment(name))
}

/// One line for people, the answer for programs.
pub(super) fn report(context: &Context, answer: &Value, text: &str) -> Result<ExitCode> {
    if context.format.is_for_people() {
        output::line(text)?;
    } else if !answer.is_null() {
        output::value(context.format, answer)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn secret(name: &str, from_file: Option<String>, from_env: Option<String>) -> Result<String> {
    let text = if let Some(file) = from_file {
        String::from_utf8(read(&file)?)
            .map_err(|_| Error::refused(format!("`{file}` is not UTF-8 text")))?
    } else if let Some(variable) = from_env {
        std::env::var(&variable).map_err(|_| {
            Error::refused(format!(
                "the environment variable `{variable}` is not set to text"
            ))
        })?
    } else if std::io::stdin().is_terminal() {
        rpassword::prompt_password(format!("Secret for {name}: "))
            .map_err(|e| Error::refused(format!("the secret cannot be read: {e}")))?
    } else {
        return Err(Error::refused("no secret given")
            .hint("use --from-file, --from-env, or run it on a terminal"));
    };
    let text = text.trim_end_matches(['\n', '\r']).to_owned();
    if text.is_empty() {
        Err(Error::refused("the secret is empty"))
    } else {
        Ok(text)
    }
}
