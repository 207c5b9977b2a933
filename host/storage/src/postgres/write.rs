//! What a batch writes: one statement with many rows for each table.

use std::collections::BTreeSet;

use nebula_flow::id::ExecutionId;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::Query;
use sqlx::{Connection, Postgres, query};

use super::failure::Failed;
use super::{over, slots};
use crate::cells::{HeadCells, id_bytes, instant, number, slot_cells};
use crate::rows::{ExecutionRow, RecordKey, Writes, Written};

/// Writes it all in the name of this process; `known` are the records that are
/// there.
pub(super) async fn write(
    session: &mut PgConnection,
    writes: &Writes<'_>,
    known: &BTreeSet<RecordKey>,
    writer: &[u8],
) -> Result<(), Failed> {
    shards(session, writes, writer).await?;
    over::write(session, &writes.over).await?;
    executions(session, writes).await?;
    slots::write(session, writes).await?;
    events(session, writes).await?;
    lines(session, writes).await?;
    inbox(session, writes).await?;
    keys(session, writes).await?;
    records(session, writes, known).await?;
    blobs(session, writes).await?;
    uses(session, writes).await
}

/// Runs a statement that must change so many rows, which are locked or absent.
async fn change(
    session: &mut PgConnection,
    table: &str,
    rows: usize,
    statement: Statement<'_>,
) -> Result<(), Failed> {
    let done = statement.execute(session).await?.rows_affected();
    if done == rows as u64 {
        return Ok(());
    }
    Err(Failed::Again(format!(
        "{done} rows of {table} were changed, not {rows}"
    )))
}

/// One column of these rows, as an array.
fn column<'a, R, T>(rows: &'a [R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

async fn shards(
    session: &mut PgConnection,
    writes: &Writes<'_>,
    writer: &[u8],
) -> Result<(), Failed> {
    if !writes.renewed.is_empty() {
        let sql = "UPDATE shards SET heartbeat = clock_timestamp() WHERE shard = ANY($1)";
        let renewed: Vec<i16> = writes.renewed.iter().map(|shard| shard.0.into()).collect();
        query(sql).bind(renewed).execute(&mut *session).await?;
    }
    if writes.shards.is_empty() {
        return Ok(());
    }
    let sql = "UPDATE shards AS s SET owner = w.owner, epoch = w.epoch, heartbeat = clock_timestamp(), \
                   writer = CASE WHEN w.owner IS NOT NULL THEN $4::bytea END \
               FROM unnest($1::int2[], $2::text[], $3::int8[]) AS w (shard, owner, epoch) \
               WHERE s.shard = w.shard";
    let rows: Vec<_> = writes.shards.iter().collect();
    let statement = query(sql)
        .bind(column(&rows, |(shard, _)| i16::from(shard.0)))
        .bind(column(&rows, |(_, row)| row.owner.as_deref()))
        .bind(column(&rows, |(_, row)| number(row.epoch)))
        .bind(writer);
    change(session, "shards", rows.len(), statement).await
}

type Statement<'q> = Query<'q, Postgres, PgArguments>;

type Execution<'a> = (ExecutionId, &'a ExecutionRow, HeadCells);

async fn executions(session: &mut PgConnection, writes: &Writes<'_>) -> Result<(), Failed> {
    let (mut made, mut changed) = (Vec::new(), Vec::new());
    for (id, written) in &writes.executions {
        match written {
            Written::Inserted(row) => made.push((*id, row, HeadCells::of(&row.head)?)),
            Written::Updated(row) => changed.push((*id, row, HeadCells::of(&row.head)?)),
        }
    }
    if !made.is_empty() {
        let sql = concat!(
            "INSERT INTO executions (",
            execution_columns!(),
            ", shard) SELECT * FROM unnest($1::bytea[], $11::text[], $12::bytea[], $13::text[], \
             $14::int8[], $15::int8[], $2::int2[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], \
             $7::int8[], $8::int8[], $9::int8[], $10::bytea[], $17::bytea[], $18::int2[], $19::text[], $20::int8[], $21::int2[], $16::int2[])"
        );
        let statement = heads(query(sql), &made)
            .bind(column(&made, |(_, row, _)| row.tenant.as_str()))
            .bind(column(&made, |(_, row, _)| {
                row.workflow.as_u128().to_be_bytes()
            }))
            .bind(column(&made, |(_, row, _)| row.workflow_name.as_str()))
            .bind(column(&made, |(_, row, _)| i64::from(row.workflow_version)))
            .bind(column(&made, |(_, row, _)| instant(row.created_at)))
            .bind(column(&made, |(id, ..)| i16::from(id.shard().0)))
            .bind(column(&made, |(_, row, _)| row.origin.map(id_bytes)))
            .bind(column(&made, |(_, row, _)| i16::from(row.priority)))
            .bind(column(&made, |(_, row, _)| slot_cells(row.slot.as_ref()).0))
            .bind(column(&made, |(_, row, _)| slot_cells(row.slot.as_ref()).1))
            .bind(column(&made, |(_, row, _)| slot_cells(row.slot.as_ref()).2));
        change(session, "executions", made.len(), statement).await?;
    }
    if !changed.is_empty() {
        let sql = "UPDATE executions AS e SET status = w.status, version = w.version, \
                       submitted = w.submitted, consumed = w.consumed, lines = w.lines, \
                       updated_at = w.updated_at, finished_at = w.finished_at, wake_at = w.wake_at, \
                       error = w.error \
                   FROM unnest($1::bytea[], $2::int2[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], \
                       $7::int8[], $8::int8[], $9::int8[], $10::bytea[]) \
                       AS w (id, status, version, submitted, consumed, lines, updated_at, finished_at, \
                             wake_at, error) \
                   WHERE e.id = w.id";
        let statement = heads(query(sql), &changed);
        change(session, "executions", changed.len(), statement).await?;
    }
    Ok(())
}

/// Binds the ids and what changes of these executions, as the first ten values.
fn heads<'q>(statement: Statement<'q>, rows: &[Execution<'_>]) -> Statement<'q> {
    statement
        .bind(column(rows, |(id, ..)| id_bytes(*id)))
        .bind(column(rows, |(.., head)| head.status))
        .bind(column(rows, |(.., head)| head.version))
        .bind(column(rows, |(.., head)| head.submitted))
        .bind(column(rows, |(.., head)| head.consumed))
        .bind(column(rows, |(.., head)| head.lines))
        .bind(column(rows, |(.., head)| head.updated_at))
        .bind(column(rows, |(.., head)| head.finished_at))
        .bind(column(rows, |(.., head)| head.wake_at))
        .bind(column(rows, |(.., head)| head.error.as_deref()))
}

async fn events(session: &mut PgConnection, writes: &Writes<'_>) -> Result<(), Failed> {
    let rows: Vec<_> = writes
        .events
        .iter()
        .flat_map(|(id, events)| events.iter().map(|event| (*id, event)))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO events (execution, version, at, checksum, body) \
               SELECT * FROM unnest($1::bytea[], $2::int8[], $3::int8[], $4::int8[], $5::bytea[])";
    let statement = query(sql)
        .bind(column(&rows, |(id, _)| id_bytes(*id)))
        .bind(column(&rows, |(_, event)| number(event.version)))
        .bind(column(&rows, |(_, event)| instant(event.at)))
        .bind(column(&rows, |(_, event)| i64::from(event.checksum)))
        .bind(column(&rows, |(_, event)| &*event.body));
    change(session, "events", rows.len(), statement).await
}

async fn lines(session: &mut PgConnection, writes: &Writes<'_>) -> Result<(), Failed> {
    let rows: Vec<_> = writes
        .lines
        .iter()
        .flat_map(|(id, first, lines)| {
            lines
                .iter()
                .zip(*first..)
                .map(|(line, seq)| (*id, seq, line))
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO lines (execution, seq, body) \
               SELECT * FROM unnest($1::bytea[], $2::int8[], $3::bytea[])";
    let statement = query(sql)
        .bind(column(&rows, |(id, ..)| id_bytes(*id)))
        .bind(column(&rows, |(_, seq, _)| number(*seq)))
        .bind(column(&rows, |(.., line)| &***line));
    change(session, "lines", rows.len(), statement).await
}

async fn inbox(session: &mut PgConnection, writes: &Writes<'_>) -> Result<(), Failed> {
    if !writes.taken.is_empty() {
        let sql = "DELETE FROM inbox AS i USING unnest($1::bytea[], $2::int8[]) AS w (execution, upto) \
                   WHERE i.execution = w.execution AND i.seq <= w.upto";
        let rows: Vec<_> = writes.taken.iter().collect();
        let statement = query(sql)
            .bind(column(&rows, |(id, _)| id_bytes(**id)))
            .bind(column(&rows, |(_, upto)| number(**upto)));
        statement.execute(&mut *session).await?;
    }
    if writes.messages.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO inbox (execution, seq, at, body) \
               SELECT * FROM unnest($1::bytea[], $2::int8[], $3::int8[], $4::bytea[])";
    let rows: Vec<_> = writes.messages.iter().collect();
    let statement = query(sql)
        .bind(column(&rows, |((id, _), _)| id_bytes(*id)))
        .bind(column(&rows, |((_, seq), _)| number(*seq)))
        .bind(column(&rows, |(_, row)| instant(row.at)))
        .bind(column(&rows, |(_, row)| &*row.body));
    change(session, "inbox", rows.len(), statement).await
}

async fn keys(session: &mut PgConnection, writes: &Writes<'_>) -> Result<(), Failed> {
    if writes.keys.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO idempotency_keys (tenant, key, fingerprint, execution, at) \
               SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[], $5::int8[])";
    let rows: Vec<_> = writes.keys.iter().collect();
    let statement = query(sql)
        .bind(column(&rows, |((tenant, _), _)| tenant.as_str()))
        .bind(column(&rows, |((_, key), _)| key.as_bytes()))
        .bind(column(&rows, |(_, row)| *row.fingerprint.as_bytes()))
        .bind(column(&rows, |(_, row)| id_bytes(row.execution)))
        .bind(column(&rows, |(_, row)| instant(row.at)));
    change(session, "idempotency_keys", rows.len(), statement).await
}

async fn records(
    session: &mut PgConnection,
    writes: &Writes<'_>,
    known: &BTreeSet<RecordKey>,
) -> Result<(), Failed> {
    let (mut made, mut changed, mut removed) = (Vec::new(), Vec::new(), Vec::new());
    for (name, record) in &writes.records {
        match (record, known.contains(name)) {
            (Some((version, value)), true) => changed.push((name, *version, &***value)),
            (Some((version, value)), false) => made.push((name, *version, &***value)),
            (None, true) => removed.push(name),
            // It came and went within the batch.
            (None, false) => {}
        }
    }
    if !made.is_empty() {
        let sql = "INSERT INTO records (kind, tenant, key, version, value) \
                   SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::int8[], $5::bytea[])";
        change(session, "records", made.len(), values(query(sql), &made)).await?;
    }
    if !changed.is_empty() {
        let sql = "UPDATE records AS r SET version = w.version, value = w.value \
                   FROM unnest($1::text[], $2::text[], $3::bytea[], $4::int8[], $5::bytea[]) \
                       AS w (kind, tenant, key, version, value) \
                   WHERE r.kind = w.kind AND r.tenant = w.tenant AND r.key = w.key";
        change(
            session,
            "records",
            changed.len(),
            values(query(sql), &changed),
        )
        .await?;
    }
    if !removed.is_empty() {
        let sql = "DELETE FROM records AS r \
                   USING unnest($1::text[], $2::text[], $3::bytea[]) AS w (kind, tenant, key) \
                   WHERE r.kind = w.kind AND r.tenant = w.tenant AND r.key = w.key";
        let statement = query(sql)
            .bind(column(&removed, |name| name.0))
            .bind(column(&removed, |name| name.1.as_str()))
            .bind(column(&removed, |name| name.2.as_bytes()));
        change(session, "records", removed.len(), statement).await?;
    }
    Ok(())
}

fn values<'q>(statement: Statement<'q>, rows: &[(&RecordKey, u64, &[u8])]) -> Statement<'q> {
    statement
        .bind(column(rows, |(name, ..)| name.0))
        .bind(column(rows, |(name, ..)| name.1.as_str()))
        .bind(column(rows, |(name, ..)| name.2.as_bytes()))
        .bind(column(rows, |(_, version, _)| number(*version)))
        .bind(column(rows, |(.., value)| *value))
}

/// Another process may keep the same bytes at the same moment.
async fn blobs(session: &mut PgConnection, writes: &Writes<'_>) -> Result<(), Failed> {
    if writes.blobs.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO blobs (digest, bytes) SELECT * FROM unnest($1::bytea[], $2::bytea[]) \
               ON CONFLICT (digest) DO NOTHING";
    let rows: Vec<_> = writes.blobs.iter().collect();
    let statement = query(sql)
        .bind(column(&rows, |(digest, _)| *digest.as_bytes()))
        .bind(column(&rows, |(_, bytes)| &****bytes));
    statement.execute(&mut *session).await?;
    // A session would keep room for the largest batch that it ever wrote.
    session.shrink_buffers();
    Ok(())
}

/// What refers to blobs, and which may be without a use.
async fn uses(session: &mut PgConnection, writes: &Writes<'_>) -> Result<(), Failed> {
    if !writes.uses.is_empty() {
        let sql = "INSERT INTO blob_uses (execution, digest) \
                   SELECT * FROM unnest($1::bytea[], $2::bytea[]) ON CONFLICT DO NOTHING";
        let rows: Vec<_> = writes.uses.iter().collect();
        let statement = query(sql)
            .bind(column(&rows, |(id, _)| id_bytes(*id)))
            .bind(column(&rows, |(_, digest)| *digest.as_bytes()));
        statement.execute(&mut *session).await?;
    }
    let sql = "INSERT INTO blob_pins (digest) SELECT unnest($1::bytea[]) ON CONFLICT DO NOTHING";
    let suspects = "INSERT INTO blob_suspects (digest) SELECT unnest($1::bytea[]) \
                    ON CONFLICT (digest) DO UPDATE SET since = NULL";
    for (sql, digests) in [(sql, &writes.pins), (suspects, &writes.suspects)] {
        if !digests.is_empty() {
            let digests: Vec<_> = digests.iter().map(|digest| *digest.as_bytes()).collect();
            query(sql).bind(digests).execute(&mut *session).await?;
        }
    }
    Ok(())
}
