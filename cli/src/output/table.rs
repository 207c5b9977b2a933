//! Rows as aligned columns that fit the terminal.

use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::figures::{age, bytes, count, micros};
use super::style::{self, Style, one_line};

/// How a column shows a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Show {
    /// As it is; shortened where the terminal is narrow.
    Text,
    /// An id or a name: as it is, never shortened.
    Key,
    /// A status word, coloured.
    Status,
    /// How long ago.
    Age,
    /// Microseconds as a duration.
    Micros,
    /// Bytes as KiB or MiB.
    Bytes,
    /// A count with thousands separators.
    Count,
    /// How many items a list has.
    Length,
    /// Only with `-o wide`.
    Wide(&'static Self),
}

/// A column: its heading, a JSON pointer into the row, and how it is shown.
pub(crate) type Column = (&'static str, &'static str, Show);

/// Between two columns.
const GAP: usize = 2;
/// No text is shortened below this.
const LEAST: usize = 8;

impl Show {
    const fn is_figure(self) -> bool {
        matches!(
            self,
            Self::Micros | Self::Bytes | Self::Count | Self::Length
        )
    }

    /// As it is shown, if it is shown.
    const fn in_table(self, wide: bool) -> Option<Self> {
        match self {
            Self::Wide(show) if wide => Some(*show),
            Self::Wide(_) => None,
            show => Some(show),
        }
    }
}

/// Rows as lines without borders, at most `width` wide.
pub(crate) fn table(
    rows: &[Value],
    columns: &[Column],
    wide: bool,
    width: Option<usize>,
    style: Style,
) -> Vec<String> {
    let columns: Vec<(&str, &str, Show)> = columns
        .iter()
        .filter_map(|(heading, pointer, show)| Some((*heading, *pointer, show.in_table(wide)?)))
        .collect();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            columns
                .iter()
                .map(|(_, pointer, show)| cell(row.pointer(pointer), *show))
                .collect()
        })
        .collect();
    let widths = widths(&columns, &cells, width);
    let head = columns.iter().map(|(heading, ..)| (*heading).to_owned());
    let mut lines = vec![layout(&columns, &widths, head, |text, _| {
        style.paint(style::Paint::Bold, text)
    })];
    for row in cells {
        lines.push(layout(&columns, &widths, row, |text, show| match show {
            Show::Status => style.status(text),
            _ => text.to_owned(),
        }));
    }
    lines
}

/// The natural widths, the widest texts shortened until a line fits.
fn widths(columns: &[Column], cells: &[Vec<String>], room: Option<usize>) -> Vec<usize> {
    let mut widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(i, (heading, ..))| {
            let widest = cells.iter().map(|row| row[i].width()).max();
            heading.width().max(widest.unwrap_or_default())
        })
        .collect();
    let gaps = GAP * widths.len().saturating_sub(1);
    while room.is_some_and(|room| widths.iter().sum::<usize>() + gaps > room) {
        let widest = (0..widths.len())
            .filter(|i| matches!(columns[*i].2, Show::Text) && widths[*i] > LEAST)
            .max_by_key(|i| widths[*i]);
        let Some(widest) = widest else { break };
        widths[widest] -= 1;
    }
    widths
}

fn layout(
    columns: &[Column],
    widths: &[usize],
    cells: impl IntoIterator<Item = String>,
    paint: impl Fn(&str, Show) -> String,
) -> String {
    let mut line = String::new();
    for (i, ((.., show), cell)) in columns.iter().zip(cells).enumerate() {
        let cell = shorten(&cell, widths[i]);
        let padding = " ".repeat(widths[i] - cell.width());
        let painted = paint(&cell, *show);
        if i > 0 {
            line.push_str(&" ".repeat(GAP));
        }
        if show.is_figure() {
            line.push_str(&padding);
            line.push_str(&painted);
        } else {
            line.push_str(&painted);
            line.push_str(&padding);
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// At most `width` columns of a text; what is left out is shown by `…`.
pub(crate) fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 0;
    for c in text.chars() {
        let next = c.width().unwrap_or_default();
        if used + next + 1 > width {
            break;
        }
        used += next;
        short.push(c);
    }
    short.push('…');
    short
}

fn cell(value: Option<&Value>, show: Show) -> String {
    let Some(value) = value.filter(|v| !v.is_null() && **v != Value::String(String::new())) else {
        return "-".to_owned();
    };
    let text = match (show, value) {
        (Show::Age, Value::String(text)) => age(text),
        (Show::Micros, Value::Number(n)) => micros(n.as_u64().unwrap_or_default()),
        (Show::Bytes, Value::Number(n)) => bytes(n.as_u64().unwrap_or_default()),
        (Show::Count, Value::Number(n)) => count(n.as_u64().unwrap_or_default()),
        (Show::Length, Value::Array(items)) => items.len().to_string(),
        (_, Value::Array(items)) if items.is_empty() => "-".to_owned(),
        (_, Value::Array(items)) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        (_, other) => plain(other),
    };
    one_line(&text)
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COLUMNS: &[Column] = &[
        ("NAME", "/name", Show::Key),
        ("STATUS", "/status", Show::Status),
        ("N", "/n", Show::Count),
        ("ID", "/id", Show::Wide(&Show::Key)),
        ("ERROR", "/error", Show::Text),
    ];

    fn rows() -> [Value; 2] {
        [
            json!({"name": "a", "status": "failed", "n": 1200, "id": 7, "error": "it was a dark\nand stormy night"}),
            json!({"name": "bbbbbb", "status": "running"}),
        ]
    }

    #[test]
    fn a_table_has_one_line_per_row_and_shows_absent_values() {
        let lines = table(&rows(), COLUMNS, false, None, Style::Plain);
        assert_eq!(
            lines,
            [
                "NAME    STATUS       N  ERROR",
                "a       failed   1,200  it was a dark and stormy night",
                "bbbbbb  running      -  -",
            ]
        );
    }

    #[test]
    fn wide_tables_have_more_columns() {
        let lines = table(&rows(), COLUMNS, true, None, Style::Plain);
        assert!(lines[0].contains("ID"), "{lines:?}");
    }

    #[test]
    fn a_narrow_terminal_shortens_texts_and_never_keys() {
        let lines = table(&rows(), COLUMNS, false, Some(36), Style::Plain);
        assert!(lines.iter().all(|l| l.width() <= 36), "{lines:?}");
        assert!(lines[1].ends_with('…'), "{lines:?}");
        let narrow = table(&rows(), COLUMNS, false, Some(5), Style::Plain);
        assert!(narrow[2].starts_with("bbbbbb"), "{narrow:?}");
    }

    #[test]
    fn colour_moves_no_column() {
        let plain = table(&rows(), COLUMNS, false, None, Style::Plain);
        let painted = table(&rows(), COLUMNS, false, None, Style::Colour);
        for (plain, painted) in plain.iter().zip(&painted) {
            let mut bare = painted.clone();
            for code in ["\x1b[1m", "\x1b[31m", "\x1b[36m", "\x1b[0m"] {
                bare = bare.replace(code, "");
            }
            assert_eq!(*plain, bare);
        }
        assert!(painted[1].contains("\x1b[31mfailed\x1b[0m"), "{painted:?}");
    }

    #[test]
    fn wide_letters_are_counted_as_the_terminal_shows_them() {
        assert_eq!(shorten("東京の天気", 5), "東京…");
        assert_eq!(shorten("Tokyo", 5), "Tokyo");
    }
}
