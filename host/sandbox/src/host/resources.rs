//! The import `resources`: what its kinds have in common, and databases.

pub(crate) mod kv;
pub(crate) mod smtp;

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::Resource;

use super::clocks::machine_time;
use crate::bindings::nebula::action::resources::{self, Dialect, ResourceError};
use crate::charge::TEXT_BYTE;
use crate::lines::cut;
use crate::resources::{self as held, Rows, Sql, Statement};
use crate::state::State;

/// Statements that a call reads rows of at once: each has a connection.
const READING: u32 = 2;
/// The longest statement, bytes.
const STATEMENT_BYTES: usize = 256 << 10;
/// What the name of a resource may have, bytes.
const NAME_BYTES: usize = 253;

/// A database that a guest has open.
#[expect(unreachable_pub, reason = "the generated bindings name it anew")]
pub struct Database(Arc<dyn Sql>);

impl From<held::ResourceError> for ResourceError {
    fn from(error: held::ResourceError) -> Self {
        match error {
            held::ResourceError::Undeclared(name) => Self::Undeclared(name),
            held::ResourceError::Unbound(why) => Self::Unbound(why),
            held::ResourceError::Refused(why) => Self::Refused(why),
            held::ResourceError::Constraint(why) => Self::Constraint(why),
            held::ResourceError::Limit(why) => Self::Limit(why),
            held::ResourceError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl State {
    /// What the action asks for as this kind under this name, if it may have it.
    fn held<T>(
        &mut self,
        kind: &str,
        name: &str,
        open: fn(&dyn held::Resources, held::User<'_>, &str) -> Result<T, held::ResourceError>,
    ) -> Result<T, held::ResourceError> {
        self.charge_each(TEXT_BYTE, name.len());
        let undeclared = || held::ResourceError::Undeclared(cut(name, NAME_BYTES).to_owned());
        let caller = self.caller.as_ref().ok_or_else(undeclared)?;
        if caller.action.resources().get(name) != Some(&kind) {
            return Err(undeclared());
        }
        let bound = self.resources.as_ref().ok_or_else(undeclared)?;
        bound.open(&caller.action.id, name, open)
    }

    /// What is asked of a database, without the call's secrets.
    fn statement(
        &mut self,
        text: String,
        mut parameters: Vec<u8>,
    ) -> Result<Statement, ResourceError> {
        self.charge_each(TEXT_BYTE, text.len() + parameters.len());
        if text.len() > STATEMENT_BYTES {
            let has = text.len();
            return Err(ResourceError::Limit(format!(
                "the statement has {has} bytes; at most {STATEMENT_BYTES} are allowed"
            )));
        }
        self.redactor.cover(&mut parameters);
        Ok(Statement {
            text: self.covered(text),
            parameters,
            within: self.left(),
        })
    }

    /// A text without the call's secrets.
    fn covered(&self, text: String) -> String {
        let mut bytes = text.into_bytes();
        self.redactor.cover(&mut bytes);
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// How much time the call has left.
    fn left(&self) -> Duration {
        let deadline = self.caller.as_ref().and_then(|caller| caller.deadline);
        let deadline = Duration::from_millis(deadline.map_or(0, |at| at.as_millis()));
        deadline.saturating_sub(machine_time())
    }
}

impl resources::Host for State {}

impl resources::HostSql for State {
    fn open(
        &mut self,
        name: String,
    ) -> wasmtime::Result<Result<Resource<Database>, ResourceError>> {
        Ok(
            match self.held("sql", &name, |held, user, name| held.sql(user, name)) {
                Ok(database) => Ok(self.table.push(Database(database))?),
                Err(error) => Err(error.into()),
            },
        )
    }

    fn dialect(&mut self, database: Resource<Database>) -> wasmtime::Result<Dialect> {
        Ok(match self.table.get(&database)?.0.dialect() {
            held::Dialect::Sqlite => Dialect::Sqlite,
            held::Dialect::PostgreSql => Dialect::Postgresql,
            held::Dialect::MySql => Dialect::Mysql,
        })
    }

    async fn query(
        &mut self,
        database: Resource<Database>,
        text: String,
        parameters: Vec<u8>,
    ) -> wasmtime::Result<Result<Resource<Rows>, ResourceError>> {
        let database = Arc::clone(&self.table.get(&database)?.0);
        let statement = match self.statement(text, parameters) {
            Ok(statement) => statement,
            Err(error) => return Ok(Err(error)),
        };
        let reading = self.resources.as_mut().map_or(READING, |r| r.reading);
        if reading >= READING {
            let message = format!("a call reads the rows of at most {READING} statements at once");
            return Ok(Err(ResourceError::Limit(message)));
        }
        let waiting = self.waits();
        let rows = database.query(statement).await;
        drop(waiting);
        match rows {
            Ok(rows) => {
                let rows = self.table.push(rows)?;
                if let Some(bound) = &mut self.resources {
                    bound.reading += 1;
                }
                Ok(Ok(rows))
            }
            Err(error) => Ok(Err(error.into())),
        }
    }

    async fn execute(
        &mut self,
        database: Resource<Database>,
        text: String,
        parameters: Vec<u8>,
    ) -> wasmtime::Result<Result<u64, ResourceError>> {
        let database = Arc::clone(&self.table.get(&database)?.0);
        let statement = match self.statement(text, parameters) {
            Ok(statement) => statement,
            Err(error) => return Ok(Err(error)),
        };
        let _waiting = self.waits();
        Ok(database.execute(statement).await.map_err(Into::into))
    }

    fn drop(&mut self, database: Resource<Database>) -> wasmtime::Result<()> {
        self.table.delete(database)?;
        Ok(())
    }
}

impl resources::HostRows for State {
    async fn next(
        &mut self,
        rows: Resource<Rows>,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, ResourceError>> {
        let waiting = self.waits();
        let part = self.table.get_mut(&rows)?.next().await;
        drop(waiting);
        if let Ok(Some(part)) = &part {
            self.charge_each(TEXT_BYTE, part.len());
        }
        Ok(part.map_err(Into::into))
    }

    fn drop(&mut self, rows: Resource<Rows>) -> wasmtime::Result<()> {
        self.table.delete(rows)?;
        if let Some(bound) = &mut self.resources {
            bound.reading = bound.reading.saturating_sub(1);
        }
        Ok(())
    }
}
