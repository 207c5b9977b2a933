//! What a guest asks of a database, checked: a statement that reads or changes rows,
//! with its values beside it.

use std::time::Duration;

use nebula_sandbox::resources::{ResourceError, Statement};
use tokio::time::Instant;

use super::cell::{self, Cell};
use crate::config::SqlConfig;

/// What a statement begins with. Whatever else there is changes the session, its
/// transaction or the schema, or reaches beyond the database.
const VERBS: [&str; 9] = [
    "SELECT", "WITH", "VALUES", "TABLE", "INSERT", "REPLACE", "UPDATE", "DELETE", "MERGE",
];

/// Values of one statement.
pub(super) const MAX_PARAMETERS: usize = 10_000;

/// One statement on its way.
pub(crate) struct Job {
    /// Of the resource, for errors.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) parameters: Vec<Cell>,
    /// Whether it can only read, by its verb.
    pub(super) is_read: bool,
    /// Whether it must not change anything.
    pub(super) read_only: bool,
    pub(super) max_rows: u64,
    pub(super) max_bytes: u64,
    /// How long it may take.
    pub(super) limit: Duration,
    /// When that is over.
    pub(super) until: Instant,
}

impl Job {
    /// Checks what is asked.
    pub(super) fn new(
        name: &str,
        config: &SqlConfig,
        statement: Statement,
    ) -> Result<Self, ResourceError> {
        let Statement {
            text,
            parameters,
            within,
        } = statement;
        let verb = check(&text)?;
        let limit = config.timeout.min(within);
        Ok(Self {
            name: name.to_owned(),
            parameters: cell::parameters(&parameters)?,
            text,
            is_read: matches!(verb, "SELECT" | "VALUES" | "TABLE"),
            read_only: config.read_only,
            max_rows: config.max_rows,
            max_bytes: config.max_bytes,
            limit,
            until: Instant::now() + limit,
        })
    }

    /// It took too long.
    pub(super) fn late(&self) -> ResourceError {
        let (name, limit) = (&self.name, self.limit.as_millis());
        ResourceError::Limit(format!(
            "the statement took longer than {limit} ms (`resources.{name}.timeout`, or what its call \
             had left)"
        ))
    }

    /// No connection became free in time.
    pub(super) fn crowded(&self) -> ResourceError {
        let (name, limit) = (&self.name, self.limit.as_millis());
        ResourceError::Unavailable(format!(
            "all connections of `{name}` were busy for {limit} ms (`resources.{name}.max_connections`)"
        ))
    }

    /// The statement has another number of parameters.
    pub(super) fn miscounted(&self, has: usize) -> ResourceError {
        let given = self.parameters.len();
        ResourceError::Refused(format!(
            "the statement has {has} parameters, and {given} values were given"
        ))
    }
}

/// Refuses what does not begin with a verb for rows. Comments stand behind it, so that
/// there is nothing about its beginning that the database could read otherwise.
fn check(text: &str) -> Result<&'static str, ResourceError> {
    let begin = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '(');
    let end = begin.find(|c: char| !c.is_ascii_alphabetic());
    let verb = &begin[..end.unwrap_or(begin.len())];
    let mut known = VERBS.iter();
    if let Some(known) = known.find(|known| verb.eq_ignore_ascii_case(known)) {
        return Ok(known);
    }
    let known = VERBS.join(", ");
    Err(ResourceError::Refused(format!(
        "a statement begins with one of {known}; other statements are the operator's"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_or_changes_rows_is_a_statement() {
        for text in [
            "SELECT 1",
            " \n\t(select 1) union (select 2)",
            "WITH x AS (SELECT 1) SELECT * FROM x",
            "insert into t values ($1)",
            "DELETE FROM t",
        ] {
            check(text).expect(text);
        }
        for text in [
            "",
            "BEGIN",
            "COMMIT",
            "SET default_transaction_read_only = off",
            "/* SELECT */ SET x = 1",
            "-- SELECT\nSET x = 1",
            "PRAGMA query_only = 0",
            "ATTACH 'x' AS y",
            "VACUUM INTO 'x'",
            "COPY t TO PROGRAM 'x'",
            "DO $$ $$",
            "SELECTED",
            "; SELECT 1",
        ] {
            let error = check(text).expect_err(text);
            assert!(matches!(error, ResourceError::Refused(_)), "{text}");
        }
    }
}
