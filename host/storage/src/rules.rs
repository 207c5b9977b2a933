//! What may happen. A batch of requests and the rows they speak of go in; the
//! rows to write, what to tell listeners and a verdict on each ticket come out.
//! Each request sees what the ones before it did; a refused one changes nothing.
//!
//! - `append`: what the owner of an execution adds to it.
//! - `slots`: who may begin; `remove`: what is over.

use std::collections::BTreeSet;

use bytes::Bytes;
use nebula_flow::id::{Digest, ExecutionId, Shard};
use nebula_flow::planted::{self, Bug};
use nebula_flow::ports::{
    Expect, Fence, IdempotencyKey, LogError, Message, RecordError, Standing, Status, Submission,
    Submitted,
};

use crate::feeds::News;
use crate::request::{Request, Submit, arrival};
use crate::rows::{ExecutionRow, Facts, Head, KeyRow, MessageRow, RecordKey, Writes, Written};

mod append;
mod remove;
mod slots;

/// What a batch comes to.
#[derive(Debug)]
pub(crate) struct Decided<'a> {
    /// For the store.
    pub(crate) writes: Writes<'a>,
    /// For listeners, once it is on disk, in order.
    pub(crate) news: Vec<News>,
}

/// Decides a batch.
pub(crate) fn decide(requests: &[Request], facts: Facts) -> Decided<'_> {
    let mut ledger = Ledger {
        facts,
        ..Ledger::default()
    };
    for request in requests {
        match request {
            Request::Submit(submit) => submit.ticket.decide(ledger.submit(submit)),
            Request::Append(append) => append.ticket.decide(ledger.append(append)),
            Request::Claim { owner, ticket } => ticket.decide(Ok(ledger.claim(owner))),
            Request::Release { fences, ticket } => {
                ledger.release(fences);
                ticket.decide(Ok(()));
            }
            Request::Flush { ticket } => ticket.decide(Ok(())),
            Request::Put {
                key,
                value,
                expect,
                ticket,
            } => ticket.decide(ledger.put(key, value, *expect)),
            Request::Remove { key, ticket } => ticket.decide(Ok(ledger.remove(key))),
            Request::PutBlob {
                digest,
                bytes,
                ticket,
            } => {
                if ledger.facts.blobs.insert(*digest) {
                    ledger.writes.blobs.insert(*digest, bytes);
                }
                ledger.writes.suspects.insert(*digest);
                ticket.decide(Ok(()));
            }
            Request::PinBlob { digest, ticket } => {
                let is_there = ledger.facts.blobs.contains(digest);
                if is_there {
                    ledger.writes.pins.insert(*digest);
                }
                ticket.decide(Ok(is_there));
            }
            Request::RemoveExecutions {
                tenant,
                executions,
                at,
                ticket,
            } => ticket.decide(Ok(ledger.remove_executions(tenant, executions, *at))),
            Request::Sweep { at, ticket } => ticket.decide(Ok(ledger.sweep(*at))),
        }
    }
    ledger.close()
}

/// The facts as the batch has changed them so far, and the changes.
#[derive(Debug, Default)]
struct Ledger<'a> {
    facts: Facts,
    /// Executions that this batch made.
    made: BTreeSet<ExecutionId>,
    /// Executions whose row differs from the store's.
    touched: BTreeSet<ExecutionId>,
    writes: Writes<'a>,
    news: Vec<News>,
}

impl<'a> Ledger<'a> {
    fn submit(&mut self, request: &Submit) -> Result<Submitted, LogError> {
        let submission = &request.submission;
        let looked_at = !planted::is(Bug::KeyIgnored);
        let key = submission.key.as_ref().filter(|_| looked_at);
        if let Some(key) = key
            && let Some(first) = self.used(submission, key)?
        {
            return Ok(Submitted::Duplicate(first));
        }
        self.has_blobs(&request.blobs)?;
        let origin = request.origin();
        if let Some(origin) = origin.filter(|id| !self.facts.executions.contains_key(id)) {
            return Err(LogError::NotFound(origin));
        }
        let seq = self.place(submission, &request.body, origin)?;
        self.uses(submission.execution, &request.blobs);
        if !request.announced {
            self.tell(submission, seq);
        }
        if let Some(key) = key {
            let name = (submission.tenant.clone(), key.key.clone());
            let row = KeyRow {
                fingerprint: key.fingerprint,
                execution: submission.execution,
                at: submission.at,
            };
            self.facts.keys.insert(name.clone(), row.clone());
            self.writes.keys.insert(name, row);
        }
        if request.announced {
            self.news.push(News::Known(submission.execution, seq));
        }
        Ok(Submitted::Accepted)
    }

    /// Lets the owner hear of a message that was placed, unless its execution waits
    /// for a slot, or was cancelled before it began: then the cancel is news.
    fn tell(&mut self, submission: &Submission, seq: u64) {
        let id = submission.execution;
        let Some(Ok(row)) = self.facts.executions.get(&id) else {
            return;
        };
        if !self.waits(id) && row.head.submitted == seq {
            let arrival = arrival(submission, row.priority, seq);
            self.news.push(News::Arrival(arrival));
        }
    }

    /// Refuses what refers to a blob that is not there.
    fn has_blobs(&self, blobs: &[Digest]) -> Result<(), LogError> {
        let mut missing = blobs.iter().filter(|d| !self.facts.blobs.contains(d));
        missing.next().map_or(Ok(()), |d| Err(LogError::NoBlob(*d)))
    }

    /// Notes that an execution refers to these blobs.
    fn uses(&mut self, execution: ExecutionId, blobs: &[Digest]) {
        let uses = blobs.iter().map(|digest| (execution, *digest));
        self.writes.uses.extend(uses);
    }

    /// Puts a message into the inbox that it is for; its number there. A start may
    /// have another execution as its origin.
    fn place(
        &mut self,
        submission: &Submission,
        body: &Bytes,
        origin: Option<ExecutionId>,
    ) -> Result<u64, LogError> {
        let seq = match &submission.message {
            Message::Start { slot, .. } => {
                let seq = self.make(submission, origin)?;
                if let Some(slot) = slot {
                    self.enter(submission, slot)?;
                }
                seq
            }
            Message::Cancel { .. }
            | Message::Signal { .. }
            | Message::ChildEnded { .. }
            | Message::Resolve { .. }
            | Message::Pause { .. }
            | Message::Resume { .. }
            | Message::Step { .. }
            | Message::Terminate { .. } => {
                let seq = self.queue(submission)?;
                self.let_out(submission.execution, &submission.message);
                seq
            }
        };
        self.touched.insert(submission.execution);
        let row = MessageRow {
            at: submission.at,
            body: body.clone(),
        };
        self.writes
            .messages
            .insert((submission.execution, seq), row);
        Ok(seq)
    }

    /// The execution for which an equal request was made under this key.
    fn used(
        &self,
        submission: &Submission,
        key: &IdempotencyKey,
    ) -> Result<Option<ExecutionId>, LogError> {
        match self
            .facts
            .keys
            .get(&(submission.tenant.clone(), key.key.clone()))
        {
            None => Ok(None),
            Some(row) if row.fingerprint == key.fingerprint => Ok(Some(row.execution)),
            Some(_) => Err(LogError::KeyReused(key.key.clone())),
        }
    }

    /// Makes the execution of a start; the number of its first message.
    fn make(
        &mut self,
        submission: &Submission,
        origin: Option<ExecutionId>,
    ) -> Result<u64, LogError> {
        let id = submission.execution;
        if let Some(row) = self.facts.executions.get(&id) {
            let actual = row.clone()?.head.version;
            return Err(LogError::Conflict {
                execution: id,
                expected: 0,
                actual,
            });
        }
        let Message::Start {
            workflow,
            name,
            version,
            priority,
            ..
        } = &submission.message
        else {
            return Err(LogError::NotFound(id));
        };
        let row = ExecutionRow {
            tenant: submission.tenant.clone(),
            workflow: *workflow,
            workflow_name: name.clone(),
            workflow_version: *version,
            created_at: submission.at,
            origin,
            priority: *priority,
            slot: None,
            head: Head {
                status: Status::Queued,
                version: 0,
                submitted: 1,
                consumed: 0,
                lines: 0,
                updated_at: submission.at,
                finished_at: None,
                wake_at: None,
                error: None,
            },
        };
        self.facts.executions.insert(id, Ok(row));
        self.made.insert(id);
        Ok(1)
    }

    /// Puts a message behind the others of its execution; its number.
    fn queue(&mut self, submission: &Submission) -> Result<u64, LogError> {
        let id = submission.execution;
        let row = self
            .facts
            .executions
            .get_mut(&id)
            .ok_or(LogError::NotFound(id))?;
        let row = row.as_mut().map_err(|trouble| trouble.clone())?;
        if row.tenant != submission.tenant {
            return Err(LogError::NotFound(id));
        }
        if let Some(expected) = submission.expect.filter(|s| !stands(&row.head, *s)) {
            return Err(LogError::Conflict {
                execution: id,
                expected: expected.version,
                actual: row.head.version,
            });
        }
        row.head.submitted += 1;
        Ok(row.head.submitted)
    }

    /// Within a process the last to claim is the owner. What another process
    /// holds may be taken once that is dead: a store of one process knows it by
    /// its lock, others by the time that has passed.
    fn claim(&mut self, owner: &str) -> Vec<Fence> {
        let mut held = Vec::new();
        for shard in Shard::all().filter(|shard| !self.facts.elsewhere.contains(shard)) {
            let row = self.facts.shards.entry(shard).or_default();
            if row.owner.as_deref() == Some(owner) {
                self.writes.renewed.insert(shard);
            } else {
                row.owner = Some(owner.to_owned());
                row.epoch += 1;
                self.writes.shards.insert(shard, row.clone());
            }
            held.push(Fence {
                shard,
                epoch: row.epoch,
            });
        }
        held
    }

    fn release(&mut self, fences: &[Fence]) {
        for fence in fences {
            if self.facts.holds(*fence)
                && let Some(row) = self.facts.shards.get_mut(&fence.shard)
            {
                row.owner = None;
                self.writes.shards.insert(fence.shard, row.clone());
            }
        }
    }

    fn put(
        &mut self,
        key: &RecordKey,
        value: &'a Bytes,
        expect: Expect,
    ) -> Result<u64, RecordError> {
        let version = self.facts.records.get(key).copied();
        let holds = match expect {
            Expect::Any => true,
            Expect::Absent => version.is_none(),
            Expect::Version(expected) => version == Some(expected),
        };
        if !holds {
            return Err(RecordError::Conflict {
                kind: key.0,
                key: key.2.clone(),
            });
        }
        let version = version.unwrap_or(0) + 1;
        self.facts.records.insert(key.clone(), version);
        self.writes
            .records
            .insert(key.clone(), Some((version, value)));
        Ok(version)
    }

    fn remove(&mut self, key: &RecordKey) -> bool {
        let was_there = self.facts.records.remove(key).is_some();
        if was_there {
            self.writes.records.insert(key.clone(), None);
        }
        was_there
    }

    fn close(mut self) -> Decided<'a> {
        // Their rows say it.
        self.writes.slots.retain(|id, _| !self.made.contains(id));
        for id in self.touched {
            if let Some(Ok(row)) = self.facts.executions.remove(&id) {
                let row = if self.made.contains(&id) {
                    Written::Inserted(row)
                } else {
                    Written::Updated(row)
                };
                self.writes.executions.insert(id, row);
            }
        }
        Decided {
            writes: self.writes,
            news: self.news,
        }
    }
}

/// Whether an execution stands where a submission expects it.
fn stands(head: &Head, expected: Standing) -> bool {
    let last_message = (head.submitted > head.consumed).then_some(head.submitted);
    (head.version, last_message) == (expected.version, expected.last_message)
}
