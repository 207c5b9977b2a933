//! `append`, `claim`, `release`: what the owner of a shard may add.

use futures_util::StreamExt;
use nebula_flow::ExecutionId;
use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::ports::{Append, Arrival, Fence, LogError, Message, Outgoing, Status};

use crate::kit::*;

on_every_store! {
    an_append_is_found_in_the_history,
    an_append_sets_where_the_execution_stands,
    the_last_append_ends_the_execution,
    what_was_consumed_is_gone_from_the_inbox,
    a_start_and_its_whole_life_may_share_a_commit,
    an_append_at_another_version_leaves_nothing,
    an_append_to_no_execution_is_not_found,
    an_append_with_a_gap_leaves_nothing,
    an_append_that_takes_messages_which_are_not_there_leaves_nothing,
    an_append_that_needs_an_empty_inbox_is_refused_while_it_is_not,
    nothing_follows_the_end_but_lines_and_late_messages,
    a_claim_takes_every_shard_under_a_new_epoch,
    a_repeated_claim_renews,
    an_append_under_an_old_epoch_is_fenced,
    an_append_without_a_claim_is_fenced,
    an_append_under_another_shards_fence_is_fenced,
    a_released_shard_is_fenced_and_free,
    an_old_fence_releases_nothing,
    what_an_append_tells_others_is_on_disk_with_it_or_not_at_all,
    what_others_cannot_take_keeps_nobody_from_going_on,
    of_racing_appends_at_one_version_one_wins,
}

async fn an_append_is_found_in_the_history(store: AnyStore) {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    let fences = claim(&store, "me").await;
    store
        .append(fence(&fences, id), append(id, 0, 3))
        .await
        .unwrap();
    store
        .append(fence(&fences, id), append(id, 3, 1))
        .await
        .unwrap();
    assert_eq!(
        store.history(id, 0, 10).await.unwrap(),
        [event(1), event(2), event(3), event(4)]
    );
    assert_eq!(store.history(id, 1, 2).await.unwrap(), [event(2), event(3)]);
    assert_eq!(store.history(id, 4, 10).await.unwrap(), []);
    assert_eq!(store.history(id, u64::MAX, 10).await.unwrap(), []);
    assert_eq!(store.history(id, 0, 0).await.unwrap(), []);
}

async fn an_append_sets_where_the_execution_stands(store: AnyStore) {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    let fences = claim(&store, "me").await;
    let waiting = Append {
        status: Status::Waiting,
        wake_at: Some(at(900)),
        ..append(id, 0, 2)
    };
    store.append(fence(&fences, id), waiting).await.unwrap();
    let seen = store.execution(&tenant(), id).await.unwrap().unwrap();
    assert_eq!(
        (seen.status, seen.version, seen.wake_at),
        (Status::Waiting, 2, Some(at(900)))
    );
    assert_eq!(
        (seen.created_at, seen.updated_at, seen.finished_at),
        (at(10), at(102), None)
    );

    store
        .append(fence(&fences, id), append(id, 2, 1))
        .await
        .unwrap();
    let seen = store.execution(&tenant(), id).await.unwrap().unwrap();
    assert_eq!(
        (seen.status, seen.version, seen.wake_at),
        (Status::Running, 3, None)
    );
}

async fn the_last_append_ends_the_execution(store: AnyStore) {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    let fences = claim(&store, "me").await;
    let failure = Failure::new(FailureKind::Permanent, "no such city");
    let last = Append {
        status: Status::Failed,
        error: Some(failure.clone()),
        ..append(id, 0, 2)
    };
    store.append(fence(&fences, id), last).await.unwrap();
    let seen = store.execution(&tenant(), id).await.unwrap().unwrap();
    assert_eq!(
        (seen.status, seen.finished_at, seen.error),
        (Status::Failed, Some(at(102)), Some(failure))
    );
    assert_eq!(store.unfinished(id.shard(), None, 10).await.unwrap(), []);
}

async fn what_was_consumed_is_gone_from_the_inbox(store: AnyStore) {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    store.submit(cancel(id, "a")).await.unwrap();
    store.submit(cancel(id, "b")).await.unwrap();
    let fences = claim(&store, "me").await;
    store
        .append(
            fence(&fences, id),
            Append {
                consumed: 2,
                ..append(id, 0, 1)
            },
        )
        .await
        .unwrap();
    let left = store.inbox(id).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].seq, &left[0].message), (3, &cancel_message("b")));

    // A later append may name an earlier place: nothing comes back.
    store
        .append(fence(&fences, id), append(id, 1, 1))
        .await
        .unwrap();
    assert_eq!(store.inbox(id).await.unwrap(), left);
    store
        .append(
            fence(&fences, id),
            Append {
                consumed: 3,
                ..append(id, 2, 0)
            },
        )
        .await
        .unwrap();
    assert_eq!(store.inbox(id).await.unwrap(), []);
    store.submit(cancel(id, "c")).await.unwrap();
    assert_eq!(store.inbox(id).await.unwrap()[0].seq, 4);
}

async fn a_start_and_its_whole_life_may_share_a_commit(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let id = fresh();
    let mut arrivals = store.arrivals();
    let submitted = tokio::spawn({
        let store = store.clone();
        async move { store.submit(patient(start(id))).await }
    });
    next(&mut arrivals).await;
    let life = Append {
        consumed: 1,
        status: Status::Succeeded,
        ..append(id, 0, 5)
    };
    store.append(fence(&fences, id), life).await.unwrap();
    submitted.await.unwrap().unwrap();
    assert_eq!(store.inbox(id).await.unwrap(), []);
    assert_eq!(store.history(id, 0, 10).await.unwrap().len(), 5);
    let seen = store.execution(&tenant(), id).await.unwrap().unwrap();
    assert_eq!((seen.status, seen.version), (Status::Succeeded, 5));
}

/// Asserts that an append to an execution with two events is refused and leaves
/// no trace.
async fn refused(store: &AnyStore, make: impl FnOnce(Append) -> Append) -> LogError {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    let fences = claim(store, "me").await;
    store
        .append(fence(&fences, id), append(id, 0, 2))
        .await
        .unwrap();
    let before = store.execution(&tenant(), id).await.unwrap();
    let inbox = store.inbox(id).await.unwrap();
    let broken = make(Append {
        lines: vec![line("x")],
        status: Status::Succeeded,
        ..append(id, 2, 1)
    });
    let error = store.append(fence(&fences, id), broken).await.unwrap_err();
    assert_eq!(store.execution(&tenant(), id).await.unwrap(), before);
    assert_eq!(store.inbox(id).await.unwrap(), inbox);
    assert_eq!(
        store.history(id, 0, 10).await.unwrap(),
        [event(1), event(2)]
    );
    assert_eq!(store.lines(id, 0, 10).await.unwrap(), []);
    let unfinished = store.unfinished(id.shard(), None, 10).await.unwrap();
    assert!(unfinished.iter().any(|found| found.execution == id));
    store
        .append(fence(&fences, id), append(id, 2, 1))
        .await
        .unwrap();
    error
}

async fn an_append_at_another_version_leaves_nothing(store: AnyStore) {
    for expected in [0, 1, 3, u64::MAX] {
        let error = refused(&store, |a| Append {
            expected,
            consumed: 1,
            ..a
        })
        .await;
        assert!(
            matches!(error, LogError::Conflict { expected: e, actual: 2, .. } if e == expected),
            "{error}"
        );
    }
}

async fn an_append_to_no_execution_is_not_found(store: AnyStore) {
    let id = fresh();
    let fences = claim(&store, "me").await;
    let error = store
        .append(fence(&fences, id), append(id, 0, 1))
        .await
        .unwrap_err();
    assert!(matches!(error, LogError::NotFound(no) if no == id));
    assert_eq!(store.history(id, 0, 10).await.unwrap(), []);
}

async fn an_append_with_a_gap_leaves_nothing(store: AnyStore) {
    let error = refused(&store, |a| Append {
        events: vec![event(3), event(5)],
        ..a
    })
    .await;
    assert!(matches!(error, LogError::Damaged(_)), "{error}");
}

async fn an_append_that_takes_messages_which_are_not_there_leaves_nothing(store: AnyStore) {
    let error = refused(&store, |a| Append { consumed: 2, ..a }).await;
    assert!(matches!(error, LogError::Damaged(_)), "{error}");
}

async fn an_append_that_needs_an_empty_inbox_is_refused_while_it_is_not(store: AnyStore) {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    let fences = claim(&store, "me").await;
    let fence = fence(&fences, id);
    let after = |consumed, expected| Append {
        consumed,
        inbox_empty: true,
        ..append(id, expected, 1)
    };
    store.append(fence, after(1, 0)).await.unwrap();
    // What was taken before counts, also if an owner does not say it again.
    store.append(fence, after(0, 1)).await.unwrap();
    store.submit(signal(id, "approval")).await.unwrap();
    let refused = store.append(fence, after(1, 2)).await;
    assert!(matches!(refused, Err(LogError::Unheard(unheard)) if unheard == id));
    assert_eq!(store.history(id, 0, 10).await.unwrap().len(), 2);
    store.append(fence, after(2, 2)).await.unwrap();
}

async fn nothing_follows_the_end_but_lines_and_late_messages(store: AnyStore) {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    let fences = claim(&store, "me").await;
    let fence = fence(&fences, id);
    let end = Append {
        consumed: 1,
        status: Status::Succeeded,
        ..append(id, 0, 2)
    };
    store.append(fence, end).await.unwrap();
    let ended = store.execution(&tenant(), id).await.unwrap();

    let event = Append {
        status: Status::Succeeded,
        ..append(id, 2, 1)
    };
    assert!(matches!(
        store.append(fence, event).await,
        Err(LogError::Damaged(_))
    ));
    assert!(matches!(
        store.append(fence, append(id, 2, 0)).await,
        Err(LogError::Damaged(_))
    ));

    store.submit(cancel(id, "late")).await.unwrap();
    let late = Append {
        consumed: 2,
        lines: vec![line("late")],
        status: Status::Succeeded,
        wake_at: Some(at(900)),
        ..append(id, 2, 0)
    };
    store.append(fence, late).await.unwrap();
    assert_eq!(store.inbox(id).await.unwrap(), []);
    assert_eq!(store.lines(id, 0, 10).await.unwrap().len(), 1);
    assert_eq!(store.execution(&tenant(), id).await.unwrap(), ended);
}

async fn a_claim_takes_every_shard_under_a_new_epoch(store: AnyStore) {
    let first = claim(&store, "one").await;
    let second = claim(&store, "two").await;
    for (old, new) in first.iter().zip(&second) {
        assert!(new.epoch > old.epoch);
    }
}

async fn a_repeated_claim_renews(store: AnyStore) {
    let first = claim(&store, "one").await;
    assert_eq!(claim(&store, "one").await, first);
}

async fn an_append_under_an_old_epoch_is_fenced(store: AnyStore) {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    let old = claim(&store, "one").await;
    store
        .append(fence(&old, id), append(id, 0, 1))
        .await
        .unwrap();
    let new = claim(&store, "two").await;
    let error = store
        .append(fence(&old, id), append(id, 1, 1))
        .await
        .unwrap_err();
    assert!(
        matches!(error, LogError::Fenced(f) if f == fence(&old, id)),
        "{error}"
    );
    assert_eq!(store.history(id, 0, 10).await.unwrap(), [event(1)]);
    store
        .append(fence(&new, id), append(id, 1, 1))
        .await
        .unwrap();
}

async fn an_append_without_a_claim_is_fenced(store: AnyStore) {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    for epoch in [0, 1, u64::MAX] {
        let fence = Fence {
            shard: id.shard(),
            epoch,
        };
        assert!(
            matches!(store.append(fence, append(id, 0, 1)).await, Err(LogError::Fenced(f)) if f == fence)
        );
    }
}

async fn an_append_under_another_shards_fence_is_fenced(store: AnyStore) {
    let id = in_shard(5, 1);
    store.submit(start(id)).await.unwrap();
    let fences = claim(&store, "me").await;
    assert!(
        matches!(store.append(fences[6], append(id, 0, 1)).await, Err(LogError::Fenced(f)) if f == fences[6])
    );
    store.append(fences[5], append(id, 0, 1)).await.unwrap();
}

async fn a_released_shard_is_fenced_and_free(store: AnyStore) {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    let old = claim(&store, "me").await;
    store.release(&[fence(&old, id)]).await.unwrap();
    assert!(matches!(
        store.append(fence(&old, id), append(id, 0, 1)).await,
        Err(LogError::Fenced(_))
    ));
    let new = claim(&store, "me").await;
    for (old, new) in old.iter().zip(&new) {
        assert_eq!(
            new.epoch > old.epoch,
            old.shard == id.shard(),
            "only the released one changes hands"
        );
    }
    store
        .append(fence(&new, id), append(id, 0, 1))
        .await
        .unwrap();
}

async fn an_old_fence_releases_nothing(store: AnyStore) {
    let old = claim(&store, "one").await;
    let new = claim(&store, "two").await;
    store.release(&old).await.unwrap();
    assert_eq!(claim(&store, "two").await, new);
}

async fn of_racing_appends_at_one_version_one_wins(store: AnyStore) {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    let fences = claim(&store, "me").await;
    let racers: Vec<_> = (0..16)
        .map(|_| {
            let (store, fence) = (store.clone(), fence(&fences, id));
            tokio::spawn(async move { store.append(fence, append(id, 0, 2)).await })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        match racer.await.unwrap() {
            Ok(()) => won += 1,
            Err(LogError::Conflict {
                expected: 0,
                actual: 2,
                ..
            }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(
        store.history(id, 0, 10).await.unwrap(),
        [event(1), event(2)]
    );
}

fn outgoing(execution: ExecutionId, message: Message) -> Outgoing {
    Outgoing { execution, message }
}

async fn what_an_append_tells_others_is_on_disk_with_it_or_not_at_all(store: AnyStore) {
    let (id, other, made) = (fresh(), fresh(), fresh());
    store.submit(start(id)).await.unwrap();
    store.submit(start(other)).await.unwrap();
    let fences = claim(&store, "me").await;
    let mut arrivals = store.arrivals();
    let told = |expected| Append {
        outbox: vec![
            outgoing(made, start_message()),
            outgoing(other, cancel_message("a")),
        ],
        ..append(id, expected, 1)
    };
    store.append(fence(&fences, id), told(7)).await.unwrap_err();
    assert_eq!(store.execution(&tenant(), made).await.unwrap(), None);
    assert_eq!(store.inbox(other).await.unwrap().len(), 1);

    store.append(fence(&fences, id), told(0)).await.unwrap();
    let seen = store.execution(&tenant(), made).await.unwrap().unwrap();
    assert_eq!(
        (
            seen.status,
            seen.version,
            seen.created_at,
            seen.workflow_version
        ),
        (Status::Queued, 0, at(101), 3)
    );
    let rows = store.inbox(made).await.unwrap();
    assert_eq!((rows[0].seq, &rows[0].message), (1, &start_message()));
    let rows = store.inbox(other).await.unwrap();
    assert_eq!((rows[1].seq, &rows[1].message), (2, &cancel_message("a")));
    let mut heard = Vec::new();
    while heard.len() < 2 {
        match arrivals.next().await.unwrap() {
            Arrival::Message { execution, row, .. } => heard.push((execution, row.seq)),
            Arrival::Admitted { .. } | Arrival::Lagged => panic!("nothing is missed"),
        }
    }
    assert_eq!(heard, [(made, 1), (other, 2)]);
    // Its life goes on like any other.
    store
        .append(fence(&fences, made), append(made, 0, 1))
        .await
        .unwrap();
}

async fn what_others_cannot_take_keeps_nobody_from_going_on(store: AnyStore) {
    let (id, nobody, ended) = (fresh(), fresh(), fresh());
    store.submit(start(id)).await.unwrap();
    store.submit(start(ended)).await.unwrap();
    let fences = claim(&store, "me").await;
    let last = Append {
        status: Status::Succeeded,
        consumed: 1,
        ..append(ended, 0, 1)
    };
    store.append(fence(&fences, ended), last).await.unwrap();
    let before = store.execution(&tenant(), ended).await.unwrap();
    let told = Append {
        outbox: vec![
            outgoing(nobody, cancel_message("a")),
            outgoing(ended, cancel_message("b")),
            outgoing(ended, start_message()),
        ],
        ..append(id, 0, 1)
    };
    store.append(fence(&fences, id), told).await.unwrap();
    assert_eq!(store.execution(&tenant(), nobody).await.unwrap(), None);
    assert_eq!(store.execution(&tenant(), ended).await.unwrap(), before);
    assert_eq!(store.inbox(ended).await.unwrap(), []);
    assert_eq!(store.history(id, 0, 10).await.unwrap().len(), 1);
}
