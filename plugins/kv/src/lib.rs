//! `kv.get`, `kv.set` and `kv.increment`: small values by key, which the workflows of a
//! tenant share.
//!
//! ```yaml
//! count:
//!   action: kv.increment
//!   resources: { values: cache }
//!   input: { key: "calls/${ $input.user }", ttl_seconds: 60 }
//! ```
//!
//! - `get`, `set`, `increment`: the actions.

#![no_std]

mod get;
mod increment;
mod set;

#[cfg(test)]
mod tests;

use core::time::Duration;

pub use get::Get;
pub use increment::Increment;
pub use set::Set;

/// By which name the actions ask for their values.
const VALUES: &str = "values";

nebula_sdk::export!(Get, Set, Increment);

/// Seconds, as an input has them.
fn time(ttl_seconds: Option<u64>) -> Option<Duration> {
    ttl_seconds.map(Duration::from_secs)
}
