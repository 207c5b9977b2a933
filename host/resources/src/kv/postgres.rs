//! Values on a server of PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nebula_sandbox::resources::{Entry, ResourceError};
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row};
use tokio::time::{timeout, timeout_at};

use super::Database;
use super::config::KvConfig;
use super::request::{Answer, Change, List, Next, Present, Request, Work, decide};
use super::statements::{IN_PASSING, Statements};
use crate::config::PostgresUrl;
use crate::sql::Pool;

/// How long a session may take to begin.
const PATIENCE: Duration = Duration::from_secs(5);
/// Held while tables are made, of which two nodes at once would fail: the first bytes of
/// `nebula_kv`.
const MAKING: i64 = 0x6e65_6275_6c61_5f6b;

/// A database of a server.
pub(super) struct Postgres {
    url: PostgresUrl,
    statements: Statements,
    pool: Arc<Pool<PgConnection>>,
}

type Done<T> = Result<T, Failed>;

enum Failed {
    /// The session is of no more use.
    Lost(sqlx::Error),
    /// The transaction is to be undone.
    Told(ResourceError),
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self::Lost(error)
    }
}

impl From<ResourceError> for Failed {
    fn from(error: ResourceError) -> Self {
        Self::Told(error)
    }
}

impl Postgres {
    pub(super) fn new(url: &PostgresUrl, config: &KvConfig) -> Self {
        Self {
            url: url.clone(),
            statements: Statements::postgres(),
            pool: Pool::new(config.max_connections),
        }
    }

    /// A session in whose transaction the work may be done. One that was idle may have
    /// been lost meanwhile: then there is a new one.
    async fn begun(&self, request: &Request) -> Result<PgConnection, ResourceError> {
        let access = if request.read_only {
            "READ ONLY"
        } else {
            "READ WRITE"
        };
        let millis = request.left().as_millis().clamp(1, i32::MAX as u128);
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED {access}; SET LOCAL statement_timeout = {millis}"
        );
        while let Some(mut session) = self.pool.take() {
            if session.execute(AssertSqlSafe(begin.as_str())).await.is_ok() {
                return Ok(session);
            }
        }
        let opened = timeout(PATIENCE, self.open(request.read_only)).await;
        let mut session = match opened {
            Ok(Ok(session)) => session,
            Ok(Err(error)) => return Err(away(request, &error)),
            Err(_) => return Err(request.away(&"the server does not answer")),
        };
        let begun = session.execute(AssertSqlSafe(begin.as_str())).await;
        begun.map_err(|error| away(request, &error))?;
        Ok(session)
    }

    /// Begins a session, and makes the tables if they are not there.
    async fn open(&self, read_only: bool) -> Result<PgConnection, sqlx::Error> {
        let options = self.url.options()?.options([
            ("client_connection_check_interval", "1s"),
            ("idle_in_transaction_session_timeout", "60s"),
        ]);
        let mut session = options.connect().await?;
        let there = "SELECT to_regclass('nebula_kv') IS NOT NULL \
                     AND to_regclass('nebula_kv_space') IS NOT NULL";
        let are_there: bool = session.fetch_one(there).await?.try_get(0)?;
        if are_there || read_only {
            return Ok(session);
        }
        let lock = format!("BEGIN; SELECT pg_advisory_xact_lock({MAKING})");
        session.execute(AssertSqlSafe(lock)).await?;
        for table in &self.statements.tables {
            session.execute(AssertSqlSafe(table.as_str())).await?;
        }
        session.execute("COMMIT").await?;
        Ok(session)
    }
}

/// What an error of the server, or of the way to it, means.
fn away(request: &Request, error: &sqlx::Error) -> ResourceError {
    let code = error.as_database_error().and_then(|told| told.code());
    match code.as_deref() {
        // Its own clock on the statement.
        Some("57014") => request.late(),
        _ => request.away(error),
    }
}

/// A statement about the request's values.
fn about<'q>(text: &'q str, request: &'q Request) -> Query<'q, sqlx::Postgres, PgArguments> {
    sqlx::query(AssertSqlSafe(text))
        .bind(&request.name)
        .bind(&request.tenant)
}

#[async_trait]
impl Database for Postgres {
    /// In a transaction. A session whose work did not come to its end is given up, and with
    /// it its transaction.
    async fn ask(&self, request: Request, work: Work) -> Result<Answer, ResourceError> {
        let turn = self.pool.turn_until(request.until).await;
        let _turn = turn.ok_or_else(|| request.crowded())?;
        let working = async {
            let mut session = self.begun(&request).await?;
            let done = answered(&mut session, &self.statements, &request, work).await;
            let (end, done) = match done {
                Ok(done) => ("COMMIT", Ok(done)),
                Err(Failed::Told(error)) => ("ROLLBACK", Err(error)),
                Err(Failed::Lost(error)) => return Err(away(&request, &error)),
            };
            let ended = session.execute(end).await;
            ended.map_err(|error| away(&request, &error))?;
            self.pool.give(session);
            done
        };
        let worked = timeout_at(request.until, working).await;
        worked.unwrap_or_else(|_| Err(request.late()))
    }
}

async fn answered(
    session: &mut PgConnection,
    statements: &Statements,
    request: &Request,
    work: Work,
) -> Done<Answer> {
    match work {
        Work::Get(key) => {
            let get = about(&statements.get, request).bind(key);
            let Some(row) = get.fetch_optional(session).await? else {
                return Ok(Answer::Entry(None));
            };
            let version: i64 = row.try_get(1)?;
            Ok(Answer::Entry(Some(Entry {
                value: row.try_get(0)?,
                version: version.unsigned_abs(),
            })))
        }
        Work::List(list) => {
            let List {
                from,
                below,
                after,
                limit,
            } = list;
            let list = about(&statements.list, request);
            let list = list.bind(from).bind(after).bind(below).bind(limit);
            let rows = list.fetch_all(session).await?;
            let keys = rows.iter().map(|row| row.try_get(0));
            Ok(Answer::Keys(keys.collect::<Result<_, _>>()?))
        }
        Work::Change(change) => changed(session, statements, request, change).await,
    }
}

/// Makes a change, in a transaction that was begun.
async fn changed(
    session: &mut PgConnection,
    statements: &Statements,
    request: &Request,
    change: Change,
) -> Done<Answer> {
    let Change { key, what } = change;
    let row = about(&statements.begin, request).fetch_one(&mut *session);
    let row = row.await?;
    let (keys, version, now): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let mut left = keys - swept(session, statements, request, (now, &key, IN_PASSING)).await?;
    let present = about(&statements.present, request).bind(&key);
    let present = present.fetch_optional(&mut *session).await?;
    let present = present.as_ref().map(present_of).transpose()?;
    let answer = match decide(what, present.as_ref(), now, version)? {
        Next::Stays(answer) => answer,
        Next::Removed(answer) => {
            let remove = about(&statements.remove, request).bind(&key);
            remove.execute(&mut *session).await?;
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
                    left -= swept(session, statements, request, (now, &key, i64::MAX)).await?;
                }
                if left >= request.max_keys {
                    return Err(Failed::Told(request.full()));
                }
                left += 1;
            }
            let put = about(&statements.put, request).bind(&key);
            let put = put.bind(value).bind(version).bind(expires);
            put.execute(&mut *session).await?;
            answer
        }
    };
    if left != keys {
        let count = about(&statements.count, request).bind(left);
        count.execute(&mut *session).await?;
    }
    Ok(answer)
}

/// Removes what is over at an instant: the key, and so many others.
async fn swept(
    session: &mut PgConnection,
    statements: &Statements,
    request: &Request,
    (now, key, most): (i64, &str, i64),
) -> Done<i64> {
    let sweep = about(&statements.sweep, request).bind(now).bind(key);
    let gone = sweep.bind(most).execute(session).await?;
    Ok(i64::try_from(gone.rows_affected()).unwrap_or(i64::MAX))
}

fn present_of(row: &PgRow) -> Result<Present, sqlx::Error> {
    Ok(Present {
        value: row.try_get(0)?,
        version: row.try_get(1)?,
        expires: row.try_get(2)?,
    })
}
