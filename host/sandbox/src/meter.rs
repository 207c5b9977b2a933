//! The CPU time of a call: what its thread burned between the beginning and the
//! end of each poll, in the guest and in the host on its behalf. The two
//! readings of the thread's clock are system calls; on a small virtual machine
//! one took 550 ns (a million in a row), so that a poll costs 1.1 µs more.

use std::pin::pin;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Counts the CPU time of one call. It has no limit of its own: a call is on one
/// thread at a time, so that its deadline bounds its CPU time too.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    used: Duration,
}

impl Meter {
    /// CPU time so far.
    pub(crate) const fn used(&self) -> Duration {
        self.used
    }

    /// Does the work and counts what it takes.
    pub(crate) async fn watch<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        std::future::poll_fn(move |context| {
            let began = thread_time();
            let polled = work.as_mut().poll(context);
            self.used += thread_time().saturating_sub(began);
            polled
        })
        .await
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
