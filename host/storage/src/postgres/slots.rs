//! Who has a slot of a group, and who waits for one, as statements. Whoever
//! changes that holds the group's lock, which it takes before it locks any
//! execution, so that two nodes never wait for each other.

use std::collections::{BTreeMap, BTreeSet};

use nebula_flow::id::{Digest, ExecutionId};
use sqlx::postgres::PgConnection;
use sqlx::{Row, query};

use super::failure::Failed;
use super::read;
use crate::cells::{self, id_bytes, limit};
use crate::rows::{Facts, GroupKey, Needs, Writes};
use crate::slots::{Group, MOST_REPLACED, SlotState};

pub(super) const TAKEN: &str = "SELECT id, slot_state FROM executions \
     WHERE slot_group = $1 AND slot_state IN (0, 2) AND status <= 2";
pub(super) const WAITING: &str = "SELECT id, priority FROM executions \
     WHERE slot_group = $1 AND slot_state = 1 AND status <= 2 ORDER BY priority DESC, id LIMIT $2";

/// Locks the groups that a batch speaks of and reads them; the executions whose
/// rows must be known beside those that the batch names.
pub(super) async fn facts(
    session: &mut PgConnection,
    needs: &Needs,
    facts: &mut Facts,
) -> Result<BTreeSet<ExecutionId>, Failed> {
    let mut others = BTreeSet::new();
    let groups = groups(session, needs).await?;
    let keys: BTreeSet<i64> = groups.keys().map(|name| lock_key(name)).collect();
    for key in keys {
        let lock = query("SELECT pg_advisory_xact_lock($1)").bind(key);
        lock.execute(&mut *session).await?;
    }
    for (name, replaces) in groups {
        let mut group = Group::default();
        for row in query(TAKEN).bind(&name).fetch_all(&mut *session).await? {
            group.take(read::id(&row, 0)?, SlotState::of(row.try_get(1)?)?);
        }
        let waiting = query(WAITING).bind(&name).bind(limit(needs.waiting()));
        for row in waiting.fetch_all(&mut *session).await? {
            let id = read::id(&row, 0)?;
            group.wait(cells::priority(row.try_get(1)?)?, id);
            others.insert(id);
        }
        if replaces {
            others.extend(group.staying().into_iter().take(MOST_REPLACED));
        }
        facts.groups.insert(name, group);
    }
    Ok(others)
}

/// The groups of starts, and of those that may leave one. An execution's group
/// never changes.
async fn groups(
    session: &mut PgConnection,
    needs: &Needs,
) -> Result<BTreeMap<GroupKey, bool>, Failed> {
    let mut groups = needs.groups.clone();
    if needs.members.is_empty() {
        return Ok(groups);
    }
    let ids: Vec<_> = needs.members.iter().map(|id| id_bytes(*id)).collect();
    let sql = "SELECT DISTINCT slot_group FROM executions \
               WHERE id = ANY($1) AND slot_state IS NOT NULL AND status <= 2";
    for row in query(sql).bind(ids).fetch_all(session).await? {
        groups.entry(row.try_get(0)?).or_default();
    }
    Ok(groups)
}

/// The advisory lock of a group: eight bytes of a digest, so that two groups
/// rarely share one, which would only make one wait for the other.
fn lock_key(name: &str) -> i64 {
    let digest = Digest::of(format!("nebula slots of {name}").as_bytes());
    let first = digest.as_bytes().first_chunk().copied();
    i64::from_be_bytes(first.unwrap_or_default())
}

/// Writes how executions stand to their slots.
pub(super) async fn write(session: &mut PgConnection, writes: &Writes<'_>) -> Result<(), Failed> {
    let sql = "UPDATE executions SET slot_state = $2 WHERE id = $1";
    for (id, state) in &writes.slots {
        let state = state.map(SlotState::number);
        let statement = query(sql).bind(id_bytes(*id)).bind(state);
        statement.execute(&mut *session).await?;
    }
    Ok(())
}
