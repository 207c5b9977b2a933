//! The reads as statements, and rows as SQLite gives them.

use bytes::Bytes;
use nebula_flow::id::{Digest, ExecutionId, Shard, TenantId};
use nebula_flow::ports::{ExecutionQuery, Record, Unfinished};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use crate::cells::{self, ExecutionCells, HeadCells, at, id_bytes, limit, number, status_number};
use crate::rows::{EventRow, ExecutionRow, KeyRow, MessageRow, RecordKey};
use crate::trouble::Trouble;

const EXECUTION: &str = concat!(
    "SELECT ",
    execution_columns!(),
    " FROM executions WHERE id = ?1"
);

pub(super) const UNFINISHED: &str = "SELECT id, tenant, wake_at, submitted > consumed, priority FROM executions \
     WHERE shard = ?1 AND status <= 2 AND id > ?2 \
     AND slot_state IS DISTINCT FROM 1 \
     AND (status IN (0, 1) OR wake_at IS NOT NULL OR submitted > consumed) ORDER BY id LIMIT ?3";

macro_rules! page {
    ($filter:literal) => {
        concat!(
            "SELECT ",
            execution_columns!(),
            " FROM executions WHERE tenant = ?1 AND id < ?2 ",
            $filter,
            " ORDER BY id DESC LIMIT ?3"
        )
    };
}

pub(super) const PAGE: &str = page!("");
pub(super) const PAGE_OF_WORKFLOW: &str = page!("AND workflow = ?4");
pub(super) const PAGE_BY_STATUS: &str = page!("AND status = ?4");
pub(super) const PAGE_OF_WORKFLOW_BY_STATUS: &str = page!("AND workflow = ?4 AND status = ?5");

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let n: i64 = row.get(column)?;
    u64::try_from(n).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, n))
}

fn bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<Bytes> {
    row.get::<_, Vec<u8>>(column).map(Bytes::from)
}

fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<ExecutionId> {
    Ok(cells::id(row.get(column)?))
}

/// An execution's row as one of the statements above selects it.
pub(super) fn execution_row(row: &Row<'_>) -> Result<(ExecutionId, ExecutionRow), Trouble> {
    let id = id(row, 0)?;
    let read = || -> rusqlite::Result<ExecutionCells> {
        Ok(ExecutionCells {
            tenant: row.get(1)?,
            workflow: row.get(2)?,
            workflow_name: row.get(3)?,
            workflow_version: row.get(4)?,
            created_at: row.get(5)?,
            head: HeadCells {
                status: row.get(6)?,
                version: row.get(7)?,
                submitted: row.get(8)?,
                consumed: row.get(9)?,
                lines: row.get(10)?,
                updated_at: row.get(11)?,
                finished_at: row.get(12)?,
                wake_at: row.get(13)?,
                error: row.get(14)?,
            },
            origin: row.get(15)?,
            priority: row.get(16)?,
            slot: (row.get(17)?, row.get(18)?, row.get(19)?),
        })
    };
    let cells = read().map_err(|e| Trouble::from(e).at(|| format!("execution {id}")))?;
    Ok((id, cells.row(id)?))
}

/// Every row of a statement.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    values: &[&dyn ToSql],
    mut read: impl FnMut(&Row<'_>) -> Result<T, Trouble>,
) -> Result<Vec<T>, Trouble> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

pub(super) fn execution(
    connection: &Connection,
    execution: ExecutionId,
) -> Result<Option<ExecutionRow>, Trouble> {
    let mut statement = connection.prepare_cached(EXECUTION)?;
    let mut rows = statement.query([id_bytes(execution)])?;
    match rows.next()? {
        Some(row) => Ok(Some(execution_row(row)?.1)),
        None => Ok(None),
    }
}

pub(super) fn executions(
    connection: &Connection,
    tenant: &TenantId,
    query: &ExecutionQuery,
) -> Result<Vec<(ExecutionId, ExecutionRow)>, Trouble> {
    // 17 bytes sort behind every id.
    let before = query
        .before
        .map_or(vec![0xff; 17], |id| id_bytes(id).to_vec());
    let workflow = query
        .workflow
        .map(|workflow| workflow.as_u128().to_be_bytes());
    let status = query.status.map(status_number);
    let (tenant, limit) = (tenant.as_str(), limit(query.limit));
    let mut values: Vec<&dyn ToSql> = vec![&tenant, &before, &limit];
    let sql = match (&workflow, &status) {
        (None, None) => PAGE,
        (Some(workflow), None) => {
            values.push(workflow);
            PAGE_OF_WORKFLOW
        }
        (None, Some(status)) => {
            values.push(status);
            PAGE_BY_STATUS
        }
        (Some(workflow), Some(status)) => {
            values.push(workflow);
            values.push(status);
            PAGE_OF_WORKFLOW_BY_STATUS
        }
    };
    all(connection, sql, &values, execution_row)
}

pub(super) fn unfinished(
    connection: &Connection,
    shard: Shard,
    after: Option<ExecutionId>,
    count: usize,
) -> Result<Vec<Unfinished>, Trouble> {
    // No bytes sort before every id.
    let after = after.map_or(Vec::new(), |id| id_bytes(id).to_vec());
    all(
        connection,
        UNFINISHED,
        &[&shard.0, &after, &limit(count)],
        |row| {
            Ok(Unfinished {
                execution: id(row, 0)?,
                tenant: cells::tenant(&row.get::<_, String>(1)?)?,
                wake_at: row.get::<_, Option<i64>>(2)?.map(at),
                has_inbox: row.get(3)?,
                priority: cells::priority(row.get(4)?)?,
            })
        },
    )
}

pub(super) fn inbox(
    connection: &Connection,
    execution: ExecutionId,
) -> Result<Vec<(u64, MessageRow)>, Trouble> {
    let sql = "SELECT seq, at, body FROM inbox WHERE execution = ?1 ORDER BY seq";
    all(connection, sql, &[&id_bytes(execution)], |row| {
        Ok((
            unsigned(row, 0)?,
            MessageRow {
                at: at(row.get(1)?),
                body: bytes(row, 2)?,
            },
        ))
    })
}

pub(super) fn events(
    connection: &Connection,
    execution: ExecutionId,
    after: u64,
    count: usize,
) -> Result<Vec<EventRow>, Trouble> {
    let sql = "SELECT version, at, checksum, body FROM events \
               WHERE execution = ?1 AND version > ?2 ORDER BY version LIMIT ?3";
    all(
        connection,
        sql,
        &[&id_bytes(execution), &number(after), &limit(count)],
        |row| {
            let version = unsigned(row, 0)?;
            let read = || -> rusqlite::Result<EventRow> {
                let checksum = row.get(2)?;
                Ok(EventRow {
                    version,
                    at: at(row.get(1)?),
                    checksum,
                    body: bytes(row, 3)?,
                })
            };
            read().map_err(|e| Trouble::from(e).at(|| format!("event {version} of {execution}")))
        },
    )
}

pub(super) fn lines(
    connection: &Connection,
    execution: ExecutionId,
    after: u64,
    count: usize,
) -> Result<Vec<(u64, Bytes)>, Trouble> {
    let sql = "SELECT seq, body FROM lines WHERE execution = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    all(
        connection,
        sql,
        &[&id_bytes(execution), &number(after), &limit(count)],
        |row| Ok((unsigned(row, 0)?, bytes(row, 1)?)),
    )
}

pub(super) fn record(connection: &Connection, key: &RecordKey) -> Result<Option<Record>, Trouble> {
    let sql = "SELECT version, value FROM records WHERE kind = ?1 AND tenant = ?2 AND key = ?3";
    let read = |row: &Row<'_>| {
        Ok(Record {
            version: unsigned(row, 0)?,
            value: bytes(row, 1)?,
        })
    };
    Ok(connection
        .prepare_cached(sql)?
        .query_row(params![key.0, key.1.as_str(), key.2], read)
        .optional()?)
}

/// The version of a record.
pub(super) fn record_version(
    connection: &Connection,
    key: &RecordKey,
) -> Result<Option<u64>, Trouble> {
    let sql = "SELECT version FROM records WHERE kind = ?1 AND tenant = ?2 AND key = ?3";
    let read = |row: &Row<'_>| unsigned(row, 0);
    Ok(connection
        .prepare_cached(sql)?
        .query_row(params![key.0, key.1.as_str(), key.2], read)
        .optional()?)
}

pub(super) fn list(
    connection: &Connection,
    kind: &str,
    tenant: &TenantId,
    prefix: &str,
    after: Option<&str>,
    count: usize,
) -> Result<Vec<(String, Record)>, Trouble> {
    let sql = "SELECT key, version, value FROM records \
               WHERE kind = ?1 AND tenant = ?2 AND key >= ?3 ORDER BY key";
    let from = after.unwrap_or_default().max(prefix);
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![kind, tenant.as_str(), from])?;
    let mut found = Vec::new();
    // Read one by one: the first key without the prefix ends the page.
    while found.len() < count {
        let Some(row) = rows.next()? else { break };
        let key: String = row.get(0)?;
        if !key.starts_with(prefix) {
            break;
        }
        if after != Some(key.as_str()) {
            found.push((
                key,
                Record {
                    version: unsigned(row, 1)?,
                    value: bytes(row, 2)?,
                },
            ));
        }
    }
    Ok(found)
}

pub(super) fn blob(connection: &Connection, digest: Digest) -> Result<Option<Bytes>, Trouble> {
    let mut statement = connection.prepare_cached("SELECT bytes FROM blobs WHERE digest = ?1")?;
    Ok(statement
        .query_row([digest.as_bytes()], |row| bytes(row, 0))
        .optional()?)
}

/// Whether a blob is kept.
pub(super) fn has_blob(connection: &Connection, digest: Digest) -> Result<bool, Trouble> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM blobs WHERE digest = ?1")?;
    Ok(statement.exists([digest.as_bytes()])?)
}

/// An idempotency key.
pub(super) fn key(
    connection: &Connection,
    tenant: &TenantId,
    key: &str,
) -> Result<Option<KeyRow>, Trouble> {
    let sql =
        "SELECT fingerprint, execution, at FROM idempotency_keys WHERE tenant = ?1 AND key = ?2";
    let read = |row: &Row<'_>| {
        Ok(KeyRow {
            fingerprint: Digest::from_bytes(row.get(0)?),
            execution: id(row, 1)?,
            at: at(row.get(2)?),
        })
    };
    Ok(connection
        .prepare_cached(sql)?
        .query_row(params![tenant.as_str(), key], read)
        .optional()?)
}

/// Every shard that was ever held: its number, owner and epoch.
pub(super) fn shards(
    connection: &Connection,
) -> Result<Vec<(Shard, Option<String>, u64)>, Trouble> {
    all(
        connection,
        "SELECT shard, owner, epoch FROM shards",
        &[],
        |row| Ok((Shard(row.get(0)?), row.get(1)?, unsigned(row, 2)?)),
    )
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::{Error, ErrorCode};
        match &error {
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..) => Self::Damaged(error.to_string()),
            Error::SqliteFailure(e, _)
                if matches!(
                    e.code,
                    ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TooBig
                ) =>
            {
                Self::Damaged(error.to_string())
            }
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
