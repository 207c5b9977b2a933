//! The server ends sessions, is restarted, is away, or does not answer a
//! commit: nothing that was acknowledged is lost, nothing is there twice, and
//! what was refused is not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use nebula_flow::ExecutionId;
use nebula_flow::ports::{Append, EventLog, ExecutionQuery, Fence, LogError, Status, Submitted};
use nebula_storage::{Postgres, PostgresUrl};
use sqlx::Row;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::database::{ask, schema, server, session_of, url_of};
use crate::kit::*;
use crate::server::{Server, Stop};

/// Appends to each execution, the last of which ends it.
const STEPS: u64 = 12;

/// Does something until it is done; each error of a store that is away is
/// counted, and every other one ends the test.
async fn insist<T, F: Future<Output = Result<T, LogError>>>(
    refused: &AtomicUsize,
    act: impl Fn() -> F,
) -> T {
    loop {
        match act().await {
            Ok(done) => return done,
            Err(LogError::Unavailable(_)) => {
                refused.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            // Were a refused append there after all, the next would not fit.
            Err(other) => panic!("{other}"),
        }
    }
}

/// Starts executions one after the other and carries each to its end, until
/// told to stop; which.
async fn work(
    store: Postgres,
    fences: Vec<Fence>,
    stop: Arc<AtomicU8>,
    refused: Arc<AtomicUsize>,
) -> Vec<ExecutionId> {
    let mut ids = Vec::new();
    while stop.load(Ordering::Relaxed) == 0 {
        let id = fresh();
        let submission = keyed(start(id), &id.to_string(), "request");
        let done = insist(&refused, || store.submit(submission.clone())).await;
        assert_eq!(done, Submitted::Accepted, "a refused one is not there");
        for step in 0..STEPS {
            let last = step + 1 == STEPS;
            let add = Append {
                consumed: 1,
                lines: vec![line("x")],
                status: if last {
                    Status::Succeeded
                } else {
                    Status::Running
                },
                ..append(id, step * 2, 2)
            };
            let fence = fence(&fences, id);
            insist(&refused, || store.append(fence, add.clone())).await;
        }
        ids.push(id);
    }
    ids
}

/// Everything that was acknowledged is there once, and nothing else.
async fn check(url: &PostgresUrl, mut ids: Vec<ExecutionId>) {
    let store = Postgres::open(url).await.unwrap();
    for id in &ids {
        let history = store.history(*id, 0, 1_000).await.unwrap();
        assert_eq!(history, (1..=STEPS * 2).map(event).collect::<Vec<_>>());
        assert_eq!(
            store.lines(*id, 0, 1_000).await.unwrap().len() as u64,
            STEPS
        );
        assert_eq!(store.inbox(*id).await.unwrap(), []);
    }
    let all = ExecutionQuery {
        limit: 1_000_000,
        ..ExecutionQuery::default()
    };
    let mut found: Vec<_> = store
        .executions(&tenant(), &all)
        .await
        .unwrap()
        .into_iter()
        .map(|e| {
            assert_eq!((e.status, e.version), (Status::Succeeded, STEPS * 2));
            e.id
        })
        .collect();
    found.sort();
    ids.sort();
    assert_eq!(found, ids);
}

/// Runs a load while `trouble` is made; how many calls were refused.
async fn under_load(server: &Server, trouble: impl Future<Output = ()>) -> usize {
    let url = url_of(server, &schema(), "");
    let store = Postgres::open(&url).await.unwrap();
    let any: AnyStore = Arc::new(store.clone());
    let fences = claim(&any, "me").await;
    let stop = Arc::new(AtomicU8::new(0));
    let refused = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..16)
        .map(|_| {
            let (store, fences) = (store.clone(), fences.clone());
            tokio::spawn(work(store, fences, stop.clone(), refused.clone()))
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    trouble.await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(1, Ordering::Relaxed);
    let mut ids = Vec::new();
    for worker in workers {
        ids.extend(worker.await.unwrap());
    }
    assert!(ids.len() >= 16, "only {} executions", ids.len());
    drop((any, store));
    check(&url, ids).await;
    refused.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_terminated_lose_nothing_and_refuse_nobody() {
    let server = Server::start(&[]);
    let refused = under_load(&server, async {
        let mut session = session_of(&server).await;
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE application_name = 'nebula'";
        let mut ended = 0;
        for _ in 0..30 {
            let row = sqlx::raw_sql(sql).fetch_one(&mut session).await.unwrap();
            ended += row.try_get::<i64, _>(0).unwrap();
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        assert!(ended >= 30, "only {ended} sessions were terminated");
    })
    .await;
    assert_eq!(refused, 0, "each was tried again in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_crashes_and_comes_back_loses_nothing() {
    let server = Server::start(&[]);
    let refused = under_load(&server, async {
        for away in [0, 500, 2_000, 0] {
            let how = if away == 2_000 {
                Stop::Fast
            } else {
                Stop::Immediate
            };
            server.stop(how);
            tokio::time::sleep(Duration::from_millis(away)).await;
            server.run();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    })
    .await;
    assert_eq!(refused, 0, "each was tried again in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_server_is_away_no_lease_runs_out() {
    let server = Server::start(&[]);
    let schema = schema();
    let url = url_of(&server, &schema, "lease=3s");
    let a: AnyStore = Arc::new(Postgres::open(&url).await.unwrap());
    let b = Postgres::open(&url).await.unwrap();
    let held = claim(&a, "a").await;
    let sql = format!("UPDATE {schema}.shards SET heartbeat = heartbeat - interval '1 hour'");
    ask(&server, sql).await;
    server.stop(Stop::Fast);
    server.run();
    assert_eq!(b.claim("b").await.unwrap(), []);
    assert_eq!(claim(&a, "a").await, held);
    // The owner gives no sign of life from here on, while the server is there.
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    assert_eq!(b.claim("b").await.unwrap().len(), 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_first_takes_nothing_from_those_who_are_slower() {
    let server = Server::start(&[]);
    let schema = schema();
    let url = url_of(&server, &schema, "lease=3s");
    let a: AnyStore = Arc::new(Postgres::open(&url).await.unwrap());
    let b = Postgres::open(&url).await.unwrap();
    let held = claim(&a, "a").await;
    assert_eq!(b.claim("b").await.unwrap(), []);
    // A server that lets nobody in for longer than a lease once it is there again.
    ask(&server, "ALTER SYSTEM SET pre_auth_delay = '4s'".into()).await;
    server.stop(Stop::Immediate);
    server.run();
    assert_eq!(b.claim("b").await.unwrap(), []);
    assert_eq!(claim(&a, "a").await, held);
    // The owner gives no sign of life from here on, while the server is there.
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    assert_eq!(b.claim("b").await.unwrap().len(), 64);
}

/// What a proxy does to what passes through it.
mod mode {
    pub(super) const PASS: u8 = 0;
    /// The next commit does not reach the server.
    pub(super) const LOSE_COMMIT: u8 = 1;
    /// The next commit reaches the server; its answer does not come back.
    pub(super) const LOSE_ANSWER: u8 = 2;
    /// As the one before, and then nothing passes.
    pub(super) const LOSE_ANSWER_AND_STAY_AWAY: u8 = 3;
    /// Nothing passes.
    pub(super) const AWAY: u8 = 4;
}

/// A proxy in front of the server, and how it behaves.
async fn proxy(server: &Server) -> (u16, Arc<AtomicU8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mode = Arc::new(AtomicU8::new(mode::PASS));
    let (behaviour, socket) = (mode.clone(), server.socket());
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let (mode, socket) = (behaviour.clone(), socket.clone());
            tokio::spawn(async move {
                if let Ok(server) = UnixStream::connect(socket).await {
                    // Each end of a connection is an end of the test's wish.
                    let _ = pass(client, server, &mode).await;
                }
            });
        }
    });
    (port, mode)
}

async fn pass(
    mut client: TcpStream,
    mut server: UnixStream,
    mode: &AtomicU8,
) -> std::io::Result<()> {
    let (mut from_client, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            n = client.read(&mut from_client) => {
                let sent = &from_client[..n?];
                if sent.is_empty() || mode.load(Ordering::SeqCst) == mode::AWAY {
                    return Ok(());
                }
                let commits = sent.starts_with(b"Q") && sent.ends_with(b"COMMIT\0");
                let then = match mode.load(Ordering::SeqCst) {
                    mode::LOSE_COMMIT if commits => {
                        mode.store(mode::PASS, Ordering::SeqCst);
                        return Ok(());
                    }
                    mode::LOSE_ANSWER if commits => Some(mode::PASS),
                    mode::LOSE_ANSWER_AND_STAY_AWAY if commits => Some(mode::AWAY),
                    _ => None,
                };
                server.write_all(sent).await?;
                if let Some(then) = then {
                    mode.store(then, Ordering::SeqCst);
                    let answer = server.read(&mut from_server).await?;
                    assert!(answer > 0, "the server answered, and nobody hears it");
                    return Ok(());
                }
            }
            n = server.read(&mut from_server) => {
                let n = n?;
                if n == 0 {
                    return Ok(());
                }
                client.write_all(&from_server[..n]).await?;
            }
        }
    }
}

/// A store behind a proxy, an execution in it, and the fence for it.
async fn behind_proxy() -> (Postgres, Arc<AtomicU8>, ExecutionId, Fence, String) {
    let (port, mode) = proxy(server()).await;
    let schema = schema();
    let url =
        format!("postgres://nebula@127.0.0.1:{port}/postgres?sslmode=disable&schema={schema}");
    let store = Postgres::open(&url.parse().unwrap()).await.unwrap();
    let any: AnyStore = Arc::new(store.clone());
    let fences = claim(&any, "me").await;
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    (store, mode, id, fence(&fences, id), schema)
}

async fn count(schema: &str, table: &str) -> i64 {
    let rows = ask(server(), format!("SELECT count(*) FROM {schema}.{table}")).await;
    rows[0].try_get(0).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_nobody_answered_is_looked_up() {
    let (store, mode, id, fence, schema) = behind_proxy().await;
    for (turn, way) in [mode::LOSE_ANSWER, mode::LOSE_COMMIT, mode::LOSE_ANSWER]
        .into_iter()
        .enumerate()
    {
        let version = turn as u64 * 2;
        mode.store(way, Ordering::SeqCst);
        let step = Append {
            lines: vec![line("x")],
            ..append(id, version, 2)
        };
        store.append(fence, step).await.unwrap();
        assert_eq!(mode.load(Ordering::SeqCst), mode::PASS, "a commit was lost");
        assert_eq!(count(&schema, "events").await, turn as i64 * 2 + 2);
        assert_eq!(count(&schema, "lines").await, turn as i64 + 1);

        mode.store(way, Ordering::SeqCst);
        let started = store
            .submit(keyed(start(fresh()), &turn.to_string(), "r"))
            .await;
        assert_eq!(started.unwrap(), Submitted::Accepted);
        assert_eq!(mode.load(Ordering::SeqCst), mode::PASS, "a commit was lost");
        assert_eq!(count(&schema, "executions").await, turn as i64 + 2);
    }
    let history = store.history(id, 0, 10).await.unwrap();
    assert_eq!(history, (1..=6).map(event).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_anything_of_a_commit_before_it_is_known() {
    let (store, mode, id, fence, _) = behind_proxy().await;
    mode.store(mode::LOSE_ANSWER_AND_STAY_AWAY, Ordering::SeqCst);
    let mut changes = store.changes();
    let appending = tokio::spawn({
        let store = store.clone();
        async move { store.append(fence, append(id, 0, 2)).await }
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(mode.load(Ordering::SeqCst), mode::AWAY);
    assert!(!appending.is_finished());
    mode.store(mode::PASS, Ordering::SeqCst);
    appending.await.unwrap().unwrap();
    next(&mut changes).await;
    assert_eq!(
        store.history(id, 0, 10).await.unwrap(),
        [event(1), event(2)]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_server_is_away_callers_are_told_so_and_nothing_is_kept() {
    let (store, mode, id, fence, schema) = behind_proxy().await;
    mode.store(mode::AWAY, Ordering::SeqCst);
    let (appended, read) = tokio::join!(
        store.append(fence, append(id, 0, 2)),
        store.history(id, 0, 10),
    );
    for told in [appended, read.map(drop)] {
        assert!(matches!(told, Err(LogError::Unavailable(_))), "{told:?}");
    }
    mode.store(mode::PASS, Ordering::SeqCst);
    assert_eq!(store.history(id, 0, 10).await.unwrap(), []);
    store.append(fence, append(id, 0, 2)).await.unwrap();
    assert_eq!(count(&schema, "events").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_last_handle_keeps_what_was_queued() {
    let schema = schema();
    let url = url_of(server(), &schema, "");
    let store = Postgres::open(&url).await.unwrap();
    let any: AnyStore = Arc::new(store.clone());
    claim(&any, "me").await;
    drop(any);
    let mut arrivals = store.arrivals();
    let id = fresh();
    {
        let mut submitted = std::pin::pin!(store.submit(patient(start(id))));
        // Told once it is queued; from then on nobody waits for it.
        tokio::select! {
            biased;
            done = &mut submitted => drop(done.unwrap()),
            _ = next(&mut arrivals) => {}
        }
    }
    drop(store);
    assert_eq!(count(&schema, "inbox").await, 1);
}
