//! `nebula execution cancel`: one execution, several, or all that match. More
//! than one are listed first, and asked for.

use std::process::ExitCode;

use http::Method;
use serde_json::{Value, json};

use super::super::list::{self, List, ListArgs};
use super::super::{Context, confirm};
use super::{COLUMNS, path};
use crate::client::{Body, Client};
use crate::error::{Error, Exit, Result};
use crate::output;

/// Cancel executions: one, several, or all that match
#[derive(Debug, clap::Args)]
pub(crate) struct Cancel {
    /// Their ids
    #[arg(value_name = "EXECUTION", required_unless_present_any = ["workflow", "status"])]
    executions: Vec<String>,
    /// All of this workflow that have not ended
    #[arg(long, conflicts_with = "executions")]
    workflow: Option<String>,
    /// All with this status: queued, running or waiting
    #[arg(long, conflicts_with = "executions", value_parser = UNFINISHED)]
    status: Option<String>,
    /// Why, for those who look at it later
    #[arg(long, default_value = "cancelled from the command line")]
    reason: String,
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(short, long)]
    yes: bool,
}

/// What can still be cancelled.
const UNFINISHED: [&str; 3] = ["queued", "running", "waiting"];
/// The most that one command touches.
const MOST: u32 = 10_000;

pub(super) async fn run(context: &Context, client: &Client, cancel: Cancel) -> Result<ExitCode> {
    if let [id] = cancel.executions.as_slice() {
        let answer = send(client, id, &cancel.reason).await?;
        if context.format.is_for_people() {
            output::line(&format!("cancel of {id} requested"))?;
        } else {
            output::value(context.format, &answer)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let found = find(client, &cancel).await?;
    if found.is_empty() {
        output::rows(context.format, &json!({ "items": [] }), &[], COLUMNS)?;
        return Ok(ExitCode::SUCCESS);
    }
    let question = format!("cancel {}?", output::things(found.len(), "execution"));
    confirm::ask(cancel.yes, &question, || {
        for line in output::table(context.format, &found, COLUMNS) {
            output::aside(&line);
        }
    })?;
    each(context, client, &found, &cancel.reason).await
}

/// What is to be cancelled, as lists show it.
async fn find(client: &Client, cancel: &Cancel) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    if !cancel.executions.is_empty() {
        for id in &cancel.executions {
            found.push(client.get(&path(id, "")).await?);
        }
        return Ok(found);
    }
    for status in UNFINISHED {
        if cancel
            .status
            .as_deref()
            .is_some_and(|wanted| wanted != status)
        {
            continue;
        }
        let list = List::new("/api/v1/executions", COLUMNS)
            .filter("workflow", cancel.workflow.as_deref())
            .filter("status", Some(status));
        let answer = list.fetch(client, &ListArgs::all(MOST)).await?;
        found.extend_from_slice(list::items(&answer));
    }
    Ok(found)
}

/// Cancels each; one that is refused does not keep the others.
async fn each(
    context: &Context,
    client: &Client,
    found: &[Value],
    reason: &str,
) -> Result<ExitCode> {
    let mut refused = None;
    let mut done = 0;
    for execution in found {
        let id = execution
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match send(client, id, reason).await {
            Ok(answer) => {
                done += 1;
                output::item(context.format, &answer, || {
                    format!("cancel of {id} requested")
                })?;
            }
            Err(e) if e.exit() == Exit::Refused => {
                output::aside(&format!("{id}: {e}"));
                refused = Some(e);
            }
            Err(e) => return Err(e),
        }
    }
    match refused {
        None => Ok(ExitCode::SUCCESS),
        Some(_) => Err(Error::refused(format!(
            "{done} of {} were cancelled; the others were refused, as said above",
            found.len()
        ))),
    }
}

async fn send(client: &Client, id: &str, reason: &str) -> Result<Value> {
    let body = Body::json(&json!({ "reason": reason }));
    client.call(Method::POST, &path(id, "/cancel"), body).await
}
