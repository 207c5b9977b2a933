//! What is stored, and what a batch reads and writes of it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use nebula_flow::event::Failure;
use nebula_flow::id::{Digest, ExecutionId, SHARDS, Shard, TenantId, WorkflowId, WorkflowName};
use nebula_flow::ports::{ExecutionSummary, Fence, Message, Outgoing, Status, WhenFull};
use nebula_flow::time::Timestamp;

use crate::over::{Chores, Over};
use crate::request::Request;
use crate::slots::{Group, MOST_REPLACED, SlotRow, SlotState};
use crate::trouble::Trouble;

/// A record's name: its kind, tenant and key.
pub(crate) type RecordKey = (&'static str, TenantId, String);

/// A caller's key: its tenant and text.
pub(crate) type CallerKey = (TenantId, String);

/// The name of a group of slots.
pub(crate) type GroupKey = String;

/// One execution.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExecutionRow {
    pub(crate) tenant: TenantId,
    pub(crate) workflow: WorkflowId,
    pub(crate) workflow_name: WorkflowName,
    pub(crate) workflow_version: u32,
    pub(crate) created_at: Timestamp,
    /// The execution that started it, or that it goes on with or repeats.
    pub(crate) origin: Option<ExecutionId>,
    pub(crate) priority: i8,
    /// The slot that it has or waits for. Of no matter once it has ended.
    pub(crate) slot: Option<SlotRow>,
    pub(crate) head: Head,
}

/// The part of an execution's row that changes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    pub(crate) status: Status,
    /// Of the last event.
    pub(crate) version: u64,
    /// Sequence number of the last message put into the inbox.
    pub(crate) submitted: u64,
    /// Up to which sequence number messages have become events.
    pub(crate) consumed: u64,
    /// Sequence number of the last log line.
    pub(crate) lines: u64,
    pub(crate) updated_at: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) wake_at: Option<Timestamp>,
    pub(crate) error: Option<Failure>,
}

impl Head {
    /// Whether nothing happens before a message comes: it waits for no time, and
    /// its inbox is empty.
    pub(crate) const fn is_at_rest(&self) -> bool {
        !matches!(self.status, Status::Queued | Status::Running)
            && self.wake_at.is_none()
            && self.submitted == self.consumed
    }
}

impl ExecutionRow {
    /// Whether it has not begun because it has no slot.
    pub(crate) fn waits_for_slot(&self) -> bool {
        let slot = self.slot.as_ref().map(|slot| slot.state);
        slot == Some(SlotState::Waits) && !self.head.status.is_final()
    }

    /// As lists show it.
    pub(crate) fn summary(self, id: ExecutionId) -> ExecutionSummary {
        let waits_for_slot = self.waits_for_slot();
        ExecutionSummary {
            id,
            workflow: self.workflow,
            workflow_name: self.workflow_name,
            workflow_version: self.workflow_version,
            status: self.head.status,
            version: self.head.version,
            created_at: self.created_at,
            updated_at: self.head.updated_at,
            finished_at: self.head.finished_at,
            wake_at: self.head.wake_at,
            priority: self.priority,
            waits_for_slot,
            error: self.head.error,
        }
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventRow {
    pub(crate) version: u64,
    pub(crate) at: Timestamp,
    pub(crate) body: Bytes,
    pub(crate) checksum: u32,
}

/// One message that no append has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MessageRow {
    pub(crate) at: Timestamp,
    pub(crate) body: Bytes,
}

/// One idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub(crate) fingerprint: Digest,
    pub(crate) execution: ExecutionId,
    pub(crate) at: Timestamp,
}

/// Who holds a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ShardRow {
    pub(crate) owner: Option<String>,
    pub(crate) epoch: u64,
}

/// The rows that a batch must know.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    pub(crate) executions: BTreeSet<ExecutionId>,
    pub(crate) keys: BTreeSet<CallerKey>,
    pub(crate) records: BTreeSet<RecordKey>,
    pub(crate) blobs: BTreeSet<Digest>,
    /// Groups that starts are of; true if one of them may replace others.
    pub(crate) groups: BTreeMap<GroupKey, bool>,
    /// Executions whose group matters, if they have one: they end, or are told
    /// something while they may wait for a slot.
    pub(crate) members: BTreeSet<ExecutionId>,
    /// Executions that are to be removed, of which it must be known whether one
    /// that has not ended refers to them.
    pub(crate) removals: BTreeSet<ExecutionId>,
    /// When what is over is looked for.
    pub(crate) sweep: Option<Timestamp>,
    /// Those whose owner must be known.
    pub(crate) shards: BTreeSet<Shard>,
    /// Whether someone wants to hold shards: then every shard that may be taken
    /// is needed.
    pub(crate) claims: bool,
}

impl Needs {
    /// The rows that these requests speak of.
    pub(crate) fn of(requests: &[Request]) -> Self {
        let mut needs = Self::default();
        for request in requests {
            match request {
                Request::Submit(submit) => {
                    let submission = &submit.submission;
                    needs.executions.insert(submission.execution);
                    needs.executions.extend(submit.origin());
                    needs.member(submission.execution, &submission.message);
                    needs.blobs.extend(&submit.blobs);
                    if let Some(key) = &submission.key {
                        needs
                            .keys
                            .insert((submission.tenant.clone(), key.key.clone()));
                    }
                }
                Request::Append(append) => {
                    needs.executions.insert(append.head.execution);
                    needs.shards.insert(append.fence.shard);
                    if append.head.status.is_final() {
                        needs.members.insert(append.head.execution);
                    }
                    for Outgoing { execution, message } in append.outbox.iter().map(|l| &l.outgoing)
                    {
                        needs.executions.insert(*execution);
                        needs.member(*execution, message);
                    }
                    let letters = append.outbox.iter().flat_map(|letter| &letter.blobs);
                    needs.blobs.extend(append.blobs.iter().chain(letters));
                }
                Request::Claim { .. } => needs.claims = true,
                Request::Release { fences, .. } => {
                    needs.shards.extend(fences.iter().map(|fence| fence.shard));
                }
                Request::Flush { .. } => {}
                Request::Put { key, .. } | Request::Remove { key, .. } => {
                    needs.records.insert(key.clone());
                }
                Request::RemoveExecutions { executions, .. } => {
                    needs.executions.extend(executions);
                    needs.removals.extend(executions);
                }
                Request::Sweep { at, .. } => needs.sweep = needs.sweep.max(Some(*at)),
                Request::PutBlob { digest, .. } | Request::PinBlob { digest, .. } => {
                    needs.blobs.insert(*digest);
                }
            }
        }
        needs
    }

    fn member(&mut self, execution: ExecutionId, message: &Message) {
        match message {
            Message::Start { slot: None, .. } => {}
            Message::Start {
                slot: Some(slot), ..
            } => {
                let replaces = self.groups.entry(slot.group.clone()).or_default();
                *replaces |= slot.when_full == WhenFull::Replace;
            }
            _ => {
                self.members.insert(execution);
            }
        }
    }

    /// How many of those that wait for a slot of a group a batch may let begin, and
    /// may replace.
    pub(crate) fn waiting(&self) -> usize {
        self.members.len() + MOST_REPLACED
    }

    /// Whether a shard's owner matters.
    pub(crate) fn owners(&self) -> bool {
        self.claims || !self.shards.is_empty()
    }

    /// Whether nothing must be known.
    pub(crate) fn is_empty(&self) -> bool {
        !self.owners()
            && self.executions.is_empty()
            && self.keys.is_empty()
            && self.records.is_empty()
            && self.blobs.is_empty()
            && self.sweep.is_none()
    }
}

/// Those rows as the store has them. A row that is not there is absent; one
/// that cannot be read is an error of its own, so that it spoils nobody else's
/// request.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) executions: BTreeMap<ExecutionId, Result<ExecutionRow, Trouble>>,
    pub(crate) keys: BTreeMap<CallerKey, KeyRow>,
    /// Their versions.
    pub(crate) records: BTreeMap<RecordKey, u64>,
    pub(crate) blobs: BTreeSet<Digest>,
    /// The groups of starts and members. The rows of those that wait are among the
    /// executions, and those of the oldest that may be replaced.
    pub(crate) groups: BTreeMap<GroupKey, Group>,
    /// Of those to be removed: one that has not ended is their origin, or has them
    /// as its origin.
    pub(crate) in_use: BTreeSet<ExecutionId>,
    /// What a sweep finds.
    pub(crate) chores: Chores,
    /// A missing one was never held.
    pub(crate) shards: BTreeMap<Shard, ShardRow>,
    /// For claims: the shards that another process holds and that is alive. A
    /// store that one process alone may open has none.
    pub(crate) elsewhere: BTreeSet<Shard>,
}

impl Facts {
    /// Whether the shard is held under this epoch.
    pub(crate) fn holds(&self, fence: Fence) -> bool {
        fence.shard.0 < SHARDS
            && self
                .shards
                .get(&fence.shard)
                .is_some_and(|row| row.owner.is_some() && row.epoch == fence.epoch)
    }
}

/// What a batch writes: all of it, or nothing. Rows that came and went within
/// the batch are not in it.
#[derive(Debug, Default)]
pub(crate) struct Writes<'a> {
    pub(crate) executions: BTreeMap<ExecutionId, Written<ExecutionRow>>,
    /// To insert; in order for each execution.
    pub(crate) events: Vec<(ExecutionId, &'a [EventRow])>,
    /// To insert: the number of the first, and the lines.
    pub(crate) lines: Vec<(ExecutionId, u64, &'a [Bytes])>,
    /// To delete: the stored messages up to this number.
    pub(crate) taken: BTreeMap<ExecutionId, u64>,
    /// To insert.
    pub(crate) messages: BTreeMap<(ExecutionId, u64), MessageRow>,
    /// To insert.
    pub(crate) keys: BTreeMap<CallerKey, KeyRow>,
    /// To set, or to delete.
    pub(crate) records: BTreeMap<RecordKey, Option<(u64, &'a Bytes)>>,
    /// To insert.
    pub(crate) blobs: BTreeMap<Digest, &'a Bytes>,
    /// To set, or to clear.
    pub(crate) slots: BTreeMap<ExecutionId, Option<SlotState>>,
    /// To insert, unless they are there.
    pub(crate) uses: BTreeSet<(ExecutionId, Digest)>,
    /// To insert, unless they are there.
    pub(crate) pins: BTreeSet<Digest>,
    /// To insert; one that is there was not seen by a sweep any more.
    pub(crate) suspects: BTreeSet<Digest>,
    /// To delete, before anything is inserted.
    pub(crate) over: Over,
    /// To set.
    pub(crate) shards: BTreeMap<Shard, ShardRow>,
    /// Held before and claimed again: a sign of life, for stores in which an
    /// owner's time runs out.
    pub(crate) renewed: BTreeSet<Shard>,
}

/// A row to write.
#[derive(Debug)]
pub(crate) enum Written<T> {
    Inserted(T),
    Updated(T),
}

impl Writes<'_> {
    /// Whether there is nothing to write but signs of life.
    pub(crate) fn is_empty(&self) -> bool {
        self.executions.is_empty()
            && self.events.is_empty()
            && self.lines.is_empty()
            && self.taken.is_empty()
            && self.messages.is_empty()
            && self.keys.is_empty()
            && self.records.is_empty()
            && self.blobs.is_empty()
            && self.slots.is_empty()
            && self.uses.is_empty()
            && self.pins.is_empty()
            && self.suspects.is_empty()
            && self.over.is_empty()
            && self.shards.is_empty()
    }
}
