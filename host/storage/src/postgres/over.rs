//! What is over, as statements: how it is found, and how it is removed.

use nebula_flow::id::{Digest, ExecutionId, TenantId};
use nebula_flow::ports::EndedQuery;
use nebula_flow::retention::BLOB_GRACE;
use nebula_flow::start::KEY_LIFE;
use nebula_flow::time::Timestamp;
use sqlx::postgres::PgConnection;
use sqlx::{Row, query};

use super::facts::text;
use super::failure::Failed;
use super::read::{self, Readers};
use crate::cells::{self, id_bytes, instant, limit, number};
use crate::over::{BLOBS, Chores, NAMES, Over, ROWS};
use crate::rows::{CallerKey, ExecutionRow, Facts, Needs};
use crate::trouble::Trouble;

pub(super) const ENDED: &str = concat!(
    "SELECT ",
    execution_columns!(),
    " FROM executions WHERE tenant = $1 AND workflow = $2 \
     AND finished_at < $3 AND (finished_at, id) > ($4, $5) AND (finished_at, id) <= \
     (SELECT finished_at, id FROM executions WHERE tenant = $1 AND workflow = $2 \
     AND finished_at IS NOT NULL ORDER BY finished_at DESC, id DESC LIMIT 1 OFFSET $6) \
     ORDER BY finished_at, id LIMIT $7"
);

impl Readers {
    /// Executions that have ended, in the order of their ends.
    pub(super) async fn ended(
        &self,
        tenant: &TenantId,
        query: &EndedQuery,
    ) -> Result<Vec<(ExecutionId, ExecutionRow)>, Trouble> {
        // No bytes sort before every id.
        let (at, after) = query.after.map_or((i64::MIN, Vec::new()), |(at, id)| {
            (instant(at), id_bytes(id).to_vec())
        });
        let statement = || {
            sqlx::query(ENDED)
                .bind(tenant.as_str())
                .bind(query.workflow.as_u128().to_be_bytes())
                .bind(instant(query.before))
                .bind(at)
                .bind(after.as_slice())
                .bind(i64::from(query.beyond))
                .bind(limit(query.limit))
        };
        read::all(&self.rows(statement).await?, |row| {
            let id = read::id(row, 0)?;
            Ok((id, read::execution_row(row, id)?))
        })
    }
}

/// Adds what a batch must know of what is over.
pub(super) async fn facts(
    session: &mut PgConnection,
    needs: &Needs,
    facts: &mut Facts,
) -> Result<(), Failed> {
    if !needs.removals.is_empty() {
        let sql = "SELECT e.id FROM executions AS e WHERE e.id = ANY($1) \
                   AND (EXISTS (SELECT FROM executions AS c WHERE c.origin = e.id AND c.status <= 2) \
                     OR EXISTS (SELECT FROM executions AS o WHERE o.id = e.origin AND o.status <= 2))";
        let ids: Vec<_> = needs.removals.iter().map(|id| id_bytes(*id)).collect();
        for row in query(sql).bind(ids).fetch_all(&mut *session).await? {
            facts.in_use.insert(read::id(&row, 0)?);
        }
    }
    if let Some(now) = needs.sweep {
        facts.chores = chores(session, now).await?;
    }
    Ok(())
}

async fn chores(session: &mut PgConnection, now: Timestamp) -> Result<Chores, Failed> {
    let mut chores = Chores {
        suspects: suspects(session, now).await?,
        ..Chores::default()
    };
    let sql =
        "SELECT tenant, key FROM idempotency_keys WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2";
    let keys = query(sql).bind(instant(now)).bind(limit(NAMES));
    for row in keys.fetch_all(&mut *session).await? {
        let name: CallerKey = (cells::tenant(row.try_get(0)?)?, text(row.try_get(1)?)?);
        chores.keys.push(name);
    }
    let leftover = query("SELECT execution FROM leftovers ORDER BY execution LIMIT 1");
    if let Some(row) = leftover.fetch_optional(&mut *session).await? {
        chores.leftover = Some(read::id(&row, 0)?);
    }
    let sql = "SELECT digest FROM blob_suspects WHERE since IS NULL LIMIT $1";
    for row in query(sql).bind(limit(NAMES)).fetch_all(session).await? {
        chores.unseen.push(Digest::from_bytes(row.try_get(0)?));
    }
    Ok(chores)
}

/// Suspects whose grace is over. Their blobs are locked before it is asked whether
/// they are needed: who refers to one, or puts it, has it locked until that is
/// committed. One that is locked is left alone.
async fn suspects(
    session: &mut PgConnection,
    now: Timestamp,
) -> Result<Vec<(Digest, bool)>, Failed> {
    let sql = "SELECT digest FROM blob_suspects WHERE since <= $1 ORDER BY since LIMIT $2 \
               FOR UPDATE SKIP LOCKED";
    let since = instant(now.minus(BLOB_GRACE));
    let rows = query(sql).bind(since).bind(limit(BLOBS));
    let mut digests: Vec<[u8; 32]> = Vec::new();
    for row in rows.fetch_all(&mut *session).await? {
        digests.push(row.try_get(0)?);
    }
    if digests.is_empty() {
        return Ok(Vec::new());
    }
    let sql =
        "SELECT digest FROM blobs WHERE digest = ANY($1) ORDER BY digest FOR UPDATE SKIP LOCKED";
    let mut locked: Vec<[u8; 32]> = Vec::new();
    for row in query(sql).bind(digests).fetch_all(&mut *session).await? {
        locked.push(row.try_get(0)?);
    }
    let sql = "SELECT w.digest, EXISTS (SELECT FROM blob_uses AS u WHERE u.digest = w.digest) \
                   OR EXISTS (SELECT FROM blob_pins AS p WHERE p.digest = w.digest) \
               FROM unnest($1::bytea[]) AS w (digest)";
    let mut suspects = Vec::new();
    for row in query(sql).bind(locked).fetch_all(session).await? {
        suspects.push((Digest::from_bytes(row.try_get(0)?), row.try_get(1)?));
    }
    Ok(suspects)
}

/// Removes it, before anything is inserted.
pub(super) async fn write(session: &mut PgConnection, over: &Over) -> Result<(), Failed> {
    let digests = |of: &mut dyn Iterator<Item = &Digest>| -> Vec<[u8; 32]> {
        of.map(|digest| *digest.as_bytes()).collect()
    };
    // Before the uses of executions go: what only they used becomes a suspect anew.
    if !over.cleared.is_empty() {
        let sql = "DELETE FROM blob_suspects WHERE digest = ANY($1)";
        let cleared = digests(&mut over.cleared.iter());
        query(sql).bind(cleared).execute(&mut *session).await?;
    }
    if !over.executions.is_empty() {
        executions(session, over).await?;
    }
    if let Some(id) = over.leftover {
        leftover(session, id).await?;
    }
    if !over.keys.is_empty() {
        let sql = "DELETE FROM idempotency_keys AS k USING unnest($1::text[], $2::bytea[]) AS w (tenant, key) \
                   WHERE k.tenant = w.tenant AND k.key = w.key";
        let tenants: Vec<_> = over
            .keys
            .iter()
            .map(|(tenant, _)| tenant.as_str())
            .collect();
        let keys: Vec<_> = over.keys.iter().map(|(_, key)| key.as_bytes()).collect();
        let statement = query(sql).bind(tenants).bind(keys);
        statement.execute(&mut *session).await?;
    }
    if !over.blobs.is_empty() {
        let sql = "DELETE FROM blobs WHERE digest = ANY($1)";
        let blobs = digests(&mut over.blobs.iter());
        query(sql).bind(blobs).execute(&mut *session).await?;
    }
    if !over.seen.is_empty() {
        let sql = "UPDATE blob_suspects AS s SET since = w.since \
                   FROM unnest($1::bytea[], $2::int8[]) AS w (digest, since) \
                   WHERE s.digest = w.digest AND s.since IS NULL";
        let since: Vec<_> = over.seen.values().map(|at| instant(*at)).collect();
        let statement = query(sql).bind(digests(&mut over.seen.keys())).bind(since);
        statement.execute(session).await?;
    }
    Ok(())
}

async fn executions(session: &mut PgConnection, over: &Over) -> Result<(), Failed> {
    let removed: Vec<_> = over.executions.iter().collect();
    let all: Vec<_> = removed.iter().map(|(id, _)| id_bytes(**id)).collect();
    for sql in [
        "DELETE FROM executions WHERE id = ANY($1)",
        "DELETE FROM inbox WHERE execution = ANY($1)",
    ] {
        query(sql).bind(&all).execute(&mut *session).await?;
    }
    let sql = "DELETE FROM idempotency_keys AS k \
               USING unnest($1::bytea[], $2::int8[]) AS w (execution, since) \
               WHERE k.execution = w.execution AND k.at < w.since";
    let from: Vec<_> = removed
        .iter()
        .map(|(_, r)| instant(r.keys_from()))
        .collect();
    let statement = query(sql).bind(&all).bind(from);
    statement.execute(&mut *session).await?;
    let sql = "UPDATE idempotency_keys SET ends_at = at + $2 WHERE execution = ANY($1)";
    let life = i64::try_from(KEY_LIFE.as_millis()).unwrap_or(i64::MAX);
    let statement = query(sql).bind(&all).bind(life);
    statement.execute(&mut *session).await?;

    let parts = |whole| -> Vec<[u8; 16]> {
        let of = removed.iter().filter(|(_, r)| r.whole == whole);
        of.map(|(id, _)| id_bytes(**id)).collect()
    };
    let (whole, rest) = (parts(true), parts(false));
    if !rest.is_empty() {
        let sql =
            "INSERT INTO leftovers (execution) SELECT unnest($1::bytea[]) ON CONFLICT DO NOTHING";
        query(sql).bind(&rest).execute(&mut *session).await?;
    }
    for sql in [
        "DELETE FROM events WHERE execution = ANY($1)",
        "DELETE FROM lines WHERE execution = ANY($1)",
        "INSERT INTO blob_suspects (digest) SELECT DISTINCT digest FROM blob_uses \
         WHERE execution = ANY($1) ORDER BY digest ON CONFLICT DO NOTHING",
        "DELETE FROM blob_uses WHERE execution = ANY($1)",
    ] {
        query(sql).bind(&whole).execute(&mut *session).await?;
    }
    Ok(())
}

/// Deletes the next rows of an execution; its name too, once there are no more.
async fn leftover(session: &mut PgConnection, id: ExecutionId) -> Result<(), Failed> {
    let bytes = id_bytes(id);
    for sql in [
        "DELETE FROM events WHERE execution = $1 AND version IN \
         (SELECT version FROM events WHERE execution = $1 ORDER BY version LIMIT $2)",
        "DELETE FROM lines WHERE execution = $1 AND seq IN \
         (SELECT seq FROM lines WHERE execution = $1 ORDER BY seq LIMIT $2)",
        "INSERT INTO blob_suspects (digest) SELECT digest FROM blob_uses \
         WHERE execution = $1 ORDER BY digest LIMIT $2 ON CONFLICT DO NOTHING",
        "DELETE FROM blob_uses WHERE execution = $1 AND digest IN \
         (SELECT digest FROM blob_uses WHERE execution = $1 ORDER BY digest LIMIT $2)",
    ] {
        let statement = query(sql).bind(bytes).bind(number(ROWS));
        statement.execute(&mut *session).await?;
    }
    let sql = "DELETE FROM leftovers WHERE execution = $1 \
               AND NOT EXISTS (SELECT FROM events WHERE execution = $1) \
               AND NOT EXISTS (SELECT FROM lines WHERE execution = $1) \
               AND NOT EXISTS (SELECT FROM blob_uses WHERE execution = $1)";
    query(sql).bind(bytes).execute(session).await?;
    Ok(())
}
