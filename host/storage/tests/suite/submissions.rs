//! `submit`, `inbox`: what a submission leaves behind.

use nebula_flow::ports::{Append, InboxRow, LogError, Standing, Status, Submission, Submitted};

use crate::kit::*;

on_every_store! {
    a_start_makes_an_execution_and_its_first_message,
    messages_are_kept_in_the_order_of_submission,
    a_repeated_key_changes_nothing_and_names_the_first_execution,
    a_key_belongs_to_its_tenant,
    a_key_used_for_another_request_is_refused,
    a_repeated_cancel_is_queued_once,
    a_signal_reads_back_as_it_was_sent,
    a_submission_that_expects_the_execution_elsewhere_leaves_nothing,
    a_message_for_no_execution_is_not_found,
    a_message_for_another_tenants_execution_is_not_found,
    a_refused_message_does_not_use_up_its_key,
    a_second_start_of_an_execution_is_refused,
    a_patient_start_is_on_disk_once_it_returns,
    concurrent_submitters_all_find_their_executions,
    equal_keys_at_once_make_one_execution,
}

async fn a_start_makes_an_execution_and_its_first_message(store: AnyStore) {
    let id = fresh();
    assert_eq!(store.submit(start(id)).await.unwrap(), Submitted::Accepted);

    let row = InboxRow {
        seq: 1,
        at: at(10),
        message: start_message(),
    };
    assert_eq!(store.inbox(id).await.unwrap(), [row]);
    let execution = store.execution(&tenant(), id).await.unwrap().unwrap();
    assert_eq!(execution.id, id);
    assert_eq!(execution.workflow, workflow(1));
    assert_eq!(execution.workflow_name.as_str(), "weather");
    assert_eq!(execution.workflow_version, 3);
    assert_eq!(execution.status, Status::Queued);
    assert_eq!(execution.version, 0);
    assert_eq!(
        (execution.created_at, execution.updated_at),
        (at(10), at(10))
    );
    assert_eq!(
        (execution.finished_at, execution.wake_at, execution.error),
        (None, None, None)
    );
}

async fn messages_are_kept_in_the_order_of_submission(store: AnyStore) {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    for reason in ["b", "a", "c"] {
        store.submit(cancel(id, reason)).await.unwrap();
    }
    let rows = store.inbox(id).await.unwrap();
    assert_eq!(
        rows.iter().map(|row| row.seq).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
    let messages: Vec<_> = rows.into_iter().skip(1).map(|row| row.message).collect();
    assert_eq!(messages, ["b", "a", "c"].map(cancel_message));
}

async fn a_repeated_key_changes_nothing_and_names_the_first_execution(store: AnyStore) {
    let (first, second) = (fresh(), fresh());
    assert_eq!(
        store
            .submit(keyed(start(first), "k", "request"))
            .await
            .unwrap(),
        Submitted::Accepted
    );
    let again = store
        .submit(keyed(start(second), "k", "request"))
        .await
        .unwrap();
    assert_eq!(again, Submitted::Duplicate(first));
    assert_eq!(store.execution(&tenant(), second).await.unwrap(), None);
    assert_eq!(store.inbox(second).await.unwrap(), []);
    assert_eq!(store.inbox(first).await.unwrap().len(), 1);
}

async fn a_key_belongs_to_its_tenant(store: AnyStore) {
    let (mine, theirs) = (fresh(), fresh());
    store
        .submit(keyed(start(mine), "k", "request"))
        .await
        .unwrap();
    let mut other = keyed(start(theirs), "k", "another request");
    other.tenant = stranger();
    assert_eq!(store.submit(other).await.unwrap(), Submitted::Accepted);
}

async fn a_key_used_for_another_request_is_refused(store: AnyStore) {
    let (first, second) = (fresh(), fresh());
    store
        .submit(keyed(start(first), "k", "request"))
        .await
        .unwrap();
    let refused = store
        .submit(keyed(start(second), "k", "another request"))
        .await;
    assert!(matches!(refused, Err(LogError::KeyReused(key)) if key == "k"));
    assert_eq!(store.execution(&tenant(), second).await.unwrap(), None);
}

async fn a_repeated_cancel_is_queued_once(store: AnyStore) {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    let twice = keyed(cancel(id, "stop"), "c", "cancel");
    assert_eq!(
        store.submit(twice.clone()).await.unwrap(),
        Submitted::Accepted
    );
    assert_eq!(store.submit(twice).await.unwrap(), Submitted::Duplicate(id));
    assert_eq!(store.inbox(id).await.unwrap().len(), 2);
}

async fn a_signal_reads_back_as_it_was_sent(store: AnyStore) {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    let sent = signal(id, "approval");
    store.submit(sent.clone()).await.unwrap();
    let rows = store.inbox(id).await.unwrap();
    assert_eq!((rows[1].at, &rows[1].message), (sent.at, &sent.message));
}

async fn a_submission_that_expects_the_execution_elsewhere_leaves_nothing(store: AnyStore) {
    let id = fresh();
    let fences = claim(&store, "me").await;
    store.submit(start(id)).await.unwrap();
    let expecting = |version, last_message| Submission {
        expect: Some(Standing {
            version,
            last_message,
        }),
        ..signal(id, "approval")
    };
    let refused = |result: Result<Submitted, LogError>| {
        assert!(
            matches!(result, Err(LogError::Conflict { .. })),
            "{result:?}"
        );
    };
    // Its start waits in the inbox.
    refused(store.submit(expecting(0, None)).await);
    refused(store.submit(expecting(1, Some(1))).await);
    assert_eq!(store.inbox(id).await.unwrap().len(), 1);
    let first = keyed(expecting(0, Some(1)), "k", "a");
    assert_eq!(
        store.submit(first.clone()).await.unwrap(),
        Submitted::Accepted
    );
    refused(store.submit(expecting(0, Some(1))).await);
    // Of a key that was used, the log knows all it has to.
    assert_eq!(store.submit(first).await.unwrap(), Submitted::Duplicate(id));

    let both = Append {
        consumed: 2,
        ..append(id, 0, 3)
    };
    store.append(fence(&fences, id), both).await.unwrap();
    refused(store.submit(expecting(0, Some(2))).await);
    refused(store.submit(expecting(3, Some(2))).await);
    assert_eq!(
        store.submit(expecting(3, None)).await.unwrap(),
        Submitted::Accepted
    );
    refused(store.submit(expecting(3, None)).await);
}

async fn a_message_for_no_execution_is_not_found(store: AnyStore) {
    let id = fresh();
    assert!(matches!(store.submit(cancel(id, "x")).await, Err(LogError::NotFound(no)) if no == id));
    assert_eq!(store.inbox(id).await.unwrap(), []);
    assert_eq!(store.history(id, 0, 10).await.unwrap(), []);
    assert_eq!(store.lines(id, 0, 10).await.unwrap(), []);
}

async fn a_message_for_another_tenants_execution_is_not_found(store: AnyStore) {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    let mut theirs = cancel(id, "x");
    theirs.tenant = stranger();
    assert!(matches!(store.submit(theirs).await, Err(LogError::NotFound(no)) if no == id));
    assert_eq!(store.inbox(id).await.unwrap().len(), 1);
}

async fn a_refused_message_does_not_use_up_its_key(store: AnyStore) {
    let id = fresh();
    let early = keyed(cancel(id, "stop"), "c", "cancel");
    assert!(matches!(
        store.submit(early.clone()).await,
        Err(LogError::NotFound(_))
    ));
    store.submit(start(id)).await.unwrap();
    assert_eq!(store.submit(early).await.unwrap(), Submitted::Accepted);
}

async fn a_second_start_of_an_execution_is_refused(store: AnyStore) {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    let fences = claim(&store, "me").await;
    store
        .append(fence(&fences, id), append(id, 0, 2))
        .await
        .unwrap();
    let refused = store.submit(start(id)).await;
    assert!(
        matches!(refused, Err(LogError::Conflict { execution, expected: 0, actual: 2 }) if execution == id)
    );
    assert_eq!(store.inbox(id).await.unwrap().len(), 1);
}

async fn a_patient_start_is_on_disk_once_it_returns(store: AnyStore) {
    let id = fresh();
    assert_eq!(
        store.submit(patient(start(id))).await.unwrap(),
        Submitted::Accepted
    );
    assert_eq!(store.inbox(id).await.unwrap().len(), 1);
}

async fn concurrent_submitters_all_find_their_executions(store: AnyStore) {
    let submitters: Vec<_> = (0..64)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for turn in 0..4 {
                    let id = fresh();
                    let submission = if (n + turn) % 2 == 0 {
                        start(id)
                    } else {
                        patient(start(id))
                    };
                    assert_eq!(store.submit(submission).await.unwrap(), Submitted::Accepted);
                    assert_eq!(
                        store.submit(cancel(id, "stop")).await.unwrap(),
                        Submitted::Accepted
                    );
                    ids.push(id);
                }
                ids
            })
        })
        .collect();
    for submitter in submitters {
        for id in submitter.await.unwrap() {
            assert_eq!(store.inbox(id).await.unwrap().len(), 2);
            assert!(store.execution(&tenant(), id).await.unwrap().is_some());
        }
    }
}

async fn equal_keys_at_once_make_one_execution(store: AnyStore) {
    let submitters: Vec<_> = (0..32)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let id = fresh();
                (
                    id,
                    store
                        .submit(keyed(start(id), "k", "request"))
                        .await
                        .unwrap(),
                )
            })
        })
        .collect();
    let mut accepted = Vec::new();
    let mut named = Vec::new();
    for submitter in submitters {
        match submitter.await.unwrap() {
            (id, Submitted::Accepted) => accepted.push(id),
            (_, Submitted::Duplicate(id)) => named.push(id),
        }
    }
    assert_eq!(accepted.len(), 1);
    assert!(named.len() == 31 && named.iter().all(|id| *id == accepted[0]));
}
