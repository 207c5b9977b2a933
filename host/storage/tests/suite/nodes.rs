//! Several handles on one PostgreSQL database, each as a node of its own has
//! one: who owns which shard, what they hear of each other, and who is faster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nebula_flow::id::Shard;
use nebula_flow::ports::{
    Append, Arrival, Change, EventLog, Expect, Fence, Kind, LogError, Status, Submitted,
};
use nebula_storage::Postgres;
use sqlx::Row;

use crate::database::{ask, schema, server, session, url, url_of};
use crate::kit::{fresh as fresh_id, *};

/// The shortest lease that a URL may have.
const LEASE: Duration = Duration::from_secs(3);

/// Two nodes with that lease.
async fn two() -> (AnyStore, AnyStore, String) {
    let schema = schema();
    let url = url_of(server(), &schema, "lease=3s");
    let one = Postgres::open(&url).await.unwrap();
    let two = Postgres::open(&url).await.unwrap();
    (Arc::new(one), Arc::new(two), schema)
}

/// Makes every holder's last sign of life older than this server.
async fn let_leases_lapse(schema: &str) {
    ask(
        server(),
        format!("UPDATE {schema}.shards SET heartbeat = heartbeat - interval '1 day'"),
    )
    .await;
    // Nor does any time count in which the server did not run.
    let sql = "SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8";
    let row = sqlx::query(sql).fetch_one(&mut session().await).await;
    let up: f64 = row.unwrap().try_get(0).unwrap();
    tokio::time::sleep(LEASE.saturating_sub(Duration::from_secs_f64(up))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_has_one_owner_for_as_long_as_that_gives_signs_of_life() {
    let (a, b, _) = two().await;
    let held = claim(&a, "a").await;
    for _ in 0..5 {
        assert_eq!(b.claim("b").await.unwrap(), []);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(claim(&a, "a").await, held, "renewed, not taken anew");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_was_stopped_for_too_long_is_fenced() {
    let (a, b, schema) = two().await;
    let old = claim(&a, "a").await;
    let id = fresh_id();
    a.submit(start(id)).await.unwrap();
    a.append(fence(&old, id), append(id, 0, 1)).await.unwrap();

    let_leases_lapse(&schema).await;
    let new = claim(&b, "b").await;
    assert!(old.iter().zip(&new).all(|(old, new)| new.epoch > old.epoch));
    // It goes on as if nothing had happened.
    let late = a.append(fence(&old, id), append(id, 1, 1)).await;
    assert!(
        matches!(late, Err(LogError::Fenced(f)) if f == fence(&old, id)),
        "{late:?}"
    );
    assert_eq!(a.claim("a").await.unwrap(), []);
    a.release(&old).await.unwrap();
    assert_eq!(claim(&b, "b").await, new, "an old fence releases nothing");
    b.append(fence(&new, id), append(id, 1, 1)).await.unwrap();
    assert_eq!(a.history(id, 0, 10).await.unwrap(), [event(1), event(2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_released_is_free_at_once() {
    let (a, b, _) = two().await;
    let held = claim(&a, "a").await;
    a.release(&held[..10]).await.unwrap();
    let mut taken = b.claim("b").await.unwrap();
    taken.sort_by_key(|fence| fence.shard);
    let shards: Vec<_> = taken.iter().map(|fence| fence.shard).collect();
    assert_eq!(shards, (0..10).map(Shard).collect::<Vec<_>>());
    assert_eq!(a.claim("a").await.unwrap().len(), 54);
    let id = in_shard(3, 1);
    a.submit(start(id)).await.unwrap();
    b.append(taken[3], append(id, 0, 1)).await.unwrap();
    let late = a.append(held[3], append(id, 1, 1)).await;
    assert!(matches!(late, Err(LogError::Fenced(_))), "{late:?}");
}

/// A session of the owner's that was stopped between its look at the fence and
/// its commit holds nobody up for long, and commits nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_take_over_waits_for_no_session_that_was_stopped() {
    let (a, b, schema) = two().await;
    claim(&a, "a").await;
    let mut stopped = session().await;
    let begin = format!(
        "SET idle_in_transaction_session_timeout = '5s'; BEGIN; \
         SELECT FROM {schema}.shards WHERE shard = 7 FOR SHARE"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(begin))
        .execute(&mut stopped)
        .await
        .unwrap();
    let_leases_lapse_but(&schema, 7).await;
    let taken = tokio::time::timeout(Duration::from_secs(1), b.claim("b")).await;
    let taken = taken.expect("it does not wait").unwrap();
    assert_eq!(taken.len(), 63);
    assert!(taken.iter().all(|fence| fence.shard != Shard(7)));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        claim(&b, "b").await.len(),
        64,
        "the server ended that session"
    );
    let end = sqlx::raw_sql("COMMIT").execute(&mut stopped).await;
    assert!(end.is_err(), "{end:?}");
}

/// From the look at the fence until the commit the shard stays the owner's,
/// however long that takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_is_under_way_holds_its_shard() {
    let (a, b, schema) = two().await;
    let held = claim(&a, "a").await;
    let id = in_shard(7, 1);
    a.submit(start(id)).await.unwrap();
    // It must wait for this row, which it reads after the fence.
    let mut other = session().await;
    let lock = format!("BEGIN; SELECT FROM {schema}.executions FOR UPDATE");
    sqlx::raw_sql(sqlx::AssertSqlSafe(lock))
        .execute(&mut other)
        .await
        .unwrap();
    let appending = tokio::spawn({
        let (a, fence) = (a.clone(), held[7]);
        async move { a.append(fence, append(id, 0, 1)).await }
    });
    tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
    let taken = b.claim("b").await.unwrap();
    assert_eq!(taken.len(), 63);
    assert!(taken.iter().all(|fence| fence.shard != Shard(7)));
    assert!(!appending.is_finished());
    drop(other);
    appending.await.unwrap().unwrap();
    assert_eq!(claim(&b, "b").await[7].epoch, held[7].epoch + 1);
}

/// As [`let_leases_lapse`]; the row that is locked lapses by itself.
async fn let_leases_lapse_but(schema: &str, locked: u8) {
    ask(
        server(),
        format!(
            "UPDATE {schema}.shards SET heartbeat = heartbeat - interval '1 day' WHERE shard <> {locked}"
        ),
    )
    .await;
    tokio::time::sleep(LEASE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_claims_share_no_shard() {
    let schema = schema();
    let mut nodes = Vec::new();
    for n in 0..6 {
        let store = Postgres::open(&url(&schema)).await.unwrap();
        nodes.push((n.to_string(), store));
    }
    let claims = nodes.iter().map(|(name, store)| store.claim(name));
    let held = futures_util::future::join_all(claims).await;
    let mut all: Vec<Fence> = held.into_iter().flat_map(Result::unwrap).collect();
    all.sort_by_key(|fence| fence.shard);
    let shards: Vec<_> = all.iter().map(|fence| fence.shard).collect();
    let mut once = shards.clone();
    once.dedup();
    assert_eq!(shards, once, "no shard has two owners");
    assert!(all.iter().all(|fence| fence.epoch == 1));
}

async fn arrived(feed: &mut nebula_flow::ports::Feed<Arrival>) -> (nebula_flow::ExecutionId, u64) {
    loop {
        if let Arrival::Message { execution, row, .. } = next(feed).await {
            return (execution, row.seq);
        }
    }
}

async fn changed(feed: &mut nebula_flow::ports::Feed<Change>) -> (nebula_flow::ExecutionId, u64) {
    loop {
        if let Change::Appended {
            execution, version, ..
        } = next(feed).await
        {
            return (execution, version);
        }
    }
}

/// Both have heard of the other: what they tell is told.
async fn met(a: &AnyStore, b: &AnyStore) {
    let fences = claim(a, "a").await;
    let mut changes = (a.changes(), b.changes());
    let mut arrivals = a.arrivals();
    tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let id = fresh_id();
            b.submit(start(id)).await.unwrap();
            a.append(fence(&fences, id), append(id, 0, 1))
                .await
                .unwrap();
            let heard = async {
                while changed(&mut changes.1).await.0 != id {}
                while arrived(&mut arrivals).await.0 != id {}
            };
            if tokio::time::timeout(Duration::from_millis(300), heard)
                .await
                .is_ok()
            {
                return;
            }
        }
    })
    .await
    .expect("they meet");
    drop(changes.0);
    a.release(&fences).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_hears_of_submissions_to_other_nodes() {
    let (a, b, _) = two().await;
    met(&a, &b).await;
    claim(&a, "a").await;
    let mut arrivals = a.arrivals();
    let mut elsewhere = b.arrivals();
    let ids: Vec<_> = (0..50).map(|_| fresh_id()).collect();
    let began = Instant::now();
    for id in &ids {
        b.submit(patient(start(*id))).await.unwrap();
        b.submit(cancel(*id, "stop")).await.unwrap();
    }
    let waits = Duration::from_millis(50) * 50;
    assert!(
        began.elapsed() < waits,
        "a start waits for no append that comes from another node"
    );
    let mut told = Vec::new();
    while told.len() < 100 {
        told.push(arrived(&mut arrivals).await);
    }
    for id in ids {
        let seqs: Vec<_> = told
            .iter()
            .filter(|(of, _)| *of == id)
            .map(|(_, seq)| *seq)
            .collect();
        assert_eq!(seqs, [1, 2], "in the order of the inbox");
    }
    // The node that took them told its own listeners directly.
    for _ in 0..100 {
        next(&mut elsewhere).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_hear_of_appends_of_other_nodes() {
    let (a, b, _) = two().await;
    met(&a, &b).await;
    let fences = claim(&a, "a").await;
    let id = fresh_id();
    let mut changes = b.changes();
    b.submit(start(id)).await.unwrap();
    for version in 0..50 {
        let status = if version == 49 {
            Status::Succeeded
        } else {
            Status::Running
        };
        let step = Append {
            status,
            ..append(id, version, 1)
        };
        a.append(fence(&fences, id), step).await.unwrap();
    }
    for version in 1..=50 {
        assert_eq!(changed(&mut changes).await, (id, version));
        let seen = b.execution(&tenant(), id).await.unwrap().unwrap();
        assert!(seen.version >= version, "it can be read once it is told");
    }
}

/// The server ends the sessions that listen; what came meanwhile is looked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_lost_its_session_is_told_to_look() {
    let (a, b, schema) = two().await;
    met(&a, &b).await;
    claim(&a, "a").await;
    let (mut arrivals, mut changes) = (a.arrivals(), a.changes());
    let channel = format!("nebula:{schema}");
    let sql = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN \"{channel}\"%'"
    );
    let ended = ask(server(), sql).await;
    assert!(ended.len() >= 2, "both listen");
    assert!(matches!(next(&mut arrivals).await, Arrival::Lagged));
    assert_eq!(next(&mut changes).await, Change::Lagged);
    let id = fresh_id();
    b.submit(start(id)).await.unwrap();
    assert_eq!(arrived(&mut arrivals).await, (id, 1), "and it hears again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_keys_at_once_make_one_execution_on_all_nodes() {
    let schema = schema();
    let (a, b) = (
        Postgres::open(&url(&schema)).await.unwrap(),
        Postgres::open(&url(&schema)).await.unwrap(),
    );
    for key in 0..30 {
        let key = key.to_string();
        let submit = |store: &Postgres| {
            let (store, id) = (store.clone(), fresh_id());
            let submission = keyed(start(id), &key, "request");
            async move { (id, store.submit(submission).await.unwrap()) }
        };
        let (first, second) = tokio::join!(submit(&a), submit(&b));
        match (&first, &second) {
            ((id, Submitted::Accepted), (_, Submitted::Duplicate(named)))
            | ((_, Submitted::Duplicate(named)), (id, Submitted::Accepted)) => {
                assert_eq!(id, named);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_from_all_nodes_have_places_of_their_own() {
    let (a, b, _) = two().await;
    let id = fresh_id();
    a.submit(start(id)).await.unwrap();
    let fences = claim(&a, "a").await;
    let submitters: Vec<_> = [&a, &b]
        .into_iter()
        .cloned()
        .map(|store| {
            tokio::spawn(async move {
                for n in 0..40 {
                    store.submit(cancel(id, &n.to_string())).await.unwrap();
                }
            })
        })
        .collect();
    // The owner takes them meanwhile; nothing of either is lost.
    let mut taken = 0;
    let mut version = 0;
    while taken < 81 {
        let rows = a.inbox(id).await.unwrap();
        let Some(last) = rows.last() else { continue };
        for row in &rows {
            taken += 1;
            assert_eq!(row.seq, taken);
        }
        let step = Append {
            consumed: last.seq,
            ..append(id, version, 1)
        };
        a.append(fence(&fences, id), step).await.unwrap();
        version += 1;
    }
    for submitter in submitters {
        submitter.await.unwrap();
    }
    assert_eq!(b.inbox(id).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_puts_on_two_nodes_at_one_version_one_wins() {
    let (a, b, _) = two().await;
    let put = |store: &AnyStore, key: &'static str, expect| {
        let store = store.clone();
        async move {
            let value = Bytes::from_static(b"{}");
            store
                .put(Kind::Workflow, &tenant(), key, value, expect)
                .await
        }
    };
    for key in ["a", "b", "c", "d"] {
        for version in 0..10 {
            let expect = if version == 0 {
                Expect::Absent
            } else {
                Expect::Version(version)
            };
            let (one, two) = tokio::join!(put(&a, key, expect), put(&b, key, expect));
            assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
        }
    }
    let bytes = Bytes::from_static(b"the same");
    let (one, two) = tokio::join!(a.put_blob(bytes.clone()), b.put_blob(bytes.clone()));
    assert_eq!(one.unwrap(), two.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handle_that_is_opened_later_finds_everything() {
    let schema = schema();
    let (id, digest);
    {
        let store: AnyStore = Arc::new(Postgres::open(&url(&schema)).await.unwrap());
        let fences = claim(&store, "me").await;
        id = fresh_id();
        store
            .submit(keyed(start(id), "k\0k", "request"))
            .await
            .unwrap();
        let step = Append {
            consumed: 1,
            lines: vec![line("hello")],
            ..append(id, 0, 3)
        };
        store.append(fence(&fences, id), step).await.unwrap();
        digest = store.put_blob(Bytes::from_static(b"blob")).await.unwrap();
    }
    let store: AnyStore = Arc::new(Postgres::open(&url(&schema)).await.unwrap());
    assert_eq!(
        store.history(id, 0, 10).await.unwrap(),
        [event(1), event(2), event(3)]
    );
    assert_eq!(store.lines(id, 0, 10).await.unwrap(), [(1, line("hello"))]);
    assert_eq!(
        store.blob(digest).await.unwrap(),
        Some(Bytes::from_static(b"blob"))
    );
    let again = store
        .submit(keyed(start(fresh_id()), "k\0k", "request"))
        .await
        .unwrap();
    assert_eq!(again, Submitted::Duplicate(id));
    // The dead process's lease still runs: nobody knows that it is dead.
    assert_eq!(store.claim("other").await.unwrap(), []);
}
