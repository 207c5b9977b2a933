//! The reads as statements, and rows as PostgreSQL gives them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nebula_flow::id::{Digest, ExecutionId, Shard, TenantId};
use nebula_flow::ports::{ExecutionQuery, Record, Unfinished};
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row};
use tokio::time::{Instant, sleep, timeout};

use super::failure::Failed;
use super::session::{self, NoSession};
use super::url::PostgresUrl;
use crate::cells::{self, ExecutionCells, HeadCells, at, id_bytes, limit, number, status_number};
use crate::pool::Pool;
use crate::rows::{EventRow, ExecutionRow, MessageRow, RecordKey};
use crate::trouble::Trouble;

/// How long a read may take in all, sessions that break included.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two tries to reach a server that does not answer.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) const EXECUTION: &str = concat!(
    "SELECT ",
    execution_columns!(),
    " FROM executions WHERE id = $1"
);

pub(super) const UNFINISHED: &str = "SELECT id, tenant, wake_at, submitted > consumed, priority FROM executions \
     WHERE shard = $1 AND status <= 2 AND id > $2 \
     AND slot_state IS DISTINCT FROM 1 \
     AND (status IN (0, 1) OR wake_at IS NOT NULL OR submitted > consumed) ORDER BY id LIMIT $3";

macro_rules! page {
    ($filter:literal) => {
        concat!(
            "SELECT ",
            execution_columns!(),
            " FROM executions WHERE tenant = $1 AND id < $2 ",
            $filter,
            " ORDER BY id DESC LIMIT $3"
        )
    };
}

pub(super) const PAGE: &str = page!("");
pub(super) const PAGE_OF_WORKFLOW: &str = page!("AND workflow = $4");
pub(super) const PAGE_BY_STATUS: &str = page!("AND status = $4");
pub(super) const PAGE_OF_WORKFLOW_BY_STATUS: &str = page!("AND workflow = $4 AND status = $5");

pub(super) const LIST: &str = "SELECT key, version, value FROM records \
     WHERE kind = $1 AND tenant = $2 AND key >= $3 AND key < $4 AND key <> $5 ORDER BY key LIMIT $6";

/// Behind every id and every key, which are UTF-8 or 16 bytes.
const END: [u8; 17] = [0xff; 17];

/// A statement with its values.
type Statement = Query<'static, Postgres, PgArguments>;

/// The sessions that read.
pub(super) struct Readers {
    url: Arc<PostgresUrl>,
    pool: Pool<PgConnection>,
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Readers({})", self.url)
    }
}

impl Readers {
    pub(super) fn new(url: Arc<PostgresUrl>, first: PgConnection) -> Self {
        Self {
            url,
            pool: Pool::new(vec![first]),
        }
    }

    pub(super) fn url(&self) -> &PostgresUrl {
        &self.url
    }

    /// The rows of a statement that changes nothing. A session that broke, as all
    /// do when the server was restarted, is replaced.
    pub(super) async fn rows(
        &self,
        statement: impl Fn() -> Statement + Send + Sync,
    ) -> Result<Vec<PgRow>, Trouble> {
        let began = Instant::now();
        let _turn = self.pool.turn().await?;
        loop {
            let why = match self.once(statement()).await {
                Ok(rows) => return Ok(rows),
                Err(Failed::Refused(trouble)) => return Err(trouble),
                Err(Failed::Lost(why) | Failed::Again(why)) => why,
            };
            if began.elapsed() >= PATIENCE {
                return Err(Trouble::Unavailable(why));
            }
        }
    }

    async fn once(&self, statement: Statement) -> Result<Vec<PgRow>, Failed> {
        let mut session = match self.pool.take() {
            Some(session) => session,
            None => match session::open(&self.url).await {
                Ok(session) => session,
                Err(NoSession::Unreachable(why)) => {
                    sleep(PAUSE).await;
                    return Err(Failed::Lost(why));
                }
                Err(unfit) => return Err(Failed::Refused(unfit.into())),
            },
        };
        let rows = match timeout(PATIENCE, statement.fetch_all(&mut session)).await {
            Ok(rows) => rows.map_err(Failed::from),
            Err(_) => Err(Failed::Lost("the server does not answer".into())),
        };
        if !matches!(rows, Err(Failed::Lost(_))) {
            self.pool.give(session);
        }
        rows
    }

    async fn one(
        &self,
        statement: impl Fn() -> Statement + Send + Sync,
    ) -> Result<Option<PgRow>, Trouble> {
        Ok(self.rows(statement).await?.pop())
    }
}

/// An id of a row.
pub(super) fn id(row: &PgRow, column: usize) -> Result<ExecutionId, Failed> {
    Ok(cells::id(row.try_get(column)?))
}

pub(super) fn bytes(row: &PgRow, column: usize) -> Result<Bytes, sqlx::Error> {
    row.try_get::<&[u8], _>(column).map(Bytes::copy_from_slice)
}

/// An execution's row as one of the statements above selects it.
pub(super) fn execution_row(row: &PgRow, id: ExecutionId) -> Result<ExecutionRow, Trouble> {
    let read = || -> Result<ExecutionCells, sqlx::Error> {
        Ok(ExecutionCells {
            tenant: row.try_get(1)?,
            workflow: row.try_get(2)?,
            workflow_name: row.try_get(3)?,
            workflow_version: row.try_get(4)?,
            created_at: row.try_get(5)?,
            head: HeadCells {
                status: row.try_get(6)?,
                version: row.try_get(7)?,
                submitted: row.try_get(8)?,
                consumed: row.try_get(9)?,
                lines: row.try_get(10)?,
                updated_at: row.try_get(11)?,
                finished_at: row.try_get(12)?,
                wake_at: row.try_get(13)?,
                error: row.try_get(14)?,
            },
            origin: row.try_get(15)?,
            priority: row.try_get(16)?,
            slot: (row.try_get(17)?, row.try_get(18)?, row.try_get(19)?),
        })
    };
    let place = || format!("execution {id}");
    read()
        .map_err(|e| Failed::from(e).trouble().at(place))?
        .row(id)
}

/// Each row, read.
pub(super) fn all<T>(
    rows: &[PgRow],
    read: impl Fn(&PgRow) -> Result<T, Failed>,
) -> Result<Vec<T>, Trouble> {
    rows.iter()
        .map(|row| read(row).map_err(Failed::trouble))
        .collect()
}

impl Readers {
    pub(super) async fn execution(
        &self,
        execution: ExecutionId,
    ) -> Result<Option<ExecutionRow>, Trouble> {
        let row = self
            .one(|| sqlx::query(EXECUTION).bind(id_bytes(execution)))
            .await?;
        row.map(|row| execution_row(&row, execution)).transpose()
    }

    pub(super) async fn executions(
        &self,
        tenant: &TenantId,
        query: &ExecutionQuery,
    ) -> Result<Vec<(ExecutionId, ExecutionRow)>, Trouble> {
        let before = query
            .before
            .map_or(END.to_vec(), |id| id_bytes(id).to_vec());
        let workflow = query.workflow.map(|w| w.as_u128().to_be_bytes());
        let status = query.status.map(status_number);
        let statement = || {
            let sql = match (workflow, status) {
                (None, None) => PAGE,
                (Some(_), None) => PAGE_OF_WORKFLOW,
                (None, Some(_)) => PAGE_BY_STATUS,
                (Some(_), Some(_)) => PAGE_OF_WORKFLOW_BY_STATUS,
            };
            let mut statement = sqlx::query(sql)
                .bind(tenant.as_str())
                .bind(before.as_slice())
                .bind(limit(query.limit));
            if let Some(workflow) = workflow {
                statement = statement.bind(workflow);
            }
            if let Some(status) = status {
                statement = statement.bind(status);
            }
            statement
        };
        all(&self.rows(statement).await?, |row| {
            let id = id(row, 0)?;
            Ok((id, execution_row(row, id)?))
        })
    }

    pub(super) async fn unfinished(
        &self,
        shard: Shard,
        after: Option<ExecutionId>,
        count: usize,
    ) -> Result<Vec<Unfinished>, Trouble> {
        // No bytes sort before every id.
        let after = after.map_or(Vec::new(), |id| id_bytes(id).to_vec());
        let statement = || {
            sqlx::query(UNFINISHED)
                .bind(i16::from(shard.0))
                .bind(after.as_slice())
                .bind(limit(count))
        };
        all(&self.rows(statement).await?, |row| {
            Ok(Unfinished {
                execution: id(row, 0)?,
                tenant: cells::tenant(row.try_get(1)?)?,
                wake_at: row.try_get::<Option<i64>, _>(2)?.map(at),
                has_inbox: row.try_get(3)?,
                priority: cells::priority(row.try_get(4)?)?,
            })
        })
    }

    pub(super) async fn inbox(
        &self,
        execution: ExecutionId,
    ) -> Result<Vec<(u64, MessageRow)>, Trouble> {
        let sql = "SELECT seq, at, body FROM inbox WHERE execution = $1 ORDER BY seq";
        let statement = || sqlx::query(sql).bind(id_bytes(execution));
        all(&self.rows(statement).await?, |row| {
            let message = MessageRow {
                at: at(row.try_get(1)?),
                body: bytes(row, 2)?,
            };
            Ok((cells::unsigned("seq", row.try_get(0)?)?, message))
        })
    }

    pub(super) async fn events(
        &self,
        execution: ExecutionId,
        after: u64,
        count: usize,
    ) -> Result<Vec<EventRow>, Trouble> {
        let sql = "SELECT version, at, checksum, body FROM events \
                   WHERE execution = $1 AND version > $2 ORDER BY version LIMIT $3";
        let statement = || {
            sqlx::query(sql)
                .bind(id_bytes(execution))
                .bind(number(after))
                .bind(limit(count))
        };
        all(&self.rows(statement).await?, |row| {
            let version = cells::unsigned("version", row.try_get(0)?)?;
            let checksum: i64 = row.try_get(2)?;
            let checksum = u32::try_from(checksum).map_err(|e| {
                Trouble::Damaged(format!("event {version} of {execution}: checksum: {e}"))
            })?;
            Ok(EventRow {
                version,
                at: at(row.try_get(1)?),
                checksum,
                body: bytes(row, 3)?,
            })
        })
    }

    pub(super) async fn lines(
        &self,
        execution: ExecutionId,
        after: u64,
        count: usize,
    ) -> Result<Vec<(u64, Bytes)>, Trouble> {
        let sql =
            "SELECT seq, body FROM lines WHERE execution = $1 AND seq > $2 ORDER BY seq LIMIT $3";
        let statement = || {
            sqlx::query(sql)
                .bind(id_bytes(execution))
                .bind(number(after))
                .bind(limit(count))
        };
        all(&self.rows(statement).await?, |row| {
            Ok((cells::unsigned("seq", row.try_get(0)?)?, bytes(row, 1)?))
        })
    }

    pub(super) async fn record(&self, key: &RecordKey) -> Result<Option<Record>, Trouble> {
        let sql = "SELECT version, value FROM records WHERE kind = $1 AND tenant = $2 AND key = $3";
        let statement = || {
            sqlx::query(sql)
                .bind(key.0)
                .bind(key.1.as_str())
                .bind(key.2.as_bytes())
        };
        Ok(all(&self.rows(statement).await?, |row| record(row, 0))?.pop())
    }

    pub(super) async fn list(
        &self,
        kind: &'static str,
        tenant: &TenantId,
        prefix: &str,
        after: Option<&str>,
        count: usize,
    ) -> Result<Vec<(String, Record)>, Trouble> {
        let from = after.unwrap_or_default().max(prefix);
        let to = behind(prefix);
        let statement = || {
            sqlx::query(LIST)
                .bind(kind)
                .bind(tenant.as_str())
                .bind(from.as_bytes())
                .bind(to.as_slice())
                .bind(after.map_or(END.as_slice(), str::as_bytes))
                .bind(limit(count))
        };
        all(&self.rows(statement).await?, |row| {
            let key = String::from_utf8(row.try_get(0)?)
                .map_err(|e| Trouble::Damaged(format!("a key of kind {kind}: {e}")))?;
            Ok((key, record(row, 1)?))
        })
    }

    pub(super) async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, Trouble> {
        let sql = "SELECT bytes FROM blobs WHERE digest = $1";
        let statement = || sqlx::query(sql).bind(*digest.as_bytes());
        Ok(all(&self.rows(statement).await?, |row| Ok(bytes(row, 0)?))?.pop())
    }
}

fn record(row: &PgRow, column: usize) -> Result<Record, Failed> {
    Ok(Record {
        version: cells::unsigned("version", row.try_get(column)?)?,
        value: bytes(row, column + 1)?,
    })
}

/// The first bytes behind all keys that begin so.
pub(super) fn behind(prefix: &str) -> Vec<u8> {
    let mut bytes = prefix.as_bytes().to_vec();
    match bytes.last_mut() {
        // UTF-8 has no byte 255, so that this one is another, and the next.
        Some(last) => *last += 1,
        None => bytes = END.to_vec(),
    }
    bytes
}
