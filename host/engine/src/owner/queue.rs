//! What waits for a free place: the highest priority first, then in order of
//! arrival.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use nebula_flow::ExecutionId;

/// Highest priority first; within one, in order of arrival.
type Place = (Reverse<i8>, u64);

/// Executions that wait, each with what is known of it.
#[derive(Debug)]
pub(super) struct Queue<T> {
    places: BTreeMap<Place, ExecutionId>,
    waiting: HashMap<ExecutionId, (Place, T)>,
    arrived: u64,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self {
            places: BTreeMap::new(),
            waiting: HashMap::new(),
            arrived: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn get_mut(&mut self, id: ExecutionId) -> Option<&mut T> {
        self.waiting.get_mut(&id).map(|(_, what)| what)
    }

    /// Puts one that is not there behind all others of its priority.
    pub(super) fn push(&mut self, id: ExecutionId, priority: i8, what: T) {
        self.arrived += 1;
        let place = (Reverse(priority), self.arrived);
        self.places.insert(place, id);
        self.waiting.insert(id, (place, what));
    }

    /// Takes the first.
    pub(super) fn pop(&mut self) -> Option<(ExecutionId, i8, T)> {
        let ((Reverse(priority), _), id) = self.places.pop_first()?;
        let (_, what) = self.waiting.remove(&id)?;
        Some((id, priority, what))
    }

    /// Takes the last out again, if one of this priority would go before it.
    pub(super) fn make_room(&mut self, priority: i8) -> Option<ExecutionId> {
        let last = self.places.last_entry()?;
        if last.key().0.0 >= priority {
            return None;
        }
        let id = last.remove();
        self.waiting.remove(&id);
        Some(id)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(ExecutionId) -> bool) {
        self.places.retain(|_, id| keep(*id));
        self.waiting.retain(|id, _| keep(*id));
    }

    pub(super) fn clear(&mut self) {
        self.retain(|_| false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> ExecutionId {
        ExecutionId::from_u128(n)
    }

    fn order(queue: &mut Queue<()>) -> Vec<ExecutionId> {
        std::iter::from_fn(|| queue.pop().map(|(id, ..)| id)).collect()
    }

    #[test]
    fn the_highest_priority_goes_first_and_then_who_came_first() {
        let mut queue = Queue::new();
        for (n, priority) in [(1, 0), (2, -5), (3, 7), (4, 0), (5, 7)] {
            queue.push(id(n), priority, ());
        }
        assert_eq!(order(&mut queue), [3, 5, 1, 4, 2].map(id));
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn only_a_lower_priority_makes_room_the_last_one_first() {
        let mut queue = Queue::new();
        for (n, priority) in [(1, 0), (2, 5), (3, 0)] {
            queue.push(id(n), priority, ());
        }
        assert_eq!(queue.make_room(0), None);
        assert_eq!(queue.make_room(1), Some(id(3)));
        assert!(queue.get_mut(id(3)).is_none());
        assert_eq!(queue.make_room(1), Some(id(1)));
        assert_eq!(queue.make_room(5), None);
        queue.retain(|kept| kept != id(2));
        assert_eq!(order(&mut queue), []);
        assert_eq!(queue.make_room(100), None);
    }
}
