//! Slots of a group: who begins, who waits, who is cancelled for whom.

use nebula_flow::id::{ExecutionId, Shard};
use nebula_flow::ports::{
    Append, Arrival, ExecutionQuery, Feed, Fence, Message, Outgoing, Slot, Status, Submission,
    WhenFull,
};

use crate::kit::*;

on_every_store! {
    one_too_many_waits_until_one_has_ended,
    the_highest_priority_gets_a_slot_first_and_then_the_oldest,
    one_too_many_is_dropped,
    the_oldest_is_replaced,
    what_waits_is_cancelled_without_a_slot_and_hears_nothing_else,
    executions_that_others_start_need_slots_too,
    the_limit_is_that_of_the_one_that_waits,
    a_repeated_key_takes_no_second_slot,
}

fn id(n: u64) -> ExecutionId {
    in_shard(u8::try_from(n).unwrap(), n)
}

fn slot(limit: u32, when_full: WhenFull) -> Slot {
    Slot {
        group: "wf-1/\"a\"".into(),
        limit,
        when_full,
    }
}

fn with_slot(n: u64, needed: Slot) -> Submission {
    let mut submission = start(id(n));
    if let Message::Start { slot, .. } = &mut submission.message {
        *slot = Some(needed);
    }
    submission
}

fn queued(n: u64, limit: u32) -> Submission {
    with_slot(n, slot(limit, WhenFull::Queue))
}

/// A store with all shards held, and what its owner hears.
struct Owner {
    store: AnyStore,
    fences: Vec<Fence>,
    arrivals: Feed<Arrival>,
}

impl Owner {
    async fn new(store: AnyStore) -> Self {
        Self {
            fences: claim(&store, "me").await,
            arrivals: store.arrivals(),
            store,
        }
    }

    async fn submit(&self, submission: Submission) {
        self.store.submit(submission).await.unwrap();
    }

    /// Ends an execution.
    async fn end(&self, n: u64) {
        let found = self.store.execution(&tenant(), id(n)).await.unwrap();
        let end = Append {
            status: Status::Succeeded,
            ..append(id(n), found.unwrap().version, 1)
        };
        let fence = fence(&self.fences, id(n));
        self.store.append(fence, end).await.unwrap();
    }

    /// What the owner hears until it hears of the end of the test's own making: the
    /// execution and the number of its message, 0 for one that is admitted.
    async fn heard(&mut self) -> Vec<(u64, u64)> {
        let end = fresh();
        self.submit(start(end)).await;
        let mut heard = Vec::new();
        loop {
            match next(&mut self.arrivals).await {
                Arrival::Message { execution, .. } if execution == end => return heard,
                Arrival::Message { execution, row, .. } => {
                    heard.push((u64::from(execution.shard().0), row.seq));
                }
                Arrival::Admitted { execution, .. } => {
                    heard.push((u64::from(execution.shard().0), 0));
                }
                Arrival::Lagged => panic!("nothing is missed"),
            }
        }
    }

    /// Those of the first ten that polling finds.
    async fn found(&self) -> Vec<u64> {
        let mut found = Vec::new();
        for n in 0..10 {
            let page = self.store.unfinished(Shard(n), None, 100).await.unwrap();
            let ours = page.iter().any(|u| u.execution == id(n.into()));
            found.extend(ours.then_some(u64::from(n)));
        }
        found
    }

    /// Those that lists show as waiting.
    async fn waiting(&self) -> Vec<u64> {
        let query = ExecutionQuery {
            limit: 100,
            ..ExecutionQuery::default()
        };
        let page = self.store.executions(&tenant(), &query).await.unwrap();
        let waiting = page.iter().filter(|e| e.waits_for_slot);
        let mut waiting: Vec<_> = waiting.map(|e| u64::from(e.id.shard().0)).collect();
        waiting.sort_unstable();
        waiting
    }

    async fn inbox(&self, n: u64) -> Vec<Message> {
        let rows = self.store.inbox(id(n)).await.unwrap();
        rows.into_iter().map(|row| row.message).collect()
    }
}

async fn one_too_many_waits_until_one_has_ended(store: AnyStore) {
    let mut owner = Owner::new(store).await;
    for n in 1..=4 {
        owner.submit(queued(n, 2)).await;
    }
    let elsewhere = Slot {
        group: "wf-1/\"b\"".into(),
        ..slot(2, WhenFull::Queue)
    };
    owner.submit(with_slot(5, elsewhere)).await;
    assert_eq!(owner.heard().await, [(1, 1), (2, 1), (5, 1)]);
    assert_eq!(owner.found().await, [1, 2, 5]);
    assert_eq!(owner.waiting().await, [3, 4]);

    owner.end(2).await;
    assert_eq!(owner.heard().await, [(3, 0)]);
    assert_eq!(owner.found().await, [1, 3, 5]);
    assert_eq!(owner.waiting().await, [4]);
    assert!(matches!(owner.inbox(3).await[..], [Message::Start { .. }]));
    owner.end(1).await;
    owner.end(3).await;
    owner.end(4).await;
    assert_eq!(owner.heard().await, [(4, 0)]);
    owner.submit(queued(6, 2)).await;
    assert_eq!(owner.heard().await, [(6, 1)], "all slots are free again");
}

async fn the_highest_priority_gets_a_slot_first_and_then_the_oldest(store: AnyStore) {
    let mut owner = Owner::new(store).await;
    for (n, urgency) in [(1, 0), (2, -1), (3, 0), (4, 7), (5, 0)] {
        let mut submission = queued(n, 1);
        if let Message::Start { priority, .. } = &mut submission.message {
            *priority = urgency;
        }
        owner.submit(submission).await;
    }
    assert_eq!(owner.heard().await, [(1, 1)]);
    let mut order = Vec::new();
    let mut last = 1;
    for _ in 0..4 {
        owner.end(last).await;
        let heard = owner.heard().await;
        let [(admitted, 0)] = heard[..] else {
            panic!("one is admitted, not {heard:?}");
        };
        order.push(admitted);
        last = admitted;
    }
    assert_eq!(order, [4, 3, 5, 2]);
}

async fn one_too_many_is_dropped(store: AnyStore) {
    let mut owner = Owner::new(store).await;
    owner.submit(with_slot(1, slot(1, WhenFull::Drop))).await;
    owner.submit(with_slot(2, slot(1, WhenFull::Drop))).await;
    assert_eq!(owner.heard().await, [(1, 1), (2, 2)], "the cancel is heard");
    let inbox = owner.inbox(2).await;
    let [Message::Start { .. }, Message::Cancel { reason }] = &inbox[..] else {
        panic!("a start and a cancel, not {inbox:?}");
    };
    assert_eq!(
        reason,
        "1 of this workflow run already, and no more may (concurrency)"
    );
    assert_eq!(owner.found().await, [1, 2]);
    assert!(owner.waiting().await.is_empty());
    owner.end(2).await;
    owner.submit(with_slot(3, slot(1, WhenFull::Drop))).await;
    assert_eq!(owner.inbox(3).await.len(), 2, "the first one still runs");
    owner.end(1).await;
    owner.submit(with_slot(4, slot(1, WhenFull::Drop))).await;
    assert_eq!(owner.inbox(4).await.len(), 1);
}

async fn the_oldest_is_replaced(store: AnyStore) {
    let mut owner = Owner::new(store).await;
    let replacing = |n| with_slot(n, slot(2, WhenFull::Replace));
    owner.submit(replacing(1)).await;
    owner.submit(replacing(2)).await;
    assert_eq!(owner.heard().await, [(1, 1), (2, 1)]);
    owner.submit(replacing(3)).await;
    assert_eq!(owner.heard().await, [(1, 2)], "the oldest is cancelled");
    assert_eq!(owner.waiting().await, [3], "until it has ended");
    // Two more: the second, and the one that still waits.
    owner.submit(replacing(4)).await;
    owner.submit(replacing(5)).await;
    assert_eq!(owner.heard().await, [(2, 2), (3, 2)]);
    assert_eq!(owner.waiting().await, [4, 5]);
    let inbox = owner.inbox(3).await;
    let [Message::Start { .. }, Message::Cancel { reason }] = &inbox[..] else {
        panic!("a start and a cancel, not {inbox:?}");
    };
    assert_eq!(
        *reason,
        format!("execution {} takes its place (concurrency)", id(5))
    );
    owner.end(3).await;
    assert_eq!(owner.heard().await, [], "it had no slot");
    owner.end(1).await;
    owner.end(2).await;
    assert_eq!(owner.heard().await, [(4, 0), (5, 0)]);
    assert!(owner.waiting().await.is_empty());
}

async fn what_waits_is_cancelled_without_a_slot_and_hears_nothing_else(store: AnyStore) {
    let mut owner = Owner::new(store).await;
    for n in 1..=4 {
        owner.submit(queued(n, 1)).await;
    }
    for n in 2..=3 {
        owner.submit(signal(id(n), "s")).await;
    }
    assert_eq!(owner.heard().await, [(1, 1)]);
    owner.submit(cancel(id(2), "no")).await;
    let terminate = Submission {
        message: Message::Terminate {
            reason: "no".into(),
        },
        ..cancel(id(4), "")
    };
    owner.submit(terminate).await;
    assert_eq!(owner.heard().await, [(2, 3), (4, 2)]);
    assert_eq!(owner.found().await, [1, 2, 4]);
    assert_eq!(owner.waiting().await, [3]);
    owner.end(2).await;
    owner.end(4).await;
    assert_eq!(owner.heard().await, [], "they had no slot");
    owner.end(1).await;
    assert_eq!(owner.heard().await, [(3, 0)]);
    let inbox = owner.inbox(3).await;
    assert!(
        matches!(inbox[..], [Message::Start { .. }, Message::Signal { .. }]),
        "{inbox:?}"
    );
}

async fn executions_that_others_start_need_slots_too(store: AnyStore) {
    let mut owner = Owner::new(store).await;
    owner.submit(start(id(1))).await;
    let sent = |n| Outgoing {
        execution: id(n),
        message: queued(n, 1).message,
    };
    let sends = Append {
        outbox: vec![sent(2), sent(3), sent(4)],
        ..append(id(1), 0, 1)
    };
    let parent = fence(&owner.fences, id(1));
    owner.store.append(parent, sends).await.unwrap();
    assert_eq!(owner.heard().await, [(1, 1), (2, 1)]);
    assert_eq!(owner.waiting().await, [3, 4]);
    // Its parent cancels one that waits, and ends.
    let stops = Append {
        status: Status::Cancelled,
        outbox: vec![Outgoing {
            execution: id(3),
            message: cancel_message("its parent ended"),
        }],
        ..append(id(1), 1, 1)
    };
    owner.store.append(parent, stops).await.unwrap();
    assert_eq!(owner.heard().await, [(3, 2)]);
    owner.end(2).await;
    assert_eq!(owner.heard().await, [(4, 0)]);
}

async fn the_limit_is_that_of_the_one_that_waits(store: AnyStore) {
    let mut owner = Owner::new(store).await;
    for (n, limit) in [(1, 1), (2, 1), (3, 1), (4, 3)] {
        owner.submit(queued(n, limit)).await;
    }
    // A higher limit lets nobody by who waits longer.
    assert_eq!(owner.heard().await, [(1, 1)]);
    owner.end(1).await;
    assert_eq!(owner.heard().await, [(2, 0)]);
    owner.end(2).await;
    assert_eq!(owner.heard().await, [(3, 0), (4, 0)]);
}

async fn a_repeated_key_takes_no_second_slot(store: AnyStore) {
    let mut owner = Owner::new(store).await;
    for n in 1..=2 {
        owner.submit(keyed(queued(n, 1), "k", "r")).await;
    }
    owner.submit(keyed(queued(3, 1), "l", "r")).await;
    assert_eq!(owner.heard().await, [(1, 1)]);
    assert_eq!(owner.waiting().await, [3]);
}
