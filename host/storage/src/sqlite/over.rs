//! What is over, as statements: how it is found, and how it is removed.

use nebula_flow::id::{Digest, ExecutionId, TenantId};
use nebula_flow::ports::EndedQuery;
use nebula_flow::start::KEY_LIFE;
use nebula_flow::time::Timestamp;
use rusqlite::{Connection, params};

use super::read;
use crate::cells::{self, id_bytes, instant, limit};
use crate::over::{BLOBS, Chores, NAMES, Over, ROWS, Removed};
use crate::rows::{ExecutionRow, Facts, Needs};
use crate::trouble::Trouble;

pub(super) const ENDED: &str = concat!(
    "SELECT ",
    execution_columns!(),
    " FROM executions WHERE tenant = ?1 AND workflow = ?2 \
     AND finished_at < ?3 AND (finished_at, id) > (?4, ?5) AND (finished_at, id) <= \
     (SELECT finished_at, id FROM executions WHERE tenant = ?1 AND workflow = ?2 \
     AND finished_at IS NOT NULL ORDER BY finished_at DESC, id DESC LIMIT 1 OFFSET ?6) \
     ORDER BY finished_at, id LIMIT ?7"
);

/// Executions that have ended, in the order of their ends.
pub(super) fn ended(
    connection: &Connection,
    tenant: &TenantId,
    query: &EndedQuery,
) -> Result<Vec<(ExecutionId, ExecutionRow)>, Trouble> {
    let workflow = query.workflow.as_u128().to_be_bytes();
    let (before, count) = (instant(query.before), limit(query.limit));
    // No bytes sort before every id.
    let (at, after) = query.after.map_or((i64::MIN, Vec::new()), |(at, id)| {
        (instant(at), id_bytes(id).to_vec())
    });
    read::all(
        connection,
        ENDED,
        &[
            &tenant.as_str(),
            &workflow,
            &before,
            &at,
            &after,
            &query.beyond,
            &count,
        ],
        read::execution_row,
    )
}

/// Adds what a batch must know of what is over.
pub(super) fn facts(
    connection: &Connection,
    needs: &Needs,
    facts: &mut Facts,
) -> Result<(), Trouble> {
    let sql = "SELECT EXISTS (SELECT 1 FROM executions WHERE origin = ?1 AND status <= 2) \
               OR EXISTS (SELECT 1 FROM executions AS e JOIN executions AS o ON o.id = e.origin \
                          WHERE e.id = ?1 AND o.status <= 2)";
    let mut in_use = connection.prepare_cached(sql)?;
    for id in &needs.removals {
        if in_use.query_row([id_bytes(*id)], |row| row.get(0))? {
            facts.in_use.insert(*id);
        }
    }
    if let Some(now) = needs.sweep {
        facts.chores = chores(connection, now)?;
    }
    Ok(())
}

fn chores(connection: &Connection, now: Timestamp) -> Result<Chores, Trouble> {
    let sql =
        "SELECT tenant, key FROM idempotency_keys WHERE ends_at <= ?1 ORDER BY ends_at LIMIT ?2";
    let keys = read::all(connection, sql, &[&instant(now), &limit(NAMES)], |row| {
        Ok((cells::tenant(&row.get::<_, String>(0)?)?, row.get(1)?))
    })?;
    let sql = "SELECT execution FROM leftovers ORDER BY execution LIMIT 1";
    let leftover = read::all(connection, sql, &[], |row| Ok(cells::id(row.get(0)?)))?.pop();
    let sql = "SELECT digest, EXISTS (SELECT 1 FROM blob_uses AS u WHERE u.digest = s.digest) \
               OR EXISTS (SELECT 1 FROM blob_pins AS p WHERE p.digest = s.digest) \
               FROM blob_suspects AS s WHERE since <= ?1 ORDER BY since LIMIT ?2";
    let since = instant(now.minus(nebula_flow::retention::BLOB_GRACE));
    let suspects = read::all(connection, sql, &[&since, &limit(BLOBS)], |row| {
        Ok((Digest::from_bytes(row.get(0)?), row.get(1)?))
    })?;
    let sql = "SELECT digest FROM blob_suspects WHERE since IS NULL LIMIT ?1";
    let unseen = read::all(connection, sql, &[&limit(NAMES)], |row| {
        Ok(Digest::from_bytes(row.get(0)?))
    })?;
    Ok(Chores {
        keys,
        leftover,
        suspects,
        unseen,
    })
}

/// Removes it, before anything is inserted.
pub(super) fn write(connection: &Connection, over: &Over) -> Result<(), Trouble> {
    if over.is_empty() {
        return Ok(());
    }
    // Before the uses of executions go: what only they used becomes a suspect anew.
    let mut delete = connection.prepare_cached("DELETE FROM blob_suspects WHERE digest = ?1")?;
    for digest in &over.cleared {
        delete.execute([digest.as_bytes()])?;
    }
    for (id, removed) in &over.executions {
        execution(connection, *id, *removed)?;
    }
    if let Some(id) = over.leftover {
        leftover(connection, id)?;
    }
    let sql = "DELETE FROM idempotency_keys WHERE tenant = ?1 AND key = ?2";
    let mut delete = connection.prepare_cached(sql)?;
    for (tenant, key) in &over.keys {
        delete.execute(params![tenant.as_str(), key])?;
    }
    let mut delete = connection.prepare_cached("DELETE FROM blobs WHERE digest = ?1")?;
    for digest in &over.blobs {
        delete.execute([digest.as_bytes()])?;
    }
    let sql = "UPDATE blob_suspects SET since = ?2 WHERE digest = ?1";
    let mut update = connection.prepare_cached(sql)?;
    for (digest, since) in &over.seen {
        update.execute(params![digest.as_bytes(), instant(*since)])?;
    }
    Ok(())
}

fn execution(connection: &Connection, id: ExecutionId, removed: Removed) -> Result<(), Trouble> {
    let bytes = id_bytes(id);
    for sql in [
        "DELETE FROM executions WHERE id = ?1",
        "DELETE FROM inbox WHERE execution = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([bytes])?;
    }
    let sql = "DELETE FROM idempotency_keys WHERE execution = ?1 AND at < ?2";
    let from = instant(removed.keys_from());
    connection
        .prepare_cached(sql)?
        .execute(params![bytes, from])?;
    let sql = "UPDATE idempotency_keys SET ends_at = at + ?2 WHERE execution = ?1";
    let life = i64::try_from(KEY_LIFE.as_millis()).unwrap_or(i64::MAX);
    connection
        .prepare_cached(sql)?
        .execute(params![bytes, life])?;
    if !removed.whole {
        let sql = "INSERT OR IGNORE INTO leftovers (execution) VALUES (?1)";
        connection.prepare_cached(sql)?.execute([bytes])?;
        return Ok(());
    }
    for sql in [
        "DELETE FROM events WHERE execution = ?1",
        "DELETE FROM lines WHERE execution = ?1",
        "INSERT OR IGNORE INTO blob_suspects (digest) SELECT digest FROM blob_uses WHERE execution = ?1",
        "DELETE FROM blob_uses WHERE execution = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([bytes])?;
    }
    Ok(())
}

/// Deletes the next rows of an execution; its name too, once there are no more.
fn leftover(connection: &Connection, id: ExecutionId) -> Result<(), Trouble> {
    let bytes = id_bytes(id);
    for sql in [
        "DELETE FROM events WHERE execution = ?1 AND version IN \
         (SELECT version FROM events WHERE execution = ?1 ORDER BY version LIMIT ?2)",
        "DELETE FROM lines WHERE execution = ?1 AND seq IN \
         (SELECT seq FROM lines WHERE execution = ?1 ORDER BY seq LIMIT ?2)",
        "INSERT OR IGNORE INTO blob_suspects (digest) \
         SELECT digest FROM blob_uses WHERE execution = ?1 ORDER BY digest LIMIT ?2",
        "DELETE FROM blob_uses WHERE execution = ?1 AND digest IN \
         (SELECT digest FROM blob_uses WHERE execution = ?1 ORDER BY digest LIMIT ?2)",
    ] {
        let values = params![bytes, cells::number(ROWS)];
        connection.prepare_cached(sql)?.execute(values)?;
    }
    let sql = "DELETE FROM leftovers WHERE execution = ?1 \
               AND NOT EXISTS (SELECT 1 FROM events WHERE execution = ?1) \
               AND NOT EXISTS (SELECT 1 FROM lines WHERE execution = ?1) \
               AND NOT EXISTS (SELECT 1 FROM blob_uses WHERE execution = ?1)";
    connection.prepare_cached(sql)?.execute([bytes])?;
    Ok(())
}
