//! An install as it goes: a bar for each component, on a terminal.

use std::io::IsTerminal;

use http::Method;
use serde_json::Value;

use super::consent::text;
use crate::client::{Body, Client};
use crate::error::{Error, Result};
use crate::output::{self, Screen, Style};

const PATH: &str = "/api/v1/packages";

/// Bars that are shown at once, the newest.
const SHOWN: usize = 8;
/// Cells of a bar.
const CELLS: u64 = 24;

/// Has the node install what was agreed to, and shows how far that has come where a
/// person looks on.
pub(super) async fn install(client: &Client, body: &Value, people: bool) -> Result<Value> {
    if !(people && std::io::stdout().is_terminal()) {
        return client.call(Method::POST, PATH, Body::json(body)).await;
    }
    let mut events = client.stream(Method::POST, PATH, Body::json(body)).await?;
    let mut bars = Bars::default();
    let mut screen = Screen::default();
    let style = Style::stdout();
    while let Some(event) = events.next().await? {
        match event.kind.as_deref() {
            Some("progress") => {
                bars.hear(&event.data);
                screen.draw(&bars.lines(style))?;
            }
            Some("installed") => {
                screen.draw(&[])?;
                return Ok(event.data);
            }
            Some("problem") => {
                screen.draw(&[])?;
                let status = event.data["status"].as_u64().unwrap_or_default();
                let status = u16::try_from(status).unwrap_or_default();
                return Err(Error::from_problem(status, &event.data, None));
            }
            _ => {}
        }
    }
    Err(Error::node("the node went away before it had installed")
        .hint("what it had not recorded is not installed: run the command again"))
}

/// What is known of each component, in the order in which they came.
#[derive(Debug, Default)]
struct Bars(Vec<Bar>);

#[derive(Debug)]
struct Bar {
    package: String,
    component: String,
    stage: String,
    bytes: u64,
    size: u64,
}

impl Bars {
    fn hear(&mut self, progress: &Value) {
        let number = |name: &str| progress[name].as_u64().unwrap_or_default();
        let bar = Bar {
            package: format!(
                "{} {}",
                text(progress, "package"),
                text(progress, "version")
            ),
            component: text(progress, "component").to_owned(),
            stage: text(progress, "stage").to_owned(),
            bytes: number("bytes"),
            size: number("size"),
        };
        let same =
            |there: &&mut Bar| (&there.package, &there.component) == (&bar.package, &bar.component);
        match self.0.iter_mut().find(same) {
            Some(there) => *there = bar,
            None => self.0.push(bar),
        }
    }

    fn lines(&self, style: Style) -> Vec<String> {
        let first = self.0.len().saturating_sub(SHOWN);
        let shown = &self.0[first..];
        let width = |of: fn(&Bar) -> &str| shown.iter().map(|bar| of(bar).len()).max();
        let package = width(|bar| &bar.package).unwrap_or_default();
        let component = width(|bar| &bar.component).unwrap_or_default();
        let line = |bar: &Bar| {
            let full = bar.bytes.min(bar.size) * CELLS;
            let full = full.checked_div(bar.size).unwrap_or(CELLS);
            let cells = format!(
                "{}{}",
                "━".repeat(usize::try_from(full).unwrap_or_default()),
                "·".repeat(usize::try_from(CELLS - full).unwrap_or_default())
            );
            format!(
                "{:package$}  {:component$}  {cells}  {:>8}  {}",
                output::one_line(&bar.package),
                output::one_line(&bar.component),
                output::bytes(bar.bytes),
                style.status(&bar.stage),
            )
        };
        shown.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn progress(component: &str, stage: &str, bytes: u64) -> Value {
        json!({
            "package": "acme/weather", "version": "1.2.0", "component": component,
            "stage": stage, "bytes": bytes, "size": 4096,
        })
    }

    #[test]
    fn a_bar_grows_and_the_newest_are_shown() {
        let mut bars = Bars::default();
        bars.hear(&progress("forecast", "pulling", 1024));
        assert_eq!(
            bars.lines(Style::Plain),
            ["acme/weather 1.2.0  forecast  ━━━━━━··················     1 KiB  pulling"]
        );
        bars.hear(&progress("forecast", "ready", 4096));
        assert_eq!(
            bars.lines(Style::Plain),
            ["acme/weather 1.2.0  forecast  ━━━━━━━━━━━━━━━━━━━━━━━━     4 KiB  ready"]
        );
        for n in 0..10 {
            bars.hear(&progress(&format!("c{n}"), "compiling", 4096));
        }
        let lines = bars.lines(Style::Plain);
        assert_eq!(lines.len(), SHOWN);
        assert!(
            lines[7].contains("c9") && lines[7].ends_with("compiling"),
            "{lines:?}"
        );
    }

    #[test]
    fn what_is_more_than_whole_or_of_no_size_is_drawn_full() {
        let mut bars = Bars::default();
        let mut odd = progress("a", "pulling", 9999);
        bars.hear(&odd);
        odd["component"] = json!("b");
        odd["size"] = json!(0);
        bars.hear(&odd);
        for line in bars.lines(Style::Plain) {
            assert_eq!(line.matches('━').count(), 24, "{line}");
        }
    }
}
