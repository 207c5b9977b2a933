//! `nebula hub …`: packages, the keys that sign them, whom a node trusts, and a
//! hub of your own.
//!
//! - `publish`: built, signed, pushed.
//! - `install`, `consent`, `deploy`, `remove`: what a node has.
//! - `list`, `show`, `verify`, `pull`: looking.
//! - `key`, `signer`, `trust`: who signs, and who may.
//! - `index`: the signed list of what a registry has.
//! - `places`, `login`, `cache`: registries, credentials, what was pulled.
//! - `serve`, `token`: a hub of your own.
//! - `trouble`: refusals as exit codes.

mod cache;
mod consent;
mod deploy;
mod index;
mod install;
mod key;
mod list;
mod login;
pub(super) mod places;
mod progress;
pub(super) mod publish;
pub(super) mod pull;
mod remove;
mod serve;
mod show;
mod signer;
mod token;
mod trouble;
mod trust;
mod verify;

use std::process::ExitCode;

use clap::Subcommand;
use nebula_sandbox::nebula_flow::Timestamp;

use super::Context;
use super::list::ListArgs;
use crate::error::Result;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Hub {
    Publish(publish::Publish),
    Install(install::Install),
    Update(install::Update),
    Remove(remove::Remove),
    /// List the installed packages
    List(ListArgs),
    /// List installed packages of which there is a newer version
    Outdated,
    /// Show the installed packages as a tree of what needs what
    Tree,
    /// Check what is installed against the registries and whom the node trusts now
    Audit,
    Show(show::ShowArgs),
    Search(show::Search),
    Verify(verify::Verify),
    Login(login::Login),
    Logout(login::Logout),
    /// Sign the list of what a registry has, so that it can neither hide nor hold back a version
    #[command(subcommand)]
    Index(index::IndexVerb),
    /// Keep the node's cache of packages in order
    #[command(subcommand)]
    Cache(cache::CacheVerb),
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
        Hub::Publish(args) => publish::run(context, args).await,
        Hub::Install(args) => install::install(context, args).await,
        Hub::Update(args) => install::update(context, args).await,
        Hub::Remove(args) => remove::run(context, args).await,
        Hub::List(args) => list::list(context, &args).await,
        Hub::Outdated => list::outdated(context).await,
        Hub::Tree => list::tree(context).await,
        Hub::Audit => verify::audit(context).await,
        Hub::Show(args) => show::show(context, args).await,
        Hub::Search(args) => show::search(context, args).await,
        Hub::Verify(args) => verify::verify(context, args).await,
        Hub::Login(args) => login::login(context, args).await,
        Hub::Logout(args) => login::logout(context, &args),
        Hub::Index(verb) => index::run(context, verb).await,
        Hub::Cache(verb) => cache::run(context, &verb),
        Hub::Key(verb) => key::run(context, verb),
        Hub::Trust(verb) => trust::run(context, verb),
        Hub::Serve(command) => serve::run(context, command).await,
        Hub::Token(verb) => token::run(context, verb),
    }
}

/// By this machine's clock.
fn now() -> Timestamp {
    let millis = jiff::Timestamp::now().as_millisecond();
    Timestamp::from_millis(u64::try_from(millis).unwrap_or_default())
}
