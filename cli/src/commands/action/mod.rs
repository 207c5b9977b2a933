//! `nebula action …`
//!
//! - `create`: a crate to begin with.
//! - `bindings`: types of inputs and outputs for programs.
//! - `inspect`: what a component is.
//! - `test`: one call in the real sandbox.
//! - `bench`: many, and what each costs.
//! - `call`: what calls are given, and the calls.
//! - `credential`: the credentials that they are given.
//! - `build`: a crate made into a component.
//! - `sandbox`: where it runs, without a node.
//! - `limits`: what a call may cost, as people write it.
//! - `http`: who answers their requests: the network, a file, or both.
//! - `databases`: the ones that they are given.
//! - `report`: what a call gave and what it cost.

use std::process::ExitCode;

use clap::Subcommand;

use super::Context;
use super::list::{List, ListArgs};
use crate::error::Result;
use crate::output::{Column, Show};

mod bench;
mod bindings;
pub(super) mod build;
mod call;
mod create;
mod credential;
mod databases;
mod http;
mod inspect;
mod limits;
mod report;
pub(super) mod sandbox;
mod test;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    Create(create::Create),
    Bindings(bindings::Bindings),
    Inspect(inspect::Inspect),
    /// Run an action in the real sandbox, without a node
    Test(test::Test),
    Bench(bench::Bench),
    /// Publish the one action of a crate as a package of its own, as `nebula hub publish` does
    Publish(super::hub::publish::Publish),
    /// List the actions that are installed
    List {
        /// Only those whose id, name or description has this text
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        #[command(flatten)]
        args: ListArgs,
    },
}

pub(crate) async fn run(context: &Context, verb: Action) -> Result<ExitCode> {
    match verb {
        Action::Create(create) => create::run(context, &create),
        Action::Bindings(bindings) => bindings::run(context, &bindings).await,
        Action::Inspect(inspect) => inspect::run(context, &inspect).await,
        Action::Test(test) => test::run(context, test).await,
        Action::Bench(bench) => bench::run(context, &bench).await,
        Action::Publish(publish) => super::hub::publish::run(context, publish).await,
        Action::List { search, args } => list(context, search.as_deref(), &args).await,
    }
}

/// Columns of a list.
const COLUMNS: &[Column] = &[
    ("ACTION", "/id", Show::Key),
    ("VERSION", "/version", Show::Key),
    ("KIND", "/kind", Show::Key),
    ("EFFECT", "/effect", Show::Key),
    ("ASKS FOR", "/hosts", Show::Text),
    ("CREDENTIALS", "/credentials", Show::Text),
    ("CATEGORY", "/category", Show::Wide(&Show::Key)),
    ("ORIGIN", "/origin", Show::Wide(&Show::Key)),
    ("DESCRIPTION", "/description", Show::Text),
];

async fn list(context: &Context, search: Option<&str>, args: &ListArgs) -> Result<ExitCode> {
    let node = context.node.connect().await?;
    let list = match search {
        Some(_) => List::new("/api/v1/actions/search", COLUMNS).filter("q", search),
        None => List::new("/api/v1/actions", COLUMNS),
    };
    let result = list.show(context, &node.client, args).await;
    node.close().await;
    result
}
