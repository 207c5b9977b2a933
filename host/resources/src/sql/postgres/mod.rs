//! PostgreSQL: sessions of a server that the operator named. Each statement is a
//! transaction, read only where that is asked for, with the server's own clock on it;
//! a session is cleared of whatever a guest left in it before the next one has it.
//!
//! - `value`: values in the server's binary format.
//! - `numeric`: its exact numbers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use nebula_sandbox::resources::{Dialect, ResourceError, Rows, Sql, Statement};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgRow};
use sqlx::{
    Arguments, AssertSqlSafe, Column, ConnectOptions, Either, Executor, Row, SqlSafeStr,
    Statement as _,
};
use tokio::sync::mpsc::{self, Sender};
use tokio::time::{Instant, timeout, timeout_at};

use super::AHEAD;
use super::parts::Parts;
use super::pool::Pool;
use super::statement::Job;
use crate::config::{PostgresUrl, SqlConfig};

mod numeric;
mod value;

/// How long a session may take to begin, or to be cleared.
const PATIENCE: Duration = Duration::from_secs(5);

/// A database of a server.
pub(crate) struct Postgres {
    name: String,
    config: SqlConfig,
    url: PostgresUrl,
    pool: Arc<Pool<PgConnection>>,
}

impl Postgres {
    pub(crate) fn new(name: String, url: &PostgresUrl, config: &SqlConfig) -> Self {
        Self {
            name,
            pool: Pool::new(config.max_connections),
            config: config.clone(),
            url: url.clone(),
        }
    }

    /// Does the work on a task of its own, which ends when its time is over or nobody
    /// waits for it. A session is kept only if the work came to its end.
    async fn with<T: Send + 'static>(
        &self,
        statement: Statement,
        work: Work,
        wrap: fn(Said) -> Option<T>,
    ) -> Result<mpsc::Receiver<Answer<T>>, ResourceError> {
        let job = Job::new(&self.name, &self.config, statement)?;
        let turn = self.pool.turn(&job).await?;
        let (out, answers) = mpsc::channel(AHEAD);
        let (pool, url) = (Arc::clone(&self.pool), self.url.clone());
        tokio::spawn(async move {
            let telling = Telling { out: &out, wrap };
            let serving = async {
                let mut session = begun(&pool, &url, &job).await?;
                match run(&mut session, &job, work, &telling).await {
                    Ok(()) => Ok((session, None)),
                    Err(Failed::Undone(error)) => Ok((session, Some(error))),
                    Err(Failed::Lost(error)) => Err(error),
                }
            };
            let served = tokio::select! {
                biased;
                served = timeout_at(job.until, serving) => served.unwrap_or_else(|_| Err(job.late())),
                () = out.closed() => return,
            };
            // Nobody may be there to hear of an error.
            match served {
                Ok((session, error)) => {
                    if let Some(error) = error {
                        let _ = timeout_at(job.until, out.send(Err(error))).await;
                    }
                    drop(out);
                    if let Some(session) = cleared(session).await {
                        pool.give(session);
                    }
                    drop(turn);
                }
                Err(error) => {
                    drop(turn);
                    let _ = timeout_at(job.until + PATIENCE, out.send(Err(error))).await;
                }
            }
        });
        Ok(answers)
    }
}

type Answer<T> = Result<T, ResourceError>;

/// What is wanted of a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Read,
    Change,
}

/// What there is to say while it runs.
enum Said {
    Part(Vec<u8>),
    Changed(u64),
}

/// To whom it is said.
struct Telling<'a, T> {
    out: &'a Sender<Answer<T>>,
    wrap: fn(Said) -> Option<T>,
}

impl<T> Telling<'_, T> {
    async fn tell(&self, said: Said) -> Result<(), Failed> {
        let Some(said) = (self.wrap)(said) else {
            return Ok(());
        };
        let gone = |_| Failed::Lost(ResourceError::Unavailable("it was given up".into()));
        self.out.send(Ok(said)).await.map_err(gone)
    }
}

/// How a statement failed.
enum Failed {
    /// It is undone, and the session as it was.
    Undone(ResourceError),
    /// The session is of no more use.
    Lost(ResourceError),
}

#[async_trait]
impl Sql for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::PostgreSql
    }

    async fn query(&self, statement: Statement) -> Result<Rows, ResourceError> {
        let part = |said| match said {
            Said::Part(part) => Some(Some(part)),
            Said::Changed(_) => Some(None),
        };
        self.with(statement, Work::Read, part).await.map(Rows::new)
    }

    async fn execute(&self, statement: Statement) -> Result<u64, ResourceError> {
        let changed = |said| match said {
            Said::Changed(rows) => Some(rows),
            Said::Part(_) => None,
        };
        let mut answer = self.with(statement, Work::Change, changed).await?;
        let gone = || ResourceError::Unavailable("the statement was given up".into());
        answer.recv().await.ok_or_else(gone)?
    }
}

// ------------------------------------------------------------ statements --

/// Runs a guest's statement in the transaction that was begun, and ends that.
async fn run<T>(
    session: &mut PgConnection,
    job: &Job,
    work: Work,
    telling: &Telling<'_, T>,
) -> Result<(), Failed> {
    let changed = match statement(session, job, work, telling).await {
        Ok(changed) => changed,
        Err(Failed::Undone(error)) => {
            let undone = session.execute("ROLLBACK").await;
            undone.map_err(|e| Failed::Lost(failure(job, &e)))?;
            return Err(Failed::Undone(error));
        }
        Err(lost) => return Err(lost),
    };
    session
        .execute("COMMIT")
        .await
        .map_err(|e| failed(job, &e))?;
    telling.tell(Said::Changed(changed)).await
}

async fn statement<T>(
    session: &mut PgConnection,
    job: &Job,
    work: Work,
    telling: &Telling<'_, T>,
) -> Result<u64, Failed> {
    let sql = AssertSqlSafe(job.text.as_str()).into_sql_str();
    let prepared = session.prepare(sql).await.map_err(|e| failed(job, &e))?;
    let arguments = arguments(job, &prepared).map_err(Failed::Undone)?;
    let columns = prepared.columns().iter().map(|c| c.name().to_owned());
    let mut parts = Parts::new(columns.collect()).map_err(Failed::Undone)?;
    let query = prepared.query_with(arguments).persistent(false);
    let mut answers = session.fetch_many(query);
    let mut changed = 0;
    while let Some(answer) = answers.try_next().await.map_err(|e| failed(job, &e))? {
        let row = match answer {
            Either::Left(done) => {
                changed = done.rows_affected();
                continue;
            }
            Either::Right(row) => row,
        };
        if work == Work::Change {
            continue;
        }
        // The rows that were not read are still on their way.
        let part = cells(&row).and_then(|cells| parts.add(job, &cells));
        if let Some(part) = part.map_err(Failed::Lost)? {
            telling.tell(Said::Part(part)).await?;
        }
    }
    drop(answers);
    if let Some(part) = parts.finish() {
        telling.tell(Said::Part(part)).await?;
    }
    // Reading changes nothing, whatever the server counts.
    Ok(if job.is_read { 0 } else { changed })
}

fn arguments(
    job: &Job,
    prepared: &sqlx::postgres::PgStatement,
) -> Result<PgArguments, ResourceError> {
    let types = match prepared.parameters() {
        Some(Either::Left(types)) => types,
        _ => &[],
    };
    if types.len() != job.parameters.len() {
        return Err(job.miscounted(types.len()));
    }
    let mut arguments = PgArguments::default();
    for (index, (cell, ty)) in job.parameters.iter().zip(types).enumerate() {
        let bound = value::bind(cell, ty).map_err(|why| {
            let number = index + 1;
            ResourceError::Refused(format!("the value of ${number}: {why}"))
        })?;
        arguments
            .add(bound)
            .map_err(|e| ResourceError::Refused(e.to_string()))?;
    }
    Ok(arguments)
}

fn cells(row: &PgRow) -> Result<Vec<super::cell::Cell>, ResourceError> {
    let columns = row.columns().iter().enumerate();
    columns
        .map(|(index, column)| {
            let raw = row.try_get_raw(index).map_err(|e| e.to_string());
            raw.and_then(|raw| value::cell(&raw)).map_err(|why| {
                let column = column.name();
                ResourceError::Refused(format!("the column `{column}`: {why}"))
            })
        })
        .collect()
}

// -------------------------------------------------------------- sessions --

/// A session in whose transaction the statement may run. One that was idle may have
/// been lost meanwhile: then there is a new one.
async fn begun(
    pool: &Pool<PgConnection>,
    url: &PostgresUrl,
    job: &Job,
) -> Result<PgConnection, ResourceError> {
    let access = if job.read_only {
        "READ ONLY"
    } else {
        "READ WRITE"
    };
    let left = job.until.saturating_duration_since(Instant::now());
    let millis = left.as_millis().clamp(1, i32::MAX as u128);
    let begin = format!("BEGIN {access}; SET LOCAL statement_timeout = {millis}");
    while let Some(mut session) = pool.take() {
        let begun = session.execute(AssertSqlSafe(begin.as_str())).await;
        if begun.is_ok() {
            return Ok(session);
        }
    }
    let unreachable = |why: &dyn std::fmt::Display| {
        let name = &job.name;
        // The server's words may name its users and addresses.
        tracing::warn!(resource = name, %why, "a database cannot be reached");
        ResourceError::Unavailable(format!("the database `{name}` cannot be reached"))
    };
    let options = url.options().map_err(|e| unreachable(&e))?;
    let opened = timeout(PATIENCE, open(&options, job.read_only)).await;
    let mut session = match opened {
        Ok(Ok(session)) => session,
        Ok(Err(error)) => return Err(unreachable(&error)),
        Err(_) => return Err(unreachable(&"the server does not answer")),
    };
    let begun = session.execute(AssertSqlSafe(begin.as_str())).await;
    begun.map_err(|e| failure(job, &e))?;
    Ok(session)
}

/// Begins a session. What is asked for here stays when it is cleared. The server
/// notices that nobody waits for a statement (since PostgreSQL 14).
async fn open(options: &PgConnectOptions, read_only: bool) -> Result<PgConnection, sqlx::Error> {
    let access = if read_only { "on" } else { "off" };
    let options = options.clone().options([
        ("default_transaction_read_only", access),
        ("client_connection_check_interval", "1s"),
        ("idle_in_transaction_session_timeout", "60s"),
    ]);
    options.connect().await
}

/// The session without settings, temporary tables, locks and whatever else a guest may
/// have left in it; none if that cannot be had.
async fn cleared(mut session: PgConnection) -> Option<PgConnection> {
    let cleared = timeout(PATIENCE, session.execute("DISCARD ALL")).await;
    matches!(cleared, Ok(Ok(_))).then_some(session)
}

// ---------------------------------------------------------------- errors --

/// What an error means for the session.
fn failed(job: &Job, error: &sqlx::Error) -> Failed {
    let told = failure(job, error);
    match error {
        // The session ends when the server says so.
        sqlx::Error::Database(e) if !e.code().is_some_and(|code| code.starts_with("57P")) => {
            Failed::Undone(told)
        }
        _ => Failed::Lost(told),
    }
}

/// What an error of the server, or of the way to it, means for who asked, by the
/// server's code: <https://www.postgresql.org/docs/17/errcodes-appendix.html>.
fn failure(job: &Job, error: &sqlx::Error) -> ResourceError {
    let name = &job.name;
    let Some(told) = error.as_database_error() else {
        tracing::warn!(resource = name, %error, "a database does not answer as it should");
        return ResourceError::Unavailable(format!("the connection to `{name}` was lost"));
    };
    let message = format!("the database `{name}`: {}", told.message());
    let code = told.code().unwrap_or_default();
    match &*code {
        "57014" => job.late(),
        "25006" => ResourceError::Refused(format!(
            "the database `{name}` is read only (`resources.{name}.read_only`)"
        )),
        // Serialization, deadlock, a lock that others hold.
        "40001" | "40P01" | "55P03" => ResourceError::Unavailable(message),
        _ => match code.get(..2) {
            Some("23") => ResourceError::Constraint(message),
            Some("54") => ResourceError::Limit(message),
            // The connection, the server's resources, an operator, the system, damage.
            Some("08" | "53" | "57" | "58" | "XX") => ResourceError::Unavailable(message),
            _ => ResourceError::Refused(message),
        },
    }
}
