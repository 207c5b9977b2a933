//! What the cases share: a store of both ports, and short words for what is
//! written to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use nebula_flow::event::{Event, Recorded};
use nebula_flow::id::{
    Digest, ExecutionId, NodeId, SHARDS, Shard, StepKey, TenantId, WorkflowId, WorkflowName,
};
use nebula_flow::payload::Payload;
use nebula_flow::ports::{
    Append, Durability, EventLog, Fence, IdempotencyKey, LogLine, Message, Records, Status,
    Submission,
};
use nebula_flow::time::Timestamp;

/// Both ports of one store.
pub(crate) trait Store: EventLog + Records {}

impl<T: EventLog + Records> Store for T {}

/// A store of any kind.
pub(crate) type AnyStore = Arc<dyn Store>;

pub(crate) fn tenant() -> TenantId {
    TenantId::default_tenant()
}

pub(crate) fn stranger() -> TenantId {
    TenantId::new("stranger").unwrap()
}

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// An id that no other call gives; later ones are greater.
pub(crate) fn fresh() -> ExecutionId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    ExecutionId::mint(at(1_700_000_000_000 + n), u128::from(n))
}

/// An id in this shard; greater for a greater `n`.
pub(crate) fn in_shard(shard: u8, n: u64) -> ExecutionId {
    ExecutionId::mint(at(1_800_000_000_000 + n), u128::from(shard % SHARDS))
}

pub(crate) fn workflow(n: u128) -> WorkflowId {
    WorkflowId::from_u128(n)
}

pub(crate) fn start_message() -> Message {
    Message::Start {
        workflow: workflow(1),
        name: WorkflowName::new("weather").unwrap(),
        version: 3,
        input: Payload::Inline(Bytes::from_static(b"\x93\x01\x02\x03")),
        parent: None,
        origin: None,
        follows: None,
        priority: 0,
        slot: None,
        paused: false,
    }
}

pub(crate) fn cancel_message(reason: &str) -> Message {
    Message::Cancel {
        reason: reason.into(),
    }
}

pub(crate) fn start(execution: ExecutionId) -> Submission {
    Submission {
        tenant: tenant(),
        execution,
        key: None,
        at: at(10),
        message: start_message(),
        expect: None,
        durability: Durability::Now,
    }
}

pub(crate) fn cancel(execution: ExecutionId, reason: &str) -> Submission {
    Submission {
        at: at(20),
        message: cancel_message(reason),
        ..start(execution)
    }
}

pub(crate) fn signal(execution: ExecutionId, name: &str) -> Submission {
    Submission {
        at: at(20),
        message: Message::Signal {
            name: name.parse().unwrap(),
            payload: Payload::Inline(Bytes::from_static(b"\xc3")),
        },
        ..start(execution)
    }
}

pub(crate) fn keyed(submission: Submission, key: &str, request: &str) -> Submission {
    let fingerprint = Digest::of(request.as_bytes());
    Submission {
        key: Some(IdempotencyKey {
            key: key.into(),
            fingerprint,
        }),
        ..submission
    }
}

pub(crate) fn patient(submission: Submission) -> Submission {
    Submission {
        durability: Durability::WithAppend,
        ..submission
    }
}

pub(crate) fn step() -> StepKey {
    StepKey::root(NodeId::new("fetch").unwrap()).item(2)
}

pub(crate) fn event(version: u64) -> Recorded {
    let input = Payload::Inline(Bytes::from(version.to_string().into_bytes()));
    Recorded {
        version,
        at: at(100 + version),
        event: Event::StepReady {
            step: step(),
            input,
        },
    }
}

pub(crate) fn line(message: &str) -> LogLine {
    LogLine {
        at: at(50),
        level: "info".into(),
        step: step(),
        attempt: 1,
        message: message.into(),
    }
}

/// An append of `count` events after version `expected` to a running execution.
pub(crate) fn append(execution: ExecutionId, expected: u64, count: u64) -> Append {
    Append {
        execution,
        expected,
        events: (expected + 1..=expected + count).map(event).collect(),
        lines: Vec::new(),
        consumed: 0,
        inbox_empty: false,
        status: Status::Running,
        wake_at: None,
        error: None,
        outbox: Vec::new(),
    }
}

/// Every shard, held by `owner`; by number.
pub(crate) async fn claim(store: &AnyStore, owner: &str) -> Vec<Fence> {
    let mut fences = store.claim(owner).await.unwrap();
    fences.sort_by_key(|fence| fence.shard);
    assert_eq!(
        fences.iter().map(|f| f.shard).collect::<Vec<_>>(),
        Shard::all().collect::<Vec<_>>()
    );
    fences
}

/// The fence for an execution.
pub(crate) fn fence(fences: &[Fence], execution: ExecutionId) -> Fence {
    fences[usize::from(execution.shard().0)]
}

/// The next item of a feed. The bound only ends a test that has failed.
pub(crate) async fn next<T>(feed: &mut nebula_flow::ports::Feed<T>) -> T {
    use futures_util::StreamExt;
    tokio::time::timeout(Duration::from_secs(60), feed.next())
        .await
        .expect("something is told")
        .unwrap()
}
