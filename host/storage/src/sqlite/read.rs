//! The reads as statements, and rows as SQLite gives them.

use bytes::Bytes;
use nebula_flow::id::{Digest, ExecutionId, Shard, TenantId, WorkflowId, WorkflowName};
use nebula_flow::ports::{ExecutionQuery, Record, Status, Unfinished};
use nebula_flow::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use crate::codec;
use crate::rows::{EventRow, ExecutionRow, Head, KeyRow, MessageRow, RecordKey};
use crate::trouble::Trouble;

pub(super) const EXECUTION: &str = "SELECT id, tenant, workflow, workflow_name, workflow_version, created_at, \
     status, version, submitted, consumed, lines, updated_at, finished_at, wake_at, error \
     FROM executions WHERE id = ?1";

pub(super) const UNFINISHED: &str = "SELECT id, tenant, wake_at, submitted > consumed FROM executions \
     WHERE shard = ?1 AND status <= 2 AND id > ?2 \
     AND (status IN (0, 1) OR wake_at IS NOT NULL OR submitted > consumed) ORDER BY id LIMIT ?3";

macro_rules! page {
    ($filter:literal) => {
        concat!(
            "SELECT id, tenant, workflow, workflow_name, workflow_version, created_at, status, version, ",
            "submitted, consumed, lines, updated_at, finished_at, wake_at, error FROM executions ",
            "WHERE tenant = ?1 AND id < ?2 ",
            $filter,
            " ORDER BY id DESC LIMIT ?3"
        )
    };
}

pub(super) const PAGE: &str = page!("");
pub(super) const PAGE_OF_WORKFLOW: &str = page!("AND workflow = ?4");
pub(super) const PAGE_BY_STATUS: &str = page!("AND status = ?4");
pub(super) const PAGE_OF_WORKFLOW_BY_STATUS: &str = page!("AND workflow = ?4 AND status = ?5");

/// An id as stored.
pub(super) fn id_bytes(id: ExecutionId) -> [u8; 16] {
    id.as_u128().to_be_bytes()
}

/// A number of the log as stored; one beyond SQLite's integers is beyond every
/// stored one.
pub(super) fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// An instant as stored, bit by bit: none is compared within SQLite.
pub(super) const fn instant(at: Timestamp) -> i64 {
    at.as_millis().cast_signed()
}

const fn at(stored: i64) -> Timestamp {
    Timestamp::from_millis(stored.cast_unsigned())
}

fn limit(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let n: i64 = row.get(column)?;
    u64::try_from(n).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, n))
}

fn bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<Bytes> {
    row.get::<_, Vec<u8>>(column).map(Bytes::from)
}

fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<ExecutionId> {
    Ok(ExecutionId::from_u128(u128::from_be_bytes(
        row.get(column)?,
    )))
}

/// A name that the log wrote and that must therefore be valid.
fn name<T: std::str::FromStr<Err = nebula_flow::id::InvalidId>>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e))
    })
}

/// A status as stored; the index of the unfinished has those up to 2.
pub(super) const fn status_number(status: Status) -> i64 {
    match status {
        Status::Paused => -1,
        Status::Queued => 0,
        Status::Running => 1,
        Status::Waiting => 2,
        Status::Succeeded => 3,
        Status::Failed => 4,
        Status::Cancelled => 5,
        Status::Terminated => 6,
    }
}

fn status(row: &Row<'_>, column: usize) -> rusqlite::Result<Status> {
    let n: i64 = row.get(column)?;
    Status::ALL
        .into_iter()
        .find(|status| status_number(*status) == n)
        .ok_or(rusqlite::Error::IntegralValueOutOfRange(column, n))
}

/// An execution's row as one of the statements above selects it.
fn execution_row(row: &Row<'_>) -> Result<(ExecutionId, ExecutionRow), Trouble> {
    let id = id(row, 0)?;
    let read = || -> rusqlite::Result<(ExecutionRow, Option<Vec<u8>>)> {
        let head = Head {
            status: status(row, 6)?,
            version: unsigned(row, 7)?,
            submitted: unsigned(row, 8)?,
            consumed: unsigned(row, 9)?,
            lines: unsigned(row, 10)?,
            updated_at: at(row.get(11)?),
            finished_at: row.get::<_, Option<i64>>(12)?.map(at),
            wake_at: row.get::<_, Option<i64>>(13)?.map(at),
            error: None,
        };
        let execution = ExecutionRow {
            tenant: name::<TenantId>(row, 1)?,
            workflow: WorkflowId::from_u128(u128::from_be_bytes(row.get(2)?)),
            workflow_name: name::<WorkflowName>(row, 3)?,
            workflow_version: row.get(4)?,
            created_at: at(row.get(5)?),
            head,
        };
        Ok((execution, row.get(14)?))
    };
    let (mut execution, error) =
        read().map_err(|e| at_place(e.into(), || format!("execution {id}")))?;
    if let Some(error) = error {
        execution.head.error = Some(codec::decode(&error, || format!("the error of {id}"))?);
    }
    Ok((id, execution))
}

/// Names the place of a damage.
fn at_place(trouble: Trouble, place: impl FnOnce() -> String) -> Trouble {
    match trouble {
        Trouble::Damaged(what) => Trouble::Damaged(format!("{}: {what}", place())),
        other @ Trouble::Unavailable(_) => other,
    }
}

/// Every row of a statement.
fn all<T>(
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
                tenant: name(row, 1)?,
                wake_at: row.get::<_, Option<i64>>(2)?.map(at),
                has_inbox: row.get(3)?,
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
            read().map_err(|e| at_place(e.into(), || format!("event {version} of {execution}")))
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
