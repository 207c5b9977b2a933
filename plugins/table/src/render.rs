//! CSV and Markdown.

use std::fmt::Write as _;

use ::csv::{Terminator, WriterBuilder};
use nebula_sdk::prelude::*;

use crate::columns::{Row, columns};

/// What `table.render` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// The rows.
    pub rows: Vec<Row>,
    /// Which columns, and in which order; all of them if not given.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
    /// How it is written.
    #[serde(default)]
    pub format: Format,
    /// Between fields of `csv`: one ASCII character; `,` if not given.
    #[serde(default)]
    pub delimiter: Option<char>,
    /// Whether the first line of `csv` names the columns.
    #[serde(default = "yes")]
    pub headers: bool,
    /// Writes `'` before a text that a spreadsheet would run as a formula: one that
    /// begins with `=`, `+`, `-`, `@`, a tab or a carriage return. For `csv` with
    /// values that strangers wrote.
    #[serde(default)]
    pub guard_formulas: bool,
}

/// How a table is written.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values (RFC 4180), lines ended by `\n`.
    #[default]
    Csv,
    /// A table of GitHub's Markdown, which `markdown.render` makes HTML of.
    Markdown,
}

/// What `table.render` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// The table.
    pub text: String,
}

/// Writes rows as CSV or as a Markdown table.
#[derive(Action)]
#[action(id = "table.render", name = "Render a table")]
pub struct Render;

impl SimpleAction for Render {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, _: &ActionContext) -> Result<Output> {
        let all;
        let names: Vec<&str> = match &input.columns {
            Some(columns) => columns.iter().map(String::as_str).collect(),
            None => {
                all = columns("rows", &input.rows)?;
                all
            }
        };
        let text = match input.format {
            Format::Csv => csv(&input, &names)?,
            Format::Markdown => markdown(&input.rows, &names),
        };
        Ok(Output { text })
    }
}

fn yes() -> bool {
    true
}

fn csv(input: &Input, columns: &[&str]) -> Result<String> {
    let delimiter = input.delimiter.unwrap_or(',');
    let delimiter = u8::try_from(delimiter)
        .ok()
        .filter(|byte| byte.is_ascii() && !b"\"\r\n".contains(byte))
        .ok_or_else(|| {
            ActionError::invalid_input(
                "delimiter: one ASCII character is needed, and neither a quote nor an end of line",
            )
        })?;
    if columns.is_empty() {
        return Ok(String::new());
    }
    let guard = |text: String| {
        if input.guard_formulas && text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            format!("'{text}")
        } else {
            text
        }
    };
    let mut writer = WriterBuilder::new()
        .delimiter(delimiter)
        .terminator(Terminator::Any(b'\n'))
        .from_writer(Vec::new());
    if input.headers {
        writer.write_record(columns.iter().map(|&name| guard(name.to_owned())))?;
    }
    for row in &input.rows {
        let fields = columns.iter().map(|&name| match row.get(name) {
            // A number is none that was written as text: `-1` is no formula.
            Some(Value::String(text)) => guard(text.clone()),
            value => field(value),
        });
        writer.write_record(fields)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| ActionError::permanent(error.error().to_string()))?;
    Ok(String::from_utf8(bytes)?)
}

/// A value as a field: null is empty, lists and objects are JSON.
fn field(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn markdown(rows: &[Row], columns: &[&str]) -> String {
    if columns.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    let mut line = |fields: &mut dyn Iterator<Item = String>| {
        text.push('|');
        for field in fields {
            // Writing to a text cannot fail.
            let _ = write!(text, " {field} |");
        }
        text.push('\n');
    };
    line(&mut columns.iter().map(|name| cell(name)));
    line(&mut columns.iter().map(|name| {
        let mut values = rows.iter().filter_map(|row| row.get(*name));
        let are_numbers = values.clone().any(Value::is_number)
            && values.all(|value| value.is_number() || value.is_null());
        if are_numbers { "---:" } else { "---" }.to_owned()
    }));
    for row in rows {
        line(&mut columns.iter().map(|name| cell(&field(row.get(*name)))));
    }
    text
}

/// What is only text in a cell: no mark-up, no end of the cell or of the line.
fn cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for c in text.trim().chars() {
        match c {
            '\n' => cell.push_str("<br>"),
            '\r' => {}
            '<' => cell.push_str("&lt;"),
            '&' => cell.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '_' | '~' | '[' | ']' => cell.extend(['\\', c]),
            c => cell.push(c),
        }
    }
    cell
}

#[cfg(test)]
mod tests;
