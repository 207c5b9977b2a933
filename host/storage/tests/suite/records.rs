//! `Records`: what is kept by name, and blobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use bytes::Bytes;
use nebula_flow::id::Digest;
use nebula_flow::ports::{Expect, Kind, Record, RecordError};

use crate::kit::*;

on_every_store! {
    a_record_reads_back_and_counts_its_versions,
    a_put_whose_expectation_fails_changes_nothing,
    a_removed_record_is_gone,
    records_of_other_kinds_and_tenants_are_others,
    a_list_has_the_prefix_and_comes_in_pages,
    of_racing_puts_at_one_version_one_wins,
    readers_never_go_back_and_see_what_was_acknowledged,
    a_blob_is_kept_under_its_digest,
    a_blob_that_is_kept_twice_is_the_same,
}

const KIND: Kind = Kind::Workflow;

async fn put(
    store: &AnyStore,
    key: &str,
    value: &'static str,
    expect: Expect,
) -> Result<u64, RecordError> {
    store
        .put(
            KIND,
            &tenant(),
            key,
            Bytes::from_static(value.as_bytes()),
            expect,
        )
        .await
}

async fn get(store: &AnyStore, key: &str) -> Option<Record> {
    store.get(KIND, &tenant(), key).await.unwrap()
}

fn record(version: u64, value: &'static str) -> Record {
    Record {
        version,
        value: Bytes::from_static(value.as_bytes()),
    }
}

async fn a_record_reads_back_and_counts_its_versions(store: AnyStore) {
    assert_eq!(get(&store, "a").await, None);
    assert_eq!(put(&store, "a", "one", Expect::Absent).await.unwrap(), 1);
    assert_eq!(get(&store, "a").await, Some(record(1, "one")));
    assert_eq!(
        put(&store, "a", "two", Expect::Version(1)).await.unwrap(),
        2
    );
    assert_eq!(put(&store, "a", "", Expect::Any).await.unwrap(), 3);
    assert_eq!(get(&store, "a").await, Some(record(3, "")));
}

async fn a_put_whose_expectation_fails_changes_nothing(store: AnyStore) {
    let conflict = |result: Result<u64, RecordError>| {
        assert!(
            matches!(result, Err(RecordError::Conflict { kind: "workflow", key }) if key == "a")
        );
    };
    conflict(put(&store, "a", "x", Expect::Version(1)).await);
    conflict(put(&store, "a", "x", Expect::Version(0)).await);
    assert_eq!(get(&store, "a").await, None);
    put(&store, "a", "one", Expect::Absent).await.unwrap();
    conflict(put(&store, "a", "x", Expect::Absent).await);
    conflict(put(&store, "a", "x", Expect::Version(2)).await);
    assert_eq!(get(&store, "a").await, Some(record(1, "one")));
}

async fn a_removed_record_is_gone(store: AnyStore) {
    assert!(!store.remove(KIND, &tenant(), "a").await.unwrap());
    put(&store, "a", "one", Expect::Any).await.unwrap();
    assert!(store.remove(KIND, &tenant(), "a").await.unwrap());
    assert!(!store.remove(KIND, &tenant(), "a").await.unwrap());
    assert_eq!(get(&store, "a").await, None);
    assert_eq!(put(&store, "a", "again", Expect::Absent).await.unwrap(), 1);
}

async fn records_of_other_kinds_and_tenants_are_others(store: AnyStore) {
    put(&store, "a", "one", Expect::Any).await.unwrap();
    for kind in [
        Kind::WorkflowVersion,
        Kind::Grant,
        Kind::Reveal,
        Kind::Credential,
    ] {
        assert_eq!(store.get(kind, &tenant(), "a").await.unwrap(), None);
        assert_eq!(store.list(kind, &tenant(), "", None, 10).await.unwrap(), []);
        assert!(!store.remove(kind, &tenant(), "a").await.unwrap());
    }
    assert_eq!(store.get(KIND, &stranger(), "a").await.unwrap(), None);
    assert_eq!(
        store.list(KIND, &stranger(), "", None, 10).await.unwrap(),
        []
    );
    assert!(get(&store, "a").await.is_some());
}

async fn a_list_has_the_prefix_and_comes_in_pages(store: AnyStore) {
    for key in ["b/2", "a", "b/10", "c", "b", "b/é", "b/%_"] {
        put(&store, key, "x", Expect::Any).await.unwrap();
    }
    let list = |prefix: &'static str, after: Option<&'static str>, limit| {
        let store = store.clone();
        async move {
            let page = store
                .list(KIND, &tenant(), prefix, after, limit)
                .await
                .unwrap();
            page.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        }
    };
    assert_eq!(
        list("", None, 10).await,
        ["a", "b", "b/%_", "b/10", "b/2", "b/é", "c"]
    );
    assert_eq!(list("b/", None, 10).await, ["b/%_", "b/10", "b/2", "b/é"]);
    assert_eq!(list("b/", None, 2).await, ["b/%_", "b/10"]);
    assert_eq!(list("b/", Some("b/10"), 2).await, ["b/2", "b/é"]);
    assert_eq!(list("b/", Some("b/11"), 1).await, ["b/2"]);
    assert_eq!(list("b/", Some("a"), 1).await, ["b/%_"]);
    assert_eq!(list("b/", Some("b/é"), 2).await, [""; 0]);
    assert_eq!(list("b/", Some("c"), 2).await, [""; 0]);
    assert_eq!(list("d", None, 2).await, [""; 0]);
    assert_eq!(list("", None, 0).await, [""; 0]);
    let first = store.list(KIND, &tenant(), "a", None, 1).await.unwrap();
    assert_eq!(first, [("a".to_owned(), record(1, "x"))]);
}

async fn of_racing_puts_at_one_version_one_wins(store: AnyStore) {
    put(&store, "a", "one", Expect::Absent).await.unwrap();
    let racers: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { put(&store, "a", "two", Expect::Version(1)).await })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        match racer.await.unwrap() {
            Ok(version) => won += version - 1,
            Err(RecordError::Conflict { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(get(&store, "a").await, Some(record(2, "two")));
}

async fn readers_never_go_back_and_see_what_was_acknowledged(store: AnyStore) {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (store, acknowledged) = (store.clone(), acknowledged.clone());
            tokio::spawn(async move {
                let mut last = 0;
                while last < 200 {
                    let least = acknowledged.load(SeqCst).max(last);
                    let seen = get(&store, "a").await.map_or(0, |record| record.version);
                    assert!(seen >= least, "{seen} after {least}");
                    last = seen;
                }
            })
        })
        .collect();
    for version in 1..=200 {
        put(&store, "a", "x", Expect::Any).await.unwrap();
        acknowledged.store(version, SeqCst);
        assert_eq!(get(&store, "a").await, Some(record(version, "x")));
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

async fn a_blob_is_kept_under_its_digest(store: AnyStore) {
    for size in [0, 1, 100_000, 3 << 20] {
        let bytes: Bytes = (0..size)
            .map(|n: u32| n.to_le_bytes()[0] ^ n.to_le_bytes()[1])
            .collect();
        let digest = store.put_blob(bytes.clone()).await.unwrap();
        assert_eq!(digest, Digest::of(&bytes));
        assert_eq!(store.blob(digest).await.unwrap(), Some(bytes));
    }
    assert_eq!(store.blob(Digest::of(b"never kept")).await.unwrap(), None);
}

async fn a_blob_that_is_kept_twice_is_the_same(store: AnyStore) {
    let bytes = Bytes::from_static(b"same");
    let digest = Digest::of(&bytes);
    let at_once = tokio::join!(
        store.put_blob(bytes.clone()),
        store.put_blob(bytes.clone()),
        store.put_blob(bytes.clone())
    );
    for kept in [
        at_once.0,
        at_once.1,
        at_once.2,
        store.put_blob(bytes.clone()).await,
    ] {
        assert_eq!(kept.unwrap(), digest);
    }
    assert_eq!(store.blob(digest).await.unwrap(), Some(bytes));
}
