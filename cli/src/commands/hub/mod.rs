//! `nebula hub …`: packages, the keys that sign them, and whom a node trusts.

mod key;
mod signer;
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
}

pub(crate) fn run(context: &Context, verb: Hub) -> Result<ExitCode> {
    match verb {
        Hub::Key(verb) => key::run(context, verb),
        Hub::Trust(verb) => trust::run(context, verb),
    }
}
