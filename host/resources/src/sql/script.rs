//! Files of SQLite that a script makes: for tests of actions, which begin with the
//! same rows each time.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Error, OpenFlags};

/// A script that makes no database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{why}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct InvalidScript {
    /// Where it is wrong, from 1, if SQLite says so.
    pub line: Option<usize>,
    /// What SQLite says.
    pub why: String,
}

/// Makes a new file with what a script says: tables, and rows in them. Foreign keys
/// hold. The script is its author's, who may do in it what SQLite can: it is not a
/// guest's.
///
/// # Errors
/// When the file is there already or cannot be made, and when SQLite refuses the script.
pub fn make_sqlite(file: &Path, script: &str) -> Result<(), InvalidScript> {
    let refused = |error: Error| told(&error, script);
    // Only a file that was not there is a new one.
    std::fs::File::create_new(file).map_err(|e| InvalidScript {
        line: None,
        why: format!("its database cannot be made: {e}"),
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(refused)?;
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)
        .map_err(refused)?;
    connection.execute_batch(script).map_err(refused)
}

/// With the line, where SQLite names a place in what is left of the script.
fn told(error: &Error, script: &str) -> InvalidScript {
    let Error::SqlInputError {
        msg, sql, offset, ..
    } = error
    else {
        return InvalidScript {
            line: None,
            why: error.to_string(),
        };
    };
    let before = script.strip_suffix(sql.as_str()).map_or(0, str::len);
    let place = before + usize::try_from(*offset).unwrap_or_default();
    let until = script.as_bytes().iter().take(place);
    InvalidScript {
        line: Some(1 + until.filter(|byte| **byte == b'\n').count()),
        why: msg.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_makes_a_new_file_and_a_mistake_in_it_has_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        let script = "CREATE TABLE a (id INTEGER PRIMARY KEY);\nINSERT INTO a VALUES (7);\n";
        make_sqlite(&file, script).unwrap();
        let made = Connection::open(&file).unwrap();
        let id = made.query_row("SELECT id FROM a", [], |row| row.get::<_, i64>(0));
        assert_eq!(id, Ok(7));
        let again = make_sqlite(&file, script).expect_err("it is there");
        assert!(again.to_string().contains("cannot be made"), "{again}");
        for (number, (script, wanted)) in [
            (
                "CREATE TABLE a (id);\n-- ü\nCREATE TABEL b (id);\n",
                "line 3: near \"TABEL\"",
            ),
            ("INSERT INTO a VALUES (1);", "no such table: a"),
            (
                "CREATE TABLE a (id PRIMARY KEY);\nINSERT INTO a VALUES (1), (1);",
                "UNIQUE constraint failed",
            ),
            (
                "CREATE TABLE a (id INTEGER PRIMARY KEY);\n\
                 CREATE TABLE b (a REFERENCES a);\nINSERT INTO b VALUES (1);",
                "FOREIGN KEY constraint failed",
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let file = folder.path().join(number.to_string());
            let error = make_sqlite(&file, script).expect_err(script).to_string();
            assert!(error.starts_with(wanted), "{wanted}: {error}");
        }
    }
}
