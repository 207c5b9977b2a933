//! What every list has in common: its pages are followed up to `--limit`, and
//! `--watch` draws it again.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Context, segment};
use crate::client::Client;
use crate::error::{Error, Exit, Result};
use crate::node::{AWAY, BACK, Node, PATIENCE};
use crate::output::{self, Column, Paint, Screen, Style};

/// The most that a node gives at once.
const PAGE: u32 = 200;
/// Between two looks at a list that is watched.
const PERIOD: Duration = Duration::from_secs(2);

/// How much of a list.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ListArgs {
    /// At most this many; pages are followed as needed
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Go on after this cursor, which the list before gave
    #[arg(long)]
    cursor: Option<String>,
}

impl ListArgs {
    /// As much as there is, up to a bound.
    pub(crate) const fn all(limit: u32) -> Self {
        Self {
            limit,
            cursor: None,
        }
    }
}

/// The same, for lists that change while one looks.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct WatchedListArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    /// Draw the list again every 2 s; elsewhere than on a terminal, print what changed (not as a table)
    #[arg(short, long)]
    watch: bool,
}

/// A list of the API: its path, with the filters as its query.
pub(crate) struct List<'a> {
    path: String,
    columns: &'a [Column],
}

impl<'a> List<'a> {
    /// The list at this path.
    pub(crate) fn new(path: &str, columns: &'a [Column]) -> Self {
        Self {
            path: path.to_owned(),
            columns,
        }
    }

    /// Only what has this value there, if one is given.
    pub(crate) fn filter(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            let joint = if self.path.contains('?') { '&' } else { '?' };
            self.path += &format!("{joint}{name}={}", segment(value));
        }
        self
    }

    /// The items, at most `limit`, and where the next ones begin.
    pub(crate) async fn fetch(&self, client: &Client, args: &ListArgs) -> Result<Value> {
        let mut items = Vec::new();
        let mut cursor = args.cursor.clone();
        let mut left = args.limit;
        loop {
            let page = Self {
                path: self.path.clone(),
                columns: self.columns,
            }
            .filter("limit", Some(&left.min(PAGE).to_string()))
            .filter("cursor", cursor.as_deref());
            let mut answer = client.get(&page.path).await?;
            if let Some(Value::Array(more)) = answer.get_mut("items").map(Value::take) {
                left = left.saturating_sub(u32::try_from(more.len()).unwrap_or(u32::MAX));
                items.extend(more);
            }
            cursor = answer
                .get("next_cursor")
                .and_then(Value::as_str)
                .map(str::to_owned);
            if cursor.is_none() || left == 0 {
                break;
            }
        }
        let mut answer = json!({ "items": items });
        if let Some(cursor) = cursor {
            answer["next_cursor"] = cursor.into();
        }
        Ok(answer)
    }

    /// Prints the list once.
    pub(crate) async fn show(
        &self,
        context: &Context,
        client: &Client,
        args: &ListArgs,
    ) -> Result<ExitCode> {
        let answer = self.fetch(client, args).await?;
        output::rows(context.format, &answer, items(&answer), self.columns)?;
        if let Some(cursor) = answer.get("next_cursor").and_then(Value::as_str)
            && context.format.is_for_people()
        {
            output::note(&format!(
                "there are more: raise --limit, or go on with --cursor {cursor}"
            ));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Prints the list, once or until Ctrl-C.
    pub(crate) async fn show_or_watch(
        &self,
        context: &Context,
        node: &Node,
        args: &WatchedListArgs,
    ) -> Result<ExitCode> {
        if !args.watch {
            return self.show(context, &node.client, &args.list).await;
        }
        let drawn = context.format.is_for_people();
        if drawn && !std::io::stdout().is_terminal() {
            return Err(Error::refused(
                "a list is drawn again only on a terminal, and this is none",
            )
            .hint("with -o jsonl, --watch prints each item when it is new or changed"));
        }
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => Ok(Exit::Detached.into()),
            never = self.watch(context, node, &args.list, drawn) => never,
        }
    }

    /// Looks again and again. A node that answered once and then goes away is
    /// waited for, also at another port; a refusal stays one.
    async fn watch(
        &self,
        context: &Context,
        node: &Node,
        args: &ListArgs,
        drawn: bool,
    ) -> Result<ExitCode> {
        let mut client = node.client.clone();
        let mut screen = Screen::default();
        let mut seen = HashMap::new();
        let mut list = Value::Null;
        let mut heard: Option<Instant> = None;
        let mut away = false;
        loop {
            let was_away = away;
            match self.fetch(&client, args).await {
                Ok(answer) => {
                    (list, heard, away) = (answer, Some(Instant::now()), false);
                }
                Err(e) if e.is_nodes() && !node.is_own() && recently(heard) => {
                    away = true;
                    if let Ok(Some(found)) = node.target.running().await {
                        client = found;
                    }
                }
                Err(e) => return Err(e),
            }
            if drawn {
                screen.draw(&self.frame(context, items(&list), away))?;
            } else {
                if away != was_away {
                    output::note(if away { AWAY } else { BACK });
                }
                self.print_changed(context, items(&list), &mut seen)?;
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    fn frame(&self, context: &Context, items: &[Value], away: bool) -> Vec<String> {
        let mut lines = if items.is_empty() {
            vec!["nothing found".to_owned()]
        } else {
            output::table(context.format, items, self.columns)
        };
        // One line for the foot, one for the cursor.
        let (width, height) = output::terminal().unwrap_or((usize::MAX, usize::MAX));
        lines.truncate(height.saturating_sub(2).max(1));
        let now = jiff::Timestamp::now().strftime("%H:%M:%S UTC");
        let (paint, foot) = if away {
            (Paint::Warn, AWAY.to_owned())
        } else {
            let things = output::things(items.len(), "item");
            let period = PERIOD.as_secs();
            (
                Paint::Dim,
                format!("{things}, {now}; every {period} s; Ctrl-C ends"),
            )
        };
        lines.push(Style::stdout().paint(paint, &output::shorten(&foot, width)));
        lines
    }

    fn print_changed(
        &self,
        context: &Context,
        items: &[Value],
        seen: &mut HashMap<String, String>,
    ) -> Result<()> {
        let key = self.columns.first().map_or("", |c| c.1);
        // The newest comes first in a list and last in a stream.
        for item in items.iter().rev() {
            let name = item.pointer(key).map(Value::to_string).unwrap_or_default();
            let text = item.to_string();
            if seen.get(&name) != Some(&text) {
                output::item(context.format, item, String::new)?;
                seen.insert(name, text);
            }
        }
        Ok(())
    }
}

/// Whether a node that is away now may still come back.
fn recently(heard: Option<Instant>) -> bool {
    heard.is_some_and(|at| at.elapsed() < PATIENCE)
}

/// The items of a page.
pub(crate) fn items(answer: &Value) -> &[Value] {
    answer
        .get("items")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
