//! Which servers and schemas of PostgreSQL are taken, and what becomes of a
//! damage in one.

use std::sync::Arc;

use bytes::Bytes;
use nebula_flow::ExecutionId;
use nebula_flow::ports::{EventLog, LogError, RecordError};
use nebula_storage::{OpenError, Opened, Postgres, PostgresUrl, StoreUrl, open};
use sqlx::Row;

use crate::database::{ask, schema, server, url, url_of};
use crate::kit::*;
use crate::server::{Server, Stop};

async fn refusal(url: &PostgresUrl) -> String {
    match Postgres::open(url).await {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_could_lose_what_it_acknowledged_needs_the_operators_word() {
    for setting in ["fsync", "full_page_writes"] {
        let server = Server::start(&[&format!("{setting}=off")]);
        let told = refusal(&url_of(&server, "s", "")).await;
        assert!(told.contains(&format!("allow_unsafe={setting}")), "{told}");
        let other = if setting == "fsync" {
            "full_page_writes"
        } else {
            "fsync"
        };
        let told = refusal(&url_of(&server, "s", &format!("allow_unsafe={other}"))).await;
        assert!(told.contains(&format!("{setting} is off")), "{told}");
        let taken = url_of(&server, "s", &format!("allow_unsafe={setting}"));
        Postgres::open(&taken).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_answers_before_it_is_on_disk_needs_the_operators_word() {
    ask(server(), "CREATE DATABASE hasty".into()).await;
    ask(
        server(),
        "ALTER DATABASE hasty SET synchronous_commit = off".into(),
    )
    .await;
    let url: PostgresUrl = server().url("hasty", "").parse().unwrap();
    let told = refusal(&url).await;
    assert!(told.contains("allow_unsafe=synchronous_commit"), "{told}");
    let url = server().url("hasty", "allow_unsafe=synchronous_commit");
    let store = Postgres::open(&url.parse().unwrap()).await.unwrap();
    store.submit(start(fresh())).await.unwrap();
}

/// A setting that is changed while a node runs is seen at its next session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_unsafe_is_not_written_to() {
    let server = Server::start(&[]);
    let store = Postgres::open(&url_of(&server, "s", "")).await.unwrap();
    store.submit(start(fresh())).await.unwrap();
    ask(&server, "ALTER SYSTEM SET fsync = off".into()).await;
    server.stop(Stop::Fast);
    server.run();
    let told = store.submit(start(fresh())).await.unwrap_err().to_string();
    assert!(told.contains("fsync is off"), "{told}");
    ask(&server, "ALTER SYSTEM RESET fsync".into()).await;
    server.stop(Stop::Fast);
    server.run();
    store.submit(start(fresh())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_is_refused_and_left_alone() {
    let schema = schema();
    drop(Postgres::open(&url(&schema)).await.unwrap());
    ask(
        server(),
        format!("UPDATE {schema}.nebula_version SET number = 77"),
    )
    .await;
    let error = Postgres::open(&url(&schema)).await.unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::Newer {
                found: 77,
                known: 4,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("schema 77"), "{error}");
    let rows = ask(
        server(),
        format!("SELECT number FROM {schema}.nebula_version"),
    )
    .await;
    assert_eq!(rows[0].try_get::<i64, _>(0).unwrap(), 77);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_of_another_program_is_refused() {
    let schema = schema();
    ask(
        server(),
        format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.theirs (x int)"),
    )
    .await;
    let error = Postgres::open(&url(&schema)).await.unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("schema="), "{error}");
    let sql = format!("SELECT count(*) FROM pg_tables WHERE schemaname = '{schema}'");
    assert_eq!(ask(server(), sql).await[0].try_get::<i64, _>(0).unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_make_one_schema() {
    let url = url(&schema());
    let opened = futures_util::future::join_all((0..8).map(|_| Postgres::open(&url))).await;
    let stores: Vec<_> = opened.into_iter().map(Result::unwrap).collect();
    let id = fresh();
    stores[0].submit(start(id)).await.unwrap();
    assert!(stores[7].execution(&tenant(), id).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_without_the_right_to_make_schemas_is_given_an_empty_one() {
    let schema = schema();
    let sql = format!("CREATE ROLE plain LOGIN; CREATE SCHEMA {schema} AUTHORIZATION plain");
    ask(server(), sql).await;
    let url = server().url("postgres", &format!("schema={schema}&user=plain"));
    let store = Postgres::open(&url.parse().unwrap()).await.unwrap();
    store.submit(start(fresh())).await.unwrap();
    let url = server().url("postgres", "schema=not_theirs&user=plain");
    let told = refusal(&url.parse().unwrap()).await;
    assert!(told.contains("permission denied"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_be_reached_is_named_without_its_password() {
    let url = "postgres://nebula:s3cret@127.0.0.1:1/nebula";
    let error = Postgres::open(&url.parse().unwrap()).await.unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("127.0.0.1:1") && !told.contains("s3cret"),
        "{told}"
    );
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_url_opens_its_store() {
    let folder = tempfile::tempdir().unwrap();
    let urls = [
        "memory:".to_owned(),
        format!("sqlite:{}", folder.path().display()),
        server().url("postgres", &format!("schema={}", schema())),
    ];
    for text in urls {
        let url: StoreUrl = text.parse().unwrap();
        let Opened {
            log,
            records,
            figures,
            ..
        } = open(&url).await.unwrap();
        let id = fresh();
        log.submit(start(id)).await.unwrap();
        assert_eq!(log.inbox(id).await.unwrap().len(), 1);
        let digest = records.put_blob(Bytes::from_static(b"blob")).await.unwrap();
        assert!(records.blob(digest).await.unwrap().is_some());
        assert_eq!(figures.is_some(), text != "memory:", "{url}");
    }
}

fn hex(id: ExecutionId) -> String {
    format!("'\\x{:032x}'", id.as_u128())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damage_is_named_and_spoils_nothing_else() {
    let schema = schema();
    let store: AnyStore = Arc::new(Postgres::open(&url(&schema)).await.unwrap());
    let fences = claim(&store, "me").await;
    let (flipped, gap, good) = (in_shard(1, 1), in_shard(1, 2), in_shard(1, 3));
    for id in [flipped, gap, good] {
        store.submit(start(id)).await.unwrap();
        store.append(fences[1], append(id, 0, 4)).await.unwrap();
    }
    let digest = store.put_blob(Bytes::from_static(b"blob")).await.unwrap();
    // The last byte is a digit of a payload: what is left still decodes.
    let flip = format!(
        "UPDATE {schema}.events SET body = set_byte(body, length(body) - 1, 53) \
         WHERE version = 3 AND execution = {}",
        hex(flipped)
    );
    let cut = format!(
        "DELETE FROM {schema}.events WHERE version = 2 AND execution = {}",
        hex(gap)
    );
    let spoil = format!("UPDATE {schema}.blobs SET bytes = '\\x00'");
    for sql in [flip, cut, spoil] {
        ask(server(), sql).await;
    }
    for (id, version) in [(flipped, 3), (gap, 2)] {
        let error = store.history(id, 0, 10).await.unwrap_err();
        let LogError::Damaged(what) = &error else {
            panic!("{error}")
        };
        assert!(
            what.contains(&id.to_string()) && what.contains(&format!("event {version} ")),
            "{what}"
        );
    }
    assert_eq!(store.history(good, 0, 10).await.unwrap().len(), 4);
    let error = store.blob(digest).await.unwrap_err();
    assert!(
        matches!(&error, RecordError::Damaged(what) if what.contains(&digest.to_string())),
        "{error}"
    );

    let sql = format!(
        "UPDATE {schema}.executions SET workflow = '\\x00' WHERE id = {}",
        hex(flipped)
    );
    ask(server(), sql).await;
    let (a, b, c) = tokio::join!(
        store.append(fences[1], append(flipped, 4, 1)),
        store.append(fences[1], append(good, 4, 1)),
        store.submit(cancel(good, "stop")),
    );
    assert!(matches!(a, Err(LogError::Damaged(what)) if what.contains(&flipped.to_string())));
    b.unwrap();
    c.unwrap();
    let found = store.unfinished(good.shard(), None, 10).await.unwrap();
    assert_eq!(
        found.len(),
        3,
        "the owner still finds the others of its shard"
    );
}

/// As a newer node's migration does while this one runs: what a session had
/// prepared for the tables as they were is of no more use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_may_change_under_a_node_that_runs() {
    let schema = schema();
    let store: AnyStore = Arc::new(Postgres::open(&url(&schema)).await.unwrap());
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    let fences = claim(&store, "me").await;
    store
        .append(fence(&fences, id), append(id, 0, 1))
        .await
        .unwrap();
    let before = store.execution(&tenant(), id).await.unwrap();
    for change in [
        "shards ALTER COLUMN owner TYPE varchar(200)",
        "executions ALTER COLUMN workflow_name TYPE varchar(200)",
        "executions ADD COLUMN later bigint NOT NULL DEFAULT 7",
    ] {
        ask(server(), format!("ALTER TABLE {schema}.{change}")).await;
        assert_eq!(claim(&store, "me").await, fences);
        assert_eq!(store.execution(&tenant(), id).await.unwrap(), before);
    }
    store
        .append(fence(&fences, id), append(id, 1, 1))
        .await
        .unwrap();
}
