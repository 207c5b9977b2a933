//! What is over: executions that are removed, and what a sweep finds.

use nebula_flow::Timestamp;
use nebula_flow::id::{ExecutionId, TenantId};
use nebula_flow::ports::Removal;

use super::Ledger;
use crate::over::{ROWS, Removed};
use crate::rows::ExecutionRow;

impl Ledger<'_> {
    pub(super) fn remove_executions(
        &mut self,
        tenant: &TenantId,
        executions: &[ExecutionId],
        at: Timestamp,
    ) -> Vec<Removal> {
        let ids = executions.iter();
        ids.map(|id| self.remove_execution(tenant, *id, at))
            .collect()
    }

    fn remove_execution(&mut self, tenant: &TenantId, id: ExecutionId, at: Timestamp) -> Removal {
        let row = match self.facts.executions.get(&id) {
            None => return Removal::NotFound,
            Some(Err(_)) => return Removal::Damaged,
            Some(Ok(row)) if row.tenant != *tenant => return Removal::NotFound,
            Some(Ok(row)) => row,
        };
        if !row.head.status.is_final() {
            return Removal::Unfinished(row.head.status);
        }
        let is_child = |row: &Result<ExecutionRow, _>| {
            let row = row.as_ref().ok();
            row.is_some_and(|row| row.origin == Some(id) && !row.head.status.is_final())
        };
        if self.touched.contains(&id)
            || self.facts.in_use.contains(&id)
            || self.facts.executions.values().any(is_child)
        {
            return Removal::InUse;
        }
        let whole = row.head.version.saturating_add(row.head.lines) <= ROWS;
        self.facts.executions.remove(&id);
        self.writes
            .over
            .executions
            .insert(id, Removed { at, whole });
        Removal::Removed
    }

    /// Removes what the sweep found and nothing in this batch needs; whether there
    /// may be more.
    pub(super) fn sweep(&mut self, at: Timestamp) -> bool {
        let chores = std::mem::take(&mut self.facts.chores);
        let more = chores.is_full();
        for key in chores.keys {
            self.facts.keys.remove(&key);
            self.writes.over.keys.insert(key);
        }
        if chores.leftover.is_some() {
            self.writes.over.leftover = chores.leftover;
        }
        for (digest, needed) in chores.suspects {
            if self.writes.suspects.contains(&digest) {
                continue;
            }
            let is_used = self.writes.uses.iter().any(|(_, used)| *used == digest);
            if !needed && !is_used && !self.writes.pins.contains(&digest) {
                self.facts.blobs.remove(&digest);
                self.writes.over.blobs.insert(digest);
            }
            self.writes.over.cleared.insert(digest);
        }
        for digest in chores.unseen {
            if !self.writes.suspects.contains(&digest) {
                self.writes.over.seen.insert(digest, at);
            }
        }
        more
    }
}
