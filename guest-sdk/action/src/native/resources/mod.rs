//! Resources of a unit test: a function answers the statements of a database.
//!
//! - `smtp`: mail servers.
//! - `kv`: small values by key.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::Backend;
use crate::context::ActionContext;
use crate::resource::{Dialect, ResourceError};
use crate::wire;

pub(super) mod kv;
pub(super) mod smtp;

pub use kv::{KvAsk, KvRequest, KvStore, Values};
pub use smtp::{Mail, MailServer};

/// A statement that an action gave to a database.
#[derive(Debug, Clone, PartialEq)]
pub struct SqlStatement {
    /// The name by which the action asked for the database.
    pub resource: String,
    /// As the action wrote it, with `$1` and up.
    pub text: String,
    /// The values of its parameters.
    pub parameters: Vec<Value>,
}

/// What a statement answers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SqlAnswer {
    /// Its rows, each an object from column to value.
    pub rows: Vec<Value>,
    /// How many rows it changed.
    pub changed: u64,
}

impl SqlAnswer {
    /// These rows.
    #[must_use]
    pub const fn rows(rows: Vec<Value>) -> Self {
        Self { rows, changed: 0 }
    }

    /// No rows; so many were changed.
    #[must_use]
    pub const fn changed(changed: u64) -> Self {
        let rows = Vec::new();
        Self { rows, changed }
    }
}

/// What answers the statements of one database, and which SQL it speaks.
#[derive(Clone)]
pub(super) struct Double(Dialect, Arc<Answer>);

type Answer = dyn Fn(&SqlStatement) -> Result<SqlAnswer, ResourceError> + Send + Sync;

impl fmt::Debug for Double {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Double(…)")
    }
}

/// A database.
#[derive(Debug)]
pub struct Database {
    name: String,
    double: Double,
}

/// Rows of one of its statements.
#[derive(Debug)]
pub struct Cursor(Option<Vec<u8>>);

impl ActionContext {
    /// With a database, SQLite by its dialect, and what answers its statements.
    #[must_use]
    pub fn with_sql(
        self,
        name: impl Into<String>,
        answer: impl Fn(&SqlStatement) -> Result<SqlAnswer, ResourceError> + Send + Sync + 'static,
    ) -> Self {
        self.with_sql_of(Dialect::Sqlite, name, answer)
    }

    /// With a database that speaks this SQL.
    #[must_use]
    pub fn with_sql_of(
        self,
        dialect: Dialect,
        name: impl Into<String>,
        answer: impl Fn(&SqlStatement) -> Result<SqlAnswer, ResourceError> + Send + Sync + 'static,
    ) -> Self {
        let double = Double(dialect, Arc::new(answer));
        self.backend.state().databases.insert(name.into(), double);
        self
    }
}

impl Backend {
    pub(crate) fn database(&self, name: &str) -> Result<Database, ResourceError> {
        let double = self.state().databases.get(name).cloned();
        let unbound = || unbound("database", name, "sql", "with_sql");
        Ok(Database {
            name: name.to_owned(),
            double: double.ok_or_else(unbound)?,
        })
    }
}

/// Why there is nothing of this name.
fn unbound(what: &str, name: &str, kind: &str, with: &str) -> ResourceError {
    ResourceError::Unbound(format!(
        "no {what} `{name}`: the action does not ask for it (`#[action(resources({name} = \"{kind}\"))]`), \
         or the test context has none (`{with}`)"
    ))
}

impl Database {
    pub(crate) const fn dialect(&self) -> Dialect {
        self.double.0
    }

    pub(crate) fn query(
        &self,
        statement: &str,
        parameters: Vec<u8>,
    ) -> Result<Cursor, ResourceError> {
        let SqlAnswer { rows, .. } = self.answer(statement, &parameters)?;
        let part = wire::encode(&rows).map_err(|e| ResourceError::Refused(e.to_string()))?;
        Ok(Cursor(Some(part)))
    }

    pub(crate) fn execute(
        &self,
        statement: &str,
        parameters: Vec<u8>,
    ) -> Result<u64, ResourceError> {
        Ok(self.answer(statement, &parameters)?.changed)
    }

    fn answer(&self, text: &str, parameters: &[u8]) -> Result<SqlAnswer, ResourceError> {
        let parameters =
            wire::decode(parameters).map_err(|e| ResourceError::Refused(e.to_string()))?;
        let statement = SqlStatement {
            resource: self.name.clone(),
            text: text.to_owned(),
            parameters,
        };
        (self.double.1)(&statement)
    }
}

impl Cursor {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the cursor in the sandbox has the same methods"
    )]
    pub(crate) const fn next(&mut self) -> Result<Option<Vec<u8>>, ResourceError> {
        Ok(self.0.take())
    }
}
