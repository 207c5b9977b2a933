//! The slots of a group, as every store knows them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use nebula_flow::id::ExecutionId;

use crate::trouble::Trouble;

/// At most so many are replaced by one start. More than one are too many only
/// where an older version of the workflow had a higher limit or let them wait.
pub(crate) const MOST_REPLACED: usize = 64;

/// An execution's part in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlotRow {
    pub(crate) group: String,
    /// How many slots the group has, as the execution's version says.
    pub(crate) limit: u32,
    pub(crate) state: SlotState,
}

/// How an execution stands to its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlotState {
    /// It has one.
    Taken,
    /// It has not begun.
    Waits,
    /// It has one, and was cancelled for another.
    Leaves,
}

impl SlotState {
    /// As the SQL stores keep it.
    pub(crate) const fn number(self) -> i16 {
        match self {
            Self::Taken => 0,
            Self::Waits => 1,
            Self::Leaves => 2,
        }
    }

    /// One that was stored.
    pub(crate) fn of(stored: i16) -> Result<Self, Trouble> {
        [Self::Taken, Self::Waits, Self::Leaves]
            .into_iter()
            .find(|state| state.number() == stored)
            .ok_or_else(|| Trouble::Damaged(format!("slot_state: {stored}")))
    }
}

/// The executions of a group that have not ended.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// Those that have a slot, and how they stand to it.
    pub(crate) taken: BTreeMap<ExecutionId, SlotState>,
    /// The first of those that wait: the highest priority first, then the oldest.
    waiting: BTreeSet<(Reverse<i8>, ExecutionId)>,
}

impl Group {
    pub(crate) fn wait(&mut self, priority: i8, id: ExecutionId) {
        self.waiting.insert((Reverse(priority), id));
    }

    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Who gets the next slot.
    pub(crate) fn first(&self) -> Option<ExecutionId> {
        self.waiting.first().map(|(_, id)| *id)
    }

    pub(crate) fn take(&mut self, id: ExecutionId, state: SlotState) {
        self.remove(id);
        self.taken.insert(id, state);
    }

    pub(crate) fn remove(&mut self, id: ExecutionId) {
        self.waiting.retain(|(_, waits)| *waits != id);
        self.taken.remove(&id);
    }

    /// Those that were not cancelled for another, oldest first.
    pub(crate) fn staying(&self) -> BTreeSet<ExecutionId> {
        let taken = self.taken.iter();
        let taken = taken.filter(|(_, state)| **state == SlotState::Taken);
        let waiting = self.waiting.iter().map(|(_, id)| *id);
        taken.map(|(id, _)| *id).chain(waiting).collect()
    }
}
