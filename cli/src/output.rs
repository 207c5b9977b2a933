//! Tables for people, JSON and YAML for programs.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use crate::error::{Error, Result};

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For files.
    Yaml,
}

/// How a column shows a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Show {
    /// As it is.
    Text,
    /// How long ago, on a terminal; RFC 3339 elsewhere.
    Age,
    /// Microseconds as a duration.
    Micros,
    /// Bytes as KiB or MiB.
    Bytes,
    /// A count with thousands separators.
    Count,
    /// How many items a list has.
    Length,
}

/// A column: its heading, a JSON pointer into the row, and how it is shown.
pub(crate) type Column = (&'static str, &'static str, Show);

/// Prints one line to stdout; a closed pipe is no error.
pub(crate) fn line(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}") {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::node(format!("cannot write to the output: {e}")))
        }
        _ => Ok(()),
    }
}

/// Prints a value as JSON or YAML.
pub(crate) fn value(format: Format, value: &Value) -> Result<()> {
    let text = match format {
        Format::Yaml => serde_saphyr::to_string(value)
            .map_err(|e| Error::node(format!("cannot write YAML: {e}")))?,
        Format::Json | Format::Table => format!("{value:#}"),
    };
    line(text.trim_end())
}

/// Prints rows as a table, or the whole answer as JSON or YAML.
pub(crate) fn rows(
    format: Format,
    answer: &Value,
    rows: &[Value],
    columns: &[Column],
) -> Result<()> {
    if format != Format::Table {
        return value(format, answer);
    }
    if rows.is_empty() {
        return line("nothing found");
    }
    line(&table(rows, columns))
}

/// Rows as a table without borders.
pub(crate) fn table(rows: &[Value], columns: &[Column]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|(heading, ..)| *heading));
    for row in rows {
        table.add_row(
            columns
                .iter()
                .map(|(_, pointer, show)| cell(row.pointer(pointer), *show)),
        );
    }
    let text = table.to_string();
    text.lines()
        .map(|l| l.trim_end().trim_start_matches(' '))
        .collect::<Vec<_>>()
        .join("\n")
}

fn cell(value: Option<&Value>, show: Show) -> String {
    let Some(value) = value.filter(|v| !v.is_null()) else {
        return "-".to_owned();
    };
    match (show, value) {
        (Show::Age, Value::String(text)) if std::io::stdout().is_terminal() => age(text),
        (Show::Micros, Value::Number(n)) => micros(n.as_u64().unwrap_or_default()),
        (Show::Bytes, Value::Number(n)) => bytes(n.as_u64().unwrap_or_default()),
        (Show::Count, Value::Number(n)) => count(n.as_u64().unwrap_or_default()),
        (Show::Length, Value::Array(items)) => items.len().to_string(),
        (_, Value::String(text)) => text.clone(),
        (_, Value::Array(items)) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        (_, other) => other.to_string(),
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn age(rfc3339: &str) -> String {
    let Ok(then) = rfc3339.parse::<jiff::Timestamp>() else {
        return rfc3339.to_owned();
    };
    let seconds = jiff::Timestamp::now().duration_since(then).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s ago"),
        60..3600 => format!("{}m ago", seconds / 60),
        3600..86400 => format!("{}h ago", seconds / 3600),
        _ => format!("{}d ago", seconds / 86400),
    }
}

/// Microseconds as people read them: `87 µs`, `4.2 ms`, `1.3 s`.
pub(crate) fn micros(us: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for display")]
    let value = us as f64;
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.1} ms", value / 1e3),
        _ => format!("{:.1} s", value / 1e6),
    }
}

/// Bytes as people read them.
pub(crate) fn bytes(n: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for display")]
    let value = n as f64;
    match n {
        0..1024 => format!("{n} B"),
        1024..1_048_576 => format!("{:.0} KiB", value / 1024.0),
        _ => format!("{:.1} MiB", value / 1_048_576.0),
    }
}

/// A count with thousands separators.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(7), "7");
        assert_eq!(micros(87), "87 µs");
        assert_eq!(micros(4_200), "4.2 ms");
        assert_eq!(bytes(1_310_720), "1.2 MiB");
    }

    #[test]
    fn a_table_has_one_line_per_row_and_shows_absent_values() {
        let rows = [
            serde_json::json!({"name": "a", "n": 1}),
            serde_json::json!({"name": "bb"}),
        ];
        let text = table(
            &rows,
            &[("NAME", "/name", Show::Text), ("N", "/n", Show::Count)],
        );
        assert_eq!(text.lines().count(), 3);
        assert!(
            text.lines()
                .nth(2)
                .is_some_and(|l| l.starts_with("bb") && l.ends_with('-')),
            "{text}"
        );
    }
}
