//! `nebula hub …`: packages, the keys that sign them, whom a node trusts, and a
//! hub of your own.

mod key;
mod serve;
mod signer;
mod token;
mod trust;

use std::process::ExitCode;

use clap::Subcommand;

use super::Context;
use crate::error::Result;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Hub {
    /// Make, list, export and import the keys that sign your packages
    #[command(subcommand)]
    Key(key::Key),
    /// Say whose packages a node takes: trust, replace and revoke publishers' keys
    #[command(subcommand)]
    Trust(trust::Trust),
    /// Serve a hub without a node: a registry that any client of registries can use
    Serve(serve::Serve),
    /// Make, list and revoke the tokens by which people pull from your hub and push to it
    #[command(subcommand)]
    Token(token::Token),
}

impl Hub {
    /// Whether it serves, and logs as its settings say.
    pub(crate) const fn serves(&self) -> bool {
        matches!(self, Self::Serve(_))
    }
}

pub(crate) async fn run(context: &Context, verb: Hub) -> Result<ExitCode> {
    match verb {
        Hub::Key(verb) => key::run(context, verb),
        Hub::Trust(verb) => trust::run(context, verb),
        Hub::Serve(command) => serve::run(context, command).await,
        Hub::Token(verb) => token::run(context, verb),
    }
}
