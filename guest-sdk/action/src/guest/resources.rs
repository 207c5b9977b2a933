//! Resources through the host.

use alloc::vec::Vec;

use super::Backend;
use super::bindings::nebula::action::resources;
use crate::resource::{Dialect, ResourceError};

/// A database.
#[derive(Debug)]
pub struct Database(resources::Sql);

/// Rows of one of its statements.
#[derive(Debug)]
pub struct Cursor(resources::Rows);

impl Backend {
    pub(crate) fn database(&self, name: &str) -> Result<Database, ResourceError> {
        resources::Sql::open(name).map(Database).map_err(told)
    }
}

impl Database {
    pub(crate) fn dialect(&self) -> Dialect {
        match self.0.dialect() {
            resources::Dialect::Sqlite => Dialect::Sqlite,
            resources::Dialect::Postgresql => Dialect::PostgreSql,
            resources::Dialect::Mysql => Dialect::MySql,
        }
    }

    pub(crate) fn query(
        &self,
        statement: &str,
        parameters: Vec<u8>,
    ) -> Result<Cursor, ResourceError> {
        let rows = self.0.query(statement, &parameters);
        rows.map(Cursor).map_err(told)
    }

    pub(crate) fn execute(
        &self,
        statement: &str,
        parameters: Vec<u8>,
    ) -> Result<u64, ResourceError> {
        self.0.execute(statement, &parameters).map_err(told)
    }
}

impl Cursor {
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, ResourceError> {
        self.0.next().map_err(told)
    }
}

fn told(error: resources::ResourceError) -> ResourceError {
    match error {
        resources::ResourceError::Undeclared(name) => ResourceError::Undeclared(name),
        resources::ResourceError::Unbound(why) => ResourceError::Unbound(why),
        resources::ResourceError::Refused(why) => ResourceError::Refused(why),
        resources::ResourceError::Constraint(why) => ResourceError::Constraint(why),
        resources::ResourceError::Limit(why) => ResourceError::Limit(why),
        resources::ResourceError::Unavailable(why) => ResourceError::Unavailable(why),
    }
}
