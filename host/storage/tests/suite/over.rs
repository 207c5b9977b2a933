//! `ended`, `remove_executions`, `sweep`, `pin_blob`: what is over, and what must
//! not be.

use std::time::{Duration, Instant};

use bytes::Bytes;
use nebula_flow::definition::Retention;
use nebula_flow::event::{Event, Origin, Recorded, Restart};
use nebula_flow::id::{Digest, ExecutionId};
use nebula_flow::payload::Payload;
use nebula_flow::ports::{
    Append, EndedQuery, Fence, LogError, Message, Outgoing, Removal, Status, Submission, Submitted,
};
use nebula_flow::retention::{BLOB_GRACE, Progress, remove_some};
use nebula_flow::start::KEY_LIFE;
use nebula_flow::time::Timestamp;

use crate::kit::*;

on_every_store! {
    what_has_ended_is_listed_in_the_order_of_the_ends,
    a_removed_execution_is_gone_with_all_that_is_kept_of_it,
    what_has_not_ended_is_not_removed,
    a_child_and_what_started_it_stay_until_both_have_ended,
    an_execution_stays_while_one_goes_on_with_it,
    a_key_outlives_its_execution_until_its_time_is_over,
    a_long_execution_is_gone_at_once_and_its_rows_in_bounded_parts,
    a_blob_goes_once_nothing_uses_it_and_its_grace_is_over,
    a_blob_that_is_put_again_begins_its_grace_anew,
    a_blob_that_another_execution_uses_stays,
    a_pinned_blob_stays,
    what_refers_to_a_blob_that_is_not_there_is_refused,
    a_child_that_is_told_of_a_blob_uses_it,
    messages_to_a_removed_execution_are_refused,
    removals_and_work_go_on_side_by_side,
    retention_leaves_the_log_to_those_who_work,
}

const DAY: Duration = Duration::from_secs(86_400);

fn now() -> Timestamp {
    at(1_800_000_000_000)
}

fn query() -> EndedQuery {
    EndedQuery {
        workflow: workflow(1),
        before: now(),
        beyond: 0,
        after: None,
        limit: 100,
    }
}

/// An append that ends an execution with so many events; the last is of this time.
fn end(id: ExecutionId, events: u64, last: Timestamp) -> Append {
    let mut end = Append {
        consumed: 1,
        status: Status::Succeeded,
        ..append(id, 0, events)
    };
    if let Some(recorded) = end.events.last_mut() {
        recorded.at = last;
    }
    end
}

async fn ended(store: &AnyStore, fences: &[Fence], last: Timestamp) -> ExecutionId {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    let end = end(id, 2, last);
    store.append(fence(fences, id), end).await.unwrap();
    id
}

async fn remove(store: &AnyStore, id: ExecutionId) -> Removal {
    let removed = store.remove_executions(&tenant(), &[id], now()).await;
    removed.unwrap().pop().unwrap()
}

async fn ids(store: &AnyStore, query: EndedQuery) -> Vec<ExecutionId> {
    let found = store.ended(&tenant(), &query).await.unwrap();
    found.into_iter().map(|summary| summary.id).collect()
}

async fn what_has_ended_is_listed_in_the_order_of_the_ends(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let mut by_end = Vec::new();
    for last in [500, 300, 400, 300] {
        by_end.push((at(last), ended(&store, &fences, at(last)).await));
    }
    store.submit(start(fresh())).await.unwrap();
    by_end.sort_unstable();
    let all: Vec<_> = by_end.iter().map(|(_, id)| *id).collect();

    assert_eq!(ids(&store, query()).await, all);
    let before = EndedQuery {
        before: at(400),
        ..query()
    };
    assert_eq!(ids(&store, before).await, all[..2]);
    for beyond in 0..6 {
        let kept = all.len().saturating_sub(beyond);
        let beyond = EndedQuery {
            beyond: u32::try_from(beyond).unwrap(),
            ..query()
        };
        assert_eq!(ids(&store, beyond).await, all[..kept]);
    }
    for (n, end) in by_end.iter().enumerate() {
        let after = EndedQuery {
            after: Some(*end),
            limit: 2,
            ..query()
        };
        let rest = &all[n + 1..];
        assert_eq!(ids(&store, after).await, rest[..rest.len().min(2)]);
    }
    let other = EndedQuery {
        workflow: workflow(2),
        ..query()
    };
    assert_eq!(ids(&store, other).await, []);
    assert_eq!(store.ended(&stranger(), &query()).await.unwrap(), []);
}

async fn a_removed_execution_is_gone_with_all_that_is_kept_of_it(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let (id, other) = (fresh(), ended(&store, &fences, at(300)).await);
    store.submit(start(id)).await.unwrap();
    let end = Append {
        lines: vec![line("hello")],
        ..end(id, 3, at(200))
    };
    store.append(fence(&fences, id), end).await.unwrap();
    // One that came too late stays in the inbox.
    store.submit(cancel(id, "late")).await.unwrap();

    assert_eq!(
        store
            .remove_executions(&stranger(), &[id], now())
            .await
            .unwrap(),
        [Removal::NotFound]
    );
    let removed = store
        .remove_executions(&tenant(), &[id, fresh(), id], now())
        .await;
    assert_eq!(
        removed.unwrap(),
        [Removal::Removed, Removal::NotFound, Removal::NotFound]
    );
    assert_eq!(store.execution(&tenant(), id).await.unwrap(), None);
    assert_eq!(store.history(id, 0, 10).await.unwrap(), []);
    assert_eq!(store.lines(id, 0, 10).await.unwrap(), []);
    assert_eq!(store.inbox(id).await.unwrap(), []);
    assert_eq!(ids(&store, query()).await, [other]);
    assert_eq!(store.history(other, 0, 10).await.unwrap().len(), 2);
}

async fn what_has_not_ended_is_not_removed(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    assert_eq!(
        remove(&store, id).await,
        Removal::Unfinished(Status::Queued)
    );
    let waiting = Append {
        consumed: 1,
        status: Status::Waiting,
        ..append(id, 0, 1)
    };
    store.append(fence(&fences, id), waiting).await.unwrap();
    assert_eq!(
        remove(&store, id).await,
        Removal::Unfinished(Status::Waiting)
    );
    assert_eq!(store.history(id, 0, 10).await.unwrap().len(), 1);
}

async fn a_child_and_what_started_it_stay_until_both_have_ended(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let (first, child, second) = (fresh(), fresh(), fresh());
    let told = |execution| {
        vec![Outgoing {
            execution,
            message: start_message(),
        }]
    };
    store.submit(start(first)).await.unwrap();
    let begin = Append {
        outbox: told(child),
        ..append(first, 0, 1)
    };
    store.append(fence(&fences, first), begin).await.unwrap();
    store
        .append(fence(&fences, child), end(child, 2, at(200)))
        .await
        .unwrap();
    assert_eq!(remove(&store, child).await, Removal::InUse);

    // It ends, and starts another one as its last word.
    let last = Append {
        status: Status::Failed,
        outbox: told(second),
        consumed: 1,
        ..append(first, 1, 1)
    };
    store.append(fence(&fences, first), last).await.unwrap();
    assert_eq!(remove(&store, first).await, Removal::InUse);
    assert_eq!(remove(&store, child).await, Removal::Removed);
    store
        .append(fence(&fences, second), end(second, 1, at(300)))
        .await
        .unwrap();
    assert_eq!(remove(&store, first).await, Removal::Removed);
    assert_eq!(remove(&store, second).await, Removal::Removed);
}

async fn an_execution_stays_while_one_goes_on_with_it(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let id = ended(&store, &fences, at(200)).await;
    let retry = |of| {
        let mut retry = start(fresh());
        if let Message::Start { origin, .. } = &mut retry.message {
            *origin = Some(Origin {
                execution: of,
                restart: Restart::Retry,
            });
        }
        retry
    };
    let second = retry(id);
    store.submit(second.clone()).await.unwrap();
    assert_eq!(remove(&store, id).await, Removal::InUse);
    let second = second.execution;
    store
        .append(fence(&fences, second), end(second, 1, at(300)))
        .await
        .unwrap();
    assert_eq!(remove(&store, id).await, Removal::Removed);
    // One that is gone is nothing to go on with.
    let error = store.submit(retry(id)).await.unwrap_err();
    assert!(
        matches!(error, LogError::NotFound(of) if of == id),
        "{error}"
    );
}

async fn a_key_outlives_its_execution_until_its_time_is_over(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let made = now().minus(DAY);
    let (old, young) = (fresh(), fresh());
    let keyed_at = |id, key, at| Submission {
        at,
        ..keyed(start(id), key, "request")
    };
    store.submit(keyed_at(old, "old", at(10))).await.unwrap();
    store.submit(keyed_at(young, "young", made)).await.unwrap();
    for id in [old, young] {
        store
            .append(fence(&fences, id), end(id, 1, at(200)))
            .await
            .unwrap();
        assert_eq!(remove(&store, id).await, Removal::Removed);
    }
    let again = |key| {
        let store = store.clone();
        async move {
            store
                .submit(keyed(start(fresh()), key, "request"))
                .await
                .unwrap()
        }
    };
    // The time of this one was over when its execution went.
    assert_eq!(again("old").await, Submitted::Accepted);
    assert_eq!(again("young").await, Submitted::Duplicate(young));
    assert!(
        !store
            .sweep(made.plus(KEY_LIFE).minus(Duration::from_millis(1)))
            .await
            .unwrap()
    );
    assert_eq!(again("young").await, Submitted::Duplicate(young));
    store.sweep(made.plus(KEY_LIFE)).await.unwrap();
    assert_eq!(again("young").await, Submitted::Accepted);
    // That key is of an execution that is kept.
    store.sweep(now().plus(KEY_LIFE * 10)).await.unwrap();
    assert!(matches!(again("young").await, Submitted::Duplicate(_)));
}

async fn a_long_execution_is_gone_at_once_and_its_rows_in_bounded_parts(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    let lines = (0..2_500).map(|n| line(&n.to_string())).collect();
    let end = Append {
        lines,
        ..end(id, 4_500, at(200))
    };
    store.append(fence(&fences, id), end).await.unwrap();

    assert_eq!(remove(&store, id).await, Removal::Removed);
    assert_eq!(store.execution(&tenant(), id).await.unwrap(), None);
    let left = |store: AnyStore| async move {
        let events = store
            .history(id, 0, 10_000)
            .await
            .map_or(usize::MAX, |e| e.len());
        (events, store.lines(id, 0, 10_000).await.unwrap().len())
    };
    assert_eq!(left(store.clone()).await, (4_500, 2_500));
    assert!(store.sweep(now()).await.unwrap());
    assert_eq!(store.lines(id, 0, 10_000).await.unwrap().len(), 500);
    let mut sweeps = 1;
    while store.sweep(now()).await.unwrap() {
        sweeps += 1;
    }
    assert_eq!(sweeps, 3);
    assert_eq!(left(store).await, (0, 0));
}

// -------------------------------------------------------------------- blobs --

async fn blob(store: &AnyStore, content: &'static str) -> Digest {
    let bytes = Bytes::from_static(content.as_bytes());
    store.put_blob(bytes).await.unwrap()
}

fn refers(digest: Digest) -> Payload {
    Payload::Blob {
        digest,
        size: 100_000,
    }
}

/// An append that ends an execution with one event that refers to a blob.
fn using(id: ExecutionId, digest: Digest) -> Append {
    let input = refers(digest);
    let event = Event::StepReady {
        step: step(),
        input,
    };
    let events = vec![Recorded {
        version: 1,
        at: at(200),
        event,
    }];
    Append {
        events,
        ..end(id, 0, at(200))
    }
}

async fn uses(store: &AnyStore, fences: &[Fence], digest: Digest) -> ExecutionId {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    store
        .append(fence(fences, id), using(id, digest))
        .await
        .unwrap();
    id
}

async fn sweep(store: &AnyStore, at: Timestamp) {
    while store.sweep(at).await.unwrap() {}
}

async fn is_kept(store: &AnyStore, digest: Digest) -> bool {
    store.blob(digest).await.unwrap().is_some()
}

async fn a_blob_goes_once_nothing_uses_it_and_its_grace_is_over(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let (unused, used) = (blob(&store, "unused").await, blob(&store, "used").await);
    let id = uses(&store, &fences, used).await;
    sweep(&store, now()).await;
    sweep(
        &store,
        now().plus(BLOB_GRACE).minus(Duration::from_millis(1)),
    )
    .await;
    assert!(is_kept(&store, unused).await);
    let later = now().plus(BLOB_GRACE);
    sweep(&store, later).await;
    assert!(!is_kept(&store, unused).await && is_kept(&store, used).await);

    assert_eq!(remove(&store, id).await, Removal::Removed);
    sweep(&store, later).await;
    assert!(is_kept(&store, used).await);
    sweep(&store, later.plus(BLOB_GRACE)).await;
    assert!(!is_kept(&store, used).await);
    // Nothing is kept of it that would keep it from being put again.
    assert_eq!(blob(&store, "used").await, used);
    assert!(is_kept(&store, used).await);
}

async fn a_blob_that_is_put_again_begins_its_grace_anew(store: AnyStore) {
    let digest = blob(&store, "again").await;
    sweep(&store, now()).await;
    assert_eq!(blob(&store, "again").await, digest);
    sweep(&store, now().plus(BLOB_GRACE)).await;
    assert!(is_kept(&store, digest).await);
    sweep(&store, now().plus(BLOB_GRACE * 2)).await;
    assert!(!is_kept(&store, digest).await);
}

async fn a_blob_that_another_execution_uses_stays(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let digest = blob(&store, "shared").await;
    let (one, two) = (
        uses(&store, &fences, digest).await,
        uses(&store, &fences, digest).await,
    );
    for (id, kept) in [(one, true), (two, false)] {
        assert_eq!(remove(&store, id).await, Removal::Removed);
        sweep(&store, now()).await;
        sweep(&store, now().plus(BLOB_GRACE)).await;
        assert_eq!(is_kept(&store, digest).await, kept);
    }
}

async fn a_pinned_blob_stays(store: AnyStore) {
    let fences = claim(&store, "me").await;
    assert!(!store.pin_blob(Digest::of(b"never put")).await.unwrap());
    let digest = blob(&store, "component").await;
    assert!(store.pin_blob(digest).await.unwrap());
    // Someone also has it as a value.
    let id = uses(&store, &fences, digest).await;
    assert_eq!(remove(&store, id).await, Removal::Removed);
    sweep(&store, now()).await;
    sweep(&store, now().plus(BLOB_GRACE)).await;
    assert!(is_kept(&store, digest).await);
}

async fn what_refers_to_a_blob_that_is_not_there_is_refused(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let digest = Digest::of(b"gone");
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    let error = store
        .append(fence(&fences, id), using(id, digest))
        .await
        .unwrap_err();
    assert!(
        matches!(error, LogError::NoBlob(d) if d == digest),
        "{error}"
    );
    let message = Message::Signal {
        name: "s".parse().unwrap(),
        payload: refers(digest),
    };
    let signal = Submission {
        message: message.clone(),
        ..cancel(id, "")
    };
    let error = store.submit(keyed(signal, "k", "r")).await.unwrap_err();
    assert!(matches!(error, LogError::NoBlob(_)), "{error}");
    let told = Append {
        outbox: vec![Outgoing {
            execution: fresh(),
            message,
        }],
        ..append(id, 0, 1)
    };
    let error = store.append(fence(&fences, id), told).await.unwrap_err();
    assert!(matches!(error, LogError::NoBlob(_)), "{error}");
    assert_eq!(store.inbox(id).await.unwrap().len(), 1);
    assert_eq!(store.history(id, 0, 10).await.unwrap(), []);
    assert_eq!(
        store.submit(keyed(cancel(id, ""), "k", "r")).await.unwrap(),
        Submitted::Accepted
    );
}

async fn a_child_that_is_told_of_a_blob_uses_it(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let digest = blob(&store, "told").await;
    let (first, child) = (fresh(), fresh());
    store.submit(start(first)).await.unwrap();
    let mut message = start_message();
    if let Message::Start { input, .. } = &mut message {
        *input = refers(digest);
    }
    let outbox = vec![Outgoing {
        execution: child,
        message,
    }];
    let told = Append {
        outbox,
        ..end(first, 1, at(200))
    };
    store.append(fence(&fences, first), told).await.unwrap();
    sweep(&store, now()).await;
    sweep(&store, now().plus(BLOB_GRACE)).await;
    assert!(is_kept(&store, digest).await);
    store
        .append(fence(&fences, child), end(child, 1, at(300)))
        .await
        .unwrap();
    assert_eq!(remove(&store, child).await, Removal::Removed);
    sweep(&store, now()).await;
    sweep(&store, now().plus(BLOB_GRACE)).await;
    assert!(!is_kept(&store, digest).await);
}

async fn messages_to_a_removed_execution_are_refused(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let id = ended(&store, &fences, at(200)).await;
    assert_eq!(remove(&store, id).await, Removal::Removed);
    let error = store.submit(cancel(id, "late")).await.unwrap_err();
    assert!(matches!(error, LogError::NotFound(_)), "{error}");
    let late = Append {
        status: Status::Succeeded,
        ..append(id, 2, 0)
    };
    let error = store.append(fence(&fences, id), late).await.unwrap_err();
    assert!(matches!(error, LogError::NotFound(_)), "{error}");
}

async fn removals_and_work_go_on_side_by_side(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let digest = blob(&store, "shared").await;
    let mut old = Vec::new();
    for _ in 0..60 {
        old.push(uses(&store, &fences, digest).await);
    }
    let removals = async {
        for ids in old.chunks(5) {
            let removed = store
                .remove_executions(&tenant(), ids, now())
                .await
                .unwrap();
            assert!(removed.iter().all(|r| *r == Removal::Removed));
            store.sweep(now()).await.unwrap();
            // Whatever the clock says, what is used is not touched.
            store.sweep(now().plus(BLOB_GRACE)).await.unwrap();
        }
    };
    let work = async {
        let mut kept = Vec::new();
        for _ in 0..60 {
            let id = fresh();
            let again = blob(&store, "shared").await;
            store.submit(start(id)).await.unwrap();
            match store.append(fence(&fences, id), using(id, again)).await {
                Ok(()) => kept.push(id),
                // It was swept between its put and its use, and the append says so.
                Err(error) => assert!(matches!(error, LogError::NoBlob(_)), "{error}"),
            }
        }
        kept
    };
    let ((), kept) = tokio::join!(removals, work);
    assert!(!kept.is_empty());
    assert!(is_kept(&store, digest).await);
    for id in kept {
        assert_eq!(store.history(id, 0, 10).await.unwrap().len(), 1);
    }
}

/// Executions of two commits and four events, by 32 callers, for so long; how
/// many.
async fn work(store: &AnyStore, fences: &[Fence], window: Duration) -> usize {
    let begun = Instant::now();
    let caller = || async {
        let mut done = 0;
        while begun.elapsed() < window {
            let id = fresh();
            store.submit(start(id)).await.unwrap();
            let lines = vec![line("hello")];
            let end = Append {
                lines,
                ..end(id, 4, at(200))
            };
            store.append(fence(fences, id), end).await.unwrap();
            done += 1;
            tokio::task::yield_now().await;
        }
        done
    };
    let done = futures_util::future::join_all((0..32).map(|_| caller())).await;
    done.into_iter().sum()
}

/// Removes all but the last few for so long, with the pauses of an engine; how
/// many.
async fn retain(store: &AnyStore, window: Duration) -> usize {
    let (tenant, count, started) = (tenant(), Some(10), Instant::now());
    let retention = Retention { age: None, count };
    let mut progress = Progress::default();
    while !progress.done && started.elapsed() < window {
        let begun = Instant::now();
        let step = remove_some(&**store, &tenant, workflow(1), retention, now(), progress);
        progress = step.await.unwrap();
        tokio::time::sleep(begun.elapsed() * 9).await;
    }
    progress.removed
}

/// With `NEBULA_LONG` it prints what removing costs those who work.
#[expect(clippy::print_stdout, reason = "figures for people")]
async fn retention_leaves_the_log_to_those_who_work(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let (pairs, window) = match std::env::var_os("NEBULA_LONG") {
        Some(_) => (9, Duration::from_secs(2)),
        None => (1, Duration::from_millis(200)),
    };
    work(&store, &fences, window).await;
    let mut figures = Vec::new();
    for _ in 0..pairs {
        let alone = work(&store, &fences, window).await;
        let (removed, beside) = tokio::join!(retain(&store, window), work(&store, &fences, window));
        assert!(removed > 0 && beside > 0);
        figures.push((beside * 100 / alone, alone, beside, removed));
    }
    figures.sort_unstable();
    let (percent, alone, beside, removed) = figures[pairs / 2];
    println!(
        "in {window:?}: {alone} executions alone, {beside} ({percent} %) beside {removed} removals"
    );
}
