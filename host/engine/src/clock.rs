//! The clock of the machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use nebula_flow::Timestamp;
use nebula_flow::ports::Clock;

/// The longest single sleep, so that a wall clock that is set forward is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// Wall time of the machine, waiting by tokio's timers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the door that time comes through"
    )]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    async fn until(&self, at: Timestamp) {
        loop {
            let left = at.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn until_returns_at_the_instant_or_after_it() {
        let at = SystemClock.now().plus(Duration::from_millis(15));
        SystemClock.until(at).await;
        assert!(SystemClock.now() >= at);
        SystemClock.until(Timestamp::from_millis(1)).await;
    }
}
