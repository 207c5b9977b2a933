//! Values in a file of SQLite below the operator's folder, which is made if it is not
//! there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use nebula_sandbox::resources::{Entry, ResourceError};
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};
use tokio::time::timeout_at;

use super::Database;
use super::config::KvConfig;
use super::request::{Answer, Change, List, Next, Present, Request, Work, decide};
use super::statements::{IN_PASSING, Statements};
use crate::sql::Pool;

/// How long a request waits for a lock that another holds.
const BUSY: Duration = Duration::from_secs(5);

/// A file.
pub(super) struct Sqlite {
    file: Arc<File>,
    pool: Arc<Pool<Connection>>,
}

struct File {
    folder: PathBuf,
    /// Below the folder.
    path: PathBuf,
    statements: Statements,
    /// Held while a connection is made: two at once would be in each other's way where
    /// there is no file yet.
    opening: Mutex<()>,
}

impl Sqlite {
    pub(super) fn new(folder: &Path, path: &Path, config: &KvConfig) -> Self {
        Self {
            file: Arc::new(File {
                folder: folder.to_owned(),
                path: path.to_owned(),
                statements: Statements::sqlite(),
                opening: Mutex::default(),
            }),
            pool: Pool::new(config.max_connections),
        }
    }
}

#[async_trait]
impl Database for Sqlite {
    /// On a thread that may block, with a connection that is given back.
    async fn ask(&self, request: Request, work: Work) -> Result<Answer, ResourceError> {
        let until = request.until;
        let turn = self.pool.turn_until(until).await;
        let turn = turn.ok_or_else(|| request.crowded())?;
        let (pool, file) = (Arc::clone(&self.pool), Arc::clone(&self.file));
        let late = request.late();
        let working = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let connection = pool.take().map_or_else(|| file.open(&request), Ok);
            let mut connection = connection?;
            let done = answered(&mut connection, &file.statements, &request, work);
            if connection.is_autocommit() {
                pool.give(connection);
            }
            done.map_err(|failed| match failed {
                Failed::Sqlite(error) => request.away(&error),
                Failed::Told(error) => error,
            })
        });
        match timeout_at(until, working).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(ResourceError::Unavailable(
                "the request was given up".into(),
            )),
            Err(_) => Err(late),
        }
    }
}

enum Failed {
    Sqlite(rusqlite::Error),
    Told(ResourceError),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<ResourceError> for Failed {
    fn from(error: ResourceError) -> Self {
        Self::Told(error)
    }
}

fn answered(
    connection: &mut Connection,
    statements: &Statements,
    request: &Request,
    work: Work,
) -> Result<Answer, Failed> {
    connection.busy_timeout(BUSY.min(request.left()))?;
    let Request { name, tenant, .. } = request;
    match work {
        Work::Get(key) => {
            let mut get = connection.prepare_cached(&statements.get)?;
            let found = get.query_row(params![name, tenant, key], |row| {
                Ok(Entry {
                    value: row.get(0)?,
                    version: row.get::<_, i64>(1)?.unsigned_abs(),
                })
            });
            Ok(Answer::Entry(found.optional()?))
        }
        Work::List(list) => {
            let List {
                from,
                below,
                after,
                limit,
            } = list;
            let mut list = connection.prepare_cached(&statements.list)?;
            let asked = params![name, tenant, from, after, below, limit];
            let keys = list.query_map(asked, |row| row.get(0))?;
            Ok(Answer::Keys(keys.collect::<Result<_, _>>()?))
        }
        Work::Change(change) => {
            // One that only begins to write later may find that another was faster.
            let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let answer = changed(&begun, statements, request, change)?;
            begun.commit()?;
            Ok(answer)
        }
    }
}

/// Makes a change, in a transaction that was begun.
fn changed(
    db: &Connection,
    statements: &Statements,
    request: &Request,
    change: Change,
) -> Result<Answer, Failed> {
    let Request { name, tenant, .. } = request;
    let Change { key, what } = change;
    let mut begin = db.prepare_cached(&statements.begin)?;
    let (keys, version, now) = begin.query_row(params![name, tenant], |row| {
        Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?))
    })?;
    let sweep = |most: i64| -> Result<i64, Failed> {
        let mut sweep = db.prepare_cached(&statements.sweep)?;
        let gone = sweep.execute(params![name, tenant, now, key, most])?;
        Ok(i64::try_from(gone).unwrap_or(i64::MAX))
    };
    let mut left = keys - sweep(IN_PASSING)?;
    let mut present = db.prepare_cached(&statements.present)?;
    let present = present.query_row(params![name, tenant, key], |row| {
        Ok(Present {
            value: row.get(0)?,
            version: row.get(1)?,
            expires: row.get(2)?,
        })
    });
    let present = present.optional()?;
    let answer = match decide(what, present.as_ref(), now, version)? {
        Next::Stays(answer) => answer,
        Next::Removed(answer) => {
            let mut remove = db.prepare_cached(&statements.remove)?;
            remove.execute(params![name, tenant, key])?;
            left -= 1;
            answer
        }
        Next::Put {
            value,
            expires,
            answer,
        } => {
            if present.is_none() {
                if left >= request.max_keys {
                    left -= sweep(i64::MAX)?;
                }
                if left >= request.max_keys {
                    return Err(Failed::Told(request.full()));
                }
                left += 1;
            }
            let mut put = db.prepare_cached(&statements.put)?;
            put.execute(params![name, tenant, key, value, version, expires])?;
            answer
        }
    };
    if left != keys {
        let mut count = db.prepare_cached(&statements.count)?;
        count.execute(params![name, tenant, left])?;
    }
    Ok(answer)
}

// ----------------------------------------------------------- connections --

impl File {
    fn open(&self, request: &Request) -> Result<Connection, ResourceError> {
        let read_only = request.read_only;
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.real(read_only).map_err(|why| request.away(&why))?;
        let access = if read_only {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        } else {
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
        };
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let opened = Connection::open_with_flags(path, flags).and_then(|connection| {
            connection.busy_timeout(BUSY.min(request.left()))?;
            if read_only {
                connection.pragma_update(None, "query_only", true)?;
            } else {
                connection.pragma_update(None, "journal_mode", "WAL")?;
                connection.pragma_update(None, "synchronous", "FULL")?;
                for table in &self.statements.tables {
                    connection.execute_batch(table)?;
                }
            }
            Ok(connection)
        });
        opened.map_err(|error| request.away(&error))
    }

    /// Where the file really is, or will be, which must be below the folder.
    fn real(&self, read_only: bool) -> Result<PathBuf, String> {
        let shown = self.path.display();
        let told = |e: std::io::Error| format!("`{shown}` below the folder of resources: {e}");
        if !read_only {
            fs::create_dir_all(&self.folder).map_err(told)?;
        }
        let folder = self.folder.canonicalize().map_err(told)?;
        let path = folder.join(&self.path);
        let real = match path.symlink_metadata() {
            Ok(_) => path.canonicalize().map_err(told)?,
            Err(_) => {
                let (parent, file) = (path.parent(), path.file_name());
                let parent = parent.map(Path::canonicalize).transpose().map_err(told)?;
                parent.unwrap_or_default().join(file.unwrap_or_default())
            }
        };
        if real.starts_with(&folder) {
            Ok(real)
        } else {
            Err(format!("`{shown}` leads out of the folder of resources"))
        }
    }
}
