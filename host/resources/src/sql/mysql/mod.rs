//! MySQL and MariaDB: sessions of a server that the operator named. Each statement is a
//! transaction, read only where that is asked for. The server does not notice that
//! nobody waits for a statement any more: it is told so, in a session of its own.
//!
//! - `text`: statements as the server takes them.
//! - `value`: values in its binary format.

use std::time::Duration;

use futures_util::TryStreamExt;
use nebula_sandbox::resources::{Dialect, ResourceError};
use sqlx::mysql::{MySql, MySqlArguments, MySqlConnection, MySqlDatabaseError, MySqlRow};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection, Either, Executor, Row, SqlSafeStr};
use tokio::time::{Instant, timeout};

use super::cell::Cell;
use super::parts::Parts;
use super::session::{Failed, PATIENCE, Said, Server, Telling, Work};
use super::statement::Job;
use crate::config::MysqlUrl;
use text::Written;

mod text;
mod value;

/// How values and names are read in every session, and that what does not fit is
/// refused. `text` reads statements by it.
const SQL_MODE: &str = "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,\
                        ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,PIPES_AS_CONCAT";
/// Warnings that a statement may have; the server knows no more.
const MAX_WARNINGS: usize = 65_535;
/// By how much the server's own clock is behind ours: a statement that it stops may end
/// as if it were done (`BENCHMARK`, `SLEEP`).
const BEHIND: Duration = Duration::from_secs(1);

/// A session with a server.
pub(crate) struct Session {
    connection: MySqlConnection,
    id: u64,
    is_mariadb: bool,
}

impl Server for MysqlUrl {
    type Session = Session;
    const DIALECT: Dialect = Dialect::MySql;

    async fn open(&self, _: &Job) -> Result<Session, String> {
        let options = self.options().map_err(|e| e.to_string())?;
        let connection = options.connect().await.map_err(|e| why_closed(&e))?;
        set_up(connection).await.map_err(|e| e.to_string())
    }

    async fn begin(session: &mut Session, job: &Job) -> Result<(), sqlx::Error> {
        let access = if job.read_only {
            "READ ONLY"
        } else {
            "READ WRITE"
        };
        let left = job.until.saturating_duration_since(Instant::now()) + BEHIND;
        // Of MySQL's it stops reading statements only.
        let clock = match session.is_mariadb {
            true => format!("max_statement_time = {:.3}", left.as_secs_f64()),
            false => format!("max_execution_time = {}", left.as_millis()),
        };
        let begin = format!("SET {clock}; START TRANSACTION {access}");
        let begun = session.connection.execute(AssertSqlSafe(begin)).await;
        begun.map(drop)
    }

    async fn statement<T: Send + 'static>(
        session: &mut Session,
        job: &Job,
        work: Work,
        telling: &Telling<'_, T>,
    ) -> Result<u64, Failed> {
        let refused = |why| Failed::Undone(ResourceError::Refused(why));
        let written = text::written(&job.text).map_err(refused)?;
        let changed = statement(session, job, &written, work, telling).await?;
        if written.ignores && !job.is_read {
            only_keys_were_taken(session, job).await?;
        }
        Ok(changed)
    }

    async fn end(session: &mut Session, how: &'static str) -> Result<(), sqlx::Error> {
        session.connection.execute(how).await.map(drop)
    }

    /// Without its locks, and without what was inserted last. A statement can leave
    /// nothing else: it has no variables, and makes no temporary tables.
    async fn cleared(mut session: Session) -> Option<Session> {
        const CLEAR: &str = "SELECT RELEASE_ALL_LOCKS(), LAST_INSERT_ID(0)";
        let cleared = timeout(PATIENCE, session.connection.execute(CLEAR)).await;
        matches!(cleared, Ok(Ok(_))).then_some(session)
    }

    fn failure(job: &Job, error: &sqlx::Error) -> ResourceError {
        failure(job, error)
    }

    fn is_lost(error: &sqlx::Error) -> bool {
        told(error).is_some_and(|told| is_of_the_session(told.number(), told.code()))
    }

    fn id(session: &Session) -> u64 {
        session.id
    }

    async fn stop(&self, id: u64) {
        if id == 0 {
            return;
        }
        let stopping = async {
            let options = self.options().map_err(sqlx::Error::Io)?;
            let mut session = options.connect().await?;
            session.execute(AssertSqlSafe(format!("KILL {id}"))).await?;
            session.close().await
        };
        let why = match timeout(PATIENCE, stopping).await {
            Ok(Ok(())) => return,
            // It has ended by itself.
            Ok(Err(error)) if told(&error).is_some_and(|e| e.number() == NO_SUCH_SESSION) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the server does not answer".to_owned(),
        };
        tracing::warn!(session = id, %why, "a statement may go on in a database");
    }
}

// ------------------------------------------------------------ statements --

async fn statement<T: Send + 'static>(
    session: &mut Session,
    job: &Job,
    written: &Written,
    work: Work,
    telling: &Telling<'_, T>,
) -> Result<u64, Failed> {
    let arguments = arguments(job, written).map_err(Failed::Undone)?;
    let sql = AssertSqlSafe(written.sql.as_str()).into_sql_str();
    let query = sqlx::query_with::<MySql, _>(sql, arguments).persistent(false);
    let mut answers = session.connection.fetch_many(query);
    let (mut parts, mut changed, mut rows) = (None, 0, 0);
    while let Some(answer) = answers
        .try_next()
        .await
        .map_err(|e| failed(job, written, &e))?
    {
        let row = match answer {
            Either::Left(done) => {
                changed += done.rows_affected();
                continue;
            }
            Either::Right(row) => row,
        };
        rows += 1;
        if work == Work::Change {
            continue;
        }
        // The rows that were not read are still on their way.
        let part = add(&mut parts, job, &row).map_err(Failed::Lost)?;
        if let Some(part) = part {
            telling.tell(Said::Part(part)).await?;
        }
    }
    drop(answers);
    if let Some(part) = parts.and_then(Parts::finish) {
        telling.tell(Said::Part(part)).await?;
    }
    // Of a statement that gives back what it changed, the server does not count that.
    Ok(changed.max(rows))
}

fn arguments(job: &Job, written: &Written) -> Result<MySqlArguments, ResourceError> {
    if written.has != job.parameters.len() {
        return Err(job.miscounted(written.has));
    }
    let mut arguments = MySqlArguments::default();
    for index in &written.order {
        value::bind(&mut arguments, &job.parameters[*index]).map_err(|why| {
            let number = index + 1;
            ResourceError::Refused(format!("the value of ${number}: {why}"))
        })?;
    }
    Ok(arguments)
}

/// Adds a row; gives a part that is to be sent.
fn add(
    parts: &mut Option<Parts>,
    job: &Job,
    row: &MySqlRow,
) -> Result<Option<Vec<u8>>, ResourceError> {
    let parts = match parts {
        Some(parts) => parts,
        None => {
            let columns = row.columns().iter().map(|c| c.name().to_owned());
            parts.insert(Parts::new(columns.collect())?)
        }
    };
    parts.add(job, &cells(row)?)
}

fn cells(row: &MySqlRow) -> Result<Vec<Cell>, ResourceError> {
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

/// `IGNORE` makes warnings of errors: rows are left out, and values are altered. Of
/// these only a key that is taken is what was meant.
async fn only_keys_were_taken(session: &mut Session, job: &Job) -> Result<(), Failed> {
    let failed = |e: sqlx::Error| Failed::of::<MysqlUrl>(job, &e);
    let warnings = sqlx::raw_sql("SHOW WARNINGS").fetch_all(&mut session.connection);
    let warnings = warnings.await.map_err(failed)?;
    if warnings.len() >= MAX_WARNINGS {
        let many =
            format!("`IGNORE` has more than {MAX_WARNINGS} warnings: change fewer rows at once");
        return Err(Failed::Undone(ResourceError::Limit(many)));
    }
    for warning in warnings {
        let level: String = warning.try_get_unchecked(0).map_err(failed)?;
        let code: u16 = warning.try_get_unchecked(1).map_err(failed)?;
        if level == "Note" || IGNORED.contains(&code) {
            continue;
        }
        let message: String = warning.try_get_unchecked(2).map_err(failed)?;
        let name = &job.name;
        return Err(Failed::Undone(ResourceError::Constraint(format!(
            "the database `{name}`: {message} (`IGNORE` leaves out rows whose key is taken, and hides \
             nothing else)"
        ))));
    }
    Ok(())
}

// -------------------------------------------------------------- sessions --

/// What a statement expects of its session. Time is the bound of recursion, as in other
/// databases.
async fn set_up(mut connection: MySqlConnection) -> Result<Session, sqlx::Error> {
    let about = sqlx::raw_sql("SELECT CONNECTION_ID(), VERSION()");
    let about = about.fetch_one(&mut connection).await?;
    let id: u64 = about.try_get_unchecked(0)?;
    let version: String = about.try_get_unchecked(1)?;
    let is_mariadb = version.contains("MariaDB");
    let recursion = match is_mariadb {
        true => "max_recursive_iterations",
        false => "cte_max_recursion_depth",
    };
    let set = format!(
        "SET NAMES utf8mb4, sql_mode = '{SQL_MODE}', time_zone = '+00:00', autocommit = 1, \
         max_error_count = {MAX_WARNINGS}, {recursion} = 4294967295"
    );
    connection.execute(AssertSqlSafe(set)).await?;
    Ok(Session {
        connection,
        id,
        is_mariadb,
    })
}

// ---------------------------------------------------------------- errors --

// Numbers of errors: <https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html>,
// <https://mariadb.com/kb/en/mariadb-error-code-reference/>.

/// `KILL` of a session that is no more.
const NO_SUCH_SESSION: u16 = 1094;
/// A statement that the server does not understand.
const SYNTAX: u16 = 1064;
/// What `IGNORE` may hide: a key that is taken; that something is out of date.
const IGNORED: [u16; 3] = [1062, 1287, 1681];

fn told(error: &sqlx::Error) -> Option<&MySqlDatabaseError> {
    let sqlx::Error::Database(told) = error else {
        return None;
    };
    told.try_downcast_ref()
}

/// What an error of a statement means.
fn failed(job: &Job, written: &Written, error: &sqlx::Error) -> Failed {
    match Failed::of::<MysqlUrl>(job, error) {
        Failed::Undone(ResourceError::Refused(why))
            if written.returns && told(error).is_some_and(|e| e.number() == SYNTAX) =>
        {
            Failed::Undone(ResourceError::Refused(format!(
                "{why} (MySQL has no RETURNING; MariaDB has it for INSERT, REPLACE and DELETE)"
            )))
        }
        failed => failed,
    }
}

/// Whether the session ends with it: a shutdown, `KILL`, the network, idleness.
fn is_of_the_session(number: u16, state: Option<&str>) -> bool {
    matches!(number, 1053 | 1927 | 4031) || state.is_some_and(|state| state.starts_with("08"))
}

fn failure(job: &Job, error: &sqlx::Error) -> ResourceError {
    let name = &job.name;
    let Some(told) = told(error) else {
        tracing::warn!(resource = name, %error, "a database does not answer as it should");
        return ResourceError::Unavailable(format!("the connection to `{name}` was lost"));
    };
    let message = format!("the database `{name}`: {}", told.message());
    match (told.number(), told.code()) {
        // The server's own clock.
        (1969 | 3024, _) => job.late(),
        // The transaction; the server as a whole.
        (1792, _) => ResourceError::Refused(format!(
            "the database `{name}` is read only (`resources.{name}.read_only`)"
        )),
        // A check of MySQL, without a state of its own.
        (3819, _) => ResourceError::Constraint(message),
        // A packet, a result, a sort or a number of parameters that is too large.
        (1153 | 1301 | 1390, _) => ResourceError::Limit(message),
        // Locks and deadlocks; memory, disk, sessions; an operator's `KILL`.
        (
            1021 | 1037 | 1038 | 1040 | 1041 | 1114 | 1203 | 1205 | 1206 | 1213 | 1226 | 1317
            | 3572,
            _,
        ) => ResourceError::Unavailable(message),
        (number, state) if is_of_the_session(number, state) => ResourceError::Unavailable(message),
        (_, Some(state)) if state.starts_with("23") => ResourceError::Constraint(message),
        (_, Some("40001")) => ResourceError::Unavailable(message),
        _ => ResourceError::Refused(message),
    }
}

/// Why no session could be begun, for the operator.
fn why_closed(error: &sqlx::Error) -> String {
    match error {
        // sqlx's words for a password that would be encrypted by RSA (RUSTSEC-2023-0071).
        sqlx::Error::Configuration(why) if why.to_string().contains("RSA") => {
            "the server asks for the password of this account (`caching_sha2_password` or \
             `sha256_password`), and it is sent by TLS only: write `ssl-mode=REQUIRED`, or better \
             `VERIFY_IDENTITY`, into the URL, and give the server a certificate"
                .to_owned()
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
