//! Tables for people; JSON, YAML and names for programs.
//!
//! - `table`: rows as aligned columns that fit the terminal.
//! - `figures`: durations, sizes, counts and ages as people read them.
//! - `style`: colour, and how wide the terminal is.
//! - `screen`: lines that are drawn again in place.

use std::io::Write;

use clap::ValueEnum;
use serde_json::Value;

use crate::error::{Error, Result};

mod figures;
mod screen;
mod style;
mod table;

pub(crate) use figures::{age, bytes, count, micros, things};
pub(crate) use screen::Screen;
pub(crate) use style::{Paint, Style, one_line, terminal};
pub(crate) use table::{Column, Show, shorten};

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// The same with more columns.
    Wide,
    /// For programs: one JSON document.
    Json,
    /// One JSON object a line; streams too.
    Jsonl,
    /// For files.
    Yaml,
    /// Only ids or names, one a line, for xargs.
    Name,
}

impl Format {
    /// Whether a person reads it.
    pub(crate) const fn is_for_people(self) -> bool {
        matches!(self, Self::Table | Self::Wide)
    }
}

/// Prints one line to stdout; a closed pipe is no error.
pub(crate) fn line(text: &str) -> Result<()> {
    match write_line(text) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(unwritable(&e)),
        _ => Ok(()),
    }
}

/// Prints one line to stderr: what a person should know and no program reads.
#[expect(clippy::print_stderr, reason = "this is where asides are shown")]
pub(crate) fn aside(text: &str) {
    eprintln!("{text}");
}

/// The same, of less weight.
pub(crate) fn note(text: &str) {
    aside(&Style::stderr().paint(Paint::Dim, text));
}

/// Prints a value as a whole.
pub(crate) fn value(format: Format, value: &Value) -> Result<()> {
    let text = match format {
        Format::Table | Format::Wide | Format::Json => format!("{value:#}"),
        Format::Jsonl => value.to_string(),
        Format::Yaml => yaml(value)?,
        Format::Name => name(value, &["/id", "/name"]),
    };
    line(text.trim_end())
}

/// Prints one item of a stream, for people as `text` says. Ends the command
/// when nobody reads any more.
pub(crate) fn item(format: Format, value: &Value, text: impl FnOnce() -> String) -> Result<()> {
    let text = match format {
        Format::Table | Format::Wide => text(),
        Format::Json | Format::Jsonl => value.to_string(),
        Format::Yaml => format!("---\n{}", yaml(value)?.trim_end()),
        Format::Name => name(value, &["/id", "/step", "/type"]),
    };
    match write_line(&text) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Err(Error::closed()),
        Err(e) => Err(unwritable(&e)),
    }
}

/// Prints rows as a table or by their names, or the whole answer.
pub(crate) fn rows(
    format: Format,
    answer: &Value,
    rows: &[Value],
    columns: &[Column],
) -> Result<()> {
    match format {
        Format::Table | Format::Wide if rows.is_empty() => {
            note("nothing found");
            Ok(())
        }
        Format::Table | Format::Wide => table(format, rows, columns)
            .iter()
            .try_for_each(|text| line(text)),
        Format::Name => rows
            .iter()
            .map(|row| name(row, &[columns.first().map_or("", |c| c.1)]))
            .try_for_each(|name| line(&name)),
        Format::Jsonl => rows.iter().try_for_each(|row| line(&row.to_string())),
        Format::Json | Format::Yaml => value(format, answer),
    }
}

/// Rows as the lines of a table that fits standard output.
pub(crate) fn table(format: Format, rows: &[Value], columns: &[Column]) -> Vec<String> {
    table::table(
        rows,
        columns,
        format == Format::Wide,
        terminal().map(|(width, _)| width),
        Style::stdout(),
    )
}

/// The first of these places of a value that is there.
fn name(value: &Value, pointers: &[&str]) -> String {
    match pointers.iter().find_map(|p| value.pointer(p)) {
        Some(Value::String(name)) => one_line(name),
        Some(other) => other.to_string(),
        None => "-".to_owned(),
    }
}

fn yaml(value: &Value) -> Result<String> {
    serde_saphyr::to_string(value).map_err(|e| Error::node(format!("cannot write YAML: {e}")))
}

fn write_line(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}")
}

fn unwritable(error: &std::io::Error) -> Error {
    Error::node(format!("cannot write to the output: {error}"))
}
