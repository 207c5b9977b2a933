//! Time. A pure call has a clock of its own: it begins when the step became
//! ready and moves only when the guest sleeps, and then at once. Any other
//! call has the machine's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::FutureExt;
use nebula_flow::Timestamp;
use tokio::time::Instant;
use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::io::poll;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use crate::charge::POLL_ENTRY;
use crate::limits::POLL_ENTRIES;
use crate::state::State;

const NANOS_PER_MILLI: u64 = 1_000_000;
const NEVER: u64 = u64::MAX;

/// The clocks of one call.
pub(crate) enum GuestClock {
    Virtual(Arc<VirtualClock>),
    /// Monotonic time counts from here.
    Real(Instant),
}

/// A clock that moves when the guest sleeps.
pub(crate) struct VirtualClock {
    began: Timestamp,
    /// Nanoseconds since it began.
    now: AtomicU64,
    /// The earliest timer that a poll found not yet due.
    next: AtomicU64,
}

/// A guest asked for too much in one poll.
#[derive(Debug, thiserror::Error)]
#[error("{0} entries in one poll; at most 1,024 are allowed")]
pub(crate) struct PollTooLong(usize);

impl GuestClock {
    pub(crate) fn virtual_from(began: Timestamp) -> Self {
        Self::Virtual(Arc::new(VirtualClock {
            began,
            now: AtomicU64::new(0),
            next: AtomicU64::new(NEVER),
        }))
    }

    pub(crate) fn real() -> Self {
        Self::Real(Instant::now())
    }

    fn monotonic(&self) -> u64 {
        match self {
            Self::Virtual(clock) => clock.now(),
            Self::Real(began) => u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// Since the Unix epoch.
    fn wall(&self) -> Duration {
        match self {
            Self::Virtual(clock) => {
                Duration::from_millis(clock.began.as_millis()) + Duration::from_nanos(clock.now())
            }
            Self::Real(_) => machine_time(),
        }
    }

    /// A timer for an instant of the monotonic clock.
    fn timer(&self, at: u64) -> Timer {
        match self {
            Self::Virtual(clock) => Timer::Virtual(Arc::clone(clock), at),
            Self::Real(began) => match began.checked_add(Duration::from_nanos(at)) {
                Some(at) => Timer::Real { at, yielded: false },
                None => Timer::Never,
            },
        }
    }
}

impl VirtualClock {
    fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    /// Moves to the earliest timer that was waited for; whether there was one.
    fn advance(&self) -> bool {
        let next = self.next.swap(NEVER, Ordering::Relaxed);
        self.now.fetch_max(next, Ordering::Relaxed);
        next != NEVER
    }
}

/// The machine's time since the Unix epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "the clock that an effectful guest imports is the machine's"
)]
pub(crate) fn machine_time() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// What a pollable of a clock waits for.
enum Timer {
    Virtual(Arc<VirtualClock>, u64),
    Real { at: Instant, yielded: bool },
    Never,
}

#[async_trait]
impl Pollable for Timer {
    async fn ready(&mut self) {
        match self {
            Self::Virtual(clock, at) if *at <= clock.now() => {}
            Self::Virtual(clock, at) => {
                // Nobody wakes this: the poll that found nothing ready moves the clock.
                clock.next.fetch_min(*at, Ordering::Relaxed);
                std::future::pending().await
            }
            Self::Real { at, yielded } => {
                // A guest that polls a timer in a loop must not keep the worker
                // from the sockets it waits for.
                if *at <= Instant::now() && !*yielded {
                    *yielded = true;
                    tokio::task::yield_now().await;
                }
                tokio::time::sleep_until(*at).await;
            }
            Self::Never => std::future::pending().await,
        }
    }
}

impl State {
    fn subscribe(&mut self, at: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let timer = self.table.push(self.clock.timer(at))?;
        subscribe(&mut self.table, timer)
    }
}

impl monotonic_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.clock.monotonic())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe(when)
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe(self.clock.monotonic().saturating_add(duration))
    }
}

impl wall_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        let now = self.clock.wall();
        Ok(wall_clock::Datetime {
            seconds: now.as_secs(),
            nanoseconds: now.subsec_nanos(),
        })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        let nanoseconds = match self.clock {
            GuestClock::Virtual(_) => u32::try_from(NANOS_PER_MILLI).unwrap_or(u32::MAX),
            GuestClock::Real(_) => 1,
        };
        Ok(wall_clock::Datetime {
            seconds: 0,
            nanoseconds,
        })
    }
}

impl poll::Host for State {
    async fn poll(&mut self, list: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        if list.len() > POLL_ENTRIES {
            return Err(PollTooLong(list.len()).into());
        }
        self.charge_each(POLL_ENTRY, list.len());
        if let GuestClock::Virtual(clock) = &self.clock {
            let clock = Arc::clone(clock);
            clock.next.store(NEVER, Ordering::Relaxed);
            let again = list.iter().map(|p| Resource::new_borrow(p.rep())).collect();
            if let Some(ready) = poll::Host::poll(&mut self.table, again).now_or_never() {
                return ready;
            }
            clock.advance();
        }
        let _waiting = self.waits();
        poll::Host::poll(&mut self.table, list).await
    }
}

impl poll::HostPollable for State {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        poll::HostPollable::ready(&mut self.table, pollable).await
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        if let GuestClock::Virtual(clock) = &self.clock {
            let clock = Arc::clone(clock);
            clock.next.store(NEVER, Ordering::Relaxed);
            let again = Resource::new_borrow(pollable.rep());
            if let Some(ready) = poll::HostPollable::block(&mut self.table, again).now_or_never() {
                return ready;
            }
            clock.advance();
        }
        let _waiting = self.waits();
        poll::HostPollable::block(&mut self.table, pollable).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        poll::HostPollable::drop(&mut self.table, pollable)
    }
}
