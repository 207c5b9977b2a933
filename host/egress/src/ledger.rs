//! What each action has reached and what it was refused: counted in memory, so
//! that a request waits for nothing, and taken out by whoever keeps it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::policy::Caller;

/// Hosts of one action that are counted between two takings. A guest chooses
/// what it asks for: the oldest makes room, of those never reached first.
const MAX_HOSTS: usize = 256;

/// Characters of a reason that are kept.
const MAX_REASON: usize = 300;

/// Counts what was reached and refused since it was last taken.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<HashMap<Who, HashMap<String, Tally>>>);

/// Tenant and action.
type Who = (String, String);

/// What one action did at one host since the ledger was last taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// On whose account.
    pub tenant: String,
    /// Which action.
    pub action: String,
    /// As it was asked for, with its port unless that is the default.
    pub host: String,
    /// What it did there.
    pub tally: Tally,
}

/// Counts, and when each was last raised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests for which a connection was made.
    pub reached: u64,
    /// When the last of them was.
    pub last_reached: Option<Instant>,
    /// Requests that were refused before anything left.
    pub refused: u64,
    /// When the last of them was, and why.
    pub last_refusal: Option<(Instant, String)>,
}

impl Ledger {
    /// A request for which a connection was made.
    pub fn reached(&self, caller: &Caller, host: &str) {
        self.note(caller, host, |tally| {
            tally.reached += 1;
            tally.last_reached = Some(Instant::now());
        });
    }

    /// A request that was refused.
    pub fn refused(&self, caller: &Caller, host: &str, reason: &str) {
        let reason = reason.chars().take(MAX_REASON).collect();
        self.note(caller, host, |tally| {
            tally.refused += 1;
            tally.last_refusal = Some((Instant::now(), reason));
        });
    }

    /// Whether nothing was noted since it was last taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts().is_empty()
    }

    /// Takes out what was noted since the last time.
    #[must_use]
    pub fn take(&self) -> Vec<Entry> {
        let counts = std::mem::take(&mut *self.counts());
        let entries = counts.into_iter().flat_map(|((tenant, action), hosts)| {
            hosts.into_iter().map(move |(host, tally)| Entry {
                tenant: tenant.clone(),
                action: action.clone(),
                host,
                tally,
            })
        });
        entries.collect()
    }

    /// Puts back what could not be kept, beside what was noted since.
    pub fn put_back(&self, entries: Vec<Entry>) {
        for entry in entries {
            let caller = Caller {
                tenant: entry.tenant,
                action: entry.action,
                asks: Vec::new(),
            };
            self.note(&caller, &entry.host, |tally| tally.add(entry.tally));
        }
    }

    fn note(&self, caller: &Caller, host: &str, change: impl FnOnce(&mut Tally)) {
        let mut counts = self.counts();
        let who = (caller.tenant.clone(), caller.action.clone());
        let hosts = counts.entry(who).or_default();
        if !hosts.contains_key(host) && hosts.len() >= MAX_HOSTS {
            let oldest = hosts
                .iter()
                .min_by_key(|(_, tally)| (tally.reached > 0, tally.last()));
            if let Some(oldest) = oldest.map(|(host, _)| host.clone()) {
                hosts.remove(&oldest);
            }
        }
        change(hosts.entry(host.to_owned()).or_default());
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Who, HashMap<String, Tally>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn last(&self) -> Option<Instant> {
        let refusal = self.last_refusal.as_ref().map(|(at, _)| *at);
        self.last_reached.max(refusal)
    }

    fn add(&mut self, other: Self) {
        self.reached += other.reached;
        self.refused += other.refused;
        self.last_reached = self.last_reached.max(other.last_reached);
        self.last_refusal = self.last_refusal.take().max(other.last_refusal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(action: &str) -> Caller {
        Caller {
            tenant: "default".into(),
            action: action.into(),
            asks: Vec::new(),
        }
    }

    #[test]
    fn what_is_taken_is_counted_once_and_what_is_put_back_again() {
        let ledger = Ledger::default();
        assert!(ledger.is_empty() && ledger.take().is_empty());
        ledger.reached(&caller("a.b"), "api.example");
        ledger.reached(&caller("a.b"), "api.example");
        ledger.refused(&caller("a.b"), "api.example", "no");
        let taken = ledger.take();
        assert!(ledger.is_empty());
        assert_eq!((taken[0].tally.reached, taken[0].tally.refused), (2, 1));
        ledger.reached(&caller("a.b"), "api.example");
        ledger.put_back(taken);
        let again = ledger.take();
        assert_eq!((again[0].tally.reached, again[0].tally.refused), (3, 1));
        assert_eq!(again[0].tally.last_refusal.as_ref().unwrap().1, "no");
    }

    #[test]
    fn a_flood_of_hosts_takes_no_more_room_and_forgets_the_oldest() {
        let ledger = Ledger::default();
        ledger.reached(&caller("quiet.one"), "api.example");
        for n in 0..5 * MAX_HOSTS {
            ledger.refused(&caller("loud.one"), &format!("h{n}"), &"x".repeat(5_000));
        }
        let taken = ledger.take();
        let of = |action| taken.iter().filter(move |entry| entry.action == action);
        assert_eq!(
            (of("loud.one").count(), of("quiet.one").count()),
            (MAX_HOSTS, 1)
        );
        assert!(
            taken
                .iter()
                .any(|e| e.host == format!("h{}", 5 * MAX_HOSTS - 1))
        );
        let longest = taken.iter().filter_map(|e| e.tally.last_refusal.as_ref());
        assert_eq!(longest.map(|(_, r)| r.len()).max(), Some(MAX_REASON));
    }
}
