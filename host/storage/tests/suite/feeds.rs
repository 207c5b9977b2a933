//! `arrivals`, `changes`: what listeners are told, and when.

use std::sync::Arc;

use nebula_flow::ports::{Append, Arrival, Change, LogError, Status};

use crate::kit::*;

on_every_store! {
    arrivals_tell_each_submission_in_the_order_of_its_inbox,
    a_duplicate_or_refused_message_does_not_arrive,
    an_owner_may_append_as_soon_as_it_is_told,
    what_was_told_is_found_among_the_unfinished,
    changes_tell_what_is_committed_in_order,
    a_refused_append_changes_nothing,
    a_change_can_be_read_once_it_is_told,
    a_listener_that_is_too_slow_is_told,
}

fn message(arrival: Arrival) -> (nebula_flow::ExecutionId, nebula_flow::ports::InboxRow) {
    match arrival {
        Arrival::Message {
            tenant: whose,
            execution,
            priority: 0,
            row,
        } => {
            assert_eq!(whose, tenant());
            (execution, (*row).clone())
        }
        other => panic!("{other:?}"),
    }
}

async fn arrivals_tell_each_submission_in_the_order_of_its_inbox(store: AnyStore) {
    let mut arrivals = store.arrivals();
    let (plain, with_key) = (fresh(), fresh());
    store.submit(start(plain)).await.unwrap();
    store
        .submit(keyed(start(with_key), "k", "request"))
        .await
        .unwrap();
    store.submit(cancel(plain, "a")).await.unwrap();
    store.submit(patient(cancel(plain, "b"))).await.unwrap();
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(message(next(&mut arrivals).await));
    }
    let of = |id| {
        told.iter()
            .filter(|(e, _)| *e == id)
            .map(|(_, row)| row.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of(plain), store.inbox(plain).await.unwrap());
    assert_eq!(of(with_key), store.inbox(with_key).await.unwrap());
}

async fn a_duplicate_or_refused_message_does_not_arrive(store: AnyStore) {
    let (first, second, last) = (fresh(), fresh(), fresh());
    store
        .submit(keyed(start(first), "k", "request"))
        .await
        .unwrap();
    let mut arrivals = store.arrivals();
    store
        .submit(keyed(start(second), "k", "request"))
        .await
        .unwrap();
    store
        .submit(keyed(start(second), "k", "another"))
        .await
        .unwrap_err();
    store.submit(cancel(second, "x")).await.unwrap_err();
    store.submit(start(last)).await.unwrap();
    assert_eq!(message(next(&mut arrivals).await).0, last);
}

async fn an_owner_may_append_as_soon_as_it_is_told(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let mut arrivals = store.arrivals();
    let submitters: Vec<_> = (0..32)
        .map(|n| {
            let store = store.clone();
            let id = fresh();
            let submission = if n % 2 == 0 {
                start(id)
            } else {
                patient(start(id))
            };
            tokio::spawn(async move { store.submit(submission).await })
        })
        .collect();
    for _ in 0..32 {
        let (id, row) = message(next(&mut arrivals).await);
        assert_eq!((row.seq, row.message), (1, start_message()));
        store
            .append(
                fence(&fences, id),
                Append {
                    consumed: 1,
                    ..append(id, 0, 1)
                },
            )
            .await
            .unwrap();
        assert_eq!(store.inbox(id).await.unwrap(), []);
    }
    for submitter in submitters {
        submitter.await.unwrap().unwrap();
    }
}

async fn what_was_told_is_found_among_the_unfinished(store: AnyStore) {
    let mut arrivals = store.arrivals();
    let id = fresh();
    let submitted = tokio::spawn({
        let store = store.clone();
        async move { store.submit(patient(start(id))).await }
    });
    next(&mut arrivals).await;
    let found = store.unfinished(id.shard(), None, 10).await.unwrap();
    assert_eq!(
        found
            .iter()
            .map(|u| (u.execution, u.has_inbox))
            .collect::<Vec<_>>(),
        [(id, true)]
    );
    submitted.await.unwrap().unwrap();
}

async fn changes_tell_what_is_committed_in_order(store: AnyStore) {
    let id = fresh();
    let fences = claim(&store, "me").await;
    let mut changes = store.changes();
    store.submit(start(id)).await.unwrap();
    store
        .append(fence(&fences, id), append(id, 0, 2))
        .await
        .unwrap();
    let end = Append {
        status: Status::Succeeded,
        ..append(id, 2, 1)
    };
    store.append(fence(&fences, id), end).await.unwrap();
    for (version, status) in [(2, Status::Running), (3, Status::Succeeded)] {
        let last = store.history(id, version - 1, 1).await.unwrap().pop();
        let change = Change::Appended {
            tenant: tenant(),
            execution: id,
            version,
            status,
            end: last.filter(|_| status.is_final()).map(Arc::new),
        };
        assert_eq!(next(&mut changes).await, change);
    }
}

async fn a_refused_append_changes_nothing(store: AnyStore) {
    let id = fresh();
    let fences = claim(&store, "me").await;
    store.submit(start(id)).await.unwrap();
    let mut changes = store.changes();
    let refused = store.append(fence(&fences, id), append(id, 7, 1)).await;
    assert!(matches!(refused, Err(LogError::Conflict { .. })));
    store
        .append(fence(&fences, id), append(id, 0, 1))
        .await
        .unwrap();
    assert!(matches!(
        next(&mut changes).await,
        Change::Appended { version: 1, .. }
    ));
}

async fn a_change_can_be_read_once_it_is_told(store: AnyStore) {
    let id = fresh();
    let fences = claim(&store, "me").await;
    store.submit(start(id)).await.unwrap();
    let mut changes = store.changes();
    let owner = tokio::spawn({
        let (store, fence) = (store.clone(), fence(&fences, id));
        async move {
            for version in 0..50 {
                store.append(fence, append(id, version, 1)).await.unwrap();
            }
        }
    });
    for expected in 1..=50 {
        let Change::Appended { version, .. } = next(&mut changes).await else {
            panic!("nothing was lost")
        };
        assert_eq!(version, expected);
        assert_eq!(
            store.history(id, version - 1, 1).await.unwrap(),
            [event(version)]
        );
        assert!(
            store
                .execution(&tenant(), id)
                .await
                .unwrap()
                .unwrap()
                .version
                >= version
        );
    }
    owner.await.unwrap();
}

async fn a_listener_that_is_too_slow_is_told(store: AnyStore) {
    let mut arrivals = store.arrivals();
    let mut changes = store.changes();
    let fences = claim(&store, "me").await;
    let writers: Vec<_> = (0..50)
        .map(|_| {
            let (store, fences) = (store.clone(), fences.clone());
            tokio::spawn(async move {
                for _ in 0..100 {
                    let id = fresh();
                    store.submit(start(id)).await.unwrap();
                    store
                        .append(fence(&fences, id), append(id, 0, 1))
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(matches!(next(&mut arrivals).await, Arrival::Lagged));
    assert_eq!(next(&mut changes).await, Change::Lagged);
    assert!(
        matches!(next(&mut arrivals).await, Arrival::Message { .. }),
        "and goes on"
    );
    assert!(matches!(next(&mut changes).await, Change::Appended { .. }));
}
