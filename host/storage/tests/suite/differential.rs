//! The same operations on every store give the same answers and the same state.

use std::sync::Arc;

use bytes::Bytes;
use nebula_flow::event::{Event, Failure, FailureKind, Recorded};
use nebula_flow::id::{Digest, ExecutionId, Shard};
use nebula_flow::payload::Payload;
use nebula_flow::ports::{
    Append, EndedQuery, ExecutionQuery, Expect, Fence, Kind, Message, Outgoing, Slot, Status,
    WhenFull,
};
use nebula_flow::time::Timestamp;
use nebula_storage::{Memory, Postgres, Sqlite};
use proptest::prelude::*;

use crate::database::{schema, url};
use crate::kit::*;

/// Operations of a case, and cases: a few, or with `NEBULA_LONG` as many as the
/// promise has.
fn counts() -> (usize, u32) {
    if std::env::var_os("NEBULA_LONG").is_some() {
        (10_000, 100)
    } else {
        (250, 6)
    }
}

/// One operation; small numbers, so that they meet.
#[derive(Debug, Clone)]
enum Operation {
    Start {
        execution: u8,
        key: Option<u8>,
        request: u8,
        slot: Option<(u8, u8, u8)>,
    },
    Cancel {
        execution: u8,
        key: Option<u8>,
        request: u8,
        stranger: bool,
    },
    Append {
        execution: u8,
        stale: bool,
        count: u8,
        lines: u8,
        consumed: u8,
        status: u8,
        wake: bool,
        fenced: bool,
        told: Vec<(u8, bool)>,
    },
    Claim {
        owner: u8,
    },
    Release {
        shard: u8,
    },
    Put {
        kind: u8,
        key: u8,
        value: u8,
        expect: u8,
    },
    Remove {
        kind: u8,
        key: u8,
    },
    Blob {
        content: u8,
    },
    Pin {
        content: u8,
    },
    Expunge {
        executions: Vec<u8>,
        at: u8,
    },
    Sweep {
        day: u8,
    },
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation as O;
    let key = || proptest::option::weighted(0.3, 0..4u8);
    let told = || prop::collection::vec((0..12u8, any::<bool>()), 0..3);
    let rarely = || proptest::bool::weighted(0.1);
    prop_oneof![
        4 => (0..12u8, key(), 0..2u8, proptest::option::of((0..2u8, 1..4u8, 0..6u8)))
            .prop_map(|(execution, key, request, slot)| O::Start { execution, key, request, slot }),
        2 => (0..12u8, key(), 0..2u8, rarely())
            .prop_map(|(execution, key, request, stranger)| O::Cancel { execution, key, request, stranger }),
        9 => ((0..12u8, rarely(), 0..4u8, 0..3u8), (0..3u8, 0..16u8, any::<bool>(), rarely()), told()).prop_map(
            |((execution, stale, count, lines), (consumed, status, wake, fenced), told)| {
                O::Append { execution, stale, count, lines, consumed, status, wake, fenced, told }
            }
        ),
        1 => (0..2u8).prop_map(|owner| O::Claim { owner }),
        1 => (0..12u8).prop_map(|shard| O::Release { shard }),
        3 => (0..4u8, 0..6u8, any::<u8>(), 0..5u8)
            .prop_map(|(kind, key, value, expect)| O::Put { kind, key, value, expect }),
        1 => (0..4u8, 0..6u8).prop_map(|(kind, key)| O::Remove { kind, key }),
        1 => (0..4u8).prop_map(|content| O::Blob { content }),
        1 => (0..4u8).prop_map(|content| O::Pin { content }),
        2 => (prop::collection::vec(0..12u8, 1..3), 0..10u8)
            .prop_map(|(executions, at)| O::Expunge { executions, at }),
        2 => (0..20u8).prop_map(|day| O::Sweep { day }),
    ]
}

const KINDS: [Kind; 4] = [
    Kind::Workflow,
    Kind::WorkflowVersion,
    Kind::Grant,
    Kind::Credential,
];
const NAMES: [&str; 6] = ["a", "a/b", "a/c", "b", "é", "a/\0"];
const ENDS: [Status; 3] = [Status::Succeeded, Status::Failed, Status::Cancelled];

/// A slot of one of these groups, with so many slots.
fn some_slot((group, limit, when_full): (u8, u8, u8)) -> Slot {
    Slot {
        group: NAMES[usize::from(group)].into(),
        limit: limit.into(),
        when_full: match when_full {
            0 => WhenFull::Drop,
            1 => WhenFull::Replace,
            _ => WhenFull::Queue,
        },
    }
}

/// Of these, each is a blob.
fn blob(content: u8) -> Bytes {
    Bytes::from(vec![content; 10])
}

/// An event of which every other one refers to a blob.
fn large(mut recorded: Recorded) -> Recorded {
    if let Event::StepReady { input, .. } = &mut recorded.event
        && recorded.version.is_multiple_of(2)
    {
        let bytes = blob(u8::try_from(recorded.version / 2 % 4).unwrap());
        *input = Payload::Blob {
            digest: Digest::of(&bytes),
            size: 10,
        };
    }
    recorded
}

fn day(n: u8) -> Timestamp {
    at(1_000 + 86_400_000 * u64::from(n))
}

fn execution(n: u8) -> ExecutionId {
    in_shard(n % 5, u64::from(n))
}

/// To another execution, or to none that there is: a start or a cancel.
fn letter((n, starts): (u8, bool)) -> Outgoing {
    let message = match starts {
        true => start_message(),
        false => cancel_message("told"),
    };
    Outgoing {
        execution: execution(n),
        message,
    }
}

/// Does it; the answer as text, to be compared.
async fn perform(store: &AnyStore, operation: &Operation, fences: &mut Vec<Fence>) -> String {
    use Operation as O;
    match operation.clone() {
        O::Start {
            execution: n,
            key,
            request,
            slot,
        } => {
            let mut submission = start(execution(n));
            if let Message::Start { slot: needed, .. } = &mut submission.message {
                *needed = slot.map(some_slot);
            }
            if let Some(key) = key {
                submission = keyed(submission, &key.to_string(), &request.to_string());
            }
            format!("{:?}", store.submit(submission).await)
        }
        O::Cancel {
            execution: n,
            key,
            request,
            stranger: is_stranger,
        } => {
            let mut submission = cancel(execution(n), &request.to_string());
            if let Some(key) = key {
                submission = keyed(submission, &key.to_string(), &request.to_string());
            }
            if is_stranger {
                submission.tenant = stranger();
            }
            format!("{:?}", store.submit(submission).await)
        }
        O::Append {
            execution: n,
            stale,
            count,
            lines,
            consumed,
            status,
            wake,
            fenced,
            told,
        } => {
            let id = execution(n);
            let seen = store.execution(&tenant(), id).await.unwrap();
            let expected = seen.map_or(0, |e| e.version) + u64::from(stale);
            let status = match status {
                0..=2 => ENDS[usize::from(status)],
                3..=8 => Status::Waiting,
                _ => Status::Running,
            };
            let append = Append {
                lines: (0..lines).map(|n| line(&n.to_string())).collect(),
                consumed: consumed.into(),
                status,
                wake_at: wake.then(|| at(7_000)),
                error: (status == Status::Failed).then(|| Failure::new(FailureKind::Host, "no")),
                outbox: told.into_iter().map(letter).collect(),
                ..append(id, expected, count.into())
            };
            let append = Append {
                events: append.events.into_iter().map(large).collect(),
                ..append
            };
            let held = fences.get(usize::from(id.shard().0)).copied();
            let mut fence = held.unwrap_or(Fence {
                shard: id.shard(),
                epoch: 1,
            });
            fence.epoch += u64::from(fenced);
            format!("{:?}", store.append(fence, append).await)
        }
        O::Claim { owner } => {
            *fences = claim(store, &owner.to_string()).await;
            format!("{fences:?}")
        }
        O::Release { shard } => {
            let given: Vec<_> = fences
                .get(usize::from(shard))
                .copied()
                .into_iter()
                .collect();
            format!("{:?}", store.release(&given).await)
        }
        O::Put {
            kind,
            key,
            value,
            expect,
        } => {
            let expect = match expect {
                0 => Expect::Any,
                1 => Expect::Absent,
                n => Expect::Version(u64::from(n) - 1),
            };
            let (kind, name) = (KINDS[usize::from(kind)], NAMES[usize::from(key)]);
            format!(
                "{:?}",
                store
                    .put(kind, &tenant(), name, Bytes::from(vec![value]), expect)
                    .await
            )
        }
        O::Remove { kind, key } => {
            let (kind, name) = (KINDS[usize::from(kind)], NAMES[usize::from(key)]);
            format!("{:?}", store.remove(kind, &tenant(), name).await)
        }
        O::Blob { content } => format!("{:?}", store.put_blob(blob(content)).await),
        O::Pin { content } => format!("{:?}", store.pin_blob(Digest::of(&blob(content))).await),
        O::Expunge { executions, at } => {
            let ids: Vec<_> = executions.into_iter().map(execution).collect();
            let removed = store.remove_executions(&tenant(), &ids, day(at)).await;
            format!("{removed:?}")
        }
        O::Sweep { day: n } => format!("{:?}", store.sweep(day(n)).await),
    }
}

/// All that can be read.
async fn state(store: &AnyStore) -> Vec<String> {
    let mut seen = Vec::new();
    for n in 0..12 {
        let id = execution(n);
        seen.push(format!("{:?}", store.execution(&tenant(), id).await));
        seen.push(format!("{:?}", store.inbox(id).await));
        seen.push(format!("{:?}", store.history(id, 0, 1_000).await));
        seen.push(format!("{:?}", store.lines(id, 0, 1_000).await));
    }
    for shard in 0..5 {
        seen.push(format!(
            "{:?}",
            store.unfinished(Shard(shard), None, 100).await
        ));
    }
    for status in [
        None,
        Some(Status::Running),
        Some(Status::Succeeded),
        Some(Status::Queued),
    ] {
        let query = ExecutionQuery {
            status,
            limit: 100,
            ..ExecutionQuery::default()
        };
        seen.push(format!("{:?}", store.executions(&tenant(), &query).await));
    }
    for beyond in 0..3 {
        let query = EndedQuery {
            workflow: workflow(1),
            before: at(1_000_000),
            beyond,
            after: None,
            limit: 5,
        };
        seen.push(format!("{:?}", store.ended(&tenant(), &query).await));
    }
    for content in 0..4 {
        let digest = Digest::of(&blob(content));
        seen.push(format!("{:?}", store.blob(digest).await));
    }
    for kind in KINDS {
        seen.push(format!(
            "{:?}",
            store.list(kind, &tenant(), "", None, 100).await
        ));
        seen.push(format!(
            "{:?}",
            store.list(kind, &tenant(), "a/", Some("a/b"), 100).await
        ));
    }
    seen
}

/// Does them all on every store, and compares each answer and the end.
async fn compare(operations: &[Operation]) {
    let dir = tempfile::tempdir().unwrap();
    let database = url(&schema());
    let memory: AnyStore = Arc::new(Memory::new());
    let others: [AnyStore; 2] = [
        Arc::new(Sqlite::open(dir.path()).unwrap()),
        Arc::new(Postgres::open(&database).await.unwrap()),
    ];
    let mut fences = [claim(&memory, "0").await, Vec::new(), Vec::new()];
    for (store, fences) in others.iter().zip(&mut fences[1..]) {
        *fences = claim(store, "0").await;
    }
    for operation in operations {
        let expected = perform(&memory, operation, &mut fences[0]).await;
        for (store, fences) in others.iter().zip(&mut fences[1..]) {
            let answer = perform(store, operation, fences).await;
            assert_eq!(answer, expected, "{operation:?}");
        }
    }
    let expected = state(&memory).await;
    for store in &others {
        assert_eq!(state(store).await, expected);
    }
    drop(others);
    let reopened: [AnyStore; 2] = [
        Arc::new(Sqlite::open(dir.path()).unwrap()),
        Arc::new(Postgres::open(&database).await.unwrap()),
    ];
    for store in &reopened {
        assert_eq!(state(store).await, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: counts().1,
        max_shrink_iters: 500,
        rng_seed: proptest::test_runner::RngSeed::Fixed(0x4e62_4c61),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_store_answers_alike(operations in proptest::collection::vec(operation(), counts().0)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(compare(&operations));
    }
}
