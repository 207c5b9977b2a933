//! What the owner of an execution adds to it, and tells others.

use nebula_flow::Timestamp;
use nebula_flow::id::{ExecutionId, TenantId};
use nebula_flow::planted::{self, Bug};
use nebula_flow::ports::{Change, Durability, LogError, Submission};

use super::Ledger;
use crate::feeds::News;
use crate::request::{AppendRows, Letter};
use crate::rows::{ExecutionRow, Head};
use crate::trouble::Trouble;

impl<'a> Ledger<'a> {
    pub(super) fn append(&mut self, request: &'a AppendRows) -> Result<(), LogError> {
        let append = &request.head;
        let id = append.execution;
        if id.shard() != request.fence.shard || !self.facts.holds(request.fence) {
            return Err(LogError::Fenced(request.fence));
        }
        let row = self
            .facts
            .executions
            .get_mut(&id)
            .ok_or(LogError::NotFound(id))?;
        let row = row.as_mut().map_err(|trouble| trouble.clone())?;
        check(request, &row.head)?;
        let letters = request.outbox.iter().flat_map(|letter| &letter.blobs);
        let mut blobs = request.blobs.iter().chain(letters);
        if let Some(missing) = blobs.find(|d| !self.facts.blobs.contains(d)) {
            return Err(LogError::NoBlob(*missing));
        }

        let head = &mut row.head;
        let was_consumed = head.consumed;
        if let Some(last) = request.events.last() {
            head.version = last.version;
            head.updated_at = last.at;
        }
        head.status = append.status;
        head.consumed = head.consumed.max(append.consumed);
        let kept = !append.status.is_final() && !planted::is(Bug::WakeLost);
        head.wake_at = append.wake_at.filter(|_| kept);
        if append.status.is_final() && head.finished_at.is_none() {
            head.finished_at = Some(head.updated_at);
        }
        if append.error.is_some() {
            head.error.clone_from(&append.error);
        }
        let consumed = head.consumed;
        let first_line = head.lines + 1;
        head.lines += request.lines.len() as u64;
        let tenant = row.tenant.clone();
        self.news.push(News::Change(Change::Appended {
            tenant: tenant.clone(),
            execution: id,
            version: head.version,
            status: head.status,
            end: request.end.clone(),
        }));

        self.touched.insert(id);
        self.uses(id, &request.blobs);
        if consumed > was_consumed {
            self.take(id, was_consumed, consumed);
        }
        if !request.events.is_empty() {
            self.writes.events.push((id, &request.events));
        }
        if !request.lines.is_empty() {
            self.writes.lines.push((id, first_line, &request.lines));
        }
        if append.status.is_final() {
            self.free(id);
        }
        if let Some(last) = request.events.last() {
            for letter in &request.outbox {
                self.deliver(letter, id, &tenant, last.at);
            }
        }
        Ok(())
    }

    /// Puts a message from one execution into the inbox of another, or makes that.
    /// What its receiver cannot take does not keep the sender from going on.
    fn deliver(&mut self, letter: &Letter, from: ExecutionId, tenant: &TenantId, at: Timestamp) {
        let id = letter.outgoing.execution;
        let ended =
            |row: &Result<ExecutionRow, _>| matches!(row, Ok(row) if row.head.status.is_final());
        if self.facts.executions.get(&id).is_some_and(ended) {
            return;
        }
        let submission = Submission {
            tenant: tenant.clone(),
            execution: id,
            key: None,
            at,
            message: letter.outgoing.message.clone(),
            expect: None,
            durability: Durability::Now,
        };
        match self.place(&submission, &letter.body, Some(from)) {
            Ok(seq) => {
                self.uses(id, &letter.blobs);
                self.tell(&submission, seq);
            }
            Err(error) => {
                tracing::warn!(execution = %id, %error, "a message from another execution is lost");
            }
        }
    }

    /// Takes messages out of an inbox: those of this batch never reach the store.
    fn take(&mut self, id: ExecutionId, after: u64, upto: u64) {
        let mut stored = false;
        for seq in after + 1..=upto {
            stored |= self.writes.messages.remove(&(id, seq)).is_none();
        }
        if stored {
            let upto = if planted::is(Bug::MessageTwice) {
                1
            } else {
                upto
            };
            self.writes.taken.insert(id, upto);
        }
    }
}

/// Whether an append may follow what its execution is.
fn check(request: &AppendRows, head: &Head) -> Result<(), LogError> {
    let append = &request.head;
    let id = append.execution;
    if append.expected != head.version {
        return Err(LogError::Conflict {
            execution: id,
            expected: append.expected,
            actual: head.version,
        });
    }
    let in_order = request
        .events
        .iter()
        .zip(head.version + 1..)
        .all(|(event, version)| event.version == version);
    if !in_order {
        return Err(broken(format!(
            "an append to {id} has events out of order after version {}",
            head.version
        )));
    }
    if append.consumed > head.submitted {
        return Err(broken(format!(
            "an append to {id} takes message {}, and its inbox ends at {}",
            append.consumed, head.submitted
        )));
    }
    if append.inbox_empty && head.submitted > append.consumed.max(head.consumed) {
        return Err(LogError::Unheard(id));
    }
    // Lines may follow the end, and late messages must still be taken.
    if head.status.is_final() && (!request.events.is_empty() || append.status != head.status) {
        return Err(broken(format!(
            "{id} has {}; no event can follow",
            head.status.name()
        )));
    }
    Ok(())
}

fn broken(what: String) -> LogError {
    Trouble::Damaged(what).into()
}
