//! Time that passes only when nothing else is left to do.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use nebula_flow::Timestamp;
use nebula_flow::ports::Clock;

/// A clock that is turned by whoever drives the test.
#[derive(Debug, Clone)]
pub(crate) struct VirtualClock(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now: Timestamp,
    /// Who waits, by instant and by when they came.
    sleepers: BTreeMap<(Timestamp, u64), Waker>,
    came: u64,
}

impl VirtualClock {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State {
            now,
            sleepers: BTreeMap::new(),
            came: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first instant that someone waits for.
    pub(crate) fn earliest(&self) -> Option<Timestamp> {
        let state = self.state();
        state.sleepers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Turns it on to an instant, and wakes those for whom that is late enough, in
    /// the order of their instants. It never goes back.
    pub(crate) fn advance(&self, to: Timestamp) {
        let mut state = self.state();
        state.now = state.now.max(to);
        let now = state.now;
        let later = state.sleepers.split_off(&(now.plus(MILLISECOND), 0));
        let due = std::mem::replace(&mut state.sleepers, later);
        drop(state);
        due.into_values().for_each(Waker::wake);
    }
}

/// What an instant is exact to.
const MILLISECOND: std::time::Duration = std::time::Duration::from_millis(1);

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    async fn until(&self, at: Timestamp) {
        let sleep = Sleep {
            clock: self.clone(),
            at,
            place: None,
        };
        sleep.await;
    }
}

struct Sleep {
    clock: VirtualClock,
    at: Timestamp,
    place: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut state = clock.state();
        if state.now >= self.at {
            return Poll::Ready(());
        }
        let place = *self.place.get_or_insert_with(|| {
            state.came += 1;
            state.came
        });
        let waker = context.waker().clone();
        state.sleepers.insert((self.at, place), waker);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.clock.state().sleepers.remove(&(self.at, place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn sleepers_wake_when_their_instant_has_come_and_leave_nothing_behind() {
        let at = Timestamp::from_millis;
        let clock = VirtualClock::new(at(1_000));
        clock.until(at(1_000)).await;
        let early = tokio::spawn({
            let clock = clock.clone();
            async move { clock.until(at(2_000)).await }
        });
        let late = tokio::spawn({
            let clock = clock.clone();
            async move { clock.until(at(3_000)).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(clock.earliest(), Some(at(2_000)));
        clock.advance(at(2_500));
        early.await.unwrap();
        assert!(!late.is_finished());
        assert_eq!(clock.earliest(), Some(at(3_000)));
        late.abort();
        assert!(late.await.is_err());
        assert_eq!(clock.earliest(), None);
        clock.advance(at(2_000));
        assert_eq!(clock.now(), at(1_000).plus(Duration::from_millis(1_500)));
    }
}
