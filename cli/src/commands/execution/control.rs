//! `nebula execution cancel|pause|resume|step|terminate`: one execution, several, or
//! all that match. More than one are listed first, and asked for.

use std::process::ExitCode;

use http::Method;
use serde_json::{Value, json};

use super::super::list::{self, List, ListArgs};
use super::super::{Context, confirm};
use super::{COLUMNS, path};
use crate::client::{Body, Client};
use crate::error::{Error, Exit, Result};
use crate::output;

/// Which executions, and why.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// Their ids
    #[arg(value_name = "EXECUTION", required_unless_present_any = ["workflow", "status"])]
    executions: Vec<String>,
    /// All of this workflow that have not ended
    #[arg(long, conflicts_with = "executions")]
    workflow: Option<String>,
    /// All with this status: queued, running, waiting or paused
    #[arg(long, conflicts_with = "executions", value_parser = UNFINISHED)]
    status: Option<String>,
    /// Why, for those who look at it later
    #[arg(long)]
    reason: Option<String>,
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(short, long)]
    yes: bool,
}

/// What has not ended.
const UNFINISHED: [&str; 4] = ["queued", "running", "waiting", "paused"];
/// The most that one command touches.
const MOST: u32 = 10_000;

/// What is asked of executions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verb {
    /// In the path, and as people say it.
    name: &'static str,
    /// What became of those of which it was asked.
    done: &'static str,
    /// Those it is for, where no status is given.
    statuses: &'static [&'static str],
}

pub(super) const CANCEL: Verb = Verb {
    name: "cancel",
    done: "cancelled",
    statuses: &UNFINISHED,
};
pub(super) const PAUSE: Verb = Verb {
    name: "pause",
    done: "paused",
    statuses: &["queued", "running", "waiting"],
};
pub(super) const RESUME: Verb = Verb {
    name: "resume",
    done: "resumed",
    statuses: &["paused"],
};
pub(super) const STEP: Verb = Verb {
    name: "step",
    done: "stepped",
    statuses: &["paused"],
};
pub(super) const TERMINATE: Verb = Verb {
    name: "terminate",
    done: "terminated",
    statuses: &UNFINISHED,
};

pub(super) async fn run(
    context: &Context,
    client: &Client,
    verb: Verb,
    which: Which,
) -> Result<ExitCode> {
    let reason = match &which.reason {
        Some(reason) => reason.clone(),
        None => format!("{} from the command line", verb.done),
    };
    if let [id] = which.executions.as_slice() {
        let answer = send(client, verb, id, &reason).await?;
        if context.format.is_for_people() {
            output::line(&requested(verb, id))?;
        } else {
            output::value(context.format, &answer)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let found = find(client, verb, &which).await?;
    if found.is_empty() {
        output::rows(context.format, &json!({ "items": [] }), &[], COLUMNS)?;
        return Ok(ExitCode::SUCCESS);
    }
    let things = output::things(found.len(), "execution");
    let question = format!("{} {things}?", verb.name);
    confirm::ask(which.yes, &question, || {
        for line in output::table(context.format, &found, COLUMNS) {
            output::aside(&line);
        }
    })?;
    each(context, client, verb, &found, &reason).await
}

/// Those of which it is to be asked, as lists show them.
async fn find(client: &Client, verb: Verb, which: &Which) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    if !which.executions.is_empty() {
        for id in &which.executions {
            found.push(client.get(&path(id, "")).await?);
        }
        return Ok(found);
    }
    let given = which.status.as_deref().map(|status| vec![status]);
    for status in given.unwrap_or_else(|| verb.statuses.to_vec()) {
        let list = List::new("/api/v1/executions", COLUMNS)
            .filter("workflow", which.workflow.as_deref())
            .filter("status", Some(status));
        let answer = list.fetch(client, &ListArgs::all(MOST)).await?;
        found.extend_from_slice(list::items(&answer));
    }
    Ok(found)
}

/// Asks it of each; one that is refused does not keep the others.
async fn each(
    context: &Context,
    client: &Client,
    verb: Verb,
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
        match send(client, verb, id, reason).await {
            Ok(answer) => {
                done += 1;
                output::item(context.format, &answer, || requested(verb, id))?;
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
            "{done} of {} were {}; the others were refused, as said above",
            found.len(),
            verb.done
        ))),
    }
}

fn requested(verb: Verb, id: &str) -> String {
    format!("{} of {id} requested", verb.name)
}

async fn send(client: &Client, verb: Verb, id: &str, reason: &str) -> Result<Value> {
    let body = Body::json(&json!({ "reason": reason }));
    let path = path(id, &format!("/{}", verb.name));
    client.call(Method::POST, &path, body).await
}
