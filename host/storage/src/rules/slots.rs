//! Who has a slot of a group, and who waits for one. Nothing counts them but the
//! rows of the executions themselves: one that has ended has no slot.

use nebula_flow::Timestamp;
use nebula_flow::id::ExecutionId;
use nebula_flow::ports::{LogError, Message, Slot, Submission, WhenFull};

use super::Ledger;
use crate::codec;
use crate::feeds::News;
use crate::request::arrival_of;
use crate::rows::MessageRow;
use crate::slots::{Group, MOST_REPLACED, SlotRow, SlotState};

impl Ledger<'_> {
    /// Lets an execution that was just made begin, wait, or be cancelled, as its
    /// slot says. Its row is there, its start is message 1.
    pub(super) fn enter(&mut self, submission: &Submission, slot: &Slot) -> Result<(), LogError> {
        let (id, at, name) = (submission.execution, submission.at, &slot.group);
        let group = self.group(name);
        let full = group.taken.len() >= slot.limit as usize || group.has_waiting();
        if full && slot.when_full == WhenFull::Drop {
            let reason = format!(
                "{} of this workflow run already, and no more may (concurrency)",
                slot.limit
            );
            return self.cancel(id, reason, at);
        }
        if slot.when_full == WhenFull::Replace {
            for old in self.replaced(name, slot.limit) {
                let reason = format!("execution {id} takes its place (concurrency)");
                self.leave_for(name, old);
                self.cancel(old, reason, at)?;
            }
        }
        let Some(Ok(row)) = self.facts.executions.get_mut(&id) else {
            return Err(LogError::NotFound(id));
        };
        row.slot = Some(SlotRow {
            group: slot.group.clone(),
            limit: slot.limit,
            state: SlotState::Waits,
        });
        let priority = row.priority;
        self.group(name).wait(priority, id);
        self.admit(name, Some(id));
        Ok(())
    }

    /// Whether an execution waits for a slot: then nobody is told of its messages.
    pub(super) fn waits(&self, id: ExecutionId) -> bool {
        self.slot(id)
            .is_some_and(|slot| slot.state == SlotState::Waits)
    }

    /// Lets one that waits for a slot out of its group, if the message ends it.
    pub(super) fn let_out(&mut self, id: ExecutionId, message: &Message) {
        if matches!(message, Message::Cancel { .. } | Message::Terminate { .. })
            && self.waits(id)
            && let Some(name) = self.group_of(id)
        {
            self.leave_for(&name, id);
        }
    }

    /// An execution has ended; who waits for its slot may begin.
    pub(super) fn free(&mut self, id: ExecutionId) {
        let Some(name) = self.group_of(id) else {
            return;
        };
        self.group(&name).remove(id);
        self.admit(&name, None);
    }

    /// Gives free slots to those that wait, in their order; all but the one that is
    /// just made are news.
    fn admit(&mut self, name: &str, made: Option<ExecutionId>) {
        while let Some(id) = self.group(name).first() {
            let Some(limit) = self.slot(id).map(|slot| slot.limit) else {
                // It cannot be read; its owner is told, and says so.
                self.group(name).remove(id);
                continue;
            };
            if self.group(name).taken.len() >= limit as usize {
                return;
            }
            self.group(name).take(id, SlotState::Taken);
            self.set(id, Some(SlotState::Taken));
            if Some(id) != made
                && let Some(Ok(row)) = self.facts.executions.get(&id)
            {
                self.news.push(News::Admitted {
                    tenant: row.tenant.clone(),
                    execution: id,
                    priority: row.priority,
                    last: row.head.submitted,
                });
            }
        }
    }

    /// The oldest, so many that one more is not too many.
    fn replaced(&mut self, name: &str, limit: u32) -> Vec<ExecutionId> {
        let staying = self.group(name).staying();
        let over = (staying.len() + 1).saturating_sub(limit as usize);
        staying.into_iter().take(over.min(MOST_REPLACED)).collect()
    }

    /// Lets one make room: one that waits goes at once, one that runs keeps its slot
    /// until it has ended.
    fn leave_for(&mut self, name: &str, id: ExecutionId) {
        if self.waits(id) {
            self.group(name).remove(id);
            self.set(id, None);
        } else {
            self.group(name).take(id, SlotState::Leaves);
            self.set(id, Some(SlotState::Leaves));
        }
    }

    /// Puts a cancel into an inbox and tells the owner of it.
    fn cancel(&mut self, id: ExecutionId, reason: String, at: Timestamp) -> Result<(), LogError> {
        let message = Message::Cancel { reason };
        let Some(Ok(row)) = self.facts.executions.get_mut(&id) else {
            return Ok(());
        };
        let body = codec::encode(&message)?;
        row.head.submitted += 1;
        let (seq, tenant, priority) = (row.head.submitted, row.tenant.clone(), row.priority);
        self.touched.insert(id);
        self.writes
            .messages
            .insert((id, seq), MessageRow { at, body });
        let arrival = arrival_of((tenant, id, priority), seq, at, message);
        self.news.push(News::Arrival(arrival));
        Ok(())
    }

    fn set(&mut self, id: ExecutionId, state: Option<SlotState>) {
        if let Some(Ok(row)) = self.facts.executions.get_mut(&id) {
            match (state, &mut row.slot) {
                (Some(state), Some(slot)) => slot.state = state,
                (_, slot) => *slot = None,
            }
        }
        self.writes.slots.insert(id, state);
    }

    fn slot(&self, id: ExecutionId) -> Option<&SlotRow> {
        let row = self.facts.executions.get(&id)?.as_ref().ok()?;
        row.slot.as_ref()
    }

    fn group_of(&self, id: ExecutionId) -> Option<String> {
        self.slot(id).map(|slot| slot.group.clone())
    }

    fn group(&mut self, name: &str) -> &mut Group {
        self.facts.groups.entry(name.to_owned()).or_default()
    }
}
