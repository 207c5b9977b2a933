//! When a failed attempt is tried again.
//!
//! | failure | pure action | effectful action |
//! |---|---|---|
//! | `host` | at most 5 times, whatever the policy | the same |
//! | `timed_out` | by the policy | by the policy |
//! | `retryable` | never: the same call gives the same answer | by the policy |
//! | anything else | never | never |
//!
//! Without a policy nothing but the host's own trouble is tried again. Retries
//! of the host's trouble do not count among the policy's attempts. A trap, used
//! up fuel and a memory limit are final for effectful actions too: they are the
//! component's own faults, and come again with the same input.

use std::time::Duration;

use crate::component::Effect;
use crate::definition::{Jitter, RetryPolicy};
use crate::event::{Failure, FailureKind};
use crate::id::{Digest, ExecutionId, StepKey};
use crate::time::Span;

/// How often the host's own trouble is tried again within one step.
pub const HOST_RETRIES: u32 = 5;

/// The longest that a guest may ask to wait, unless the policy's own longest
/// delay is longer.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a step was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tries {
    /// The attempt that failed, from 1.
    pub attempt: u32,
    /// How many attempts before it failed by the host's own trouble.
    pub by_host: u32,
}

/// How long after this failure the next attempt is due; none if it is final.
#[must_use]
pub fn delay_after(
    error: &Failure,
    tries: &Tries,
    effect: Effect,
    policy: Option<&RetryPolicy>,
    seed: &[u8; 32],
) -> Option<Duration> {
    if error.kind == FailureKind::Host {
        return next_delay(&host_policy(), tries.by_host + 1, seed);
    }
    let may_pass = match error.kind {
        FailureKind::TimedOut => true,
        FailureKind::Retryable => effect == Effect::Effectful,
        _ => false,
    };
    let policy = policy.filter(|_| may_pass)?;
    let delay = next_delay(policy, tries.attempt.saturating_sub(tries.by_host), seed)?;
    let asked = Duration::from_millis(error.retry_after_ms.unwrap_or(0));
    Some(delay.max(asked.min(MAX_RETRY_AFTER.max(policy.max.0))))
}

/// 100 ms, doubled each time.
fn host_policy() -> RetryPolicy {
    RetryPolicy {
        max_attempts: HOST_RETRIES + 1,
        initial: Span(Duration::from_millis(100)),
        factor: 2.0,
        max: Span(Duration::from_secs(10)),
        jitter: Jitter::None,
    }
}

/// The delay after failed attempt `attempt` (from 1) by a policy; none once
/// its attempts are used up. The seed, equal for equal attempts, gives the
/// random part, so that deciding again gives the same.
#[must_use]
pub fn next_delay(policy: &RetryPolicy, attempt: u32, seed: &[u8; 32]) -> Option<Duration> {
    if attempt >= policy.max_attempts {
        return None;
    }
    // A document may hold any number; only sensible ones let a delay grow.
    let factor = if policy.factor.is_finite() && policy.factor >= 0.0 {
        policy.factor
    } else {
        1.0
    };
    let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let seconds = policy.initial.0.as_secs_f64() * factor.powi(exponent);
    let delay = Duration::try_from_secs_f64(seconds).map_or(policy.max.0, |d| d.min(policy.max.0));
    Some(match policy.jitter {
        Jitter::None => delay,
        Jitter::Full => delay.mul_f64(fraction(seed)),
    })
}

/// The seed of the delay after an attempt.
#[must_use]
pub fn seed(execution: ExecutionId, step: &StepKey, attempt: u32) -> [u8; 32] {
    *Digest::of(format!("retry\0{execution}\0{step}\0{attempt}").as_bytes()).as_bytes()
}

/// Evenly in [0, 1).
fn fraction(seed: &[u8; 32]) -> f64 {
    let [a, b, c, d, ..] = *seed;
    f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn policy(max_attempts: u32, jitter: Jitter) -> RetryPolicy {
        RetryPolicy {
            max_attempts,
            jitter,
            ..RetryPolicy::default()
        }
    }

    fn after(kind: FailureKind, attempt: u32, by_host: u32, effect: Effect) -> Option<Duration> {
        let policy = policy(3, Jitter::None);
        let tries = Tries { attempt, by_host };
        let error = Failure::new(kind, "");
        delay_after(&error, &tries, effect, Some(&policy), &[0; 32])
    }

    #[test]
    fn delays_grow_to_the_longest_and_end_with_the_attempts() {
        let policy = policy(9, Jitter::None);
        let delays: Vec<_> = (1..=9)
            .map(|attempt| next_delay(&policy, attempt, &[7; 32]))
            .collect();
        let expected = [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000].map(|ms| Some(MS(ms)));
        assert_eq!(delays[..8], expected);
        assert_eq!(delays[8], None);
    }

    #[test]
    fn full_jitter_is_spread_below_the_delay_and_equal_for_equal_seeds() {
        let policy = policy(3, Jitter::Full);
        let step = StepKey::root(crate::NodeId::new("fetch").expect("a name"));
        let delays: Vec<_> = (0..1_000)
            .map(|n| {
                let seed = seed(ExecutionId::from_u128(n), &step, 1);
                assert_eq!(next_delay(&policy, 1, &seed), next_delay(&policy, 1, &seed));
                next_delay(&policy, 1, &seed).expect("a retry")
            })
            .collect();
        assert!(delays.iter().all(|delay| *delay < MS(200)));
        for part in 0..4 {
            let within = |d: &&Duration| (MS(50 * part)..MS(50 * part + 50)).contains(*d);
            let share = delays.iter().filter(within).count();
            assert!(
                (200..300).contains(&share),
                "{share} of 1000 in quarter {part}"
            );
        }
    }

    #[test]
    fn odd_numbers_in_a_policy_give_a_delay_within_its_bounds() {
        for factor in [f64::NAN, f64::INFINITY, -3.0, 0.0, 1e300, 0.5] {
            let odd = RetryPolicy {
                factor,
                max_attempts: u32::MAX,
                ..policy(0, Jitter::None)
            };
            for attempt in [0, 1, 2, 1_000, u32::MAX - 1] {
                let delay = next_delay(&odd, attempt, &[0; 32]).expect("a retry");
                assert!(delay <= odd.max.0, "{factor} {attempt}: {delay:?}");
            }
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        use FailureKind::*;
        for kind in [
            InvalidInput,
            Permanent,
            Cancelled,
            Expression,
            FuelExhausted,
            MemoryLimit,
            Trapped,
            InvalidOutput,
            IterationLimit,
            Component,
            Capability,
        ] {
            for effect in [Effect::Pure, Effect::Effectful] {
                assert_eq!(after(kind, 1, 0, effect), None, "{kind}");
            }
        }
        assert_eq!(after(Retryable, 1, 0, Effect::Pure), None);
        assert_eq!(after(Retryable, 1, 0, Effect::Effectful), Some(MS(200)));
        assert_eq!(after(TimedOut, 2, 0, Effect::Pure), Some(MS(400)));
        assert_eq!(after(TimedOut, 3, 0, Effect::Effectful), None);
        let error = Failure::new(Retryable, "");
        let tries = Tries {
            attempt: 1,
            by_host: 0,
        };
        assert_eq!(
            delay_after(&error, &tries, Effect::Effectful, None, &[0; 32]),
            None,
            "without a policy"
        );
    }

    #[test]
    fn the_hosts_trouble_has_attempts_of_its_own() {
        use FailureKind::{Host, Retryable};
        let delays: Vec<_> = (0..6)
            .map(|by_host| after(Host, by_host + 1, by_host, Effect::Pure))
            .collect();
        let expected = [100, 200, 400, 800, 1_600].map(|ms| Some(MS(ms)));
        assert_eq!(delays[..5], expected);
        assert_eq!(delays[5], None);
        assert_eq!(after(Retryable, 6, 5, Effect::Effectful), Some(MS(200)));
    }

    #[test]
    fn the_guests_wish_is_the_least_delay_up_to_a_day() {
        let error = |ms| Failure {
            retry_after_ms: Some(ms),
            ..Failure::new(FailureKind::Retryable, "")
        };
        let tries = Tries {
            attempt: 1,
            by_host: 0,
        };
        let after = |ms| {
            let policy = policy(3, Jitter::None);
            delay_after(
                &error(ms),
                &tries,
                Effect::Effectful,
                Some(&policy),
                &[0; 32],
            )
        };
        assert_eq!(after(10), Some(MS(200)));
        assert_eq!(after(60_000), Some(MS(60_000)));
        assert_eq!(after(u64::MAX), Some(MAX_RETRY_AFTER));
    }
}
