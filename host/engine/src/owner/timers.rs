//! When which waiting execution is due: a row in memory each, and one alarm
//! for the earliest.

use std::collections::{BTreeMap, HashMap};

use nebula_flow::{ExecutionId, Timestamp};

/// Executions that wait for a time.
#[derive(Debug)]
pub(super) struct Timers<T> {
    by_time: BTreeMap<(Timestamp, ExecutionId), T>,
    by_execution: HashMap<ExecutionId, Timestamp>,
}

impl<T> Timers<T> {
    pub(super) fn new() -> Self {
        Self {
            by_time: BTreeMap::new(),
            by_execution: HashMap::new(),
        }
    }

    /// Sets the time of an execution, in place of an earlier one.
    pub(super) fn set(&mut self, at: Timestamp, id: ExecutionId, what: T) {
        self.remove(id);
        self.by_time.insert((at, id), what);
        self.by_execution.insert(id, at);
    }

    pub(super) fn remove(&mut self, id: ExecutionId) {
        if let Some(at) = self.by_execution.remove(&id) {
            self.by_time.remove(&(at, id));
        }
    }

    pub(super) fn retain(&mut self, keep: impl Fn(ExecutionId) -> bool) {
        self.by_time.retain(|(_, id), _| keep(*id));
        self.by_execution.retain(|id, _| keep(*id));
    }

    pub(super) fn earliest(&self) -> Option<Timestamp> {
        self.by_time.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes one that is due.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<(ExecutionId, T)> {
        let entry = self.by_time.first_entry().filter(|e| e.key().0 <= now)?;
        let ((_, id), what) = entry.remove_entry();
        self.by_execution.remove(&id);
        Some((id, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> ExecutionId {
        ExecutionId::from_u128(n)
    }

    #[test]
    fn the_earliest_comes_first_and_a_later_word_replaces_an_earlier_one() {
        let at = Timestamp::from_millis;
        let mut timers = Timers::new();
        timers.set(at(30), id(1), "one");
        timers.set(at(20), id(2), "two");
        timers.set(at(10), id(1), "one again");
        assert_eq!(timers.earliest(), Some(at(10)));
        assert_eq!(timers.pop_due(at(9)), None);
        assert_eq!(timers.pop_due(at(30)), Some((id(1), "one again")));
        assert_eq!(timers.pop_due(at(30)), Some((id(2), "two")));
        assert_eq!(timers.pop_due(at(30)), None);
    }

    #[test]
    fn what_is_not_kept_is_gone() {
        let mut timers = Timers::new();
        timers.set(Timestamp::from_millis(1), id(1), ());
        timers.set(Timestamp::from_millis(2), id(2), ());
        timers.retain(|i| i == id(2));
        timers.remove(id(2));
        assert_eq!(timers.earliest(), None);
    }
}
