//! What actions have reached and what they were refused, as the records keep
//! it: one record for each action, of a bounded number of hosts.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::{ActionId, TenantId};
use crate::ports::{Expect, Kind, Record, RecordError, Records};
use crate::time::Timestamp;

/// Hosts that are remembered for one action. The oldest makes room, of those
/// never reached first: a guest chooses what it asks for.
pub const MAX_HOSTS: usize = 256;

/// How often an addition is tried while others change the record.
const TRIES: usize = 8;

/// What one action has reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// By host, with its port unless that is the scheme's own.
    pub hosts: BTreeMap<String, HostReached>,
}

/// What one action did at one host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostReached {
    /// Requests for which a connection was made.
    pub requests: u64,
    /// When the last of them was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
    /// Requests that were refused before anything left.
    pub refused: u64,
    /// The last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_refusal: Option<Refusal>,
}

/// A request that was refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// Why, and what to do about it.
    pub reason: String,
}

impl Reached {
    /// Adds what happened since.
    pub fn add(&mut self, news: Self) {
        for (host, new) in news.hosts {
            self.hosts.entry(host).or_default().add(new);
        }
        while self.hosts.len() > MAX_HOSTS {
            let oldest = self.hosts.iter().min_by_key(|(_, host)| host.rank());
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else {
                return;
            };
            self.hosts.remove(&oldest);
        }
    }
}

impl HostReached {
    fn add(&mut self, new: Self) {
        self.requests = self.requests.saturating_add(new.requests);
        self.last_at = self.last_at.max(new.last_at);
        self.refused = self.refused.saturating_add(new.refused);
        self.last_refusal = self.last_refusal.take().max(new.last_refusal);
    }

    fn rank(&self) -> (bool, Option<Timestamp>) {
        let refusal = self.last_refusal.as_ref().map(|refusal| refusal.at);
        (self.requests > 0, self.last_at.max(refusal))
    }
}

/// Adds to what an action has reached.
///
/// # Errors
/// Trouble of the records.
pub async fn add_reached(
    records: &dyn Records,
    tenant: &TenantId,
    action: &ActionId,
    news: &Reached,
) -> Result<(), RecordError> {
    for tried in 1.. {
        let found = records.get(Kind::Reached, tenant, action.as_str()).await?;
        let (mut reached, expect) = match &found {
            Some(record) => (read(record)?, Expect::Version(record.version)),
            None => (Reached::default(), Expect::Absent),
        };
        reached.add(news.clone());
        let value = serde_json::to_vec(&reached).map(Bytes::from);
        let value = value.map_err(|e| RecordError::Damaged(e.to_string()))?;
        let put = records.put(Kind::Reached, tenant, action.as_str(), value, expect);
        match put.await {
            Err(RecordError::Conflict { .. }) if tried < TRIES => {}
            other => return other.map(|_| ()),
        }
    }
    Ok(())
}

/// What actions have reached, by their ids, after `after`.
///
/// # Errors
/// Trouble of the records.
pub async fn list_reached(
    records: &dyn Records,
    tenant: &TenantId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, Reached)>, RecordError> {
    let found = records
        .list(Kind::Reached, tenant, "", after, limit)
        .await?;
    let named = |(action, record): (String, Record)| Ok((action, read(&record)?));
    found.into_iter().map(named).collect()
}

/// What one action has reached.
///
/// # Errors
/// Trouble of the records.
pub async fn reached(
    records: &dyn Records,
    tenant: &TenantId,
    action: &str,
) -> Result<Reached, RecordError> {
    let found = records.get(Kind::Reached, tenant, action).await?;
    Ok(found
        .map(|record| read(&record))
        .transpose()?
        .unwrap_or_default())
}

fn read(record: &Record) -> Result<Reached, RecordError> {
    serde_json::from_slice(&record.value)
        .map_err(|_| RecordError::Damaged("what an action has reached cannot be read".into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::fakes::{Store, now};

    fn news(host: &str, requests: u64, refused: u64, at: u64) -> Reached {
        let at = Timestamp::from_millis(at);
        let refusal = Refusal {
            at,
            reason: format!("no, said at {}", at.as_millis()),
        };
        let host_reached = HostReached {
            requests,
            last_at: (requests > 0).then_some(at),
            refused,
            last_refusal: (refused > 0).then_some(refusal),
        };
        Reached {
            hosts: BTreeMap::from([(host.to_owned(), host_reached)]),
        }
    }

    #[test]
    fn additions_sum_up_and_keep_the_last_time_and_reason() {
        let (store, tenant) = (Store::default(), TenantId::default_tenant());
        let action = "weather.fetch".parse().unwrap();
        for part in [
            news("a.example", 2, 1, 20),
            news("a.example", 3, 1, 10),
            news("b.example", 0, 1, 30),
        ] {
            now(add_reached(&store, &tenant, &action, &part)).unwrap();
        }
        let found = now(reached(&store, &tenant, "weather.fetch")).unwrap();
        let a = &found.hosts["a.example"];
        assert_eq!((a.requests, a.refused), (5, 2));
        assert_eq!(a.last_at, Some(Timestamp::from_millis(20)));
        assert_eq!(a.last_refusal.as_ref().unwrap().reason, "no, said at 20");
        let all = now(list_reached(&store, &tenant, None, 10)).unwrap();
        assert_eq!(all, [("weather.fetch".to_owned(), found)]);
        let none = now(list_reached(&store, &tenant, Some("weather.fetch"), 10)).unwrap();
        assert!(none.is_empty());
    }

    #[test]
    fn a_flood_of_refused_hosts_takes_no_room_from_those_that_were_reached() {
        let mut reached = news("api.example", 1, 0, 0);
        for n in 0..3 * MAX_HOSTS as u64 {
            reached.add(news(&format!("h{n}"), 0, 1, 1 + n));
        }
        assert_eq!(reached.hosts.len(), MAX_HOSTS);
        assert!(reached.hosts.contains_key("api.example"));
        assert!(
            reached
                .hosts
                .contains_key(&format!("h{}", 3 * MAX_HOSTS - 1))
        );
        assert!(!reached.hosts.contains_key("h0"));
    }
}
