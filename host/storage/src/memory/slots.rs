//! Who has a slot of a group, and who waits for one, in memory.

use std::collections::BTreeMap;

use nebula_flow::id::ExecutionId;

use super::State;
use crate::rows::{ExecutionRow, Facts, GroupKey, Needs};
use crate::slots::{Group, SlotState};

impl State {
    /// Adds the groups that a batch speaks of, and the rows of their executions.
    pub(super) fn groups(&self, needs: &Needs, facts: &mut Facts) {
        let mut groups: BTreeMap<GroupKey, bool> = needs.groups.clone();
        for id in &needs.members {
            if let Some(slot) = self.executions.get(id).and_then(|row| row.slot.as_ref()) {
                groups.entry(slot.group.clone()).or_default();
            }
        }
        for name in groups.into_keys() {
            let mut group = Group::default();
            for id in self.groups.get(&name).into_iter().flatten() {
                let Some(row) = self.executions.get(id) else {
                    continue;
                };
                match row.slot.as_ref().map(|slot| slot.state) {
                    Some(SlotState::Waits) => group.wait(row.priority, *id),
                    Some(state) => group.take(*id, state),
                    None => continue,
                }
                facts.executions.entry(*id).or_insert(Ok(row.clone()));
            }
            facts.groups.insert(name, group);
        }
    }

    /// Notes the group of an execution that is written.
    pub(super) fn member(&mut self, id: ExecutionId, row: &ExecutionRow) {
        let Some(slot) = &row.slot else {
            return;
        };
        let members = self.groups.entry(slot.group.clone()).or_default();
        if row.head.status.is_final() {
            members.remove(&id);
            if members.is_empty() {
                self.groups.remove(&slot.group);
            }
        } else {
            members.insert(id);
        }
    }

    /// Sets how executions stand to their slots.
    pub(super) fn set_slots(&mut self, slots: BTreeMap<ExecutionId, Option<SlotState>>) {
        for (id, state) in slots {
            let Some(row) = self.executions.get_mut(&id) else {
                continue;
            };
            match (state, &mut row.slot) {
                (Some(state), Some(slot)) => slot.state = state,
                (_, slot) => {
                    if let Some(slot) = slot.take()
                        && let Some(members) = self.groups.get_mut(&slot.group)
                    {
                        members.remove(&id);
                    }
                }
            }
        }
    }
}
