//! The tables, and how an older file becomes a newer one: `user_version` is the
//! number of migrations that were run.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::migrations::Migrations;
use crate::open::OpenError;

const MIGRATIONS: Migrations = Migrations(&[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
]);

/// Marks the file as ours: `NbLa`.
const APPLICATION: u32 = 0x4e62_4c61;

/// Refuses a file that a newer or another program wrote, before anything is
/// changed in it.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let foreign = || OpenError::Foreign {
        store: path.display().to_string(),
        instead: "folder",
    };
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let tables = || {
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
            row.get::<_, i64>(0)
        })
    };
    let read = || -> rusqlite::Result<_> {
        Ok((
            number("application_id")?,
            number("user_version")?,
            tables()?,
        ))
    };
    let (application, version, tables) = match read() {
        Ok(found) => found,
        Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
            return Err(foreign());
        }
        Err(e) => {
            return Err(OpenError::Database {
                store: path.display().to_string(),
                reason: e.to_string(),
            });
        }
    };
    let is_new = application == 0 && version == 0 && tables == 0;
    if !is_new && application != i64::from(APPLICATION) {
        return Err(foreign());
    }
    let found = u32::try_from(version).map_err(|_| foreign())?;
    MIGRATIONS.check(path.display(), found)
}

/// Runs the migrations that the file lacks, each with its number in one
/// transaction; then frees all shards, since the folder's lock proves that
/// whoever held them is dead.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (number, statements) in MIGRATIONS.after(version) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(statements)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    connection.execute("UPDATE shards SET owner = NULL WHERE owner IS NOT NULL", [])?;
    Ok(())
}
