//! `nebula hub cache`: what a node has pulled, in its data folder.

use std::process::ExitCode;

use clap::Subcommand;
use nebula_hub::cache::{Cache, CacheError};
use serde_json::json;

use crate::commands::{Context, credential};
use crate::error::{Error, Exit, Result};
use crate::output;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum CacheVerb {
    /// Compare every blob with its name; those that differ are taken out
    Verify,
    /// Take out what no package leads to
    Gc,
}

/// The cache of the node's data folder.
pub(super) fn open(context: &Context) -> Result<Cache> {
    Cache::open(context.node.folder()?.join("packages")).map_err(refused)
}

pub(crate) fn run(context: &Context, verb: &CacheVerb) -> Result<ExitCode> {
    let cache = open(context)?;
    match verb {
        CacheVerb::Gc => {
            let collected = cache.collect().map_err(refused)?;
            let text = format!(
                "{} of {}, {} kept",
                output::things(count(collected.removed), "blob"),
                output::bytes(collected.bytes),
                collected.kept
            );
            credential::report(context, &json!(collected), &text)
        }
        CacheVerb::Verify => {
            let inspected = cache.inspect().map_err(refused)?;
            let mut text = format!("{} sound", output::things(count(inspected.sound), "blob"));
            for digest in &inspected.damaged {
                text += &format!("\ndamaged, taken out: {digest}");
            }
            for digest in &inspected.missing {
                text += &format!("\nmissing: {digest}");
            }
            let sound = inspected.damaged.is_empty() && inspected.missing.is_empty();
            credential::report(context, &json!(inspected), &text)?;
            Ok(if sound {
                ExitCode::SUCCESS
            } else {
                Exit::Altered.into()
            })
        }
    }
}

fn count(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

pub(super) fn refused(error: CacheError) -> Error {
    Error::refused(error.to_string())
}
