//! `database.insert`.

use nebula_sdk::Map;
use nebula_sdk::prelude::*;

use crate::sql::{Statement, filled};

/// What `database.insert` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// `orders`, or `shop.orders` for one of a schema.
    pub table: String,
    /// One row: an object from column to value.
    #[serde(default)]
    pub values: Option<Map<String, Value>>,
    /// Several rows instead, with the same columns, all of them or none.
    #[serde(default)]
    pub rows: Vec<Map<String, Value>>,
    /// What becomes of a row whose key is taken.
    #[serde(default)]
    pub on_conflict: OnConflict,
    /// Columns of the new rows to give back, such as an id that the database makes.
    #[serde(default)]
    pub returning: Vec<String>,
}

/// What becomes of a row whose key is taken.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum OnConflict {
    /// The action fails, and nothing is inserted.
    #[default]
    Fail,
    /// It is left out: a step that is tried again inserts nothing twice.
    Ignore,
}

/// What `database.insert` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// How many rows were inserted.
    pub inserted: u64,
    /// What `returning` asks for, of each.
    pub rows: Vec<Value>,
}

/// Inserts rows into a table of a database.
#[derive(Action)]
#[action(
    id = "database.insert",
    name = "Insert into a database",
    resources(db = "sql")
)]
pub struct Insert;

impl SimpleAction for Insert {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, ctx: &ActionContext) -> Result<Output> {
        let returning = input.returning.clone();
        let statement = write(Statement::new(ctx).await?, input)?;
        let (inserted, rows) = statement.run(&returning).await?;
        Ok(Output { inserted, rows })
    }
}

fn write(mut statement: Statement, input: Input) -> Result<Statement> {
    let rows = match (input.values, input.rows) {
        (Some(values), rows) if rows.is_empty() => vec![values],
        (None, rows) if !rows.is_empty() => rows,
        _ => {
            let message = "either `values`, a row, or `rows`, several, is needed";
            return Err(ActionError::invalid_input(message));
        }
    };
    let columns: Vec<String> = rows[0].keys().cloned().collect();
    filled("values", &rows[0])?;
    let ignores = input.on_conflict == OnConflict::Ignore;
    // The host lets `IGNORE` hide keys that are taken, and nothing else.
    let insert = match ignores && statement.is_for_mysql() {
        true => "INSERT IGNORE INTO ",
        false => "INSERT INTO ",
    };
    statement.push(insert).table(&input.table)?.push(" (");
    statement
        .list(columns.iter().map(String::as_str), ", ")?
        .push(") VALUES ");
    for (index, mut row) in rows.into_iter().enumerate() {
        statement.push(if index == 0 { "(" } else { ", (" });
        for (column, name) in columns.iter().enumerate() {
            if column > 0 {
                statement.push(", ");
            }
            let value = row.remove(name).ok_or_else(|| other_columns(index))?;
            statement.value(value)?;
        }
        if !row.is_empty() {
            return Err(other_columns(index));
        }
        statement.push(")");
    }
    if ignores && !statement.is_for_mysql() {
        statement.push(" ON CONFLICT DO NOTHING");
    }
    Ok(statement)
}

fn other_columns(index: usize) -> ActionError {
    ActionError::invalid_input(format!(
        "`rows[{index}]` has other columns than the first row"
    ))
}
