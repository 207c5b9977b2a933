//! SQLite: files below the operator's folder, one connection for each statement at a
//! time, on threads that may block.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nebula_sandbox::resources::{Dialect, Part, ResourceError, Rows, Sql, Statement};
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Sender};
use tokio::time::Instant;

use super::AHEAD;
use super::cell::Cell;
use super::parts::Parts;
use super::pool::Pool;
use super::statement::Job;
use crate::config::SqlConfig;

/// How long a statement waits for a lock that another connection holds.
const BUSY: Duration = Duration::from_secs(5);
/// Instructions of SQLite's machine after which it is asked whether to go on.
const INSTRUCTIONS: i32 = 10_000;
/// The largest text, blob and row, bytes.
const VALUE_BYTES: i32 = 16 << 20;

/// What is done with a connection on a thread that may block.
type Work<T> = fn(&Connection, &Job, &Sender<Answer<T>>) -> Result<(), ResourceError>;

/// A database in a file.
pub(crate) struct Sqlite {
    name: String,
    config: SqlConfig,
    file: Arc<File>,
    pool: Arc<Pool<Connection>>,
}

/// Where the file is.
struct File {
    folder: PathBuf,
    /// Below the folder.
    path: PathBuf,
}

impl Sqlite {
    pub(crate) fn new(name: String, folder: &Path, path: &Path, config: &SqlConfig) -> Self {
        Self {
            name,
            pool: Pool::new(config.max_connections),
            config: config.clone(),
            file: Arc::new(File {
                folder: folder.to_owned(),
                path: path.to_owned(),
            }),
        }
    }

    /// Does the work with a connection, which is given back whatever becomes of it.
    async fn with<T: Send + 'static>(
        &self,
        statement: Statement,
        work: Work<T>,
    ) -> Result<mpsc::Receiver<Answer<T>>, ResourceError> {
        let job = Job::new(&self.name, &self.config, statement)?;
        let turn = self.pool.turn(&job).await?;
        let (out, answers) = mpsc::channel(AHEAD);
        let (pool, file) = (Arc::clone(&self.pool), Arc::clone(&self.file));
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let connection = match pool.take() {
                Some(connection) => Ok(connection),
                None => file.open(&job),
            };
            let done = connection.and_then(|connection| {
                let done = watched(&connection, &job, &out, work);
                if is_clean(&connection) {
                    pool.give(connection);
                }
                done
            });
            if let Err(error) = done {
                // Nobody may be there to hear it.
                let _ = send(&out, &job, Err(error));
            }
        });
        Ok(answers)
    }
}

type Answer<T> = Result<T, ResourceError>;

#[async_trait]
impl Sql for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn query(&self, statement: Statement) -> Result<Rows, ResourceError> {
        self.with(statement, read).await.map(Rows::new)
    }

    async fn execute(&self, statement: Statement) -> Result<u64, ResourceError> {
        let mut answer = self.with(statement, change).await?;
        let gone = || ResourceError::Unavailable("the statement was given up".into());
        answer.recv().await.ok_or_else(gone)?
    }
}

// ------------------------------------------------------------ statements --

/// Runs a statement that ends when its time is over, or nobody waits for it.
fn watched<T: Send + 'static>(
    connection: &Connection,
    job: &Job,
    out: &Sender<Answer<T>>,
    work: Work<T>,
) -> Result<(), ResourceError> {
    let (until, watching) = (job.until, out.clone());
    let is_over = move || Instant::now() >= until || watching.is_closed();
    let left = until.saturating_duration_since(Instant::now());
    let watched = connection
        .progress_handler(INSTRUCTIONS, Some(is_over))
        .and_then(|()| connection.busy_timeout(BUSY.min(left)));
    let watched = watched.map_err(|e| failure(job, &e));
    let done = watched.and_then(|()| work(connection, job, out));
    // What watches holds the way to who waits.
    let unwatched = connection.progress_handler(0, None::<fn() -> bool>);
    done.and(unwatched.map_err(|e| failure(job, &e)))
}

/// Sends the rows of a statement.
fn read(connection: &Connection, job: &Job, out: &Sender<Part>) -> Result<(), ResourceError> {
    transaction(connection, job, |statement| {
        let failed = |e: rusqlite::Error| failure(job, &e);
        let names = statement.column_names();
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let (width, mut parts) = (names.len(), Parts::new(names)?);
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(failed)? {
            let cell = |column| row.get_ref(column).map(cell);
            let cells = (0..width).map(cell).collect::<Result<Vec<_>, _>>();
            if let Some(part) = parts.add(job, &cells.map_err(failed)?)? {
                send(out, job, Ok(Some(part)))?;
            }
        }
        match parts.finish() {
            Some(part) => send(out, job, Ok(Some(part))),
            None => Ok(()),
        }
    })?;
    send(out, job, Ok(None))
}

/// Sends how many rows a statement changed.
fn change(
    connection: &Connection,
    job: &Job,
    out: &Sender<Answer<u64>>,
) -> Result<(), ResourceError> {
    let mut changed = 0;
    transaction(connection, job, |statement| {
        let failed = |e: rusqlite::Error| failure(job, &e);
        let is_read = statement.readonly();
        let mut rows = statement.raw_query();
        while rows.next().map_err(failed)?.is_some() {}
        drop(rows);
        changed = if is_read { 0 } else { connection.changes() };
        Ok(())
    })?;
    send(out, job, Ok(changed))
}

/// Runs a statement of a guest as a transaction of its own.
fn transaction(
    connection: &Connection,
    job: &Job,
    run: impl FnOnce(&mut rusqlite::Statement<'_>) -> Result<(), ResourceError>,
) -> Result<(), ResourceError> {
    let failed = |e: rusqlite::Error| failure(job, &e);
    // Only what a guest says is looked at: our own `BEGIN` is not.
    let read_only = job.read_only;
    connection
        .authorizer(Some(move |asked: AuthContext<'_>| {
            allowed(&asked, read_only)
        }))
        .map_err(failed)?;
    let prepared = connection.prepare(&job.text);
    connection
        .authorizer(None::<fn(AuthContext<'_>) -> Authorization>)
        .map_err(failed)?;
    let mut statement = prepared.map_err(failed)?;
    bind(&mut statement, job)?;
    connection.execute_batch("BEGIN").map_err(failed)?;
    let done = run(&mut statement);
    // It is reset, so that it holds nothing of the transaction.
    drop(statement);
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = connection.execute_batch(end).map_err(failed);
    done.and(ended)
}

/// Whether a guest may do this: read, and change rows where that is allowed.
fn allowed(asked: &AuthContext<'_>, read_only: bool) -> Authorization {
    let is_allowed = match &asked.action {
        AuthAction::Select | AuthAction::Recursive => true,
        AuthAction::Read { table_name, .. } => !tells_of_the_file(table_name),
        AuthAction::Function { function_name } => {
            let name = function_name.to_ascii_lowercase();
            !matches!(name.as_str(), "load_extension" | "fts3_tokenizer")
        }
        AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name } => !read_only && !table_name.starts_with("sqlite_"),
        _ => false,
    };
    if is_allowed {
        Authorization::Allow
    } else {
        Authorization::Deny
    }
}

/// Whether a table is one of those in which SQLite tells of the file and of itself: the
/// pragmas that can be read as tables (<https://sqlite.org/pragma.html#pragfunc>), and
/// the file's pages.
fn tells_of_the_file(table: &str) -> bool {
    let table = table.to_ascii_lowercase();
    table.starts_with("pragma_") || matches!(&*table, "dbstat" | "sqlite_dbpage")
}

/// Binds the values: `$1` is the first, wherever it stands.
fn bind(statement: &mut rusqlite::Statement<'_>, job: &Job) -> Result<(), ResourceError> {
    let mut has = 0;
    for index in 1..=statement.parameter_count() {
        let name = statement.parameter_name(index);
        let number = name.and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let Some(number) = number.filter(|number| *number > 0) else {
            let name = name.unwrap_or("?").to_owned();
            return Err(ResourceError::Refused(format!(
                "`{name}` is no parameter: they are `$1`, `$2` and so on"
            )));
        };
        has = has.max(number);
        if let Some(cell) = job.parameters.get(number - 1) {
            let bound = statement.raw_bind_parameter(index, cell);
            bound.map_err(|e| failure(job, &e))?;
        }
    }
    if has == job.parameters.len() {
        Ok(())
    } else {
        Err(job.miscounted(has))
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Bool(v) => ToSqlOutput::Owned(Value::Integer((*v).into())),
            Self::Integer(v) => ToSqlOutput::Owned(Value::Integer(*v)),
            Self::Unsigned(v) => {
                let large = format!("{v} is too large for a whole number");
                return Err(rusqlite::Error::ToSqlConversionFailure(large.into()));
            }
            Self::Real(v) => ToSqlOutput::Owned(Value::Real(*v)),
            Self::Text(v) => ToSqlOutput::Borrowed(ValueRef::Text(v.as_bytes())),
            Self::Bytes(v) => ToSqlOutput::Borrowed(ValueRef::Blob(v)),
            Self::Json(v) => ToSqlOutput::Owned(Value::Text(v.to_string())),
        })
    }
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(v) => Cell::Integer(v),
        ValueRef::Real(v) => Cell::Real(v),
        ValueRef::Text(v) => Cell::Text(String::from_utf8_lossy(v).into_owned()),
        ValueRef::Blob(v) => Cell::Bytes(v.to_vec()),
    }
}

/// Sends an answer, if somebody takes it in time.
fn send<T>(out: &Sender<Answer<T>>, job: &Job, answer: Answer<T>) -> Result<(), ResourceError> {
    let sending = tokio::time::timeout_at(job.until, out.send(answer));
    match Handle::current().block_on(sending) {
        Ok(Ok(())) => Ok(()),
        // Nobody waits for it: this goes nowhere, and undoes the statement.
        Ok(Err(_)) => Err(ResourceError::Unavailable("it was given up".into())),
        Err(_) => Err(job.late()),
    }
}

// ----------------------------------------------------------- connections --

impl File {
    fn open(&self, job: &Job) -> Result<Connection, ResourceError> {
        let path = self.real().map_err(|why| {
            let name = &job.name;
            tracing::warn!(resource = name, %why, "a database cannot be opened");
            ResourceError::Unavailable(format!("the database `{name}` cannot be opened: {why}"))
        })?;
        let access = if job.read_only {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        } else {
            OpenFlags::SQLITE_OPEN_READ_WRITE
        };
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection = Connection::open_with_flags(path, flags);
        let opened = connection.and_then(|connection| {
            set_up(&connection, job.read_only)?;
            Ok(connection)
        });
        opened.map_err(|e| failure(job, &e))
    }

    /// Where the file really is, which must be below the folder. The operator makes
    /// it: a mistyped name makes none.
    fn real(&self) -> Result<PathBuf, String> {
        let shown = self.path.display();
        let folder = self.folder.canonicalize();
        let folder = folder.map_err(|e| format!("the folder of resources: {e}"))?;
        let path = folder.join(&self.path).canonicalize();
        let path = path.map_err(|e| format!("`{shown}` below the folder of resources: {e}"))?;
        if path.starts_with(&folder) {
            Ok(path)
        } else {
            Err(format!("`{shown}` leads out of the folder of resources"))
        }
    }
}

/// No statement reaches beyond the file, or takes what it likes.
fn set_up(connection: &Connection, read_only: bool) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES)?;
    connection.set_limit(Limit::SQLITE_LIMIT_WORKER_THREADS, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000)?;
    connection.set_limit(Limit::SQLITE_LIMIT_EXPR_DEPTH, 200)?;
    connection.set_limit(Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 100)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "query_only", read_only)
}

/// Whether nothing of the statement before is left in it.
fn is_clean(connection: &Connection) -> bool {
    connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok()
}

/// What an error of SQLite means for who asked.
fn failure(job: &Job, error: &rusqlite::Error) -> ResourceError {
    let message = format!("the database `{}`: {error}", job.name);
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => ResourceError::Constraint(message),
        Some(ErrorCode::OperationInterrupted) => job.late(),
        Some(ErrorCode::TooBig) => ResourceError::Limit(message),
        Some(ErrorCode::ReadOnly) => ResourceError::Refused(format!(
            "the database `{0}` is read only (`resources.{0}.read_only`)",
            job.name
        )),
        Some(ErrorCode::AuthorizationForStatementDenied) => {
            let may = if job.read_only {
                "read"
            } else {
                "read and change"
            };
            ResourceError::Refused(format!(
                "{message}: a statement may {may} rows, and no more"
            ))
        }
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::SystemIoFailure
            | ErrorCode::DiskFull
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::FileLockingProtocolFailed,
        ) => ResourceError::Unavailable(message),
        _ => ResourceError::Refused(message),
    }
}
