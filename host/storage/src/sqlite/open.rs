//! The folder, its lock, the connections.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::schema;
use crate::folder::{FolderLock, private_file, sync};
use crate::open::OpenError;

/// How long a statement waits for a lock that another connection of this process
/// holds for a moment, e.g. while it resets the WAL.
const BUSY: Duration = Duration::from_secs(5);

/// Bytes of a page of a new file. A commit writes whole pages and touches a few
/// of each table: with pages of 4 KiB it wrote a third more, and was slower
/// (`docs/performance.md`). A file that is there keeps its own.
const PAGE_BYTES: u32 = 2_048;

/// Pages in the WAL at which the writer's next commit also copies them into the
/// file: 8 MiB of new files. Reads are short, so the WAL starts over soon after
/// and neither it nor the pause grows without end.
const CHECKPOINT_PAGES: u32 = 4_000;

/// To how many bytes the WAL file is cut when it starts over.
const WAL_BYTES: u32 = 64 << 20;

/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 64;

/// A folder that this store alone may use, as long as this value lives.
#[derive(Debug)]
pub(super) struct Folder {
    lock: FolderLock,
    path: PathBuf,
}

impl Folder {
    /// Makes the folder if there is none, and takes its lock.
    pub(super) fn lock(dir: &Path) -> Result<Self, OpenError> {
        let lock = FolderLock::take(dir)?;
        let path = dir.join("nebula.db");
        // Made before SQLite opens it: its WAL gets the same mode.
        private_file(&path).map_err(|source| OpenError::Io {
            path: path.clone(),
            source,
        })?;
        Ok(Self { lock, path })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The connection that writes, with the newest schema.
    pub(super) fn writer(&self) -> Result<Connection, OpenError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection =
            Connection::open_with_flags(&self.path, flags).map_err(|e| self.database(&e))?;
        schema::check(&connection, &self.path)?;
        self.set_up(&connection).map_err(|e| self.database(&e))?;
        schema::migrate(&mut connection).map_err(|e| self.database(&e))?;
        sync(self.lock.path()).map_err(|source| self.trouble(source))?;
        Ok(connection)
    }

    fn set_up(&self, connection: &Connection) -> rusqlite::Result<()> {
        common(connection)?;
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        let mode: String =
            connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            tracing::warn!(path = %self.path.display(), mode, "the store has no WAL: reads wait for writes");
        }
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.pragma_update(None, "journal_size_limit", WAL_BYTES)?;
        connection.pragma_update(None, "cache_size", -16 * 1024)
    }

    /// A connection that only reads.
    pub(super) fn reader(&self) -> Result<Connection, OpenError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(&self.path, flags).map_err(|e| self.database(&e))?;
        common(&connection)
            .and_then(|()| connection.pragma_update(None, "cache_size", -4 * 1024))
            .map_err(|e| self.database(&e))?;
        Ok(connection)
    }

    /// A failure of the system at this folder.
    pub(super) fn trouble(&self, source: io::Error) -> OpenError {
        OpenError::Io {
            path: self.lock.path().to_owned(),
            source,
        }
    }

    fn database(&self, error: &rusqlite::Error) -> OpenError {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => OpenError::Foreign {
                store: self.path.display().to_string(),
                instead: "folder",
            },
            _ => OpenError::Database {
                store: self.path.display().to_string(),
                reason: error.to_string(),
            },
        }
    }
}

/// The file is not mapped into memory: an I/O error would then be a signal that
/// ends the process instead of an error that it can tell.
fn common(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "mmap_size", 0)
}
