//! What only the store on disk can be asked: reopening, its lock, its files,
//! crashes and damage.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use nebula_flow::id::ExecutionId;
use nebula_flow::ports::{
    Append, EventLog, Expect, Kind, LogError, Message, RecordError, Records, Slot, Status,
    Submitted, WhenFull,
};
use nebula_storage::{OpenError, Sqlite};
use rusqlite::Connection;

use crate::kit::*;

fn any(store: &Sqlite) -> AnyStore {
    Arc::new(store.clone())
}

#[tokio::test]
async fn reopening_finds_everything() {
    let dir = tempfile::tempdir().unwrap();
    let (open, ended, digest, old);
    {
        let store = Sqlite::open(dir.path()).unwrap();
        old = claim(&any(&store), "me").await;
        (open, ended) = (fresh(), fresh());
        store
            .submit(keyed(start(open), "k", "request"))
            .await
            .unwrap();
        store.submit(start(ended)).await.unwrap();
        let end = Append {
            consumed: 1,
            lines: vec![line("hello")],
            status: Status::Succeeded,
            ..append(ended, 0, 4)
        };
        store.append(fence(&old, ended), end).await.unwrap();
        store
            .put(
                Kind::Grant,
                &tenant(),
                "a",
                Bytes::from_static(b"{}"),
                Expect::Any,
            )
            .await
            .unwrap();
        digest = store.put_blob(Bytes::from_static(b"blob")).await.unwrap();
    }
    let store = Sqlite::open(dir.path()).unwrap();
    assert_eq!(store.inbox(open).await.unwrap().len(), 1);
    assert_eq!(
        store
            .unfinished(open.shard(), None, 10)
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        store.history(ended, 0, 10).await.unwrap(),
        [event(1), event(2), event(3), event(4)]
    );
    assert_eq!(
        store.lines(ended, 0, 10).await.unwrap(),
        [(1, line("hello"))]
    );
    let seen = store.execution(&tenant(), ended).await.unwrap().unwrap();
    assert_eq!((seen.status, seen.version), (Status::Succeeded, 4));
    assert_eq!(
        store
            .get(Kind::Grant, &tenant(), "a")
            .await
            .unwrap()
            .unwrap()
            .version,
        1
    );
    assert_eq!(
        store.blob(digest).await.unwrap().unwrap(),
        Bytes::from_static(b"blob")
    );
    let again = store
        .submit(keyed(start(fresh()), "k", "request"))
        .await
        .unwrap();
    assert_eq!(again, Submitted::Duplicate(open));

    // The process that held the shards is gone, whatever name it had.
    let dead = store.append(fence(&old, open), append(open, 0, 1)).await;
    assert!(matches!(dead, Err(LogError::Fenced(_))));
    let new = claim(&any(&store), "me").await;
    assert!(old.iter().zip(&new).all(|(old, new)| new.epoch > old.epoch));
}

#[tokio::test]
async fn dropping_the_last_handle_keeps_what_was_queued() {
    let dir = tempfile::tempdir().unwrap();
    let store = Sqlite::open(dir.path()).unwrap();
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
    let store = Sqlite::open(dir.path()).unwrap();
    assert_eq!(store.inbox(id).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_folder_that_is_held_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Sqlite::open(dir.path()).unwrap();
    let error = Sqlite::open(dir.path()).unwrap_err();
    assert!(
        matches!(error, OpenError::InUse { pid: Some(pid), .. } if pid == std::process::id()),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains(&format!("process {}", std::process::id()))
    );
    let other_handle = store.clone();
    drop(store);
    assert!(matches!(
        Sqlite::open(dir.path()),
        Err(OpenError::InUse { .. })
    ));
    drop(other_handle);
    Sqlite::open(dir.path()).unwrap();
}

#[tokio::test]
async fn files_are_for_their_user_alone() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("deep/er");
    let store = Sqlite::open(&folder).unwrap();
    store.submit(start(fresh())).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    for name in ["nebula.db", "nebula.db-wal", "nebula.lock"] {
        assert!(files.contains(&folder.join(name)), "{name}");
    }
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

/// Copies the files as a crash would leave them. Not by this process: closing a
/// file drops every POSIX lock that the process has on it, SQLite's too.
fn copy(from: &Path, to: &Path) {
    for file in ["nebula.db", "nebula.db-wal"] {
        let done = Command::new("cp")
            .arg(from.join(file))
            .arg(to.join(file))
            .status()
            .unwrap();
        assert!(done.success());
    }
}

/// Checks that a store holds whole appends of two events and one line each, up
/// to some version; which.
async fn prefix(store: &Sqlite, id: ExecutionId) -> u64 {
    let history = store.history(id, 0, 10_000).await.unwrap();
    let version = history.len() as u64;
    assert_eq!(
        version % 2,
        0,
        "an append is there as a whole or not at all"
    );
    assert_eq!(history, (1..=version).map(event).collect::<Vec<_>>());
    assert_eq!(
        store.lines(id, 0, 10_000).await.unwrap().len() as u64,
        version / 2
    );
    let execution = store.execution(&tenant(), id).await.unwrap();
    assert_eq!(execution.map_or(0, |e| e.version), version);
    version
}

// The writes stay far below a checkpoint, so the file is as it was made and its
// WAL only grows: any copy is a state in which a crash could leave them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_taken_while_running_is_a_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let store = Sqlite::open(dir.path()).unwrap();
    let fences = claim(&any(&store), "me").await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut owners = Vec::new();
    let mut ids = Vec::new();
    let mut changes = store.changes();
    for _ in 0..4 {
        let id = fresh();
        store.submit(start(id)).await.unwrap();
        let acknowledged = Arc::new(AtomicU64::new(0));
        ids.push((id, acknowledged.clone()));
        let (store, fence, stop) = (store.clone(), fence(&fences, id), stop.clone());
        owners.push(tokio::spawn(async move {
            for version in (0..300).step_by(2) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let lines = vec![line("x")];
                store
                    .append(
                        fence,
                        Append {
                            lines,
                            ..append(id, version, 2)
                        },
                    )
                    .await
                    .unwrap();
                acknowledged.store(version + 2, Ordering::Release);
            }
        }));
    }
    for _ in 0..5 {
        for _ in 0..20 {
            next(&mut changes).await;
        }
        let at_least: Vec<u64> = ids
            .iter()
            .map(|(_, count)| count.load(Ordering::Acquire))
            .collect();
        let copied = tempfile::tempdir().unwrap();
        copy(dir.path(), copied.path());
        let crashed = Sqlite::open(copied.path()).unwrap();
        for ((id, _), at_least) in ids.iter().zip(at_least) {
            assert!(
                prefix(&crashed, *id).await >= at_least,
                "what was acknowledged is there"
            );
        }
        // And it can go on.
        let id = ids[0].0;
        let fences = claim(&any(&crashed), "me").await;
        let version = prefix(&crashed, id).await;
        crashed
            .append(fence(&fences, id), append(id, version, 1))
            .await
            .unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for owner in owners {
        owner.await.unwrap();
    }
}

#[tokio::test]
async fn a_torn_wal_is_a_prefix() {
    let dir = tempfile::tempdir().unwrap();
    // Reopened, so that the schema is in the file and not in the torn WAL.
    drop(Sqlite::open(dir.path()).unwrap());
    let store = Sqlite::open(dir.path()).unwrap();
    let fences = claim(&any(&store), "me").await;
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    for version in (0..60).step_by(2) {
        let lines = vec![line("x")];
        store
            .append(
                fence(&fences, id),
                Append {
                    lines,
                    ..append(id, version, 2)
                },
            )
            .await
            .unwrap();
    }
    let wal = std::fs::metadata(dir.path().join("nebula.db-wal"))
        .unwrap()
        .len();
    let mut last = 0;
    for part in 0..=12 {
        let copied = tempfile::tempdir().unwrap();
        copy(dir.path(), copied.path());
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(copied.path().join("nebula.db-wal"))
            .unwrap();
        // Not on a page's boundary, but for the whole.
        file.set_len((wal * part / 12).saturating_sub(7 * (12 - part)))
            .unwrap();
        drop(file);
        let version = prefix(&Sqlite::open(copied.path()).unwrap(), id).await;
        assert!(version >= last);
        last = version;
    }
    assert_eq!(last, 60);
}

/// Lets every commit fail that writes to a table.
fn break_commits(dir: &Path, table: &str) {
    let broken = format!(
        "CREATE TABLE nobody (id INTEGER PRIMARY KEY);
         CREATE TABLE orphans (id REFERENCES nobody (id) DEFERRABLE INITIALLY DEFERRED);
         CREATE TRIGGER broken AFTER INSERT ON {table} BEGIN INSERT INTO orphans VALUES (1); END;"
    );
    Connection::open(dir.join("nebula.db"))
        .unwrap()
        .execute_batch(&broken)
        .unwrap();
}

fn mend_commits(dir: &Path) {
    Connection::open(dir.join("nebula.db"))
        .unwrap()
        .execute_batch("DROP TRIGGER broken")
        .unwrap();
}

#[tokio::test]
async fn a_commit_that_fails_leaves_nothing_and_can_be_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = Sqlite::open(dir.path()).unwrap();
    let fences = claim(&any(&store), "me").await;
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    break_commits(dir.path(), "events");
    let mut changes = store.changes();
    let one = || Append {
        consumed: 1,
        lines: vec![line("x")],
        ..append(id, 0, 2)
    };
    // In one batch or not: whoever shares it with the append is told the same.
    let other = fresh();
    let (failed, shared) = tokio::join!(
        store.append(fence(&fences, id), one()),
        store.submit(start(other))
    );
    assert!(
        matches!(failed, Err(LogError::Unavailable(_))),
        "{failed:?}"
    );
    assert_eq!(
        store.execution(&tenant(), other).await.unwrap().is_some(),
        shared.is_ok()
    );
    assert_eq!(store.history(id, 0, 10).await.unwrap(), []);
    assert_eq!(store.lines(id, 0, 10).await.unwrap(), []);
    assert_eq!(store.inbox(id).await.unwrap().len(), 1);
    assert_eq!(
        store
            .execution(&tenant(), id)
            .await
            .unwrap()
            .unwrap()
            .version,
        0
    );

    // What a crash would find now is the same.
    let copied = tempfile::tempdir().unwrap();
    copy(dir.path(), copied.path());
    assert_eq!(
        Sqlite::open(copied.path())
            .unwrap()
            .history(id, 0, 10)
            .await
            .unwrap(),
        []
    );

    mend_commits(dir.path());
    store.append(fence(&fences, id), one()).await.unwrap();
    assert_eq!(
        store.history(id, 0, 10).await.unwrap(),
        [event(1), event(2)]
    );
    let told = next(&mut changes).await;
    assert!(
        matches!(
            told,
            nebula_flow::ports::Change::Appended { version: 2, .. }
        ),
        "{told:?}"
    );
}

#[tokio::test]
async fn an_append_after_a_start_that_failed_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = Sqlite::open(dir.path()).unwrap();
    let fences = claim(&any(&store), "me").await;
    break_commits(dir.path(), "inbox");
    let mut arrivals = store.arrivals();
    let id = fresh();
    assert!(matches!(
        store.submit(start(id)).await,
        Err(LogError::Unavailable(_))
    ));
    next(&mut arrivals).await;
    let error = store
        .append(fence(&fences, id), append(id, 0, 1))
        .await
        .unwrap_err();
    assert!(
        matches!(error, LogError::NotFound(no) if no == id),
        "{error}"
    );
    mend_commits(dir.path());
    assert_eq!(store.submit(start(id)).await.unwrap(), Submitted::Accepted);
    store
        .append(fence(&fences, id), append(id, 0, 1))
        .await
        .unwrap();
}

fn edit(dir: &Path, sql: &str) {
    assert!(
        Connection::open(dir.join("nebula.db"))
            .unwrap()
            .execute(sql, [])
            .unwrap()
            > 0,
        "{sql}"
    );
}

fn hex(id: ExecutionId) -> String {
    format!("x'{:032x}'", id.as_u128())
}

#[tokio::test]
async fn a_damaged_event_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (bad, gap, good) = (fresh(), fresh(), fresh());
    {
        let store = Sqlite::open(dir.path()).unwrap();
        let fences = claim(&any(&store), "me").await;
        for id in [bad, gap, good] {
            store.submit(start(id)).await.unwrap();
            store
                .append(fence(&fences, id), append(id, 0, 4))
                .await
                .unwrap();
        }
    }
    // The last byte is a digit of a payload: what is left still decodes.
    let body = "unhex(substr(hex(body), 1, length(body) * 2 - 1) || '5')";
    edit(
        dir.path(),
        &format!(
            "UPDATE events SET body = {body} WHERE version = 3 AND execution = {}",
            hex(bad)
        ),
    );
    edit(
        dir.path(),
        &format!(
            "DELETE FROM events WHERE version = 2 AND execution = {}",
            hex(gap)
        ),
    );

    let store = Sqlite::open(dir.path()).unwrap();
    for (id, version) in [(bad, 3), (gap, 2)] {
        let error = store.history(id, 0, 10).await.unwrap_err();
        let LogError::Damaged(what) = &error else {
            panic!("{error}")
        };
        assert!(
            what.contains(&id.to_string()) && what.contains(&format!("event {version} ")),
            "{what}"
        );
    }
    assert_eq!(
        store.history(bad, 0, 2).await.unwrap(),
        [event(1), event(2)]
    );
    assert_eq!(store.history(good, 0, 10).await.unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_execution_spoils_no_other_request() {
    let dir = tempfile::tempdir().unwrap();
    let (bad, good) = (in_shard(1, 1), in_shard(1, 2));
    {
        let store = Sqlite::open(dir.path()).unwrap();
        store.submit(start(bad)).await.unwrap();
        store.submit(start(good)).await.unwrap();
    }
    edit(
        dir.path(),
        &format!(
            "UPDATE executions SET workflow = x'00' WHERE id = {}",
            hex(bad)
        ),
    );
    let store = Sqlite::open(dir.path()).unwrap();
    let fences = claim(&any(&store), "me").await;
    let (a, b, c) = tokio::join!(
        store.append(fences[1], append(bad, 0, 1)),
        store.append(fences[1], append(good, 0, 1)),
        store.submit(cancel(good, "stop")),
    );
    assert!(matches!(a, Err(LogError::Damaged(what)) if what.contains(&bad.to_string())));
    b.unwrap();
    c.unwrap();
    let found = store.unfinished(bad.shard(), None, 10).await.unwrap();
    assert_eq!(
        found.len(),
        2,
        "the owner still finds the others of its shard"
    );
}

#[tokio::test]
async fn a_damaged_blob_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let digest = Sqlite::open(dir.path())
        .unwrap()
        .put_blob(Bytes::from_static(b"blob"))
        .await
        .unwrap();
    edit(dir.path(), "UPDATE blobs SET bytes = x'00'");
    let error = Sqlite::open(dir.path())
        .unwrap()
        .blob(digest)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, RecordError::Damaged(what) if what.contains(&digest.to_string())),
        "{error}"
    );
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(Sqlite::open(dir.path()).unwrap());
    let file = dir.path().join("nebula.db");
    Connection::open(&file)
        .unwrap()
        .pragma_update(None, "user_version", 77)
        .unwrap();
    let error = Sqlite::open(dir.path()).unwrap_err();
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
    assert!(
        error.to_string().contains("schema 77") && error.to_string().contains("up to 4"),
        "{error}"
    );
    let connection = Connection::open(&file).unwrap();
    let kept: u32 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 77);
}

#[test]
fn a_file_of_another_program_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let theirs = Connection::open(dir.path().join("nebula.db")).unwrap();
    theirs.execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(
        Sqlite::open(dir.path()),
        Err(OpenError::Foreign { .. })
    ));

    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("nebula.db"), [b'x'; 5_000]).unwrap();
    assert!(matches!(
        Sqlite::open(dir.path()),
        Err(OpenError::Foreign { .. })
    ));
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(matches!(
        Sqlite::open(&file.join("below")),
        Err(OpenError::Io { .. })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_execution_that_waits_for_a_slot_keeps_nobody_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let ids: Vec<_> = (1..=3).map(|n| in_shard(n, n.into())).collect();
    let store: AnyStore = Arc::new(Sqlite::open(dir.path()).unwrap());
    for id in &ids {
        let mut one = start(*id);
        if let Message::Start { slot, .. } = &mut one.message {
            *slot = Some(Slot {
                group: "wf-1".into(),
                limit: 1,
                when_full: WhenFull::Queue,
            });
        }
        store.submit(one).await.unwrap();
    }
    drop(store);
    Connection::open(dir.path().join("nebula.db"))
        .unwrap()
        .execute(
            "UPDATE executions SET workflow = x'00' WHERE id = ?1",
            [ids[1].as_u128().to_be_bytes()],
        )
        .unwrap();

    let store: AnyStore = Arc::new(Sqlite::open(dir.path()).unwrap());
    let fences = claim(&store, "me").await;
    let end = Append {
        status: Status::Succeeded,
        ..append(ids[0], 0, 1)
    };
    store.append(fence(&fences, ids[0]), end).await.unwrap();
    let next = store.execution(&tenant(), ids[2]).await.unwrap().unwrap();
    assert!(!next.waits_for_slot, "the one before it cannot be read");
}
