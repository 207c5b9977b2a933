//! Records in memory, as they are on disk. This process alone writes the file, so
//! that its one writer knows of each record that changes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nebula_flow::ports::Record;

use crate::rows::RecordKey;

/// Beyond this many the memory starts anew.
const MOST: usize = 1024;
/// Larger ones are read when they are asked for, bytes.
const LARGEST: usize = 16 << 10;

/// What was read lately; that there is none, too.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    records: HashMap<RecordKey, Option<Record>>,
    /// Raised each time a record may have changed.
    epoch: u64,
    /// Whether a commit with records is under way: what is read meanwhile may be what
    /// was or what will be.
    is_changing: bool,
}

/// What is known of a record.
#[derive(Debug, PartialEq)]
pub(super) enum Known {
    /// It is this, or there is none.
    Is(Option<Record>),
    /// Nothing; what the file says may be kept if this is still so.
    Nothing(u64),
}

impl Kept {
    pub(super) fn look(&self, key: &RecordKey) -> Known {
        let inner = self.lock();
        match inner.records.get(key) {
            Some(record) => Known::Is(record.clone()),
            None => Known::Nothing(inner.epoch),
        }
    }

    /// Keeps what the file said after a [`look`](Self::look), unless a record may have
    /// changed since.
    pub(super) fn keep(&self, key: RecordKey, record: Option<&Record>, epoch: u64) {
        let mut inner = self.lock();
        let is_small = record.is_none_or(|record| record.value.len() <= LARGEST);
        if inner.epoch != epoch || inner.is_changing || !is_small {
            return;
        }
        if inner.records.len() >= MOST {
            inner.records.clear();
        }
        inner.records.insert(key, record.cloned());
    }

    /// Forgets records that are about to change.
    pub(super) fn change<'a>(&self, keys: impl Iterator<Item = &'a RecordKey>) {
        let mut inner = self.lock();
        for key in keys {
            inner.is_changing = true;
            inner.records.remove(key);
        }
    }

    /// They have changed, or not.
    pub(super) fn changed(&self) {
        let mut inner = self.lock();
        if std::mem::take(&mut inner.is_changing) {
            inner.epoch += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics between two changes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use nebula_flow::id::TenantId;

    use super::*;

    fn key(name: &str) -> RecordKey {
        ("workflow", TenantId::default_tenant(), name.to_owned())
    }

    fn record(version: u64) -> Record {
        Record {
            value: Bytes::from_static(b"1"),
            version,
        }
    }

    fn epoch(kept: &Kept, name: &str) -> u64 {
        match kept.look(&key(name)) {
            Known::Nothing(epoch) => epoch,
            Known::Is(record) => panic!("{record:?}"),
        }
    }

    #[test]
    fn what_is_kept_is_forgotten_when_it_changes() {
        let kept = Kept::default();
        kept.keep(key("a"), Some(&record(1)), epoch(&kept, "a"));
        kept.keep(key("b"), None, epoch(&kept, "b"));
        assert_eq!(kept.look(&key("a")), Known::Is(Some(record(1))));
        assert_eq!(kept.look(&key("b")), Known::Is(None));
        kept.change([&key("a")].into_iter());
        kept.changed();
        assert_eq!(kept.look(&key("a")), Known::Nothing(1));
        assert_eq!(kept.look(&key("b")), Known::Is(None));
    }

    #[test]
    fn what_was_read_before_or_during_a_change_is_not_kept() {
        let kept = Kept::default();
        let before = epoch(&kept, "a");
        kept.change([&key("a")].into_iter());
        kept.keep(key("a"), Some(&record(1)), before);
        assert_eq!(kept.look(&key("a")), Known::Nothing(0));
        let during = epoch(&kept, "a");
        kept.changed();
        kept.keep(key("a"), Some(&record(1)), during);
        assert_eq!(kept.look(&key("a")), Known::Nothing(1));
    }

    #[test]
    fn what_is_large_is_not_kept_and_many_start_anew() {
        let kept = Kept::default();
        let large = Record {
            value: vec![0; LARGEST + 1].into(),
            version: 1,
        };
        kept.keep(key("large"), Some(&large), 0);
        assert_eq!(kept.look(&key("large")), Known::Nothing(0));
        for n in 0..=MOST {
            kept.keep(key(&n.to_string()), Some(&record(1)), 0);
        }
        assert_eq!(kept.lock().records.len(), 1);
    }
}
