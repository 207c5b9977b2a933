//! What is over, in memory.

use std::collections::{BTreeMap, BTreeSet};

use nebula_flow::id::{Digest, ExecutionId, TenantId};
use nebula_flow::ports::EndedQuery;
use nebula_flow::retention::BLOB_GRACE;
use nebula_flow::start::KEY_LIFE;
use nebula_flow::time::Timestamp;

use super::State;
use crate::over::{BLOBS, Chores, NAMES, Over, ROWS};
use crate::rows::{CallerKey, ExecutionRow};

/// What is kept for removals and sweeps.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Keys that end.
    ends: BTreeMap<CallerKey, Timestamp>,
    leftovers: BTreeSet<ExecutionId>,
    uses: BTreeSet<(ExecutionId, Digest)>,
    pins: BTreeSet<Digest>,
    suspects: BTreeMap<Digest, Option<Timestamp>>,
}

impl Kept {
    pub(super) fn keep(
        &mut self,
        uses: BTreeSet<(ExecutionId, Digest)>,
        pins: BTreeSet<Digest>,
        suspects: BTreeSet<Digest>,
    ) {
        self.uses.extend(uses);
        self.pins.extend(pins);
        self.suspects
            .extend(suspects.into_iter().map(|digest| (digest, None)));
    }
}

impl State {
    pub(super) fn ended(
        &self,
        tenant: &TenantId,
        query: &EndedQuery,
    ) -> Vec<(ExecutionId, ExecutionRow)> {
        let of_workflow = self.executions.iter().filter_map(|(id, row)| {
            let at = row.head.finished_at?;
            (row.tenant == *tenant && row.workflow == query.workflow).then_some((at, *id))
        });
        let mut ends: Vec<_> = of_workflow.collect();
        ends.sort_unstable();
        ends.truncate(ends.len().saturating_sub(query.beyond as usize));
        let found = ends
            .into_iter()
            .filter(|end| end.0 < query.before && query.after.is_none_or(|after| *end > after));
        let rows = found.filter_map(|(_, id)| Some((id, self.executions.get(&id)?.clone())));
        rows.take(query.limit).collect()
    }

    pub(super) fn is_in_use(&self, id: ExecutionId) -> bool {
        let runs = |row: &ExecutionRow| !row.head.status.is_final();
        let origin = self.executions.get(&id).and_then(|row| row.origin);
        let runs_above = origin.and_then(|origin| self.executions.get(&origin));
        runs_above.is_some_and(runs)
            || self
                .executions
                .values()
                .any(|row| row.origin == Some(id) && runs(row))
    }

    pub(super) fn chores(&self, now: Timestamp) -> Chores {
        let kept = &self.over;
        let mut keys: Vec<_> = kept.ends.iter().filter(|(_, at)| **at <= now).collect();
        keys.sort_by_key(|(_, at)| **at);
        let since = now.minus(BLOB_GRACE);
        let mut old: Vec<_> = kept
            .suspects
            .iter()
            .filter_map(|(digest, seen)| Some(((*seen)?, *digest)))
            .filter(|(seen, _)| *seen <= since)
            .collect();
        old.sort_unstable();
        let needed = |digest: &Digest| {
            kept.pins.contains(digest) || kept.uses.iter().any(|(_, used)| used == digest)
        };
        let unseen = kept.suspects.iter().filter(|(_, seen)| seen.is_none());
        Chores {
            keys: keys
                .into_iter()
                .take(NAMES)
                .map(|(k, _)| k.clone())
                .collect(),
            leftover: kept.leftovers.first().copied(),
            suspects: old
                .into_iter()
                .take(BLOBS)
                .map(|(_, digest)| (digest, needed(&digest)))
                .collect(),
            unseen: unseen.take(NAMES).map(|(digest, _)| *digest).collect(),
        }
    }

    /// Removes it, before anything is inserted.
    pub(super) fn remove(&mut self, over: &Over) {
        for digest in &over.cleared {
            self.over.suspects.remove(digest);
        }
        for (id, removed) in &over.executions {
            self.executions.remove(id);
            self.messages.retain(|(of, _), _| of != id);
            let from = removed.keys_from();
            self.keys
                .retain(|_, row| row.execution != *id || row.at >= from);
            let kept = self.keys.iter().filter(|(_, row)| row.execution == *id);
            let ends = kept.map(|(key, row)| (key.clone(), row.at.plus(KEY_LIFE)));
            self.over.ends.extend(ends);
            if removed.whole {
                self.clear(*id, usize::MAX);
            } else {
                self.over.leftovers.insert(*id);
            }
        }
        if let Some(id) = over.leftover
            && self.clear(id, usize::try_from(ROWS).unwrap_or(usize::MAX))
        {
            self.over.leftovers.remove(&id);
        }
        for key in &over.keys {
            self.keys.remove(key);
            self.over.ends.remove(key);
        }
        for digest in &over.blobs {
            self.blobs.remove(digest);
        }
        for (digest, since) in &over.seen {
            self.over.suspects.insert(*digest, Some(*since));
        }
    }

    /// Deletes so many rows of each kind of an execution; whether there are no more.
    fn clear(&mut self, id: ExecutionId, most: usize) -> bool {
        let mut more = cut(&mut self.events, id, most);
        more |= cut(&mut self.lines, id, most);
        let uses = self.over.uses.iter().filter(|(of, _)| *of == id);
        let uses: Vec<_> = uses.copied().collect();
        more |= uses.len() > most;
        for used in uses.into_iter().take(most) {
            self.over.uses.remove(&used);
            self.over.suspects.entry(used.1).or_insert(None);
        }
        !more
    }
}

/// Deletes so many rows of an execution; whether there are more.
fn cut<V>(rows: &mut BTreeMap<(ExecutionId, u64), V>, id: ExecutionId, most: usize) -> bool {
    let all = rows.range((id, 0)..=(id, u64::MAX));
    let keys: Vec<_> = all.map(|(key, _)| *key).collect();
    for key in keys.iter().take(most) {
        rows.remove(key);
    }
    keys.len() > most
}
