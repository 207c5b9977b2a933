//! `database.update`.

use nebula_sdk::Map;
use nebula_sdk::prelude::*;

use crate::sql::{Statement, filled};

/// What `database.update` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// `orders`, or `shop.orders` for one of a schema.
    pub table: String,
    /// The columns to change, and their new values.
    pub set: Map<String, Value>,
    /// Which rows: those where each of these columns has this value, null included. An
    /// empty one is refused.
    #[serde(rename = "where")]
    pub rows: Map<String, Value>,
    /// Columns of the changed rows to give back.
    #[serde(default)]
    pub returning: Vec<String>,
}

/// What `database.update` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// How many rows were changed.
    pub updated: u64,
    /// What `returning` asks for, of each.
    pub rows: Vec<Value>,
}

/// Changes rows of a table of a database.
#[derive(Action)]
#[action(
    id = "database.update",
    name = "Update a database",
    resources(db = "sql")
)]
pub struct Update;

impl SimpleAction for Update {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, ctx: &ActionContext) -> Result<Output> {
        let returning = input.returning.clone();
        let statement = write(Statement::new(ctx).await?, input)?;
        let (updated, rows) = statement.run(&returning).await?;
        Ok(Output { updated, rows })
    }
}

fn write(mut statement: Statement, input: Input) -> Result<Statement> {
    filled("set", &input.set)?;
    filled("where", &input.rows)?;
    if statement.is_for_mysql() && !input.returning.is_empty() {
        return Err(ActionError::invalid_input(
            "`returning` of an update is not there on MySQL and MariaDB: read the rows with \
             `database.query` afterwards",
        ));
    }
    statement.push("UPDATE ").table(&input.table)?.push(" SET ");
    for (index, (column, value)) in input.set.into_iter().enumerate() {
        statement.push(if index == 0 { "" } else { ", " });
        statement.name(&column)?.push(" = ").value(value)?;
    }
    statement.push(" WHERE ");
    for (index, (column, value)) in input.rows.into_iter().enumerate() {
        statement
            .push(if index == 0 { "" } else { " AND " })
            .name(&column)?;
        if value.is_null() {
            statement.push(" IS NULL");
        } else {
            statement.push(" = ").value(value)?;
        }
    }
    Ok(statement)
}
