//! `nebula trigger …`

use std::process::ExitCode;

use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use super::input::Input;
use super::list::{List, WatchedListArgs};
use super::{Context, segment};
use crate::client::{Body, Client};
use crate::error::{Error, Result};
use crate::node::Node;
use crate::output::{self, Column, Format, Show};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Trigger {
    /// List the triggers of the newest version of each workflow
    List {
        /// Only those of this workflow
        #[arg(long)]
        workflow: Option<String>,
        #[command(flatten)]
        args: WatchedListArgs,
    },
    /// Show a trigger: when it starts an execution or is polled next, what it did last
    Get {
        /// The trigger
        #[arg(value_name = "WORKFLOW/TRIGGER")]
        trigger: String,
    },
    /// Say what a trigger would start and when, or what it finds; start it by hand with --fire
    Test {
        /// The trigger
        #[arg(value_name = "WORKFLOW/TRIGGER")]
        trigger: String,
        /// Start an execution, whether the trigger is on or off
        #[arg(long)]
        fire: bool,
        /// The event, in place of one as the trigger's kind has it or as a poll finds
        #[command(flatten)]
        event: Input,
    },
    /// Switch a trigger on; slots that passed while it was off are not made up for, what a poll finds is
    Enable {
        /// The trigger
        #[arg(value_name = "WORKFLOW/TRIGGER")]
        trigger: String,
    },
    /// Switch a trigger off, through all versions of its workflow
    Disable {
        /// The trigger
        #[arg(value_name = "WORKFLOW/TRIGGER")]
        trigger: String,
    },
}

pub(crate) async fn run(context: &Context, verb: Trigger) -> Result<ExitCode> {
    let node = context.node.connect().await?;
    let result = go(context, &node, verb).await;
    node.close().await;
    result
}

async fn go(context: &Context, node: &Node, verb: Trigger) -> Result<ExitCode> {
    let client = &node.client;
    match verb {
        Trigger::List { workflow, args } => {
            List::new("/api/v1/triggers", COLUMNS)
                .filter("workflow", workflow.as_deref())
                .show_or_watch(context, node, &args)
                .await
        }
        Trigger::Get { trigger } => {
            let answer = client.get(&path(&trigger, "")?).await?;
            let format = if context.format.is_for_people() {
                Format::Yaml
            } else {
                context.format
            };
            output::value(format, &answer)?;
            Ok(ExitCode::SUCCESS)
        }
        Trigger::Test {
            trigger,
            fire,
            event,
        } => test(context, client, &trigger, fire, &event).await,
        Trigger::Enable { trigger } => switch(context, client, &trigger, "enable").await,
        Trigger::Disable { trigger } => switch(context, client, &trigger, "disable").await,
    }
}

/// Characters of a cursor that people are shown.
const CURSOR: usize = 400;

/// Columns of a list.
const COLUMNS: &[Column] = &[
    ("TRIGGER", "/id", Show::Key),
    ("KIND", "/kind", Show::Key),
    ("ON", "/enabled", Show::Key),
    ("NEXT", "/next_at", Show::Key),
    ("POLLED", "/polled_at", Show::Age),
    ("EVENTS", "/events", Show::Count),
    ("LAST", "/last_event/at", Show::Age),
    ("OUTCOME", "/last_event/outcome", Show::Status),
    ("EXECUTION", "/last_event/execution", Show::Wide(&Show::Key)),
    ("SLOT", "/last_event/slot", Show::Wide(&Show::Key)),
    ("SCHEDULE", "/schedule", Show::Wide(&Show::Key)),
    ("TIMEZONE", "/timezone", Show::Wide(&Show::Key)),
    ("PATH", "/path", Show::Wide(&Show::Key)),
    ("FOLLOWS", "/follows", Show::Wide(&Show::Key)),
    ("ACTION", "/action", Show::Wide(&Show::Key)),
    ("EVERY", "/every", Show::Wide(&Show::Key)),
    ("ERRORS", "/errors", Show::Count),
    ("ERROR", "/last_error/message", Show::Text),
];

fn path(trigger: &str, rest: &str) -> Result<String> {
    match trigger.split_once('/') {
        Some((workflow, name)) => Ok(format!(
            "/api/v1/triggers/{}/{}{rest}",
            segment(workflow),
            segment(name)
        )),
        None => Err(
            Error::refused(format!("`{trigger}` does not say whose trigger it is"))
                .hint("write WORKFLOW/TRIGGER, as `nebula trigger list` shows them"),
        ),
    }
}

async fn switch(context: &Context, client: &Client, trigger: &str, verb: &str) -> Result<ExitCode> {
    let path = path(trigger, &format!("/{verb}"))?;
    let answer = client
        .call(Method::POST, &path, Body::json(&json!({})))
        .await?;
    super::credential::report(context, &answer, &format!("{trigger} is {verb}d"))
}

async fn test(
    context: &Context,
    client: &Client,
    trigger: &str,
    fire: bool,
    event: &Input,
) -> Result<ExitCode> {
    let mut body = json!({ "fire": fire });
    let event = event.value()?;
    if !event.is_null() {
        body["event"] = event;
    }
    let path = path(trigger, "/test")?;
    let answer = client.call(Method::POST, &path, Body::json(&body)).await?;
    if !context.format.is_for_people() {
        output::value(context.format, &answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let next = answer.get("next").and_then(Value::as_array);
    for at in next.into_iter().flatten().filter_map(Value::as_str) {
        output::line(&format!("next   {at}"))?;
    }
    if let Some(poll) = answer.get("poll") {
        polled(poll)?;
    }
    if let Some(input) = answer.get("input") {
        output::line(&format!("input  {input}"))?;
    }
    match answer.get("execution").and_then(Value::as_str) {
        Some(execution) => output::line(&format!("started {execution}"))?,
        None => output::note("nothing was started; --fire starts an execution"),
    }
    Ok(ExitCode::SUCCESS)
}

/// What a poll found, a line for each.
fn polled(poll: &Value) -> Result<()> {
    let each = |key: &str| {
        poll.get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    for line in each("lines").filter_map(Value::as_str) {
        output::note(&output::one_line(line));
    }
    for event in each("events") {
        output::line(&format!("event  {event}"))?;
    }
    if each("events").next().is_none() {
        output::line("event  none is new")?;
    }
    if let Some(cursor) = poll.get("cursor") {
        let cursor = output::shorten(&cursor.to_string(), CURSOR);
        output::line(&format!("cursor {cursor}"))?;
    }
    if poll.get("more") == Some(&Value::Bool(true)) {
        output::line("more   true")?;
    }
    Ok(())
}
