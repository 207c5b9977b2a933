//! Batches as transactions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use nebula_flow::id::ExecutionId;
use nebula_flow::planted::{self, Bug};
use rusqlite::{Connection, params};

use super::kept::Kept;
use super::{over, read, slots};
use crate::batch::Store;
use crate::cells::{HeadCells, id_bytes, instant, number, slot_cells};
use crate::rows::{ExecutionRow, Facts, Needs, ShardRow, Writes, Written};
use crate::trouble::Trouble;

/// The one connection that writes.
#[derive(Debug)]
pub(super) struct Writer {
    connection: Connection,
    /// What readers keep in memory.
    kept: Arc<Kept>,
    /// A commit failed: its pages may lie in the WAL, complete but for us.
    suspect: bool,
}

impl Writer {
    pub(super) const fn new(connection: Connection, kept: Arc<Kept>) -> Self {
        Self {
            connection,
            kept,
            suspect: false,
        }
    }

    fn batch<'a>(
        &mut self,
        needs: &Needs,
        decide: &mut dyn FnMut(Facts) -> Writes<'a>,
    ) -> Result<(), Trouble> {
        self.recover()?;
        run(&self.connection, "BEGIN IMMEDIATE")?;
        let writes = decide(facts(&self.connection, needs)?);
        if writes.is_empty() {
            return run(&self.connection, "ROLLBACK");
        }
        write(&self.connection, &writes)?;
        let skippable = planted::is(Bug::CommitSkipped) && !writes.executions.is_empty();
        if skippable && is_fiftieth() {
            return run(&self.connection, "ROLLBACK");
        }
        self.kept.change(writes.records.keys());
        run(&self.connection, "COMMIT").inspect_err(|_| self.suspect = true)
    }

    /// Makes the connection fit for a transaction after one that failed.
    ///
    /// After a failed commit (an fsync that failed, say) its pages may be whole
    /// in the WAL, and a restart would then find what callers were told is not
    /// there. The next commit begins at the same place of the WAL, so a tiny one
    /// makes what follows it unreadable.
    fn recover(&mut self) -> Result<(), Trouble> {
        if !self.connection.is_autocommit() {
            run(&self.connection, "ROLLBACK")?;
        }
        if self.suspect {
            self.connection
                .execute("UPDATE repairs SET count = count + 1 WHERE id = 1", [])?;
            self.suspect = false;
        }
        Ok(())
    }
}

impl Store for Writer {
    fn transact<'a>(
        &mut self,
        needs: &Needs,
        decide: &mut dyn FnMut(Facts) -> Writes<'a>,
    ) -> Result<(), Trouble> {
        let done = self.batch(needs, decide);
        if done.is_err()
            && let Err(trouble) = self.recover()
        {
            tracing::error!(?trouble, "a failed transaction could not be undone yet");
        }
        self.kept.changed();
        done
    }
}

/// Every fiftieth time, for [`Bug::CommitSkipped`].
fn is_fiftieth() -> bool {
    static TIMES: AtomicU32 = AtomicU32::new(0);
    TIMES.fetch_add(1, Ordering::Relaxed) % 50 == 49
}

fn run(connection: &Connection, sql: &str) -> Result<(), Trouble> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

fn facts(connection: &Connection, needs: &Needs) -> Result<Facts, Trouble> {
    let mut facts = Facts::default();
    for id in &needs.executions {
        add_execution(connection, *id, &mut facts)?;
    }
    for name in &needs.keys {
        if let Some(row) = read::key(connection, &name.0, &name.1)? {
            facts.keys.insert(name.clone(), row);
        }
    }
    for name in &needs.records {
        if let Some(version) = read::record_version(connection, name)? {
            facts.records.insert(name.clone(), version);
        }
    }
    for digest in &needs.blobs {
        if read::has_blob(connection, *digest)? {
            facts.blobs.insert(*digest);
        }
    }
    if needs.owners() {
        for (shard, owner, epoch) in read::shards(connection)? {
            facts.shards.insert(shard, ShardRow { owner, epoch });
        }
    }
    slots::facts(connection, needs, &mut facts)?;
    over::facts(connection, needs, &mut facts)?;
    Ok(facts)
}

/// Adds an execution's row, if there is one.
pub(super) fn add_execution(
    connection: &Connection,
    id: ExecutionId,
    facts: &mut Facts,
) -> Result<(), Trouble> {
    match read::execution(connection, id) {
        Ok(None) => {}
        Ok(Some(row)) => drop(facts.executions.insert(id, Ok(row))),
        // Only those who speak of this execution are told.
        Err(trouble @ Trouble::Damaged(_)) => drop(facts.executions.insert(id, Err(trouble))),
        Err(trouble) => return Err(trouble),
    }
    Ok(())
}

fn write(connection: &Connection, writes: &Writes<'_>) -> Result<(), Trouble> {
    over::write(connection, &writes.over)?;
    for (id, row) in &writes.executions {
        match row {
            Written::Inserted(row) => insert_execution(connection, *id, row)?,
            Written::Updated(row) => update_execution(connection, *id, row)?,
        }
    }
    if planted::is(Bug::CommitTorn) {
        run(connection, "COMMIT")?;
        run(connection, "BEGIN IMMEDIATE")?;
    }
    slots::write(connection, writes)?;
    write_log(connection, writes)?;
    write_records(connection, writes)
}

fn insert_execution(
    connection: &Connection,
    id: ExecutionId,
    row: &ExecutionRow,
) -> Result<(), Trouble> {
    let sql = concat!(
        "INSERT INTO executions (shard, ",
        execution_columns!(),
        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)"
    );
    let head = HeadCells::of(&row.head)?;
    let (group, limit, state) = slot_cells(row.slot.as_ref());
    connection.prepare_cached(sql)?.execute(params![
        id.shard().0,
        id_bytes(id),
        row.tenant.as_str(),
        row.workflow.as_u128().to_be_bytes(),
        row.workflow_name.as_str(),
        row.workflow_version,
        instant(row.created_at),
        head.status,
        head.version,
        head.submitted,
        head.consumed,
        head.lines,
        head.updated_at,
        head.finished_at,
        head.wake_at,
        head.error,
        row.origin.map(id_bytes),
        row.priority,
        group,
        limit,
        state,
    ])?;
    Ok(())
}

fn update_execution(
    connection: &Connection,
    id: ExecutionId,
    row: &ExecutionRow,
) -> Result<(), Trouble> {
    let sql = "UPDATE executions SET status = ?2, version = ?3, submitted = ?4, consumed = ?5, lines = ?6, \
               updated_at = ?7, finished_at = ?8, wake_at = ?9, error = ?10 WHERE id = ?1";
    let head = HeadCells::of(&row.head)?;
    connection.prepare_cached(sql)?.execute(params![
        id_bytes(id),
        head.status,
        head.version,
        head.submitted,
        head.consumed,
        head.lines,
        head.updated_at,
        head.finished_at,
        head.wake_at,
        head.error,
    ])?;
    Ok(())
}

fn write_log(connection: &Connection, writes: &Writes<'_>) -> Result<(), Trouble> {
    let sql =
        "INSERT INTO events (execution, version, at, checksum, body) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut insert = connection.prepare_cached(sql)?;
    for (id, events) in &writes.events {
        let id = id_bytes(*id);
        for event in *events {
            let (version, at) = (number(event.version), instant(event.at));
            insert.execute(params![id, version, at, event.checksum, &*event.body])?;
        }
    }
    let mut insert = connection
        .prepare_cached("INSERT INTO lines (execution, seq, body) VALUES (?1, ?2, ?3)")?;
    for (id, first, lines) in &writes.lines {
        let id = id_bytes(*id);
        for (line, seq) in lines.iter().zip(*first..) {
            insert.execute(params![id, number(seq), &**line])?;
        }
    }
    let mut delete =
        connection.prepare_cached("DELETE FROM inbox WHERE execution = ?1 AND seq <= ?2")?;
    for (id, upto) in &writes.taken {
        delete.execute(params![id_bytes(*id), number(*upto)])?;
    }
    let sql = "INSERT INTO inbox (execution, seq, at, body) VALUES (?1, ?2, ?3, ?4)";
    let mut insert = connection.prepare_cached(sql)?;
    for ((id, seq), row) in &writes.messages {
        insert.execute(params![
            id_bytes(*id),
            number(*seq),
            instant(row.at),
            &*row.body
        ])?;
    }
    let sql = "INSERT INTO idempotency_keys (tenant, key, fingerprint, execution, at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut insert = connection.prepare_cached(sql)?;
    for ((tenant, key), row) in &writes.keys {
        let (fingerprint, execution) = (row.fingerprint.as_bytes(), id_bytes(row.execution));
        insert.execute(params![
            tenant.as_str(),
            key,
            fingerprint,
            execution,
            instant(row.at)
        ])?;
    }
    let sql = "INSERT INTO shards (shard, owner, epoch) VALUES (?1, ?2, ?3) \
               ON CONFLICT (shard) DO UPDATE SET owner = excluded.owner, epoch = excluded.epoch";
    let mut set = connection.prepare_cached(sql)?;
    for (shard, row) in &writes.shards {
        set.execute(params![shard.0, row.owner, number(row.epoch)])?;
    }
    Ok(())
}

fn write_records(connection: &Connection, writes: &Writes<'_>) -> Result<(), Trouble> {
    let sql = "INSERT INTO records (kind, tenant, key, version, value) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (kind, tenant, key) DO UPDATE SET version = excluded.version, value = excluded.value";
    let mut set = connection.prepare_cached(sql)?;
    let sql = "DELETE FROM records WHERE kind = ?1 AND tenant = ?2 AND key = ?3";
    let mut delete = connection.prepare_cached(sql)?;
    for ((kind, tenant, key), record) in &writes.records {
        match record {
            Some((version, value)) => set.execute(params![
                kind,
                tenant.as_str(),
                key,
                number(*version),
                &***value
            ])?,
            None => delete.execute(params![kind, tenant.as_str(), key])?,
        };
    }
    let mut insert =
        connection.prepare_cached("INSERT INTO blobs (digest, bytes) VALUES (?1, ?2)")?;
    for (digest, bytes) in &writes.blobs {
        insert.execute(params![digest.as_bytes(), &***bytes])?;
    }
    write_uses(connection, writes)
}

/// What refers to blobs, and which may be without a use.
fn write_uses(connection: &Connection, writes: &Writes<'_>) -> Result<(), Trouble> {
    let sql = "INSERT OR IGNORE INTO blob_uses (execution, digest) VALUES (?1, ?2)";
    let mut insert = connection.prepare_cached(sql)?;
    for (id, digest) in &writes.uses {
        insert.execute(params![id_bytes(*id), digest.as_bytes()])?;
    }
    let mut insert =
        connection.prepare_cached("INSERT OR IGNORE INTO blob_pins (digest) VALUES (?1)")?;
    for digest in &writes.pins {
        insert.execute([digest.as_bytes()])?;
    }
    let sql = "INSERT INTO blob_suspects (digest) VALUES (?1) \
               ON CONFLICT (digest) DO UPDATE SET since = NULL";
    let mut insert = connection.prepare_cached(sql)?;
    for digest in &writes.suspects {
        insert.execute([digest.as_bytes()])?;
    }
    Ok(())
}
