//! Following an execution: live on a terminal, line by line elsewhere. Ctrl-C
//! leaves it, and cancels nothing.

use std::io::IsTerminal;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use super::super::Context;
use super::board::Board;
use super::stream::{Away, Kind, Stream};
use super::waits::waits;
use super::{outcome, path, show};
use crate::error::{Exit, Result};
use crate::node::{AWAY, BACK, Node};
use crate::output::{self, Format, Screen, one_line};

/// Between two drawings.
const FRAME: Duration = Duration::from_millis(120);

/// How much is shown on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The board, drawn in place.
    Drawn,
    /// Each event.
    Lines,
    /// Nothing.
    Quiet,
}

/// Follows an execution to its end, and gives its outcome.
pub(super) async fn watch(context: &Context, node: &Node, id: &str) -> Result<ExitCode> {
    meet(node, id).await?;
    follow(context, node, id, Way::Lines).await
}

/// Prints an execution that was started; with `wait` its end, and gives its outcome.
pub(crate) async fn started(
    context: &Context,
    node: &Node,
    started: &Value,
    wait: bool,
) -> Result<ExitCode> {
    let id = started
        .get("id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if wait {
        return follow(context, node, id, Way::Quiet).await;
    }
    if context.format.is_for_people() {
        output::line(id)?;
    } else {
        output::value(context.format, started)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A node that was never there, or does not know the execution, is not waited for.
async fn meet(node: &Node, id: &str) -> Result<()> {
    node.client.get(&path(id, "")).await.map(drop)
}

async fn follow(context: &Context, node: &Node, id: &str, way: Way) -> Result<ExitCode> {
    let people = context.format.is_for_people();
    let way = if people && std::io::stdout().is_terminal() {
        Way::Drawn
    } else {
        way
    };
    let mut stream = Stream::new(node, id, Kind::Events);
    // The signal first, so that it is listened to before anything is shown.
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => return Ok(detach(id, node.is_own())),
        ended = to_the_end(context.format, &mut stream, id, way) => ended?,
    }
    let execution = stream.client().get(&path(id, "")).await?;
    match way {
        Way::Drawn => show::result(&execution)?,
        Way::Lines if !people => {}
        Way::Lines | Way::Quiet => show::execution(context.format, &execution)?,
    }
    Ok(outcome(&execution))
}

/// Reads the stream to its end.
async fn to_the_end(format: Format, stream: &mut Stream<'_>, id: &str, way: Way) -> Result<()> {
    match way {
        Way::Drawn => draw(format, stream, id).await,
        Way::Lines => {
            let mut told = false;
            let away = stream.away();
            while let Some(event) = told_next(stream, &away, &mut told).await? {
                output::item(format, &event, || describe(&event))?;
            }
            Ok(())
        }
        Way::Quiet => {
            while stream.next().await?.is_some() {}
            Ok(())
        }
    }
}

/// The next event; says once when the node goes away, and once when it is back.
async fn told_next(stream: &mut Stream<'_>, away: &Away, told: &mut bool) -> Result<Option<Value>> {
    let mut next = pin!(stream.next());
    loop {
        let event = tokio::select! {
            event = &mut next => Some(event),
            () = tokio::time::sleep(FRAME) => None,
        };
        if away.is_away() != *told {
            *told = !*told;
            output::note(if *told { AWAY } else { BACK });
        }
        if let Some(event) = event {
            return event;
        }
    }
}

async fn draw(format: Format, stream: &mut Stream<'_>, id: &str) -> Result<()> {
    let mut board = Board::new(&stream.client().get(&path(id, "")).await?);
    let mut screen = Screen::default();
    let away = stream.away();
    let mut frames = tokio::time::interval(FRAME);
    loop {
        let event = {
            let mut next = pin!(stream.next());
            loop {
                tokio::select! {
                    event = &mut next => break event?,
                    _ = frames.tick() => screen.draw(&board.lines(format, away.is_away()))?,
                }
            }
        };
        let Some(event) = event else { break };
        board.apply(&event);
    }
    screen.draw(&board.lines(format, false))
}

/// Says what goes on and how to come back.
fn detach(id: &str, own: bool) -> ExitCode {
    output::note(&if own {
        format!("\nleft {id}: it is on disk, and goes on when a node runs (`nebula dev`)")
    } else {
        format!("\nleft {id}: it goes on")
    });
    output::note(&format!(
        "come back with: nebula execution watch {id}\nend it with:    nebula execution cancel {id}"
    ));
    Exit::Detached.into()
}

/// Prints what the actions logged, up to now or to the end.
pub(super) async fn logs(
    context: &Context,
    node: &Node,
    id: &str,
    to_the_end: bool,
) -> Result<ExitCode> {
    let print = |line: &Value| output::item(context.format, line, || log_line(line));
    if to_the_end {
        meet(node, id).await?;
        let mut stream = Stream::new(node, id, Kind::Logs);
        let all = async {
            let mut told = false;
            let away = stream.away();
            while let Some(line) = told_next(&mut stream, &away, &mut told).await? {
                print(&line)?;
            }
            Ok(ExitCode::SUCCESS)
        };
        return tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => Ok(Exit::Detached.into()),
            ended = all => ended,
        };
    }
    let mut cursor = None;
    loop {
        let query = cursor
            .map(|c: String| format!("?limit=500&cursor={}", super::segment(&c)))
            .unwrap_or_else(|| "?limit=500".into());
        let page = node.client.get(&path(id, &format!("/logs{query}"))).await?;
        super::super::list::items(&page)
            .iter()
            .try_for_each(print)?;
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

fn log_line(line: &Value) -> String {
    let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
    let level = text("level");
    let style = output::Style::stdout();
    let painted = match level {
        "error" | "stderr" => style.paint(output::Paint::Bad, level),
        "warn" => style.paint(output::Paint::Warn, level),
        "debug" | "trace" => style.paint(output::Paint::Dim, level),
        _ => level.to_owned(),
    };
    format!(
        "{} {painted}{} {}: {}",
        text("at"),
        " ".repeat(6_usize.saturating_sub(level.len())),
        text("step"),
        one_line(text("message"))
    )
}

/// One event as a line: when, what, which step, and what is worth a look.
fn describe(event: &Value) -> String {
    let text = |key: &str| event.get(key).and_then(Value::as_str);
    let mut line = format!(
        "{} {}",
        text("at").unwrap_or_default(),
        text("type").unwrap_or_default()
    );
    if let Some(step) = text("step") {
        line += &format!(" {step}");
    }
    if let Some(attempt) = event
        .get("attempt")
        .and_then(Value::as_u64)
        .filter(|a| *a > 1)
    {
        line += &format!(" (attempt {attempt})");
    }
    if let Some(count) = event.get("count").and_then(Value::as_u64) {
        line += &format!(" of {} items", output::count(count));
    }
    match (text("type"), text("signal")) {
        (Some("child_started"), _) => line += &format!(": {}", waits(event)),
        (Some("wait_started"), Some(_)) => line += &format!(" for {}", waits(event)),
        (Some("step_continued"), Some(_)) => line += &format!(", waits for {}", waits(event)),
        (Some("step_continued"), None) if event.get("until").is_some() => {
            line += &format!(", waits {}", waits(event));
        }
        (Some("wait_started"), None) => line += &format!(" {}", waits(event)),
        (_, Some(signal)) => line += &format!(" {signal}"),
        _ => {}
    }
    if let Some(at) = text("retry_at") {
        line += &format!(", next at {at}");
    }
    if let Some(port) = text("port") {
        line += &format!(" on port {port}");
    }
    let why = event
        .pointer("/error/message")
        .and_then(Value::as_str)
        .or_else(|| text("message"))
        .or_else(|| text("reason"));
    if let Some(why) = why {
        line += &format!(": {}", one_line(why));
    }
    line
}
