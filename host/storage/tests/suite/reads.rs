//! `unfinished`, `lines`, `execution`, `executions`: pages of what is there.

use nebula_flow::id::{Shard, WorkflowName};
use nebula_flow::payload::Payload;
use nebula_flow::ports::{
    Append, Arrival, ExecutionQuery, Message, Status, Submission, Unfinished,
};

use crate::kit::*;

on_every_store! {
    unfinished_executions_of_a_shard_come_in_pages,
    an_unfinished_execution_tells_what_it_waits_for,
    an_execution_at_rest_is_found_again_when_it_has_a_message,
    an_execution_tells_its_priority_wherever_it_is_heard_of,
    lines_come_numbered_and_in_pages,
    an_execution_is_seen_by_its_tenant_only,
    executions_come_newest_first_and_in_pages,
    executions_are_filtered,
}

async fn unfinished_executions_of_a_shard_come_in_pages(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let ids: Vec<_> = (0..7).map(|n| in_shard(9, n)).collect();
    for id in ids.iter().rev() {
        store.submit(start(*id)).await.unwrap();
    }
    store.submit(start(in_shard(10, 3))).await.unwrap();
    let end = Append {
        status: Status::Cancelled,
        ..append(ids[3], 0, 1)
    };
    store.append(fences[9], end).await.unwrap();

    let page = |after, limit| {
        let store = store.clone();
        async move {
            let page = store.unfinished(Shard(9), after, limit).await.unwrap();
            page.into_iter().map(|u| u.execution).collect::<Vec<_>>()
        }
    };
    assert_eq!(page(None, 2).await, [ids[0], ids[1]]);
    assert_eq!(page(Some(ids[1]), 2).await, [ids[2], ids[4]]);
    assert_eq!(page(Some(ids[3]), 10).await, [ids[4], ids[5], ids[6]]);
    assert_eq!(page(Some(ids[6]), 10).await, []);
    assert_eq!(page(None, 0).await, []);
}

async fn an_unfinished_execution_tells_what_it_waits_for(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let id = fresh();
    let found = |wake_at, has_inbox| Unfinished {
        priority: 0,
        tenant: tenant(),
        execution: id,
        wake_at,
        has_inbox,
    };
    store.submit(start(id)).await.unwrap();
    assert_eq!(
        store.unfinished(id.shard(), None, 10).await.unwrap(),
        [found(None, true)]
    );
    let wait = Append {
        consumed: 1,
        status: Status::Waiting,
        wake_at: Some(at(5_000)),
        ..append(id, 0, 2)
    };
    store.append(fence(&fences, id), wait).await.unwrap();
    assert_eq!(
        store.unfinished(id.shard(), None, 10).await.unwrap(),
        [found(Some(at(5_000)), false)]
    );
    store.submit(cancel(id, "stop")).await.unwrap();
    assert_eq!(
        store.unfinished(id.shard(), None, 10).await.unwrap(),
        [found(Some(at(5_000)), true)]
    );
}

async fn an_execution_at_rest_is_found_again_when_it_has_a_message(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let ids: Vec<_> = (0..4).map(|n| in_shard(11, n)).collect();
    for id in &ids {
        store.submit(start(*id)).await.unwrap();
    }
    for id in &ids[1..3] {
        let rest = Append {
            consumed: 1,
            status: Status::Waiting,
            ..append(*id, 0, 2)
        };
        store.append(fences[11], rest).await.unwrap();
    }
    let page = |after, limit| {
        let store = store.clone();
        async move {
            let page = store.unfinished(Shard(11), after, limit).await.unwrap();
            page.into_iter().map(|u| u.execution).collect::<Vec<_>>()
        }
    };
    assert_eq!(page(None, 2).await, [ids[0], ids[3]]);
    store.submit(signal(ids[2], "approval")).await.unwrap();
    assert_eq!(page(Some(ids[0]), 10).await, [ids[2], ids[3]]);
}

async fn an_execution_tells_its_priority_wherever_it_is_heard_of(store: AnyStore) {
    claim(&store, "me").await;
    let mut arrivals = store.arrivals();
    let urgent = |n| {
        let mut urgent = start(in_shard(3, n));
        if let Message::Start { priority, .. } = &mut urgent.message {
            *priority = -7;
        }
        urgent
    };
    store.submit(urgent(1)).await.unwrap();
    store.submit(keyed(urgent(2), "k", "r")).await.unwrap();
    store.submit(signal(in_shard(3, 1), "s")).await.unwrap();
    for _ in 0..3 {
        let Arrival::Message { priority, .. } = next(&mut arrivals).await else {
            panic!("nothing was lost");
        };
        assert_eq!(priority, -7);
    }
    let found = store.unfinished(Shard(3), None, 10).await.unwrap();
    let priorities: Vec<_> = found.iter().map(|u| u.priority).collect();
    assert_eq!(priorities, [-7, -7]);
}

async fn lines_come_numbered_and_in_pages(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    for (version, names) in [(0, ["a", "b"]), (1, ["c", "d"])] {
        let lines = names.map(line).to_vec();
        store
            .append(
                fence(&fences, id),
                Append {
                    lines,
                    ..append(id, version, 1)
                },
            )
            .await
            .unwrap();
    }
    let all: Vec<_> = (1..).zip(["a", "b", "c", "d"].map(line)).collect();
    assert_eq!(store.lines(id, 0, 10).await.unwrap(), all);
    assert_eq!(store.lines(id, 1, 2).await.unwrap(), all[1..3]);
    assert_eq!(store.lines(id, 4, 10).await.unwrap(), []);
    assert_eq!(store.lines(id, u64::MAX, 10).await.unwrap(), []);
}

async fn an_execution_is_seen_by_its_tenant_only(store: AnyStore) {
    let id = fresh();
    store.submit(start(id)).await.unwrap();
    assert!(store.execution(&tenant(), id).await.unwrap().is_some());
    assert_eq!(store.execution(&stranger(), id).await.unwrap(), None);
    assert_eq!(store.execution(&tenant(), fresh()).await.unwrap(), None);
    let all = ExecutionQuery {
        limit: 10,
        ..ExecutionQuery::default()
    };
    assert_eq!(store.executions(&stranger(), &all).await.unwrap(), []);
}

async fn executions_come_newest_first_and_in_pages(store: AnyStore) {
    let mut ids: Vec<_> = (0..5).map(|_| fresh()).collect();
    for id in &ids {
        store.submit(start(*id)).await.unwrap();
    }
    ids.reverse();
    let page = |before, limit| {
        let store = store.clone();
        async move {
            let query = ExecutionQuery {
                before,
                limit,
                ..ExecutionQuery::default()
            };
            let page = store.executions(&tenant(), &query).await.unwrap();
            page.into_iter().map(|e| e.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(page(None, 2).await, ids[..2]);
    assert_eq!(page(Some(ids[1]), 2).await, ids[2..4]);
    assert_eq!(page(Some(ids[3]), 2).await, ids[4..]);
    assert_eq!(page(Some(ids[4]), 2).await, []);
    assert_eq!(page(None, 0).await, []);
    assert_eq!(page(None, usize::MAX).await, ids);
}

async fn executions_are_filtered(store: AnyStore) {
    let fences = claim(&store, "me").await;
    let mut ids = Vec::new();
    for n in 0..8 {
        let id = fresh();
        let message = Message::Start {
            workflow: workflow(n % 2),
            name: WorkflowName::new("w").unwrap(),
            version: 1,
            input: Payload::null(),
            parent: None,
            origin: None,
            follows: None,
            priority: 0,
            slot: None,
            paused: false,
        };
        store
            .submit(Submission {
                message,
                ..start(id)
            })
            .await
            .unwrap();
        let status = if n < 4 {
            Status::Succeeded
        } else {
            Status::Running
        };
        store
            .append(
                fence(&fences, id),
                Append {
                    status,
                    ..append(id, 0, 1)
                },
            )
            .await
            .unwrap();
        ids.push(id);
    }
    let page = |workflow, status, before| {
        let store = store.clone();
        async move {
            let query = ExecutionQuery {
                workflow,
                status,
                before,
                limit: 10,
            };
            let page = store.executions(&tenant(), &query).await.unwrap();
            page.into_iter().map(|e| e.id).collect::<Vec<_>>()
        }
    };
    let of = |numbers: &[usize]| numbers.iter().map(|n| ids[*n]).collect::<Vec<_>>();
    assert_eq!(page(Some(workflow(1)), None, None).await, of(&[7, 5, 3, 1]));
    assert_eq!(
        page(None, Some(Status::Succeeded), None).await,
        of(&[3, 2, 1, 0])
    );
    assert_eq!(
        page(None, Some(Status::Running), Some(ids[6])).await,
        of(&[5, 4])
    );
    assert_eq!(
        page(Some(workflow(0)), Some(Status::Running), None).await,
        of(&[6, 4])
    );
    assert_eq!(
        page(Some(workflow(0)), Some(Status::Running), Some(ids[6])).await,
        of(&[4])
    );
    assert_eq!(page(None, Some(Status::Failed), None).await, []);
    assert_eq!(page(Some(workflow(9)), None, None).await, []);
}
