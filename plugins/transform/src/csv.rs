//! Tables.

use std::rc::Rc;

use ::csv::{ReaderBuilder, StringRecord, Trim};
use nebula_sdk::prelude::*;

/// What `transform.csv` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// The table.
    pub text: String,
    /// One ASCII character; `,` if not given.
    #[serde(default)]
    pub delimiter: Option<char>,
    /// Whether the first line names the columns; rows are then objects, else lists.
    #[serde(default = "yes")]
    pub headers: bool,
    /// What becomes of fields that look like something else than text.
    #[serde(default)]
    pub types: Types,
}

/// What becomes of fields that look like something else than text.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Types {
    /// Numbers and `true` and `false` become such, empty fields become null.
    #[default]
    Infer,
    /// Everything stays text.
    Text,
}

/// What `transform.csv` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// An object or a list for each line, in order.
    rows: Vec<Row>,
}

/// A line, which becomes an object or a list only while it is written out, so
/// that a table of many thousand lines is held once.
#[data]
#[derive(Debug, Clone, Default)]
#[serde(into = "Value")]
pub struct Row {
    #[serde(skip)]
    table: Rc<Table>,
    #[serde(skip)]
    line: usize,
}

/// What the lines share.
#[derive(Debug, Default)]
struct Table {
    headers: Option<StringRecord>,
    records: Vec<StringRecord>,
    types: Types,
}

/// Reads a table: one object or list for each line.
#[derive(Action)]
#[action(id = "transform.csv", name = "Parse CSV")]
pub struct ParseCsv;

impl SimpleAction for ParseCsv {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, _: &ActionContext) -> Result<Output> {
        let table = Rc::new(parse(&input)?);
        let row = |line| Row {
            table: Rc::clone(&table),
            line,
        };
        Ok(Output {
            rows: (0..table.records.len()).map(row).collect(),
        })
    }
}

fn yes() -> bool {
    true
}

fn parse(input: &Input) -> Result<Table> {
    let delimiter = input.delimiter.unwrap_or(',');
    let delimiter = u8::try_from(delimiter)
        .ok()
        .filter(u8::is_ascii)
        .ok_or_else(|| ActionError::invalid_input("delimiter: one ASCII character is needed"))?;
    // A byte order mark is no part of the first header.
    let text = input.text.trim_start_matches('\u{feff}');
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(input.headers)
        .trim(Trim::Headers)
        .from_reader(text.as_bytes());
    let headers = if input.headers {
        Some(reader.headers().map_err(refused)?.clone())
    } else {
        None
    };
    if let Some(headers) = &headers {
        check_unique(headers)?;
    }
    let records = reader
        .records()
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(refused)?;
    Ok(Table {
        headers,
        records,
        types: input.types,
    })
}

fn check_unique(headers: &StringRecord) -> Result<()> {
    let mut names: Vec<&str> = headers.iter().collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(ActionError::invalid_input(format!(
            "text: the column `{}` is there twice",
            pair[0]
        ))),
        None => Ok(()),
    }
}

fn refused(error: ::csv::Error) -> ActionError {
    ActionError::InvalidInput(format!("text: {error}"))
}

impl From<Row> for Value {
    fn from(row: Row) -> Self {
        let Table {
            headers,
            records,
            types,
        } = &*row.table;
        let fields = records[row.line].iter().map(|text| field(text, *types));
        match headers {
            Some(names) => Self::Object(names.iter().map(str::to_owned).zip(fields).collect()),
            None => Self::Array(fields.collect()),
        }
    }
}

fn field(text: &str, types: Types) -> Value {
    match text {
        _ if types == Types::Text => Value::from(text),
        "" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ if !is_number(text) => Value::from(text),
        _ => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(number), _) => Value::from(number),
            (_, Ok(number)) if number.is_finite() => Value::from(number),
            _ => Value::from(text),
        },
    }
}

/// A number as JSON writes it: `007`, `+1`, `1e`, `.5` and `inf` stay text, and
/// so does an integer of more than 18 digits, as it would lose some.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = digits.bytes().take_while(u8::is_ascii_digit).count();
    let leading_zero = digits.starts_with('0') && whole > 1;
    let plain = whole == digits.len();
    whole > 0
        && !leading_zero
        && (!plain || whole <= 18)
        && digits.ends_with(|c: char| c.is_ascii_digit())
        && digits
            .bytes()
            .all(|b| b.is_ascii_digit() || b".eE+-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(input: &Value) -> Value {
        match ActionContext::for_test()
            .run::<ParseCsv>(input)
            .expect("parses")
        {
            ProcessResult::Success(mut output) => output["rows"].take(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn types_are_inferred_as_json_writes_them() {
        let text = "a,b,c,d,e\n1,-2.5,true,,x\n007,+1,1e3,12345678901234567890,\"q,\"\"1\"\"\"\n";
        assert_eq!(
            rows(&json!({ "text": text })),
            json!([
                { "a": 1, "b": -2.5, "c": true, "d": null, "e": "x" },
                { "a": "007", "b": "+1", "c": 1000.0, "d": "12345678901234567890", "e": "q,\"1\"" },
            ])
        );
    }

    #[test]
    fn without_headers_and_types_rows_are_lists_of_text() {
        let input = json!({ "text": "\u{feff}1;2\r\n3;", "delimiter": ";", "headers": false, "types": "text" });
        assert_eq!(rows(&input), json!([["1", "2"], ["3", ""]]));
    }

    #[test]
    fn a_broken_table_names_the_line() {
        for (text, part) in [
            ("a,b\n1,2\n3\n", "line: 3"),
            ("a,a\n1,2\n", "`a` is there twice"),
        ] {
            let error = ActionContext::for_test()
                .run::<ParseCsv>(&json!({ "text": text }))
                .expect_err("refused");
            assert!(
                matches!(&error, ActionError::InvalidInput(message) if message.contains(part)),
                "{error}"
            );
        }
    }

    #[test]
    fn many_rows_are_read() {
        let mut text = String::from("city,temp\n");
        (0..50_000).for_each(|n| text += &format!("c{n},{n}.5\n"));
        let rows = rows(&json!({ "text": text }));
        assert_eq!(rows.as_array().map(Vec::len), Some(50_000));
        assert_eq!(rows[49_999], json!({ "city": "c49999", "temp": 49999.5 }));
    }
}
