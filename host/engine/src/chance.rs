//! Chance: fresh ids and the jitter of pauses.

use std::time::Duration;

use nebula_flow::ports::Clock;

/// 128 random bits of the operating system.
pub(crate) fn bits() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has randomness to give");
    u128::from_ne_bytes(bytes)
}

/// Pauses that grow from 20 ms to 5 s, each shortened by up to half at random,
/// so that those who wait for the same thing do not come back together.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(20);
    const LONGEST: Duration = Duration::from_secs(5);

    pub(crate) const fn new() -> Self {
        Self { next: Self::FIRST }
    }

    /// The next pause.
    pub(crate) fn delay(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(Self::LONGEST);
        let per_mille = u32::try_from(bits() % 500).unwrap_or(0);
        whole - whole * per_mille / 1000
    }

    pub(crate) async fn pause(&mut self, clock: &dyn Clock) {
        let delay = self.delay();
        clock.until(clock.now().plus(delay)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_cap_and_keep_at_least_half() {
        let mut backoff = Backoff::new();
        let first = backoff.delay();
        assert!(first <= Backoff::FIRST && first >= Backoff::FIRST / 2);
        let last = (0..20).map(|_| backoff.delay()).last().expect("twenty");
        assert!(last <= Backoff::LONGEST && last >= Backoff::LONGEST / 2);
    }
}
