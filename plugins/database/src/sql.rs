//! Statements of names and values. Names are quoted, values are parameters.

use nebula_sdk::Map;
use nebula_sdk::action::resource::Dialect;
use nebula_sdk::prelude::*;

use crate::DB;
use crate::row::{Row, plain};

/// The longest name, bytes.
const MAX_NAME: usize = 128;
/// Values of one statement: what every database takes.
const MAX_VALUES: usize = 10_000;

/// A statement that is being written for a database.
pub(crate) struct Statement {
    db: Sql,
    text: String,
    values: Vec<Value>,
}

impl Statement {
    /// One that says nothing yet, for the database that the action asks for.
    pub(crate) async fn new(ctx: &ActionContext) -> Result<Self> {
        Ok(Self {
            db: ctx.resource(DB).await?,
            text: String::new(),
            values: Vec::new(),
        })
    }

    /// Whether it is for MySQL or MariaDB, which are on their own in some things.
    pub(crate) fn is_for_mysql(&self) -> bool {
        self.db.dialect() == Dialect::MySql
    }

    /// Goes on with SQL of our own.
    pub(crate) fn push(&mut self, sql: &str) -> &mut Self {
        self.text.push_str(sql);
        self
    }

    /// Goes on with a name, as one: the quote within it is doubled.
    pub(crate) fn name(&mut self, name: &str) -> Result<&mut Self> {
        if name.is_empty() || name.len() > MAX_NAME || name.contains('\0') {
            return Err(ActionError::invalid_input(format!(
                "a table's or a column's name has 1 to {MAX_NAME} bytes"
            )));
        }
        let quote = if self.is_for_mysql() { "`" } else { "\"" };
        let doubled = [quote, quote].concat();
        Ok(self
            .push(quote)
            .push(&name.replace(quote, &doubled))
            .push(quote))
    }

    /// Goes on with a table: `orders`, or `shop.orders` for one of a schema.
    pub(crate) fn table(&mut self, table: &str) -> Result<&mut Self> {
        self.list(table.split('.'), ".")
    }

    /// Goes on with names.
    pub(crate) fn list<'n>(
        &mut self,
        names: impl IntoIterator<Item = &'n str>,
        between: &str,
    ) -> Result<&mut Self> {
        for (index, name) in names.into_iter().enumerate() {
            if index > 0 {
                self.push(between);
            }
            self.name(name)?;
        }
        Ok(self)
    }

    /// Goes on with a value.
    pub(crate) fn value(&mut self, value: Value) -> Result<&mut Self> {
        if self.values.len() == MAX_VALUES {
            return Err(ActionError::invalid_input(format!(
                "a statement has at most {MAX_VALUES} values: give fewer rows at once"
            )));
        }
        self.values.push(value);
        let number = self.values.len().to_string();
        Ok(self.push("$").push(&number))
    }

    /// Runs it: how many rows were changed, and of each what is asked for.
    pub(crate) async fn run(mut self, returning: &[String]) -> Result<(u64, Vec<Value>)> {
        if returning.is_empty() {
            let changed = self.db.execute(&self.text, &self.values).await?;
            return Ok((changed, Vec::new()));
        }
        self.push(" RETURNING ");
        self.list(returning.iter().map(String::as_str), ", ")?;
        let rows = self.db.query(&self.text, &self.values).await?;
        let rows = plain(rows.all::<Row>().await?);
        Ok((rows.len() as u64, rows))
    }
}

/// An object that must have something in it.
pub(crate) fn filled(field: &str, object: &Map<String, Value>) -> Result<()> {
    if object.is_empty() {
        let message = format!("`{field}` names no column");
        return Err(ActionError::invalid_input(message));
    }
    Ok(())
}
