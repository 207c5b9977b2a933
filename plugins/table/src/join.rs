//! Two tables by their keys.

use std::collections::{BTreeMap, BTreeSet};

use nebula_sdk::prelude::*;
use nebula_sdk::serde::Serializer;
use nebula_sdk::serde::ser::{SerializeMap, SerializeSeq};

use crate::columns::{Row, columns};
use crate::key::key;

/// The most rows of a result.
const MAX_ROWS: usize = 100_000;

/// What `table.join` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// The rows of the first table.
    pub left: Vec<Row>,
    /// The rows of the second table.
    pub right: Vec<Row>,
    /// The columns whose values must be equal.
    pub on: Vec<String>,
    /// Their names in the second table, in the same order, if they differ.
    #[serde(default)]
    pub right_on: Option<Vec<String>>,
    /// Which rows are kept.
    #[serde(default)]
    pub kind: Kind,
    /// Before the name of a column of the second table that the first one has too.
    #[serde(default = "right")]
    pub right_prefix: String,
}

/// Which rows are kept.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Those that have a match: a row for each pair.
    #[default]
    Inner,
    /// All of the first table; where there is no match, the second one's columns
    /// are null.
    Left,
    /// All of the second table, alike.
    Right,
    /// All of both.
    Full,
    /// Those of the first table that have no match, with its columns only.
    Anti,
}

/// What `table.join` gives.
#[derive(Debug, Serialize, Schema)]
#[serde(crate = "nebula_sdk::serde")]
pub struct Output {
    /// In the order of the first table, then of the second; rows of the second table
    /// without a match are last. Each has all columns.
    #[schema(with = "Vec<Value>")]
    rows: Joined,
    /// How many there are.
    count: usize,
}

/// Joins two tables by the values of columns: inner, left, right, full, or those without a match.
#[derive(Action)]
#[action(id = "table.join", name = "Join tables")]
pub struct Join;

impl SimpleAction for Join {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, _: &ActionContext) -> Result<Output> {
        let rows = join(input)?;
        Ok(Output {
            count: rows.pairs.len(),
            rows,
        })
    }
}

/// Rows that are put together only while they are written out: a result may be
/// much larger than both tables.
#[derive(Debug)]
struct Joined {
    left: Vec<Row>,
    right: Vec<Row>,
    columns: Vec<Column>,
    pairs: Vec<(Option<usize>, Option<usize>)>,
}

/// A column of the result: its name, and where its values are.
#[derive(Debug)]
struct Column {
    name: String,
    left: Option<String>,
    right: Option<String>,
}

fn right() -> String {
    "right_".to_owned()
}

fn join(input: Input) -> Result<Joined> {
    let right_on = input.right_on.as_ref().unwrap_or(&input.on);
    if input.on.is_empty() {
        return Err(ActionError::invalid_input("on: name at least one column"));
    }
    if right_on.len() != input.on.len() {
        return Err(ActionError::invalid_input(format!(
            "right_on: `on` names {} columns, this {}",
            input.on.len(),
            right_on.len()
        )));
    }
    let columns = result_columns(&input, right_on)?;
    let pairs = pairs(&input, right_on)?;
    Ok(Joined {
        left: input.left,
        right: input.right,
        columns,
        pairs,
    })
}

fn pairs(input: &Input, right_on: &[String]) -> Result<Vec<(Option<usize>, Option<usize>)>> {
    let mut by_key = BTreeMap::<_, Vec<usize>>::new();
    for (index, row) in input.right.iter().enumerate() {
        if let Some(key) = key("right", index, row, right_on)? {
            by_key.entry(key).or_default().push(index);
        }
    }
    let keeps_left = matches!(input.kind, Kind::Left | Kind::Full | Kind::Anti);
    let mut pairs = Vec::new();
    let mut matched = vec![false; input.right.len()];
    for (index, row) in input.left.iter().enumerate() {
        let key = key("left", index, row, &input.on)?;
        match key.and_then(|key| by_key.get(&key)) {
            None if keeps_left => pairs.push((Some(index), None)),
            None => {}
            Some(_) if input.kind == Kind::Anti => {}
            Some(found) => {
                check_rows(pairs.len() + found.len())?;
                for &other in found {
                    matched[other] = true;
                    pairs.push((Some(index), Some(other)));
                }
            }
        }
    }
    if matches!(input.kind, Kind::Right | Kind::Full) {
        let alone = matched.iter().enumerate().filter(|(_, matched)| !**matched);
        pairs.extend(alone.map(|(index, _)| (None, Some(index))));
    }
    check_rows(pairs.len())?;
    Ok(pairs)
}

fn check_rows(rows: usize) -> Result<()> {
    if rows <= MAX_ROWS {
        return Ok(());
    }
    Err(ActionError::invalid_input(format!(
        "on: the result has more than {MAX_ROWS} rows; join on columns that are the same in fewer rows"
    )))
}

/// The columns of the first table, then those of the second that are no key.
fn result_columns(input: &Input, right_on: &[String]) -> Result<Vec<Column>> {
    let left = columns("left", &input.left)?;
    let mut result: Vec<Column> = left
        .iter()
        .map(|&name| {
            let key = input.on.iter().position(|on| on == name);
            Column {
                name: name.to_owned(),
                left: Some(name.to_owned()),
                // A row without one of the first table has the key from the second.
                right: key.map(|at| right_on[at].clone()),
            }
        })
        .collect();
    if input.kind == Kind::Anti {
        return Ok(result);
    }
    let mut taken: BTreeSet<String> = left.iter().map(|&name| name.to_owned()).collect();
    // Keys that no row of the first table has.
    for (on, right_on) in input.on.iter().zip(right_on) {
        if taken.insert(on.clone()) {
            result.push(Column {
                name: on.clone(),
                left: None,
                right: Some(right_on.clone()),
            });
        }
    }
    for name in columns("right", &input.right)? {
        if right_on.iter().any(|on| on == name) {
            continue;
        }
        let mut called = name.to_owned();
        if taken.contains(name) {
            called.insert_str(0, &input.right_prefix);
        }
        if !taken.insert(called.clone()) {
            return Err(ActionError::invalid_input(format!(
                "right_prefix: the column `{called}` is there twice; choose another one"
            )));
        }
        result.push(Column {
            name: called,
            left: None,
            right: Some(name.to_owned()),
        });
    }
    Ok(result)
}

impl Serialize for Joined {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(Some(self.pairs.len()))?;
        for (left, right) in &self.pairs {
            rows.serialize_element(&JoinedRow {
                columns: &self.columns,
                left: left.map(|index| &self.left[index]),
                right: right.map(|index| &self.right[index]),
            })?;
        }
        rows.end()
    }
}

struct JoinedRow<'a> {
    columns: &'a [Column],
    left: Option<&'a Row>,
    right: Option<&'a Row>,
}

impl Serialize for JoinedRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        for column in self.columns {
            let value = |row: Option<&'_ Row>, name: &Option<String>| {
                row.zip(name.as_ref())
                    .and_then(|(row, name)| row.get(name))
                    .cloned()
            };
            let value = value(self.left, &column.left).or_else(|| value(self.right, &column.right));
            map.serialize_entry(&column.name, &value.unwrap_or_default())?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests;
