//! The rows that a batch must know. What it may change is locked, always in the
//! same order (shards, groups of slots, executions, records, blobs; each by key), so that two nodes
//! never wait for each other.

use std::collections::BTreeSet;
use std::time::Duration;

use nebula_flow::id::{Digest, ExecutionId, Shard};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use tokio::time::Instant;

use super::failure::Failed;
use super::{over, read, slots};
use crate::cells::{self, at, id_bytes};
use crate::rows::{Facts, KeyRow, Needs, ShardRow};
use crate::trouble::Trouble;

/// In whose name, and for how long, shards are held.
#[derive(Debug)]
pub(super) struct Holder {
    /// The id of this process in `writers`.
    pub(super) id: Vec<u8>,
    /// For how long a shard is held after its last heartbeat.
    pub(super) lease: Duration,
    /// Since when the server is there again, if it was away from this process.
    pub(super) back: Option<Instant>,
}

impl Holder {
    /// The age at which a sign of life is too old, and that of the server's return,
    /// in milliseconds. A server that was away was away from others too: each has a
    /// lease's time to come back in, and whoever was faster waits for it.
    fn ages(&self) -> (f64, f64) {
        let lease = self.lease.as_secs_f64() * 1000.0;
        let back = self.back.map(|back| back.elapsed().as_secs_f64() * 1000.0);
        (lease, back.unwrap_or(2.0 * lease))
    }
}

/// Reads them within the transaction that will write.
pub(super) async fn read(
    session: &mut PgConnection,
    needs: &Needs,
    holder: &Holder,
) -> Result<Facts, Failed> {
    let mut facts = Facts::default();
    if needs.claims {
        claimable(session, needs, holder, &mut facts).await?;
    } else if needs.owners() {
        fences(session, needs, &mut facts).await?;
    }
    let others = slots::facts(session, needs, &mut facts).await?;
    if !needs.executions.is_empty() || !others.is_empty() {
        let all = needs.executions.union(&others).copied().collect();
        executions(session, &all, &mut facts).await?;
    }
    if !needs.keys.is_empty() {
        keys(session, needs, &mut facts).await?;
    }
    if !needs.records.is_empty() {
        records(session, needs, &mut facts).await?;
    }
    if !needs.blobs.is_empty() {
        blobs(session, needs, &mut facts).await?;
    }
    over::facts(session, needs, &mut facts).await?;
    Ok(facts)
}

/// The owners of these shards, who stay owners until the batch is committed:
/// a take-over waits for that, or it came before and is seen.
async fn fences(
    session: &mut PgConnection,
    needs: &Needs,
    facts: &mut Facts,
) -> Result<(), Failed> {
    let sql =
        "SELECT shard, owner, epoch FROM shards WHERE shard = ANY($1) ORDER BY shard FOR SHARE";
    let query = sqlx::query(sql).bind(numbers(needs));
    for row in query.fetch_all(session).await? {
        let (shard, row) = shard_row(&row)?;
        facts.shards.insert(shard, row);
    }
    Ok(())
}

/// The shards that may be taken: this process's own, those that nobody holds,
/// and those whose holder gave no sign of life for the lease. While the server
/// was down, or away from this process, nobody could give one, so that time does not
/// count. What another
/// transaction has locked is in use, or is being taken, and is left alone.
async fn claimable(
    session: &mut PgConnection,
    needs: &Needs,
    holder: &Holder,
    facts: &mut Facts,
) -> Result<(), Failed> {
    let sql = "SELECT shard, owner, epoch, coalesce(writer = $1, false) FROM shards \
               WHERE writer = $1 OR shard = ANY($2) ORDER BY shard FOR UPDATE";
    let query = sqlx::query(sql)
        .bind(holder.id.as_slice())
        .bind(numbers(needs));
    facts.elsewhere = Shard::all().collect();
    for row in query.fetch_all(&mut *session).await? {
        let (shard, found) = shard_row(&row)?;
        facts.shards.insert(shard, found);
        if row.try_get(3)? {
            facts.elsewhere.remove(&shard);
        }
    }
    let sql = "SELECT shard, owner, epoch FROM shards \
               WHERE owner IS NULL OR (writer <> $1 AND greatest(heartbeat, pg_postmaster_start_time(), \
                   clock_timestamp() - $3::float8 * interval '1 ms') \
                   <= clock_timestamp() - $2::float8 * interval '1 ms') \
               ORDER BY shard FOR UPDATE SKIP LOCKED";
    let (lease, back) = holder.ages();
    let query = sqlx::query(sql)
        .bind(holder.id.as_slice())
        .bind(lease)
        .bind(back);
    for row in query.fetch_all(session).await? {
        let (shard, row) = shard_row(&row)?;
        facts.shards.insert(shard, row);
        facts.elsewhere.remove(&shard);
    }
    Ok(())
}

fn numbers(needs: &Needs) -> Vec<i16> {
    needs.shards.iter().map(|shard| shard.0.into()).collect()
}

fn shard_row(row: &PgRow) -> Result<(Shard, ShardRow), Failed> {
    let number: i16 = row.try_get(0)?;
    let shard =
        u8::try_from(number).map_err(|e| Trouble::Damaged(format!("shard {number}: {e}")))?;
    let epoch = cells::unsigned("epoch", row.try_get(2)?)?;
    let owner = row.try_get(1)?;
    Ok((Shard(shard), ShardRow { owner, epoch }))
}

async fn executions(
    session: &mut PgConnection,
    wanted: &BTreeSet<ExecutionId>,
    facts: &mut Facts,
) -> Result<(), Failed> {
    let sql = concat!(
        "SELECT ",
        execution_columns!(),
        " FROM executions WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE"
    );
    let ids: Vec<_> = wanted.iter().map(|id| id_bytes(*id)).collect();
    for row in sqlx::query(sql).bind(ids).fetch_all(session).await? {
        let id = read::id(&row, 0)?;
        // Only those who speak of this execution are told of a damage.
        facts.executions.insert(id, read::execution_row(&row, id));
    }
    Ok(())
}

/// They never change, so that no lock is needed.
async fn keys(session: &mut PgConnection, needs: &Needs, facts: &mut Facts) -> Result<(), Failed> {
    let sql = "SELECT k.tenant, k.key, k.fingerprint, k.execution, k.at \
               FROM unnest($1::text[], $2::bytea[]) AS w (tenant, key) \
               JOIN idempotency_keys AS k ON k.tenant = w.tenant AND k.key = w.key";
    let tenants: Vec<_> = needs
        .keys
        .iter()
        .map(|(tenant, _)| tenant.as_str())
        .collect();
    let texts: Vec<_> = needs.keys.iter().map(|(_, key)| key.as_bytes()).collect();
    for row in sqlx::query(sql)
        .bind(tenants)
        .bind(texts)
        .fetch_all(session)
        .await?
    {
        let name = (cells::tenant(row.try_get(0)?)?, text(row.try_get(1)?)?);
        let found = KeyRow {
            fingerprint: Digest::from_bytes(row.try_get(2)?),
            execution: read::id(&row, 3)?,
            at: at(row.try_get(4)?),
        };
        facts.keys.insert(name, found);
    }
    Ok(())
}

async fn records(
    session: &mut PgConnection,
    needs: &Needs,
    facts: &mut Facts,
) -> Result<(), Failed> {
    let sql = "SELECT r.kind, r.tenant, r.key, r.version \
               FROM unnest($1::text[], $2::text[], $3::bytea[]) AS w (kind, tenant, key) \
               JOIN records AS r ON r.kind = w.kind AND r.tenant = w.tenant AND r.key = w.key \
               ORDER BY r.kind, r.tenant, r.key FOR UPDATE OF r";
    let names = || needs.records.iter();
    let query = sqlx::query(sql)
        .bind(names().map(|name| name.0).collect::<Vec<_>>())
        .bind(names().map(|name| name.1.as_str()).collect::<Vec<_>>())
        .bind(names().map(|name| name.2.as_bytes()).collect::<Vec<_>>());
    for row in query.fetch_all(session).await? {
        let kind: &str = row.try_get(0)?;
        // The needed name has a kind that lives as long as the program.
        if let Some(kind) = names().map(|name| name.0).find(|known| *known == kind) {
            let name = (
                kind,
                cells::tenant(row.try_get(1)?)?,
                text(row.try_get(2)?)?,
            );
            let version = cells::unsigned("version", row.try_get(3)?)?;
            facts.records.insert(name, version);
        }
    }
    Ok(())
}

/// What is there stays until the batch is committed, which may refer to it.
async fn blobs(session: &mut PgConnection, needs: &Needs, facts: &mut Facts) -> Result<(), Failed> {
    let sql = "SELECT digest FROM blobs WHERE digest = ANY($1) ORDER BY digest FOR KEY SHARE";
    let digests: Vec<_> = needs.blobs.iter().map(|d| *d.as_bytes()).collect();
    let query = sqlx::query(sql).bind(digests);
    for row in query.fetch_all(session).await? {
        facts.blobs.insert(Digest::from_bytes(row.try_get(0)?));
    }
    Ok(())
}

pub(super) fn text(stored: &[u8]) -> Result<String, Trouble> {
    String::from_utf8(stored.to_vec()).map_err(|e| Trouble::Damaged(format!("key: {e}")))
}
