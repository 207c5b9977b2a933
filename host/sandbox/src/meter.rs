//! The CPU time of a call: what its thread burned between the beginning and the
//! end of each poll, in the guest and in the host on its behalf. The two
//! readings of the thread's clock are system calls; on a small virtual machine
//! one took 550 ns (a million in a row), so that a poll costs 1.1 µs more.
//!
//! It also keeps the peace among calls. A guest makes way after so much fuel,
//! but the same fuel takes one guest ten times as long as another, and the
//! runtime gives everyone a turn in equal numbers. So a call whose turn took
//! long lets some turns pass (deficit round robin, Shreedhar and Varghese,
//! 1995): what is equal then is the time. One instruction may fill megabytes, and
//! nobody can interrupt it: the longer a turn was, the rarer the next one. While
//! it does so its worker has nothing to do and takes over half of what waits for
//! another one; else it would be kept by this call, and the other by all the rest.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What a turn may take; who takes `n` times as long lets `n + n²` turns pass. The
/// fuel between two turns takes a guest that does arithmetic half of it.
const TURN: Duration = Duration::from_micros(50);

/// At most so many turns pass in a row, and for so long: a turn of another call may
/// be short or long, and a call must not end much later than its time-out.
const PASSED: u128 = 4_000;
const PASSING: Duration = Duration::from_millis(50);

/// How many calls are under way in this process: nobody lets a turn pass for
/// nobody.
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// Counts the CPU time of one call. It has no limit of its own: a call is on one
/// thread at a time, so that its deadline bounds its CPU time too.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    used: Duration,
    /// Turns that it has to let pass, and the end of that.
    pass: u128,
    until: Option<Instant>,
}

impl Meter {
    /// CPU time so far.
    pub(crate) const fn used(&self) -> Duration {
        self.used
    }

    /// Does the work and counts what it takes.
    pub(crate) async fn watch<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let _underway = Underway::begin();
        std::future::poll_fn(move |context| {
            if self.passes(context) {
                return Poll::Pending;
            }
            let began = thread_time();
            let polled = work.as_mut().poll(context);
            let turn = thread_time().saturating_sub(began);
            self.used += turn;
            self.owe(turn);
            polled
        })
        .await
    }

    /// Does the host's own work for the call, which nobody interrupts, as a turn.
    /// It may be next to nothing: the time is read where that costs nothing either.
    pub(crate) async fn turn<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = work();
        self.owe(began.elapsed());
        self.rest().await;
        done
    }

    /// Lets the turns pass that the last one cost.
    pub(crate) async fn rest(&mut self) {
        if self.pass == 0 {
            return;
        }
        let _underway = Underway::begin();
        std::future::poll_fn(|context| match self.passes(context) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        })
        .await;
    }

    fn owe(&mut self, turn: Duration) {
        self.pass = turns_to_pass(turn);
        self.until = (self.pass > 0).then(|| Instant::now() + PASSING);
    }

    /// Whether it lets a turn pass. It is woken when its worker has nothing else
    /// to do.
    fn passes(&mut self, context: &mut Context<'_>) -> bool {
        let is_over = || self.until.is_none_or(|until| Instant::now() >= until);
        if self.pass == 0 || !Underway::has_others() || is_over() {
            return false;
        }
        self.pass -= 1;
        let _ = pin!(tokio::task::yield_now()).poll(context);
        true
    }
}

/// How many turns must pass after one that took so long.
fn turns_to_pass(turn: Duration) -> u128 {
    let times = turn.as_nanos() / TURN.as_nanos();
    (times + times * times).min(PASSED)
}

/// A call that is counted.
struct Underway;

impl Underway {
    fn begin() -> Self {
        CALLS.fetch_add(1, Ordering::Relaxed);
        Self
    }

    fn has_others() -> bool {
        CALLS.load(Ordering::Relaxed) > 1
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        CALLS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// CPU time of this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burn(time: Duration) {
        let began = thread_time();
        while thread_time() - began < time {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn who_takes_long_lets_others_go_first() {
        for (micros, turns) in [
            (0, 0),
            (49, 0),
            (50, 2),
            (500, 110),
            (1_000, 420),
            (1_000_000, PASSED),
        ] {
            let turn = Duration::from_micros(micros);
            assert_eq!(turns_to_pass(turn), turns, "{turn:?}");
        }
    }

    #[tokio::test]
    async fn the_one_that_takes_ten_times_as_long_gets_fewer_turns() {
        let taken = |time: Duration| async move {
            let mut turns = 0_u32;
            let mut meter = Meter::default();
            let work = async {
                loop {
                    burn(time);
                    turns += 1;
                    tokio::task::yield_now().await;
                }
            };
            let limit = Duration::from_millis(300);
            let ended: Result<(), _> = tokio::time::timeout(limit, meter.watch(work)).await;
            assert!(ended.is_err());
            turns
        };
        // On one thread, in turn.
        let (short, long) = tokio::join!(taken(TURN / 2), taken(TURN * 10));
        assert!(short > 5 * long, "{short} turns and {long}");
    }

    #[tokio::test]
    async fn what_is_burned_counts_and_what_is_waited_does_not() {
        let mut meter = Meter::default();
        let work = async {
            burn(Duration::from_millis(5));
            tokio::time::sleep(Duration::from_millis(300)).await;
            burn(Duration::from_millis(5));
        };
        meter.watch(work).await;
        assert!(
            meter.used() >= Duration::from_millis(10) && meter.used() < Duration::from_millis(300),
            "{:?}",
            meter.used()
        );
    }
}
