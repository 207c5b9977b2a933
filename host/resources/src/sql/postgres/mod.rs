//! PostgreSQL: sessions of a server that the operator named. Each statement is a
//! transaction, read only where that is asked for, with the server's own clock on it.
//!
//! - `value`: values in the server's binary format.
//! - `numeric`: its exact numbers.

use futures_util::TryStreamExt;
use nebula_sandbox::resources::{Dialect, ResourceError};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgRow};
use sqlx::{
    Arguments, AssertSqlSafe, Column, ConnectOptions, Either, Executor, Row, SqlSafeStr,
    Statement as _,
};
use tokio::time::{Instant, timeout};

use super::cell::Cell;
use super::parts::Parts;
use super::session::{Failed, PATIENCE, Said, Server, Telling, Work};
use super::statement::Job;
use crate::config::PostgresUrl;

mod numeric;
mod value;

impl Server for PostgresUrl {
    type Session = PgConnection;
    const DIALECT: Dialect = Dialect::PostgreSql;

    async fn open(&self, job: &Job) -> Result<PgConnection, String> {
        let options = self.options().map_err(|e| e.to_string())?;
        open(options, job.read_only)
            .await
            .map_err(|e| e.to_string())
    }

    async fn begin(session: &mut PgConnection, job: &Job) -> Result<(), sqlx::Error> {
        let access = if job.read_only {
            "READ ONLY"
        } else {
            "READ WRITE"
        };
        let left = job.until.saturating_duration_since(Instant::now());
        let millis = left.as_millis().clamp(1, i32::MAX as u128);
        let begin = format!("BEGIN {access}; SET LOCAL statement_timeout = {millis}");
        session.execute(AssertSqlSafe(begin)).await.map(drop)
    }

    async fn statement<T: Send + 'static>(
        session: &mut PgConnection,
        job: &Job,
        work: Work,
        telling: &Telling<'_, T>,
    ) -> Result<u64, Failed> {
        statement(session, job, work, telling).await
    }

    async fn end(session: &mut PgConnection, how: &'static str) -> Result<(), sqlx::Error> {
        session.execute(how).await.map(drop)
    }

    /// Without settings, temporary tables, locks and whatever else there may be.
    async fn cleared(mut session: PgConnection) -> Option<PgConnection> {
        let cleared = timeout(PATIENCE, session.execute("DISCARD ALL")).await;
        matches!(cleared, Ok(Ok(_))).then_some(session)
    }

    fn failure(job: &Job, error: &sqlx::Error) -> ResourceError {
        failure(job, error)
    }

    /// The session ends when the server says so.
    fn is_lost(error: &sqlx::Error) -> bool {
        let told = error.as_database_error().and_then(|e| e.code());
        told.is_some_and(|code| code.starts_with("57P"))
    }

    fn id(_: &PgConnection) -> u64 {
        0
    }

    /// The server notices by itself: see `open`.
    async fn stop(&self, _: u64) {}
}

// ------------------------------------------------------------ statements --

async fn statement<T: Send + 'static>(
    session: &mut PgConnection,
    job: &Job,
    work: Work,
    telling: &Telling<'_, T>,
) -> Result<u64, Failed> {
    let sql = AssertSqlSafe(job.text.as_str()).into_sql_str();
    let prepared = session
        .prepare(sql)
        .await
        .map_err(|e| Failed::of::<PostgresUrl>(job, &e))?;
    let arguments = arguments(job, &prepared).map_err(Failed::Undone)?;
    let columns = prepared.columns().iter().map(|c| c.name().to_owned());
    let mut parts = Parts::new(columns.collect()).map_err(Failed::Undone)?;
    let query = prepared.query_with(arguments).persistent(false);
    let mut answers = session.fetch_many(query);
    let mut changed = 0;
    while let Some(answer) = answers
        .try_next()
        .await
        .map_err(|e| Failed::of::<PostgresUrl>(job, &e))?
    {
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
    Ok(changed)
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

fn cells(row: &PgRow) -> Result<Vec<Cell>, ResourceError> {
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

/// Begins a session. What is asked for here stays when it is cleared. The server
/// notices that nobody waits for a statement (since PostgreSQL 14).
async fn open(options: PgConnectOptions, read_only: bool) -> Result<PgConnection, sqlx::Error> {
    let access = if read_only { "on" } else { "off" };
    let options = options.options([
        ("default_transaction_read_only", access),
        ("client_connection_check_interval", "1s"),
        ("idle_in_transaction_session_timeout", "60s"),
    ]);
    options.connect().await
}

// ---------------------------------------------------------------- errors --

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
