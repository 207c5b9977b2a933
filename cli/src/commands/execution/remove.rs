//! `nebula execution remove`: what has ended, with everything that is kept of it.

use std::process::ExitCode;

use http::Method;
use serde_json::json;

use super::super::{Context, confirm};
use super::{COLUMNS, path};
use crate::client::{Body, Client};
use crate::error::{Error, Exit, Result};
use crate::output;

/// Remove executions that have ended: their history, logs and values
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Their ids
    #[arg(value_name = "EXECUTION", required = true)]
    executions: Vec<String>,
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(short, long)]
    yes: bool,
}

pub(super) async fn run(context: &Context, client: &Client, remove: Remove) -> Result<ExitCode> {
    let mut found = Vec::new();
    for id in &remove.executions {
        found.push(client.get(&path(id, "")).await?);
    }
    let question = format!("remove {}?", output::things(found.len(), "execution"));
    confirm::ask(remove.yes, &question, || {
        for line in output::table(context.format, &found, COLUMNS) {
            output::aside(&line);
        }
    })?;
    let mut refused = 0;
    for id in &remove.executions {
        match client
            .call(Method::DELETE, &path(id, ""), Body::default())
            .await
        {
            Ok(_) => output::item(context.format, &json!({ "removed": id }), || {
                format!("{id} removed")
            })?,
            Err(e) if e.exit() == Exit::Refused && remove.executions.len() > 1 => {
                output::aside(&format!("{id}: {e}"));
                refused += 1;
            }
            Err(e) => return Err(e),
        }
    }
    if refused == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Error::refused(format!(
        "{} of {} were removed; the others were refused, as said above",
        remove.executions.len() - refused,
        remove.executions.len()
    )))
}
