//! What actions keep from one execution to the next: values with versions, by a
//! key. A step's change counts once, however often the step is tried: the value
//! remembers which steps changed it last.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{Digest, TenantId};
use crate::ports::{Expect, Identity, Kind, RecordError, Records};

/// The largest value, bytes of MessagePack.
pub const MAX_STATE: usize = 64 * 1024;

/// So many of the last changes are remembered.
const REMEMBERED: usize = 64;

/// With the value before them where that is no longer than this, bytes of JSON.
const MAX_BEFORE: usize = 1024;

/// Which value, and which step it is for.
#[derive(Debug, Clone)]
pub struct Place {
    /// Whose.
    pub tenant: TenantId,
    /// Under which key.
    pub key: String,
    /// The step: equal on each of its attempts.
    pub by: Digest,
}

impl Place {
    /// The place of a step's change.
    #[must_use]
    pub fn new(tenant: TenantId, key: String, identity: &Identity) -> Self {
        let by = Digest::of(identity.idempotency_key("state").as_bytes());
        Self { tenant, key, by }
    }
}

/// A value and how often it was changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Versioned {
    /// Null before the first change.
    pub value: Value,
    /// 0 before the first change.
    pub version: u64,
}

/// Why a change was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StateError {
    /// Someone else was faster.
    #[error("the state `{0}` was changed by someone else meanwhile")]
    Changed(String),
    /// Trouble of the records.
    #[error(transparent)]
    Records(#[from] RecordError),
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    value: Value,
    /// The newest last.
    changes: VecDeque<Change>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Change {
    by: Digest,
    /// What it replaced, if that is remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Versioned>,
}

/// The value as the step sees it: if an earlier attempt of the step has changed it,
/// as it was before.
///
/// # Errors
/// Trouble of the records.
pub async fn load(records: &dyn Records, place: &Place) -> Result<Versioned, RecordError> {
    let (kept, version) = kept(records, place).await?;
    let own = kept.changes.iter().find(|change| change.by == place.by);
    if let Some(before) = own.and_then(|change| change.before.clone()) {
        return Ok(before);
    }
    Ok(Versioned {
        value: kept.value,
        version,
    })
}

/// Changes the value from this version on, unless the step has done so before. Once
/// it returns, it is on disk.
///
/// # Errors
/// When it has another version; trouble of the records.
pub async fn change(
    records: &dyn Records,
    place: &Place,
    version: u64,
    value: Value,
) -> Result<(), StateError> {
    let (mut kept, actual) = kept(records, place).await?;
    if kept.changes.iter().any(|change| change.by == place.by) {
        return Ok(());
    }
    let changed = || StateError::Changed(place.key.clone());
    if actual != version {
        return Err(changed());
    }
    let before = Versioned {
        value: std::mem::replace(&mut kept.value, value),
        version,
    };
    let is_short = |before: &Versioned| {
        serde_json::to_vec(&before.value).is_ok_and(|bytes| bytes.len() <= MAX_BEFORE)
    };
    kept.changes.push_back(Change {
        by: place.by,
        before: Some(before).filter(is_short),
    });
    while kept.changes.len() > REMEMBERED {
        kept.changes.pop_front();
    }
    let bytes = serde_json::to_vec(&kept).map(Bytes::from);
    let bytes = bytes.map_err(|e| RecordError::Damaged(e.to_string()))?;
    let expect = match version {
        0 => Expect::Absent,
        version => Expect::Version(version),
    };
    let put = records.put(Kind::State, &place.tenant, &place.key, bytes, expect);
    match put.await {
        Ok(_) => Ok(()),
        Err(RecordError::Conflict { .. }) => Err(changed()),
        Err(error) => Err(error.into()),
    }
}

async fn kept(records: &dyn Records, place: &Place) -> Result<(Kept, u64), RecordError> {
    let found = records.get(Kind::State, &place.tenant, &place.key).await?;
    let Some(record) = found else {
        return Ok((Kept::default(), 0));
    };
    let damaged = |_| RecordError::Damaged(format!("the state `{}` cannot be read", place.key));
    let kept = serde_json::from_slice(&record.value).map_err(damaged)?;
    Ok((kept, record.version))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;
    use crate::fakes::{Store, now};

    fn place(step: &str) -> Place {
        Place {
            tenant: TenantId::default_tenant(),
            key: "w/n".into(),
            by: Digest::of(step.as_bytes()),
        }
    }

    /// One attempt of a step that counts.
    fn counts(store: &Store, step: &str) -> Result<u64, StateError> {
        let seen = now(load(store, &place(step))).unwrap();
        let next = seen.value.as_u64().unwrap_or(0) + 1;
        now(change(store, &place(step), seen.version, json!(next)))?;
        Ok(next)
    }

    #[test]
    fn each_step_counts_once_however_often_it_is_tried() {
        let store = Store::default();
        assert_eq!(counts(&store, "a").unwrap(), 1);
        assert_eq!(counts(&store, "a").unwrap(), 1);
        assert_eq!(counts(&store, "b").unwrap(), 2);
        assert_eq!(
            counts(&store, "a").unwrap(),
            1,
            "a late retry gives the same"
        );
        assert_eq!(counts(&store, "c").unwrap(), 3);
    }

    #[test]
    fn who_is_slower_is_told() {
        let store = Store::default();
        let (a, b) = (place("a"), place("b"));
        let seen = now(load(&store, &a)).unwrap();
        now(change(&store, &b, seen.version, json!(1))).unwrap();
        let slower = now(change(&store, &a, seen.version, json!(1)));
        assert!(matches!(slower, Err(StateError::Changed(key)) if key == "w/n"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let store = Store::default();
        let large = json!("x".repeat(MAX_STATE / 2));
        for n in 0..200 {
            let place = place(&n.to_string());
            let seen = now(load(&store, &place)).unwrap();
            now(change(&store, &place, seen.version, large.clone())).unwrap();
        }
        let found = now(store.get(Kind::State, &TenantId::default_tenant(), "w/n"));
        assert!(found.unwrap().unwrap().value.len() < MAX_STATE);
    }
}
