//! `nebula credential …`

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
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
    Set(Box<Set>),
    /// List the names of stored credentials; values are never shown
    List(ListArgs),
    /// Remove a credential
    Remove {
        /// Its name
        name: String,
    },
}

/// What is stored.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The name that workflows bind
    name: String,
    /// How requests carry the secret
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
    /// A host whose requests may carry it (repeatable); none for the secret of a webhook
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Of `api-key`: the header that carries it
    #[arg(long, value_name = "NAME")]
    header: Option<String>,
    /// Of `basic`: the user; the secret is the password
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Of `oauth2`: where tokens are got; the secret is the client's
    #[arg(long, value_name = "URL")]
    token_url: Option<String>,
    /// Of `oauth2`: where that host really is, if it is a private or loopback one
    #[arg(long, value_name = "URL")]
    token_at: Option<String>,
    /// Of `oauth2`: who gets tokens
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Of `oauth2`: for what (repeatable)
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Of `oauth2`: for whom, where the server asks for that
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,
    /// Of `oauth2`: whether the client says its secret in a header or in the form
    #[arg(long, value_enum, value_name = "HOW")]
    client_auth: Option<ClientAuth>,
    /// Of `certificate`: the file with the certificate and those above it; the secret is its key
    #[arg(long, value_name = "FILE")]
    certificate: Option<String>,
    /// Let actions that are granted it read it in plain text (`nebula grant reveal`); not of
    /// `oauth2` and `certificate`
    #[arg(long)]
    reveal: bool,
    /// Read the secret from a file (`-` for standard input)
    #[arg(long, value_name = "FILE", conflicts_with = "from_env")]
    from_file: Option<String>,
    /// Read the secret from an environment variable
    #[arg(long, value_name = "VARIABLE")]
    from_env: Option<String>,
}

/// How requests carry a secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Where the action puts it
    #[default]
    Text,
    /// As the value of a header
    ApiKey,
    /// As a bearer token
    Bearer,
    /// As the password of a user
    Basic,
    /// As a bearer token, which the node gets by OAuth 2.0 client credentials
    #[value(name = "oauth2")]
    OAuth2,
    /// Not in requests: as the key of a certificate
    Certificate,
}

/// How a client says its secret.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ClientAuth {
    /// In the header `authorization`
    Basic,
    /// In the form
    Body,
}

impl Set {
    /// As the API takes it: without what is not given.
    fn body(&self) -> Result<Value> {
        let mut body = json!({
            "secret": self.secret()?,
            "kind": word(&self.kind),
            "hosts": self.hosts,
            "reveal": self.reveal,
        });
        for (name, given) in [
            ("header", &self.header),
            ("user", &self.user),
            ("token_url", &self.token_url),
            ("token_at", &self.token_at),
            ("client_id", &self.client_id),
            ("audience", &self.audience),
        ] {
            if let Some(given) = given {
                body[name] = json!(given);
            }
        }
        if !self.scopes.is_empty() {
            body["scopes"] = json!(self.scopes);
        }
        if let Some(how) = self.client_auth {
            body["client_auth"] = json!(word(&how));
        }
        if let Some(file) = &self.certificate {
            body["certificate"] = json!(text(file)?);
        }
        Ok(body)
    }

    fn secret(&self) -> Result<String> {
        let what = match self.kind {
            Kind::Basic => "Password",
            Kind::OAuth2 => "Client secret",
            _ => "Secret",
        };
        let prompted = std::io::stdin().is_terminal() && self.kind != Kind::Certificate;
        let secret = if let Some(file) = &self.from_file {
            text(file)?
        } else if let Some(variable) = &self.from_env {
            std::env::var(variable).map_err(|_| {
                Error::refused(format!(
                    "the environment variable `{variable}` is not set to text"
                ))
            })?
        } else if prompted {
            rpassword::prompt_password(format!("{what} for {}: ", self.name))
                .map_err(|e| Error::refused(format!("the secret cannot be read: {e}")))?
        } else {
            return Err(Error::refused("no secret given")
                .hint("use --from-file, --from-env, or run it on a terminal"));
        };
        let secret = secret.trim_end_matches(['\n', '\r']).to_owned();
        if secret.is_empty() {
            Err(Error::refused("the secret is empty"))
        } else {
            Ok(secret)
        }
    }
}

/// As the API and the command line write it.
fn word(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

fn text(file: &str) -> Result<String> {
    String::from_utf8(read(file)?)
        .map_err(|_| Error::refused(format!("`{file}` is not UTF-8 text")))
}

pub(crate) async fn run(context: &Context, verb: Credential) -> Result<ExitCode> {
    let node = context.node.connect().await?;
    let result = go(context, &node.client, verb).await;
    node.close().await;
    result
}

async fn go(context: &Context, client: &Client, verb: Credential) -> Result<ExitCode> {
    match verb {
        Credential::Set(set) => {
            let body = Body::json(&set.body()?);
            let answer = client.call(Method::PUT, &path(&set.name), body).await?;
            let whom = match set.hosts.as_slice() {
                [] => String::new(),
                hosts => format!(" for {}", hosts.join(", ")),
            };
            let reveal = match set.reveal {
                true => format!(
                    "; an action reads it in plain text once it is granted: nebula grant reveal ACTION {}",
                    set.name
                ),
                false => String::new(),
            };
            report(
                context,
                &answer,
                &format!("stored {}{whom}{reveal}", set.name),
            )
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
    ("KIND", "/kind", Show::Key),
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
