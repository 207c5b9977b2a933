//! `nebula hub token …`: by the hub's folder, on its own machine.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use nebula_api::Time;
use nebula_hub::serve::tokens::{self, Allowed, NewToken, TokenError, Tokens};
use nebula_server::hub;
use serde_json::{Value, json};

use super::super::{Context, credential};
use crate::error::{Error, Result};
use crate::output::{self, Show};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token; it is shown once, and not kept
    Create {
        /// Whose it is, or what for
        #[arg(long)]
        name: String,
        /// What it allows
        #[arg(long, value_enum)]
        allow: Allow,
        /// Only in repositories below this, e.g. acme (repeatable) [default: in all]
        #[arg(long, value_name = "NAMESPACE")]
        namespace: Vec<String>,
        /// How long it is good for, e.g. 90d [default: until it is revoked]
        #[arg(long, value_name = "TIME")]
        expires_in: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// List the tokens, without their secrets
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Revoke a token, from the next request on
    Revoke {
        /// Its id, as `nebula hub token list` shows it
        id: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Which hub.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// The hub's folder [default: `hub` in the data folder]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// What a token allows; each allows what the one before it does.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Allow {
    /// Read
    Pull,
    /// Add content and move tags
    Push,
    /// Delete
    Delete,
}

impl From<Allow> for Allowed {
    fn from(allow: Allow) -> Self {
        match allow {
            Allow::Pull => Self::Pull,
            Allow::Push => Self::Push,
            Allow::Delete => Self::Delete,
        }
    }
}

impl Place {
    fn tokens(self, context: &Context) -> Result<Tokens> {
        let folder = match self.folder {
            Some(folder) => folder,
            None => context.node.folder()?.join("hub"),
        };
        Ok(hub::tokens(&folder))
    }
}

pub(crate) fn run(context: &Context, verb: Token) -> Result<ExitCode> {
    match verb {
        Token::Create {
            name,
            allow,
            namespace,
            expires_in,
            place,
        } => {
            let lifetime = expires_in.as_deref().map(tokens::lifetime);
            let new = NewToken {
                name,
                allowed: allow.into(),
                namespaces: namespace,
                lifetime: lifetime.transpose().map_err(refused)?,
            };
            create(context, &place.tokens(context)?, new)
        }
        Token::List { place } => list(context, &place.tokens(context)?),
        Token::Revoke { id, place } => {
            let revoked = place.tokens(context)?.revoke(&id).map_err(refused)?;
            credential::report(context, &shown(&revoked), &format!("revoked {id}"))
        }
    }
}

/// The token on a line of its own, so that it can be copied or piped.
fn create(context: &Context, tokens: &Tokens, new: NewToken) -> Result<ExitCode> {
    let (token, secret) = tokens.create(new).map_err(refused)?;
    if !context.format.is_for_people() {
        let mut answer = shown(&token);
        answer["token"] = secret.as_str().into();
        output::value(context.format, &answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&secret)?;
    output::aside(&format!(
        "token {} ({}) is made, and shown this once: give it as the password of any user, for example to `oras login`",
        token.id,
        token.allowed.name(),
    ));
    Ok(ExitCode::SUCCESS)
}

fn list(context: &Context, tokens: &Tokens) -> Result<ExitCode> {
    let tokens = tokens.list().map_err(refused)?;
    let items: Vec<Value> = tokens.iter().map(shown).collect();
    output::rows(
        context.format,
        &json!({ "items": items }),
        &items,
        &[
            ("ID", "/id", Show::Key),
            ("NAME", "/name", Show::Text),
            ("ALLOWS", "/allows", Show::Text),
            ("IN", "/in", Show::Text),
            ("CREATED", "/created_at", Show::Text),
            ("EXPIRES", "/expires_at", Show::Text),
        ],
    )?;
    Ok(ExitCode::SUCCESS)
}

/// A token for people and programs, without its hash.
fn shown(token: &tokens::Token) -> Value {
    let time = |millis| Time::from_millis(millis).to_string();
    json!({
        "id": token.id,
        "name": token.name,
        "allows": token.allowed.name(),
        "namespaces": token.namespaces,
        "in": if token.namespaces.is_empty() { "all".into() } else { token.namespaces.join(", ") },
        "created_at": time(token.created_at.as_millis()),
        "expires_at": token.expires_at.map(|at| time(at.as_millis())),
    })
}

fn refused(error: TokenError) -> Error {
    match error {
        TokenError::Io { .. } => Error::node(error.to_string()),
        _ => Error::refused(error.to_string()),
    }
}
