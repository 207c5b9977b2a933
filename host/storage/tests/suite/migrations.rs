//! A store that an older program wrote is used by this one.

use bytes::Bytes;
use nebula_flow::id::Digest;
use nebula_flow::ports::Removal;
use nebula_flow::retention::BLOB_GRACE;
use nebula_storage::{Postgres, Sqlite};
use rusqlite::Connection;

use crate::database::{ask, schema, server, url};
use crate::kit::*;

const OLD: &str = "an old component";

/// What is written to a store of the first schema, in the dialect of both: one
/// execution that has ended, and a blob that something may use.
fn rows(blob: fn(&[u8]) -> String) -> String {
    let id = blob(&in_shard(1, 1).as_u128().to_be_bytes());
    let workflow = blob(&workflow(1).as_u128().to_be_bytes());
    let digest = blob(Digest::of(OLD.as_bytes()).as_bytes());
    let bytes = blob(OLD.as_bytes());
    format!(
        "INSERT INTO executions (id, tenant, shard, workflow, workflow_name, workflow_version, \
         created_at, status, version, submitted, consumed, lines, updated_at, finished_at) \
         VALUES ({id}, 'default', 1, {workflow}, 'w', 1, 10, 3, 0, 1, 1, 0, 20, 20); \
         INSERT INTO blobs (digest, bytes) VALUES ({digest}, {bytes});"
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn is_used_on(store: AnyStore) {
    let id = in_shard(1, 1);
    let found = store.execution(&tenant(), id).await.unwrap().unwrap();
    assert_eq!(found.finished_at, Some(at(20)));
    let now = at(1_800_000_000_000);
    let removed = store
        .remove_executions(&tenant(), &[id], now)
        .await
        .unwrap();
    assert_eq!(removed, [Removal::Removed]);
    // Of what was there before uses were written nothing is known, so it stays.
    let old = store
        .put_blob(Bytes::from_static(OLD.as_bytes()))
        .await
        .unwrap();
    let new = store.put_blob(Bytes::from_static(b"new")).await.unwrap();
    for at in [now, now.plus(BLOB_GRACE)] {
        while store.sweep(at).await.unwrap() {}
    }
    assert!(store.blob(old).await.unwrap().is_some());
    assert!(store.blob(new).await.unwrap().is_none());
}

#[tokio::test]
async fn a_file_of_the_first_schema_is_used_on() {
    let dir = tempfile::tempdir().unwrap();
    let old = Connection::open(dir.path().join("nebula.db")).unwrap();
    old.execute_batch(include_str!("../../src/sqlite/schema/1.sql"))
        .unwrap();
    old.execute_batch(&rows(|bytes| format!("x'{}'", hex(bytes))))
        .unwrap();
    old.pragma_update(None, "application_id", 0x4e62_4c61)
        .unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    old.close().unwrap();
    let store = Sqlite::open(dir.path()).unwrap();
    is_used_on(std::sync::Arc::new(store)).await;
}

#[tokio::test]
async fn a_database_of_the_first_schema_is_used_on_while_another_node_has_it() {
    let schema = schema();
    let old = format!(
        "CREATE SCHEMA {schema}; SET search_path = {schema}; \
         CREATE TABLE nebula_version (number bigint NOT NULL); INSERT INTO nebula_version VALUES (1); {} {}",
        include_str!("../../src/postgres/schema/1.sql"),
        rows(|bytes| format!("'\\x{}'", hex(bytes)))
    );
    ask(server(), old).await;
    let url = url(&schema);
    // Both find it old; one of them makes it new, and both use it.
    let (one, two) = tokio::join!(Postgres::open(&url), Postgres::open(&url));
    drop(two.unwrap());
    is_used_on(std::sync::Arc::new(one.unwrap())).await;
}
