//! Values by key: what is set is found, for as long as it is to be, by those whose it is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use nebula_sandbox::resources::{Keys, Kv, ResourceError, SetValue};

use crate::kit::Database;

on_sqlite_and_postgres! {
    a_value_is_found_until_it_is_removed,
    a_version_is_never_that_of_another_value,
    what_is_over_is_never_seen_and_goes_in_passing,
    a_number_loses_nobodys_part,
    keys_are_listed_in_their_order_and_by_pages,
    keys_and_values_are_bounded,
    tenants_and_resources_never_meet,
    what_is_read_only_is_not_changed,
    only_one_of_many_gets_what_was_there_for_one,
    a_request_that_nobody_waits_for_gives_its_connection_back,
    values_outlast_who_set_them,
}

const LONG: Duration = Duration::from_secs(60);

fn set(key: &str, value: &[u8]) -> SetValue {
    SetValue {
        key: key.to_owned(),
        value: value.to_vec(),
        ttl: None,
        expected: None,
    }
}

async fn found(kv: &Arc<dyn Kv>, key: &str) -> Option<Vec<u8>> {
    let entry = kv.get(key.to_owned(), LONG).await.unwrap();
    entry.map(|entry| entry.value)
}

async fn is_set(kv: &Arc<dyn Kv>, key: &str, value: &[u8]) -> u64 {
    let version = kv.set(set(key, value), LONG).await.unwrap();
    version.expect("no version was expected")
}

async fn keys(kv: &Arc<dyn Kv>) -> Vec<String> {
    let listed = kv.list(String::new(), None, 1_000, LONG).await.unwrap();
    listed.keys
}

async fn a_value_is_found_until_it_is_removed(database: Database) {
    let kv = database.values();
    assert_eq!(found(&kv, "a").await, None);
    is_set(&kv, "a", b"\xa3one").await;
    is_set(&kv, "a", b"\xa3two").await;
    assert_eq!(found(&kv, "a").await.as_deref(), Some(&b"\xa3two"[..]));
    assert_eq!(found(&kv, "A").await, None, "keys are as they are");
    assert_eq!(kv.delete("a".into(), None, LONG).await, Ok(true));
    assert_eq!(kv.delete("a".into(), None, LONG).await, Ok(false));
    assert_eq!(found(&kv, "a").await, None);
    let odd = "ключ'; DROP TABLE nebula_kv; --";
    is_set(&kv, odd, b"\0\xff").await;
    assert_eq!(found(&kv, odd).await.as_deref(), Some(&b"\0\xff"[..]));
}

async fn a_version_is_never_that_of_another_value(database: Database) {
    let kv = database.values();
    let with = |expected: u64| SetValue {
        expected: Some(expected),
        ..set("a", b"\x01")
    };
    let first = kv.set(with(0), LONG).await.unwrap().expect("it has none");
    assert_ne!(first, 0);
    assert_eq!(kv.set(with(0), LONG).await, Ok(None));
    assert_eq!(
        kv.delete("a".into(), Some(first + 1), LONG).await,
        Ok(false)
    );
    assert_eq!(kv.delete("a".into(), Some(first), LONG).await, Ok(true));
    // It is away and there again: whoever has seen the first one does not take it for that.
    let second = is_set(&kv, "a", b"\x02").await;
    assert_ne!(first, second);
    assert_eq!(kv.set(with(first), LONG).await, Ok(None));
    let third = kv.set(with(second), LONG).await.unwrap().expect("it has");
    let entry = kv.get("a".into(), LONG).await.unwrap().expect("is there");
    assert_eq!((entry.value, entry.version), (vec![1], third));
}

async fn what_is_over_is_never_seen_and_goes_in_passing(database: Database) {
    let kv = database
        .keeping(&["cache"], |config| config.max_keys = 3)
        .of("default", "cache");
    let short = |key: &str| SetValue {
        ttl: Some(Duration::from_millis(300)),
        ..set(key, b"\x01")
    };
    for key in ["a", "b", "n"] {
        kv.set(short(key), LONG).await.unwrap();
    }
    assert_eq!(kv.increment("n".into(), 4, Some(LONG), LONG).await, Ok(5));
    assert_eq!(keys(&kv).await, ["a", "b", "n"]);
    let full = kv.set(set("c", b"\x01"), LONG).await;
    assert!(matches!(full, Err(ResourceError::Limit(_))), "{full:?}");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(keys(&kv).await, Vec::<String>::new());
    assert_eq!(found(&kv, "a").await, None);
    assert_eq!(kv.delete("a".into(), None, LONG).await, Ok(false));
    // A number that was there kept its time, and one that is new begins at 0.
    assert_eq!(kv.increment("n".into(), 1, None, LONG).await, Ok(1));
    let absent = SetValue {
        expected: Some(0),
        ..set("b", b"\x02")
    };
    assert!(kv.set(absent, LONG).await.unwrap().is_some());
    is_set(&kv, "c", b"\x03").await;
    assert_eq!(keys(&kv).await, ["b", "c", "n"]);
    let full = kv.set(set("d", b"\x01"), LONG).await;
    assert!(matches!(full, Err(ResourceError::Limit(_))), "{full:?}");
    let none = SetValue {
        ttl: Some(Duration::ZERO),
        ..set("b", b"\x02")
    };
    let refused = kv.set(none, LONG).await;
    assert!(
        matches!(refused, Err(ResourceError::Refused(_))),
        "{refused:?}"
    );
}

async fn a_number_loses_nobodys_part(database: Database) {
    let kv = database.values();
    let adding = (0..40_i64).map(|n| {
        let kv = Arc::clone(&kv);
        tokio::spawn(async move { kv.increment("n".into(), n, None, LONG).await.unwrap() })
    });
    let adding: Vec<_> = adding.collect();
    let mut sums = BTreeSet::new();
    for added in adding {
        sums.insert(added.await.unwrap());
    }
    assert_eq!(sums.last(), Some(&(0..40).sum()));
    assert!(sums.len() >= 39, "all but 0 make another: {sums:?}");
    assert_eq!(kv.increment("n".into(), -1_000, None, LONG).await, Ok(-220));
    is_set(&kv, "text", b"\xa1x").await;
    is_set(&kv, "large", &rmp_serde::to_vec(&i64::MAX).unwrap()).await;
    for key in ["text", "large"] {
        let refused = kv.increment(key.into(), 1, None, LONG).await;
        assert!(
            matches!(refused, Err(ResourceError::Refused(_))),
            "{refused:?}"
        );
    }
    assert_eq!(found(&kv, "text").await.as_deref(), Some(&b"\xa1x"[..]));
}

async fn keys_are_listed_in_their_order_and_by_pages(database: Database) {
    let kv = database.values();
    let all = [
        "a", "b/", "b/1", "b/10", "b/2", "b/é", "b0", "B/3", "b%", "b_x",
    ];
    for key in all {
        is_set(&kv, key, b"\x01").await;
    }
    let mut sorted = all;
    sorted.sort_unstable();
    assert_eq!(keys(&kv).await, sorted);
    let page = async |after: Option<&str>| {
        let after = after.map(str::to_owned);
        kv.list("b/".into(), after, 2, LONG).await.unwrap()
    };
    let keys = |keys: &[&str], next: Option<&str>| Keys {
        keys: keys.iter().map(|&key| key.to_owned()).collect(),
        next: next.map(str::to_owned),
    };
    assert_eq!(page(None).await, keys(&["b/", "b/1"], Some("b/1")));
    assert_eq!(page(Some("b/1")).await, keys(&["b/10", "b/2"], Some("b/2")));
    assert_eq!(page(Some("b/2")).await, keys(&["b/é"], None));
    assert_eq!(page(Some("b/é")).await, keys(&[], None));
    let one = kv.list("b%".into(), None, 0, LONG).await.unwrap();
    assert_eq!(one, keys(&["b%"], None), "it is no pattern");
}

async fn keys_and_values_are_bounded(database: Database) {
    let kv = database
        .keeping(&["cache"], |config| {
            config.max_keys = 2;
            config.max_value_bytes = 10;
        })
        .of("default", "cache");
    is_set(&kv, "a", &[0; 10]).await;
    let large = kv.set(set("a", &[0; 11]), LONG).await;
    assert!(matches!(large, Err(ResourceError::Limit(_))), "{large:?}");
    is_set(&kv, "b", &[0; 10]).await;
    for _ in 0..2 {
        let third = kv
            .increment("c".into(), 1, None, LONG)
            .await
            .expect_err("too many");
        assert!(
            third.to_string().contains("`resources.cache.max_keys`"),
            "{third}"
        );
    }
    is_set(&kv, "b", &[1; 10]).await;
    assert_eq!(kv.delete("a".into(), None, LONG).await, Ok(true));
    assert_eq!(kv.increment("c".into(), 1, None, LONG).await, Ok(1));
    for key in [String::new(), "x".repeat(513), "a\nb".into(), "a\0".into()] {
        let refused = kv.get(key, LONG).await;
        assert!(
            matches!(refused, Err(ResourceError::Refused(_))),
            "{refused:?}"
        );
    }
    is_set(&kv, "b", b"").await;
    let late = kv.get("b".into(), Duration::ZERO).await;
    assert!(
        matches!(late, Err(ResourceError::Unavailable(_))),
        "{late:?}"
    );
}

async fn tenants_and_resources_never_meet(database: Database) {
    let keeping = database.keeping(&["cache", "books"], |config| config.max_keys = 1);
    let all = [
        ("default", "cache"),
        ("default", "books"),
        ("other", "cache"),
        ("other", "books"),
    ];
    for (tenant, name) in all {
        let kv = keeping.of(tenant, name);
        assert_eq!(found(&kv, "a").await, None, "{tenant} {name}");
        is_set(&kv, "a", format!("{tenant} {name}").as_bytes()).await;
    }
    for (tenant, name) in all {
        let kv = keeping.of(tenant, name);
        let value = found(&kv, "a").await.unwrap();
        assert_eq!(value, format!("{tenant} {name}").into_bytes());
        assert_eq!(keys(&kv).await, ["a"]);
        assert_eq!(kv.delete("a".into(), None, LONG).await, Ok(true));
    }
}

async fn what_is_read_only_is_not_changed(database: Database) {
    let read_only = || {
        let keeping = database.keeping(&["cache"], |config| config.read_only = true);
        keeping.of("default", "cache")
    };
    let nothing = read_only().get("a".into(), LONG).await;
    assert!(
        matches!(nothing, Err(ResourceError::Unavailable(_))),
        "{nothing:?}"
    );
    is_set(&database.values(), "a", b"\x01").await;
    let kv = read_only();
    assert_eq!(found(&kv, "a").await, Some(vec![1]));
    assert_eq!(keys(&kv).await, ["a"]);
    let refused = |found: Result<bool, ResourceError>| match found {
        Err(ResourceError::Refused(why)) => assert!(why.contains("read only"), "{why}"),
        other => panic!("{other:?}"),
    };
    refused(kv.set(set("a", b"\x02"), LONG).await.map(|_| true));
    refused(kv.delete("a".into(), None, LONG).await);
    refused(kv.increment("b".into(), 1, None, LONG).await.map(|_| true));
    assert_eq!(found(&kv, "a").await, Some(vec![1]));
}

async fn only_one_of_many_gets_what_was_there_for_one(database: Database) {
    let kv = database.values();
    let taking = (0..20_u8).map(|n| {
        let kv = Arc::clone(&kv);
        let taken = SetValue {
            expected: Some(0),
            ..set("lock", &[n])
        };
        tokio::spawn(async move { kv.set(taken, LONG).await.unwrap().map(|_| n) })
    });
    let taking: Vec<_> = taking.collect();
    let mut got = Vec::new();
    for taken in taking {
        got.extend(taken.await.unwrap());
    }
    assert_eq!(got.len(), 1, "{got:?}");
    assert_eq!(found(&kv, "lock").await, Some(got));
}

async fn a_request_that_nobody_waits_for_gives_its_connection_back(database: Database) {
    let kv = database
        .keeping(&["cache"], |config| config.max_connections = 1)
        .of("default", "cache");
    is_set(&kv, "n", b"\x00").await;
    for _ in 0..20 {
        let adding = kv.increment("n".into(), 1, None, LONG);
        // It is dropped wherever it stands.
        let _ = tokio::time::timeout(Duration::from_micros(300), adding).await;
    }
    let next = tokio::time::timeout(
        Duration::from_secs(10),
        kv.increment("n".into(), 1, None, LONG),
    );
    let sum = next.await.expect("a connection is free").unwrap();
    assert!((1..=21).contains(&sum), "{sum}");
}

async fn values_outlast_who_set_them(database: Database) {
    is_set(&database.values(), "a", b"\x01").await;
    // Two at once make the tables once.
    let (one, other) = (database.values(), database.values());
    let (one, other) = tokio::join!(found(&one, "a"), found(&other, "a"));
    assert_eq!((one, other), (Some(vec![1]), Some(vec![1])));
}

#[tokio::test]
async fn a_file_is_made_below_the_folder_and_nowhere_else() {
    let outside = tempfile::tempdir().unwrap();
    let database = crate::kit::sqlite().await;
    let folder = database.folder.path();
    std::os::unix::fs::symlink(outside.path(), folder.join("linked")).unwrap();
    let target = outside.path().join("values.db");
    std::os::unix::fs::symlink(&target, folder.join("link.db")).unwrap();
    for url in [
        "sqlite:linked/values.db",
        "sqlite:link.db",
        "sqlite:absent/values.db",
    ] {
        let keeping = database.keeping(&["cache"], |config| config.url = url.parse().unwrap());
        let error = keeping.of("default", "cache").get("a".into(), LONG).await;
        let error = error.expect_err(url).to_string();
        assert_eq!(error, "the values `cache` cannot be had just now");
    }
    assert!(!target.exists() && !folder.join("absent").exists());
    for url in [
        "sqlite:/etc/values.db",
        "sqlite:../values.db",
        "redis://me:hunter2@h",
    ] {
        let error = url.parse::<nebula_resources::KvUrl>().expect_err(url);
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
