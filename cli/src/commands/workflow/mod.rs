//! `nebula workflow …`
//!
//! - `test`: the tests beside a workflow file.
//! - `packs`: real components for those, without a node.

use std::process::ExitCode;

use clap::Subcommand;
use http::Method;
use serde_json::Value;

use super::input::Input;
use super::list::{List, WatchedListArgs};
use super::{Context, read, segment};
use crate::client::{Body, Client};
use crate::error::{Error, Exit, Result};
use crate::node::Node;
use crate::output::{self, Column, Format, Show};

mod packs;
mod test;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Workflow {
    #[command(flatten)]
    OfNode(OfNode),
    /// Run the tests beside a workflow file, without a node and in virtual time
    Test(test::Test),
}

/// Those that ask a node.
#[derive(Debug, Subcommand)]
pub(crate) enum OfNode {
    /// Deploy a workflow from its YAML or JSON file (`-` for standard input)
    Deploy {
        /// The file
        file: String,
    },
    /// Say what is wrong with a workflow file, without deploying it
    Validate {
        /// The file
        file: String,
    },
    /// Start an execution
    Execute {
        /// Name or id of the workflow
        workflow: String,
        #[command(flatten)]
        input: Input,
        /// Wait for its end and print the result
        #[arg(long)]
        wait: bool,
        /// Makes a repeated start harmless
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
        /// Which goes first among those that wait for a place, from -100 to 100; the workflow's if not given
        #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
        priority: Option<i32>,
        /// Pause it as soon as it has started; `nebula execution step` runs its steps one by one
        #[arg(long, conflicts_with = "wait")]
        paused: bool,
    },
    /// List workflows
    List {
        /// Only those that match, e.g. name=weather (repeatable)
        #[arg(long, value_name = "KEY=VALUE")]
        filter: Vec<String>,
        #[command(flatten)]
        args: WatchedListArgs,
    },
    /// Show a workflow's definition
    Get {
        /// Name or id
        workflow: String,
        /// An older version
        #[arg(long)]
        version: Option<u32>,
    },
    /// Print the JSON Schema of workflow files
    Schema,
}

pub(crate) async fn run(context: &Context, verb: Workflow) -> Result<ExitCode> {
    let verb = match verb {
        Workflow::OfNode(verb) => verb,
        Workflow::Test(test) => return test::run(context, &test).await,
    };
    let node = context.node.connect().await?;
    let result = go(context, &node, verb).await;
    node.close().await;
    result
}

async fn go(context: &Context, node: &Node, verb: OfNode) -> Result<ExitCode> {
    let client = &node.client;
    match verb {
        OfNode::Deploy { file } => deploy(context, client, &file).await,
        OfNode::Validate { file } => validate(context, client, &file).await,
        OfNode::Execute {
            workflow,
            input,
            wait,
            idempotency_key,
            priority,
            paused,
        } => {
            let mut body = Body::json(&input.value()?);
            if let Some(key) = idempotency_key {
                body = body.header("idempotency-key", key);
            }
            let query = query(priority, paused);
            execute(context, node, &workflow, body, &query, wait).await
        }
        OfNode::List { filter, args } => {
            let filter = (!filter.is_empty()).then(|| filter.join(","));
            List::new("/api/v1/workflows", COLUMNS)
                .filter("filter", filter.as_deref())
                .show_or_watch(context, node, &args)
                .await
        }
        OfNode::Get { workflow, version } => {
            let version = version.map(|v| format!("?version={v}")).unwrap_or_default();
            let answer = client
                .get(&format!(
                    "/api/v1/workflows/{}{version}",
                    segment(&workflow)
                ))
                .await?;
            let format = if context.format.is_for_people() {
                Format::Yaml
            } else {
                context.format
            };
            print(format, &answer)?;
            Ok(ExitCode::SUCCESS)
        }
        OfNode::Schema => {
            let schema = client.get("/api/v1/workflows/schema").await?;
            output::value(context.format, &schema)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Columns of a list.
const COLUMNS: &[Column] = &[
    ("NAME", "/name", Show::Key),
    ("VERSION", "/version", Show::Count),
    ("STATUS", "/status", Show::Status),
    ("DEPLOYED", "/deployed_at", Show::Age),
    ("ID", "/id", Show::Key),
    ("DESCRIPTION", "/description", Show::Wide(&Show::Text)),
];

/// A workflow as a whole, or its name.
fn print(format: Format, workflow: &Value) -> Result<()> {
    match workflow.get("name").and_then(Value::as_str) {
        Some(name) if format == Format::Name => output::line(name),
        _ => output::value(format, workflow),
    }
}

/// A definition as a body, with the media type that its text has.
fn definition(file: &str) -> Result<Body> {
    let bytes = read(file)?;
    let json = serde_json::from_slice::<Value>(&bytes).is_ok_and(|v| v.is_object());
    Ok(Body {
        content_type: Some(if json {
            "application/json"
        } else {
            "application/yaml"
        }),
        bytes: bytes.into(),
        file: Some(file.to_owned()),
        ..Body::default()
    })
}

async fn deploy(context: &Context, client: &Client, file: &str) -> Result<ExitCode> {
    let answer = client
        .call(Method::POST, "/api/v1/workflows", definition(file)?)
        .await?;
    if !context.format.is_for_people() {
        print(context.format, &answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    let version = answer.get("version").unwrap_or(&Value::Null);
    output::line(&match answer.get("created") {
        Some(Value::Bool(false)) => {
            format!(
                "{} is unchanged: version {version} ({})",
                text("name"),
                text("id")
            )
        }
        _ => format!(
            "deployed {} version {version} ({})",
            text("name"),
            text("id")
        ),
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn validate(context: &Context, client: &Client, file: &str) -> Result<ExitCode> {
    let answer = client
        .call(
            Method::POST,
            "/api/v1/workflows/validate",
            definition(file)?,
        )
        .await?;
    let valid = answer
        .get("valid")
        .and_then(Value::as_bool)
        .unwrap_or_default();
    if !valid && context.format.is_for_people() {
        let mut problem = answer.clone();
        problem["detail"] = format!("{file} is not a valid workflow").into();
        return Err(Error::from_problem(422, &problem, Some(file)));
    }
    if context.format.is_for_people() {
        output::line(&format!("{file} is valid"))?;
    } else {
        output::value(context.format, &answer)?;
    }
    Ok(if valid {
        ExitCode::SUCCESS
    } else {
        Exit::Refused.into()
    })
}

/// How an execution is started, for its path.
fn query(priority: Option<i32>, paused: bool) -> String {
    let priority = priority.map(|priority| format!("priority={priority}"));
    let paused = paused.then(|| "paused=true".to_owned());
    let given: Vec<_> = priority.into_iter().chain(paused).collect();
    if given.is_empty() {
        String::new()
    } else {
        format!("?{}", given.join("&"))
    }
}

async fn execute(
    context: &Context,
    node: &Node,
    workflow: &str,
    body: Body,
    query: &str,
    wait: bool,
) -> Result<ExitCode> {
    let path = format!("/api/v1/workflows/{}/execute{query}", segment(workflow));
    let started = node.client.call(Method::POST, &path, body).await?;
    super::execution::started(context, node, &started, wait).await
}
