//! A store that is gone with its process: for tests, and the measure of the
//! other back ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use nebula_flow::id::{Digest, ExecutionId, Shard, TenantId};
use nebula_flow::ports::{EndedQuery, ExecutionQuery, Record, Unfinished};

use crate::batch::{self, Store};
use crate::feeds::Feeds;
use crate::figures::Figures;
use crate::log::{Backend, Log};
use crate::over::Chores;
use crate::request::Request;
use crate::rows::{
    CallerKey, EventRow, ExecutionRow, Facts, GroupKey, KeyRow, MessageRow, Needs, RecordKey,
    ShardRow, Writes, Written,
};
use crate::trouble::Trouble;

mod over;
mod slots;

/// Everything in memory, nothing on disk. Cheap to clone; all clones are the
/// same store.
#[derive(Clone)]
pub struct Memory(Log<InMemory>);

doors!(Memory);

/// The back end of [`Memory`].
#[derive(Debug)]
struct InMemory {
    state: Mutex<State>,
    feeds: Feeds,
}

#[derive(Debug, Default)]
struct State {
    executions: BTreeMap<ExecutionId, ExecutionRow>,
    unfinished: BTreeSet<(Shard, ExecutionId)>,
    /// The unfinished executions of each group of slots.
    groups: BTreeMap<GroupKey, BTreeSet<ExecutionId>>,
    events: BTreeMap<(ExecutionId, u64), EventRow>,
    lines: BTreeMap<(ExecutionId, u64), Bytes>,
    messages: BTreeMap<(ExecutionId, u64), MessageRow>,
    keys: BTreeMap<CallerKey, KeyRow>,
    records: BTreeMap<RecordKey, Record>,
    blobs: BTreeMap<Digest, Bytes>,
    over: over::Kept,
    shards: BTreeMap<Shard, ShardRow>,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self(Log(Arc::new(InMemory {
            state: Mutex::default(),
            feeds: Feeds::new(),
        })))
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl InMemory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for State {
    fn transact<'a>(
        &mut self,
        needs: &Needs,
        decide: &mut dyn FnMut(Facts) -> Writes<'a>,
    ) -> Result<(), Trouble> {
        let facts = self.facts(needs);
        self.write(decide(facts));
        Ok(())
    }
}

impl State {
    fn facts(&self, needs: &Needs) -> Facts {
        fn pick<K: Ord + Clone, V: Clone>(
            from: &BTreeMap<K, V>,
            keys: &BTreeSet<K>,
        ) -> BTreeMap<K, V> {
            keys.iter()
                .filter_map(|k| Some((k.clone(), from.get(k)?.clone())))
                .collect()
        }
        let executions = pick(&self.executions, &needs.executions);
        let records = pick(&self.records, &needs.records);
        let mut facts = Facts {
            executions: executions
                .into_iter()
                .map(|(id, row)| (id, Ok(row)))
                .collect(),
            keys: pick(&self.keys, &needs.keys),
            records: records
                .into_iter()
                .map(|(key, record)| (key, record.version))
                .collect(),
            blobs: needs
                .blobs
                .iter()
                .filter(|d| self.blobs.contains_key(d))
                .copied()
                .collect(),
            shards: if needs.owners() {
                self.shards.clone()
            } else {
                BTreeMap::new()
            },
            elsewhere: BTreeSet::new(),
            in_use: needs
                .removals
                .iter()
                .copied()
                .filter(|id| self.is_in_use(*id))
                .collect(),
            chores: needs
                .sweep
                .map_or_else(Chores::default, |now| self.chores(now)),
            groups: BTreeMap::new(),
        };
        self.groups(needs, &mut facts);
        facts
    }

    fn write(&mut self, writes: Writes<'_>) {
        self.remove(&writes.over);
        for (id, written) in writes.executions {
            let (Written::Inserted(row) | Written::Updated(row)) = written;
            if row.head.status.is_final() {
                self.unfinished.remove(&(id.shard(), id));
            } else {
                self.unfinished.insert((id.shard(), id));
            }
            self.member(id, &row);
            self.executions.insert(id, row);
        }
        self.set_slots(writes.slots);
        for (id, events) in writes.events {
            self.events
                .extend(events.iter().map(|e| ((id, e.version), e.clone())));
        }
        for (id, first, lines) in writes.lines {
            self.lines.extend(
                lines
                    .iter()
                    .zip(first..)
                    .map(|(line, seq)| ((id, seq), line.clone())),
            );
        }
        for (id, upto) in writes.taken {
            let taken: Vec<u64> = self
                .messages
                .range((id, 0)..=(id, upto))
                .map(|(key, _)| key.1)
                .collect();
            for seq in taken {
                self.messages.remove(&(id, seq));
            }
        }
        self.messages.extend(writes.messages);
        self.keys.extend(writes.keys);
        for (key, record) in writes.records {
            match record {
                Some((version, value)) => {
                    self.records.insert(
                        key,
                        Record {
                            version,
                            value: value.clone(),
                        },
                    );
                }
                None => {
                    self.records.remove(&key);
                }
            }
        }
        self.blobs.extend(
            writes
                .blobs
                .into_iter()
                .map(|(digest, bytes)| (digest, bytes.clone())),
        );
        self.over.keep(writes.uses, writes.pins, writes.suspects);
        self.shards.extend(writes.shards);
    }
}

#[async_trait]
impl Backend for InMemory {
    async fn send(&self, request: Request) -> Result<(), Trouble> {
        batch::run(
            &mut *self.state(),
            vec![request],
            &self.feeds,
            &Figures::default(),
        );
        Ok(())
    }

    fn feeds(&self) -> &Feeds {
        &self.feeds
    }

    fn has_told_early(&self) -> bool {
        false
    }

    async fn unfinished(
        &self,
        shard: Shard,
        after: Option<ExecutionId>,
        limit: usize,
    ) -> Result<Vec<Unfinished>, Trouble> {
        let state = self.state();
        let from = match after {
            Some(after) => Bound::Excluded((shard, after)),
            None => Bound::Included((shard, ExecutionId::from_u128(0))),
        };
        let to = Bound::Included((shard, ExecutionId::from_u128(u128::MAX)));
        let ids = state.unfinished.range((from, to));
        let rows = ids.filter_map(|(_, id)| {
            let row = state.executions.get(id)?;
            let due = !row.head.is_at_rest() && !row.waits_for_slot();
            due.then(|| Unfinished {
                tenant: row.tenant.clone(),
                execution: *id,
                priority: row.priority,
                wake_at: row.head.wake_at,
                has_inbox: row.head.submitted > row.head.consumed,
            })
        });
        Ok(rows.take(limit).collect())
    }

    async fn inbox(&self, execution: ExecutionId) -> Result<Vec<(u64, MessageRow)>, Trouble> {
        let state = self.state();
        let rows = state.messages.range((execution, 0)..=(execution, u64::MAX));
        Ok(rows.map(|(key, row)| (key.1, row.clone())).collect())
    }

    async fn events(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<EventRow>, Trouble> {
        let state = self.state();
        let rows = state.events.range(behind(execution, after));
        Ok(rows.take(limit).map(|(_, row)| row.clone()).collect())
    }

    async fn lines(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Bytes)>, Trouble> {
        let state = self.state();
        let rows = state.lines.range(behind(execution, after));
        Ok(rows
            .take(limit)
            .map(|(key, line)| (key.1, line.clone()))
            .collect())
    }

    async fn execution(&self, execution: ExecutionId) -> Result<Option<ExecutionRow>, Trouble> {
        Ok(self.state().executions.get(&execution).cloned())
    }

    async fn executions(
        &self,
        tenant: TenantId,
        query: ExecutionQuery,
    ) -> Result<Vec<(ExecutionId, ExecutionRow)>, Trouble> {
        let state = self.state();
        let to = query.before.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = state
            .executions
            .range((Bound::Unbounded, to))
            .rev()
            .filter(|(_, row)| {
                row.tenant == tenant
                    && query
                        .workflow
                        .is_none_or(|workflow| row.workflow == workflow)
                    && query.status.is_none_or(|status| row.head.status == status)
            });
        Ok(rows
            .take(query.limit)
            .map(|(id, row)| (*id, row.clone()))
            .collect())
    }

    async fn ended(
        &self,
        tenant: TenantId,
        query: EndedQuery,
    ) -> Result<Vec<(ExecutionId, ExecutionRow)>, Trouble> {
        Ok(self.state().ended(&tenant, &query))
    }

    async fn record(&self, key: RecordKey) -> Result<Option<Record>, Trouble> {
        Ok(self.state().records.get(&key).cloned())
    }

    async fn list(
        &self,
        kind: &'static str,
        tenant: TenantId,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, Trouble> {
        let state = self.state();
        let from = (
            kind,
            tenant.clone(),
            after.clone().unwrap_or_default().max(prefix.clone()),
        );
        let rows = state
            .records
            .range(from..)
            .take_while(|(key, _)| key.0 == kind && key.1 == tenant && key.2.starts_with(&prefix))
            .filter(|(key, _)| after.as_ref() != Some(&key.2));
        Ok(rows
            .take(limit)
            .map(|(key, record)| (key.2.clone(), record.clone()))
            .collect())
    }

    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, Trouble> {
        Ok(self.state().blobs.get(&digest).cloned())
    }
}

fn behind(execution: ExecutionId, after: u64) -> impl RangeBounds<(ExecutionId, u64)> {
    (
        Bound::Excluded((execution, after)),
        Bound::Included((execution, u64::MAX)),
    )
}
