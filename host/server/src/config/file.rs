//! A configuration file: TOML as dotted names, each with its value and line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::layers::{Mistake, Mistakes, Source};

/// Bytes of a configuration file.
const MAX_FILE: u64 = 1 << 20;

/// A configuration file that was read.
#[derive(Debug)]
pub(super) struct File {
    /// Where it stands.
    pub(super) path: PathBuf,
    /// Each setting with its line.
    pub(super) values: BTreeMap<String, (Raw, usize)>,
}

/// A value before its type is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    /// One value, as text.
    One(String),
    /// The elements of a list.
    List(Vec<String>),
    /// What no setting is, e.g. a date.
    Odd(&'static str),
}

impl File {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, Mistakes> {
        let mistake = |line, message: String| {
            let source = Source::File(path.to_path_buf(), line);
            let hint = Some("docs/server.md has every setting".into());
            Mistakes(vec![Mistake {
                source,
                message,
                hint,
            }])
        };
        let text = read(path).map_err(|error| mistake(0, format!("it cannot be read: {error}")))?;
        let table = DeTable::parse(&text).map_err(|error| {
            let line = error.span().map_or(0, |span| line(&text, span.start));
            mistake(line, error.message().to_owned())
        })?;
        let mut values = BTreeMap::new();
        flatten("", table.get_ref(), &text, &mut values);
        Ok(Self {
            path: path.to_path_buf(),
            values,
        })
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(std::io::Error::other(format!(
            "it has more than {MAX_FILE} bytes"
        )));
    }
    Ok(text)
}

fn line(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}

/// Tables become dotted names.
fn flatten(
    prefix: &str,
    table: &DeTable<'_>,
    text: &str,
    values: &mut BTreeMap<String, (Raw, usize)>,
) {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) if !inner.is_empty() => {
                flatten(&format!("{name}."), inner, text, values);
            }
            other => {
                values.insert(name, (raw(other), line(text, key.span().start)));
            }
        }
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::Array(elements) => elements
            .iter()
            .map(|element| scalar(element.get_ref()))
            .collect::<Option<_>>()
            .map_or(Raw::Odd("a list in a list"), Raw::List),
        DeValue::Table(_) => Raw::Odd("an empty table"),
        DeValue::Float(_) => Raw::Odd("a fraction"),
        other => scalar(other).map_or(Raw::Odd("a date"), Raw::One),
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(|number| number.to_string()),
        _ => None,
    }
}
