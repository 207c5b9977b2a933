//! `nebula execution …`
//!
//! - `stream`: events and logs, taken up where they were cut.
//! - `board`: where each node stands, as a fold of the events.
//! - `watch`: following to the end, live or line by line.
//! - `show`: an execution as people read it.
//! - `waits`: what is waited for, in words.
//! - `signal`: what a wait is for.
//! - `resolve`: what became of an attempt whose outcome is unknown.
//! - `restart`: retry and replay: an execution from one that has ended.
//! - `remove`: what has ended.
//! - `control`: cancel, pause, resume, step, terminate: one, several, or all that match.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use super::list::{List, WatchedListArgs};
use super::{Context, segment};
use crate::error::{Exit, Result};
use crate::node::Node;
use crate::output::{Column, Show};

mod board;
mod control;
mod remove;
mod resolve;
mod restart;
mod show;
mod signal;
mod stream;
mod waits;
mod watch;

pub(crate) use watch::started;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Execution {
    /// List executions, newest first
    List {
        /// Only those of this workflow
        #[arg(long)]
        workflow: Option<String>,
        /// Only those with this status: queued, running, waiting, paused, succeeded, failed, cancelled or terminated
        #[arg(long)]
        status: Option<String>,
        #[command(flatten)]
        args: WatchedListArgs,
    },
    /// Show an execution: its steps, what each cost, its result
    Get {
        /// Its id
        execution: String,
    },
    /// Follow an execution to its end; the exit code is its outcome. Ctrl-C leaves it and cancels nothing
    Watch {
        /// Its id
        execution: String,
    },
    /// Show what the actions logged
    Logs {
        /// Its id
        execution: String,
        /// Go on until the execution ends
        #[arg(short, long)]
        follow: bool,
    },
    Signal(signal::Signal),
    Resolve(resolve::Resolve),
    Retry(restart::Retry),
    Replay(restart::Replay),
    /// Cancel executions: one, several, or all that match
    Cancel(control::Which),
    /// Pause executions: attempts that run may end, and nothing more begins
    Pause(control::Which),
    /// Let paused executions go on
    Resume(control::Which),
    /// Let paused executions go on until one more step of each has ended
    Step(control::Which),
    /// End executions at once, whatever is under way; also those that cannot go on
    Terminate(control::Which),
    Remove(remove::Remove),
}

/// Columns of a list.
const COLUMNS: &[Column] = &[
    ("ID", "/id", Show::Key),
    ("WORKFLOW", "/workflow", Show::Key),
    ("VERSION", "/workflow_version", Show::Count),
    ("STATUS", "/status", Show::Status),
    ("CREATED", "/created_at", Show::Age),
    ("UPDATED", "/updated_at", Show::Wide(&Show::Age)),
    ("FINISHED", "/finished_at", Show::Wide(&Show::Age)),
    ("PRIORITY", "/priority", Show::Wide(&Show::Count)),
    ("DUE", "/wake_at", Show::Wide(&Show::Age)),
    ("ERROR KIND", "/error/kind", Show::Wide(&Show::Key)),
    ("ERROR", "/error/message", Show::Text),
];

pub(crate) async fn run(context: &Context, verb: Execution) -> Result<ExitCode> {
    let node = context.node.connect().await?;
    let result = go(context, &node, verb).await;
    node.close().await;
    result
}

async fn go(context: &Context, node: &Node, verb: Execution) -> Result<ExitCode> {
    let client = &node.client;
    match verb {
        Execution::List {
            workflow,
            status,
            args,
        } => {
            List::new("/api/v1/executions", COLUMNS)
                .filter("workflow", workflow.as_deref())
                .filter("status", status.as_deref())
                .show_or_watch(context, node, &args)
                .await
        }
        Execution::Get { execution } => {
            let execution = client.get(&path(&execution, "")).await?;
            show::execution(context.format, &execution)?;
            Ok(ExitCode::SUCCESS)
        }
        Execution::Watch { execution } => watch::watch(context, node, &execution).await,
        Execution::Logs { execution, follow } => {
            watch::logs(context, node, &execution, follow).await
        }
        Execution::Signal(signal) => signal::run(context, client, signal).await,
        Execution::Resolve(resolve) => resolve::run(context, client, resolve).await,
        Execution::Retry(retry) => restart::retry(context, node, retry).await,
        Execution::Replay(replay) => restart::replay(context, node, replay).await,
        Execution::Cancel(which) => control::run(context, client, control::CANCEL, which).await,
        Execution::Pause(which) => control::run(context, client, control::PAUSE, which).await,
        Execution::Resume(which) => control::run(context, client, control::RESUME, which).await,
        Execution::Step(which) => control::run(context, client, control::STEP, which).await,
        Execution::Terminate(which) => {
            control::run(context, client, control::TERMINATE, which).await
        }
        Execution::Remove(what) => remove::run(context, client, what).await,
    }
}

fn path(execution: &str, rest: &str) -> String {
    format!("/api/v1/executions/{}{rest}", segment(execution))
}

fn outcome(execution: &Value) -> ExitCode {
    match execution.get("status").and_then(Value::as_str) {
        Some("succeeded") => ExitCode::SUCCESS,
        Some("cancelled" | "terminated") => Exit::Cancelled.into(),
        _ => Exit::Failed.into(),
    }
}
