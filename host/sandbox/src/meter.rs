//! The CPU time of a call: what its thread burned between the beginning and the
//! end of each poll, in the guest and in the host on its behalf. The two
//! readings of the thread's clock are system calls; on a small virtual machine
//! one took 550 ns (a million in a row), so that a poll costs 1.1 µs more.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::limits::duration;

/// Counts the CPU time of one call.
#[derive(Debug)]
pub(crate) struct Meter {
    used: Duration,
    limit: Duration,
}

/// A call burned all the CPU time that it may.
#[derive(Debug, thiserror::Error)]
#[error("CPU limit {} used up", duration(*.0))]
pub(crate) struct CpuSpent(Duration);

impl Meter {
    pub(crate) const fn new(limit: Duration) -> Self {
        Self {
            used: Duration::ZERO,
            limit,
        }
    }

    /// CPU time so far.
    pub(crate) const fn used(&self) -> Duration {
        self.used
    }

    /// Does the work and counts what it takes; stops it at the limit, as soon
    /// as it makes way for others.
    pub(crate) async fn watch<T>(
        &mut self,
        work: impl Future<Output = wasmtime::Result<T>>,
    ) -> wasmtime::Result<T> {
        let mut work = pin!(work);
        std::future::poll_fn(move |context| {
            let began = thread_time();
            let polled = work.as_mut().poll(context);
            self.used += thread_time().saturating_sub(began);
            if polled.is_pending() && self.used >= self.limit {
                return Poll::Ready(Err(CpuSpent(self.limit).into()));
            }
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
        let mut meter = Meter::new(Duration::from_secs(3_600));
        let work = async {
            burn(Duration::from_millis(5));
            tokio::time::sleep(Duration::from_millis(300)).await;
            burn(Duration::from_millis(5));
            Ok(())
        };
        meter.watch(work).await.expect("within its limit");
        assert!(
            meter.used() >= Duration::from_millis(10) && meter.used() < Duration::from_millis(300),
            "{:?}",
            meter.used()
        );
    }

    #[tokio::test]
    async fn work_that_only_makes_way_is_stopped_at_its_limit() {
        let mut meter = Meter::new(Duration::from_millis(20));
        let work = async {
            loop {
                burn(Duration::from_millis(1));
                tokio::task::yield_now().await;
            }
        };
        let error = meter.watch::<()>(work).await.expect_err("stopped");
        assert_eq!(error.to_string(), "CPU limit 20 ms used up");
        assert!(error.is::<CpuSpent>());
    }
}
