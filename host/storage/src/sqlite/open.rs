//! The folder, its lock, the connections.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::schema;

/// How long a statement waits for a lock that another connection of this process
/// holds for a moment, e.g. while it resets the WAL.
const BUSY: Duration = Duration::from_secs(5);

/// How long the folder's lock is asked for.
const PATIENCE: Duration = Duration::from_millis(500);

/// Pages in the WAL at which the writer's next commit also copies them into the
/// file: 8 MiB of 4 KiB pages. Reads are short, so the WAL starts over soon after
/// and neither it nor the pause grows without end.
const CHECKPOINT_PAGES: u32 = 2_000;

/// To how many bytes the WAL file is cut when it starts over.
const WAL_BYTES: u32 = 64 << 20;

/// Prepared statements that a connection keeps.
const STATEMENTS: usize = 64;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another store, of this process or another, holds the folder.
    #[error("the folder {} is in use by {}: stop it, or use another folder", dir.display(), Holder(*pid))]
    InUse {
        /// Which folder.
        dir: PathBuf,
        /// By which process; unknown for the moment in which it starts.
        pid: Option<u32>,
    },
    /// A newer Nebula wrote the file; it is left as it is.
    #[error(
        "{} has schema {found}, and this program knows schemas up to {known}: use a newer program",
        path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// The schema of the file.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
    /// The file is an SQLite file of another program, or no SQLite file.
    #[error("{} is not a store of Nebula: use another folder", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// A file or folder could not be made, opened or locked.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// SQLite could not open or prepare the file.
    #[error("cannot open {}: {reason}", path.display())]
    Database {
        /// Which file.
        path: PathBuf,
        /// As SQLite tells it.
        reason: String,
    },
}

struct Holder(Option<u32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("another process"),
        }
    }
}

/// Tries to lock for a moment: a process that was just forked holds its parent's
/// files until it runs its own program.
fn patiently(lock: impl Fn() -> Result<(), Errno>) -> Result<(), Errno> {
    let end = Instant::now() + PATIENCE;
    loop {
        match lock() {
            Err(Errno::WOULDBLOCK) if Instant::now() < end => {
                std::thread::sleep(PATIENCE / 20);
            }
            other => return other,
        }
    }
}

/// A folder that this store alone may use, as long as this value lives.
#[derive(Debug)]
pub(super) struct Folder {
    dir: PathBuf,
    path: PathBuf,
    /// Closing it releases the lock.
    _lock: File,
}

impl Folder {
    /// Makes the folder if there is none, and takes its lock.
    pub(super) fn lock(dir: &Path) -> Result<Self, OpenError> {
        let trouble = |path: &Path, source| OpenError::Io {
            path: path.to_owned(),
            source,
        };
        if !dir.is_dir() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .map_err(|e| trouble(dir, e))?;
            // Else a power cut could take the folder and what is in it.
            if let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) {
                sync(parent).map_err(|e| trouble(parent, e))?;
            }
        }
        let lock_path = dir.join("nebula.lock");
        let mut lock = private_file(&lock_path).map_err(|e| trouble(&lock_path, e))?;
        match patiently(|| flock(&lock, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                // Only for the message; a pid that cannot be read is unknown.
                let pid = lock
                    .read_to_string(&mut text)
                    .ok()
                    .and_then(|_| text.trim().parse().ok());
                return Err(OpenError::InUse {
                    dir: dir.to_owned(),
                    pid,
                });
            }
            Err(e) => return Err(trouble(&lock_path, e.into())),
        }
        note_pid(&mut lock).map_err(|e| trouble(&lock_path, e))?;
        let path = dir.join("nebula.db");
        // Made before SQLite opens it: its WAL gets the same mode.
        private_file(&path).map_err(|e| trouble(&path, e))?;
        Ok(Self {
            dir: dir.to_owned(),
            path,
            _lock: lock,
        })
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
        sync(&self.dir).map_err(|source| self.trouble(source))?;
        Ok(connection)
    }

    fn set_up(&self, connection: &Connection) -> rusqlite::Result<()> {
        common(connection)?;
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
            path: self.dir.clone(),
            source,
        }
    }

    fn database(&self, error: &rusqlite::Error) -> OpenError {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => OpenError::Foreign {
                path: self.path.clone(),
            },
            _ => OpenError::Database {
                path: self.path.clone(),
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

/// Opens or makes a file that only this user may read or write.
fn private_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

fn note_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
