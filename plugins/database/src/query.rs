//! `database.query`.

use nebula_sdk::prelude::*;

use crate::DB;
use crate::row::{Row, plain};

/// What `database.query` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// One statement that reads or changes rows. It has values as `$1`, `$2` and so on,
    /// for every database.
    pub sql: String,
    /// The values.
    #[serde(default)]
    pub parameters: Vec<Value>,
    /// The statement fails, and changes nothing, where it gives more rows; 1000 if
    /// absent.
    #[serde(default)]
    pub max_rows: Option<u32>,
}

/// What `database.query` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// An object from column to value each. Bytes are base64, and what JSON has no
    /// place for (exact numbers, times) is text.
    pub rows: Vec<Value>,
    /// How many there are.
    pub count: u32,
}

/// Reads rows of a database, with one statement and its values.
#[derive(Action)]
#[action(
    id = "database.query",
    name = "Query a database",
    resources(db = "sql")
)]
pub struct Query;

/// Where the input does not say.
const MAX_ROWS: u32 = 1_000;

impl SimpleAction for Query {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, ctx: &ActionContext) -> Result<Output> {
        let most = input.max_rows.unwrap_or(MAX_ROWS);
        let db: Sql = ctx.resource(DB).await?;
        let mut rows = db.query(&input.sql, &input.parameters).await?;
        let mut found: Vec<Row> = Vec::new();
        while let Some(mut part) = rows.next().await? {
            found.append(&mut part);
            if found.len() > most as usize {
                return Err(ActionError::permanent(format!(
                    "the statement gives more than {most} rows: add a LIMIT, or raise `max_rows`"
                )));
            }
        }
        let rows = plain(found);
        Ok(Output {
            count: rows.len() as u32,
            rows,
        })
    }
}
