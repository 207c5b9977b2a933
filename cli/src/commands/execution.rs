//! `nebula execution …`

use std::process::ExitCode;

use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use super::{Context, segment};
use crate::client::{Body, Client};
use crate::error::{Exit, Result};
use crate::output::{self, Format, Show};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Execution {
    /// List executions, newest first
    List {
        /// Only those of this workflow
        #[arg(long)]
        workflow: Option<String>,
        /// Only those with this status
        #[arg(long)]
        status: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Go on after this cursor
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show an execution: its steps, what each cost, its result
    Get {
        /// Its id
        execution: String,
    },
    /// Follow an execution to its end; the exit code is its outcome
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
    /// Cancel an execution
    Cancel {
        /// Its id
        execution: String,
        /// Why, for those who look at it later
        #[arg(long, default_value = "cancelled from the command line")]
        reason: String,
    },
}

pub(crate) async fn run(context: &Context, verb: Execution) -> Result<ExitCode> {
    let node = context.node.connect().await?;
    let result = go(context, &node.client, verb).await;
    node.close().await;
    result
}

async fn go(context: &Context, client: &Client, verb: Execution) -> Result<ExitCode> {
    match verb {
        Execution::List {
            workflow,
            status,
            limit,
            cursor,
        } => {
            list(
                context,
                client,
                &[
                    ("workflow", workflow),
                    ("status", status),
                    ("cursor", cursor),
                ],
                limit,
            )
            .await
        }
        Execution::Get { execution } => {
            show(context, &client.get(&path(&execution, "")).await?)?;
            Ok(ExitCode::SUCCESS)
        }
        Execution::Watch { execution } => watch(context, client, &execution).await,
        Execution::Logs { execution, follow } => logs(context, client, &execution, follow).await,
        Execution::Cancel { execution, reason } => {
            let answer = client
                .call(
                    Method::POST,
                    &path(&execution, "/cancel"),
                    Body::json(&json!({ "reason": reason })),
                )
                .await?;
            if context.format == Format::Table {
                output::line(&format!("cancel of {execution} requested"))?;
            } else {
                output::value(context.format, &answer)?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn path(execution: &str, rest: &str) -> String {
    format!("/api/v1/executions/{}{rest}", segment(execution))
}

async fn list(
    context: &Context,
    client: &Client,
    filters: &[(&str, Option<String>)],
    limit: u32,
) -> Result<ExitCode> {
    let mut path = format!("/api/v1/executions?limit={limit}");
    for (name, value) in filters {
        if let Some(value) = value {
            path += &format!("&{name}={}", segment(value));
        }
    }
    let answer = client.get(&path).await?;
    let items = answer
        .get("items")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    output::rows(
        context.format,
        &answer,
        &items,
        &[
            ("ID", "/id", Show::Text),
            ("WORKFLOW", "/workflow", Show::Text),
            ("VERSION", "/workflow_version", Show::Text),
            ("STATUS", "/status", Show::Text),
            ("CREATED", "/created_at", Show::Age),
            ("ERROR", "/error/message", Show::Text),
        ],
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Waits for the end of an execution, prints it, and gives its outcome.
pub(crate) async fn finish(context: &Context, client: &Client, id: &str) -> Result<ExitCode> {
    follow(client, &path(id, "/events"), |_| Ok(())).await?;
    let execution = client.get(&path(id, "")).await?;
    show(context, &execution)?;
    Ok(outcome(&execution))
}

async fn watch(context: &Context, client: &Client, id: &str) -> Result<ExitCode> {
    let format = context.format;
    follow(client, &path(id, "/events"), |event| match format {
        Format::Table => output::line(&describe(event)),
        Format::Json | Format::Yaml => output::line(&event.to_string()),
    })
    .await?;
    let execution = client.get(&path(id, "")).await?;
    if format == Format::Table {
        show(context, &execution)?;
    }
    Ok(outcome(&execution))
}

async fn logs(context: &Context, client: &Client, id: &str, to_the_end: bool) -> Result<ExitCode> {
    let print = |line: &Value| match context.format {
        Format::Table => output::line(&log_line(line)),
        Format::Json | Format::Yaml => output::line(&line.to_string()),
    };
    if to_the_end {
        follow(client, &path(id, "/logs"), |line| print(line)).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut cursor = None;
    loop {
        let query = cursor
            .map(|c: String| format!("?cursor={}", segment(&c)))
            .unwrap_or_default();
        let page = client.get(&path(id, &format!("/logs{query}"))).await?;
        for line in page
            .get("items")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            print(line)?;
        }
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// Reads a stream to its end; a cut connection is taken up where it was cut.
async fn follow(
    client: &Client,
    path: &str,
    mut each: impl FnMut(&Value) -> Result<()>,
) -> Result<()> {
    let mut last: Option<String> = None;
    let mut cuts = 0;
    loop {
        let mut events = client.events_after(path, last.as_deref()).await?;
        loop {
            match events.next().await {
                Ok(Some(event)) => {
                    cuts = 0;
                    each(&event.data)?;
                    last = event.id.or(last);
                }
                Ok(None) => return Ok(()),
                Err(_) if cuts < 5 => {
                    cuts += 1;
                    break;
                }
                Err(e) => return Err(e),
            }
        }
    }
}

fn log_line(line: &Value) -> String {
    let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
    format!(
        "{} {:5} {} {}",
        text("at"),
        text("level"),
        text("step"),
        text("message")
    )
}

fn describe(event: &Value) -> String {
    let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut line = format!("{} {}", text("at"), text("type"));
    if let Some(step) = event.get("step").and_then(Value::as_str) {
        line += &format!(" {step}");
    }
    if let Some(message) = event.pointer("/error/message").and_then(Value::as_str) {
        line += &format!(": {message}");
    }
    line
}

fn outcome(execution: &Value) -> ExitCode {
    match execution.get("status").and_then(Value::as_str) {
        Some("succeeded") => ExitCode::SUCCESS,
        Some("cancelled") => Exit::Cancelled.into(),
        _ => Exit::Failed.into(),
    }
}

/// How many steps a table shows before it sums up.
const MAX_STEPS: usize = 15;

fn show(context: &Context, execution: &Value) -> Result<()> {
    if context.format != Format::Table {
        return output::value(context.format, execution);
    }
    let text = |key: &str| {
        execution
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    output::line(&format!(
        "{} {} {}",
        text("id"),
        text("workflow"),
        text("status")
    ))?;
    let steps = execution
        .get("steps")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if !steps.is_empty() {
        let shown = &steps[..steps.len().min(MAX_STEPS)];
        output::line(&output::table(
            shown,
            &[
                ("STEP", "/step", Show::Text),
                ("STATUS", "/status", Show::Text),
                ("ATTEMPTS", "/attempts", Show::Length),
                ("TIME", "/usage/duration_us", Show::Micros),
                ("FUEL", "/usage/fuel", Show::Count),
                ("MEMORY", "/usage/memory_bytes", Show::Bytes),
                ("ERROR", "/error/message", Show::Text),
            ],
        ))?;
        if steps.len() > MAX_STEPS {
            output::line(&format!(
                "… and {} more steps (all of them with -o json)",
                steps.len() - MAX_STEPS
            ))?;
        }
    }
    if let Some(error) = execution.get("error").filter(|e| !e.is_null()) {
        let node = error
            .get("node")
            .and_then(Value::as_str)
            .map(|n| format!(" at {n}"))
            .unwrap_or_default();
        let message = error
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or_default();
        output::line(&format!("failed{node}: {message}"))?;
    }
    if let Some(result) = execution.get("output").filter(|o| !o.is_null()) {
        output::line(&format!("output: {result:#}"))?;
    }
    Ok(())
}
