#![allow(clippy::unwrap_used, reason = "tests")]

use std::ops::RangeInclusive;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use nebula_flow::Timestamp;
use nebula_flow::id::{Digest, ExecutionId, TenantId, WorkflowId};
use nebula_flow::payload::Payload;
use nebula_flow::ports::{
    Append, Durability, Expect, Fence, Kind, LogError, Message, RecordError, Status, Submission,
    Submitted,
};

use super::*;
use crate::request::{Answer, AppendRows, Submit, Ticket, record_key};
use crate::rows::{Facts, Needs, Writes};

/// Tells the size of each batch, and begins one only when it is let.
struct Gate {
    sizes: mpsc::Sender<usize>,
    open: mpsc::Receiver<()>,
}

impl Store for Gate {
    fn transact<'a>(
        &mut self,
        needs: &Needs,
        decide: &mut dyn FnMut(Facts) -> Writes<'a>,
    ) -> Result<(), Trouble> {
        self.sizes
            .send(needs.records.len() + needs.blobs.len() + needs.executions.len())
            .unwrap();
        self.open.recv().map_err(|_| Trouble::closed())?;
        decide(Facts::default());
        Ok(())
    }
}

fn put(n: usize) -> (Request, Answer<u64, RecordError>) {
    let (ticket, answer) = Ticket::new();
    let key = record_key(Kind::Grant, &TenantId::default_tenant(), &n.to_string());
    (
        Request::Put {
            key,
            value: Bytes::new(),
            expect: Expect::Any,
            ticket,
        },
        answer,
    )
}

fn blob(n: u8, size: usize) -> (Request, Answer<(), RecordError>) {
    let (ticket, answer) = Ticket::new();
    (
        Request::PutBlob {
            digest: Digest::of(&[n]),
            bytes: vec![n; size].into(),
            ticket,
        },
        answer,
    )
}

fn start(n: u128, durability: Durability) -> (Request, Answer<Submitted, LogError>) {
    let (ticket, answer) = Ticket::new();
    let submission = Submission {
        tenant: TenantId::default_tenant(),
        execution: ExecutionId::from_u128(n),
        key: None,
        at: Timestamp::from_millis(0),
        message: Message::Start {
            workflow: WorkflowId::from_u128(1),
            name: "w".parse().unwrap(),
            version: 1,
            input: Payload::Inline(Bytes::new()),
            parent: None,
            origin: None,
            follows: None,
            priority: 0,
            slot: None,
            paused: false,
        },
        expect: None,
        durability,
    };
    let submit = Submit {
        submission,
        body: Bytes::new(),
        blobs: Vec::new(),
        announced: false,
        ticket,
    };
    (Request::Submit(submit), answer)
}

fn append(n: u128, status: Status) -> (Request, Answer<(), LogError>) {
    let (ticket, answer) = Ticket::new();
    let execution = ExecutionId::from_u128(n);
    let head = Append {
        execution,
        expected: 0,
        events: Vec::new(),
        lines: Vec::new(),
        consumed: 1,
        inbox_empty: false,
        status,
        wake_at: None,
        error: None,
        outbox: Vec::new(),
    };
    let append = AppendRows {
        fence: Fence {
            shard: execution.shard(),
            epoch: 1,
        },
        head,
        events: Vec::new(),
        end: None,
        blobs: Vec::new(),
        lines: Vec::new(),
        outbox: Vec::new(),
        ticket,
    };
    (Request::Append(append), answer)
}

/// A queue that is not served yet, and its writer's thread once it is.
fn queue() -> Arc<Queue> {
    Arc::new(Queue::new(Arc::new(Feeds::new())))
}

fn serve(
    queue: &Arc<Queue>,
) -> (
    mpsc::Receiver<usize>,
    mpsc::Sender<()>,
    thread::JoinHandle<()>,
) {
    let (sizes, seen) = mpsc::channel();
    let (let_go, open) = mpsc::channel();
    let queue = Arc::clone(queue);
    let writer = thread::spawn(move || queue.serve(&mut Gate { sizes, open }));
    (seen, let_go, writer)
}

#[tokio::test]
async fn what_queues_up_during_a_commit_shares_the_next() {
    let queue = queue();
    let (seen, let_go, writer) = serve(&queue);
    let mut answers = Vec::new();
    for n in 0..101 {
        let (request, answer) = put(n);
        queue.push(request).await.unwrap();
        answers.push(answer);
        if n == 0 {
            assert_eq!(seen.recv().unwrap(), 1);
        }
    }
    let_go.send(()).unwrap();
    assert_eq!(seen.recv().unwrap(), 100);
    let_go.send(()).unwrap();
    for answer in answers {
        assert_eq!(answer.wait().await.unwrap(), 1);
    }
    queue.close();
    writer.join().unwrap();
}

/// The batches that a queue makes of what waits in it, until it has nothing more
/// that is due within ten milliseconds.
fn batches(queue: &Queue) -> Vec<Vec<u128>> {
    let execution = |item: &Item| match &item.request {
        Request::Submit(submit) => submit.submission.execution.as_u128(),
        Request::Append(append) => 100 + append.head.execution.as_u128(),
        _ => 0,
    };
    let mut batches = Vec::new();
    let mut now = Instant::now();
    loop {
        let mut waiting = queue.lock();
        match waiting.due(now) {
            Due::Now => batches.push(waiting.take(now).iter().map(execution).collect()),
            Due::At(instant) if instant < now + Duration::from_millis(10) => now = instant,
            Due::At(_) | Due::Never => return batches,
        }
    }
}

#[tokio::test]
async fn a_patient_start_shares_the_batch_of_its_own_first_append() {
    let queue = queue();
    for n in 1..=3 {
        queue
            .push(start(n, Durability::WithAppend).0)
            .await
            .unwrap();
    }
    assert!(batches(&queue).is_empty(), "all are patient");
    queue.push(append(2, Status::Succeeded).0).await.unwrap();
    assert_eq!(batches(&queue), [[2, 102]]);
    queue.push(start(4, Durability::Now).0).await.unwrap();
    assert_eq!(batches(&queue), [[4]], "one that is not patient goes alone");
    let (ticket, _answer) = Ticket::new();
    queue.push(Request::Flush { ticket }).await.unwrap();
    assert_eq!(batches(&queue), [[1, 3, 0]], "a flush takes all before it");
}

#[tokio::test]
async fn a_patient_start_without_an_append_is_committed_after_a_while() {
    let queue = queue();
    let (seen, let_go, writer) = serve(&queue);
    let began = Instant::now();
    let (request, answer) = start(1, Durability::WithAppend);
    queue.push(request).await.unwrap();
    assert_eq!(seen.recv().unwrap(), 1);
    assert!(began.elapsed() >= Duration::from_millis(50));
    let_go.send(()).unwrap();
    drop(answer);
    queue.close();
    writer.join().unwrap();
}

/// Queues appends of these executions, with this status; the instant before.
async fn add(queue: &Queue, executions: RangeInclusive<u128>, status: Status) -> Instant {
    let now = Instant::now();
    for n in executions {
        queue.push(append(n, status).0).await.unwrap();
    }
    now
}

fn due(queue: &Queue, now: Instant) -> Due {
    queue.lock().due(now)
}

fn take(queue: &Queue, now: Instant) {
    queue.lock().take(now);
}

#[tokio::test]
async fn who_is_alone_is_never_kept_waiting() {
    let queue = queue();
    for _ in 0..100 {
        let now = add(&queue, 1..=1, Status::Running).await;
        assert_eq!(due(&queue, now), Due::Now);
        take(&queue, now);
    }
}

#[tokio::test]
async fn the_writer_waits_for_half_of_those_that_it_knows() {
    let queue = queue();
    let began = add(&queue, 1..=10, Status::Running).await;
    take(&queue, began);
    // A try, since they came together; nothing comes, so that is left alone.
    let now = add(&queue, 1..=2, Status::Running).await;
    let Due::At(end) = due(&queue, now) else {
        panic!("it waits");
    };
    take(&queue, end);
    for n in 1..=5 {
        assert!(n == 1 || matches!(due(&queue, began), Due::At(_)), "{n}");
        add(&queue, n..=n, Status::Running).await;
    }
    assert_eq!(due(&queue, began), Due::Now, "half of ten are there");
    take(&queue, began);
    // Those that have not been heard of for long are not waited for.
    let now = add(&queue, 1..=1, Status::Running).await;
    let later = now + Duration::from_secs(1);
    assert_eq!(due(&queue, later), Due::Now);
}

#[tokio::test]
async fn the_writer_waits_as_long_as_requests_keep_coming_and_tries_ever_less_often() {
    let queue = queue();
    let now = add(&queue, 1..=2, Status::Succeeded).await;
    take(&queue, now);
    // Two that end, again and again: nothing is known to run, and nothing comes.
    let (mut tries, mut batches) = (Vec::new(), 0);
    while tries.len() < 5 {
        let now = add(&queue, 1..=2, Status::Succeeded).await;
        let end = match due(&queue, now) {
            Due::At(end) => {
                tries.push(std::mem::take(&mut batches));
                end
            }
            Due::Now => now,
            Due::Never => panic!("two wait"),
        };
        batches += 1;
        take(&queue, end);
    }
    assert_eq!(tries[1..], [2, 3, 5, 9]);
    for n in 0..16 {
        let now = add(&queue, 1..=2, Status::Running).await;
        assert_eq!(due(&queue, now), Due::Now, "{n}");
        take(&queue, now);
    }
    // Enough come, so the next is a try again.
    let now = add(&queue, 1..=31, Status::Running).await;
    assert!(matches!(due(&queue, now), Due::At(_)));
    add(&queue, 32..=32, Status::Running).await;
    assert_eq!(due(&queue, now), Due::Now);
    take(&queue, now);
    let now = add(&queue, 1..=2, Status::Running).await;
    assert!(matches!(due(&queue, now), Due::At(_)));
}

#[tokio::test]
async fn a_batch_is_bounded_and_closing_drains() {
    let queue = queue();
    let mut answers = Vec::new();
    for n in 0..BATCH_REQUESTS + 3 {
        let (request, answer) = put(n);
        queue.push(request).await.unwrap();
        answers.push(answer);
    }
    let mut blobs = Vec::new();
    for n in 0..3 {
        let (request, answer) = blob(n, BATCH_BYTES / 2);
        queue.push(request).await.unwrap();
        blobs.push(answer);
    }
    queue.close();
    assert!(
        queue.push(put(0).0).await.is_err(),
        "nothing is queued any more"
    );
    let (seen, let_go, writer) = serve(&queue);
    for _ in 0..4 {
        let_go.send(()).unwrap();
    }
    writer.join().unwrap();
    // Two halves and their rows are more than a whole.
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        [BATCH_REQUESTS, 4, 1, 1]
    );
    for answer in answers {
        answer.wait().await.unwrap();
    }
    for answer in blobs {
        answer.wait().await.unwrap();
    }
}

#[tokio::test]
async fn a_writer_that_panics_leaves_nobody_waiting() {
    struct Broken;
    impl Store for Broken {
        fn transact<'a>(
            &mut self,
            _: &Needs,
            _: &mut dyn FnMut(Facts) -> Writes<'a>,
        ) -> Result<(), Trouble> {
            panic!("on purpose")
        }
    }
    let queue = queue();
    let mut answers = Vec::new();
    for n in 0..BATCH_REQUESTS + 1 {
        let (request, answer) = put(n);
        queue.push(request).await.unwrap();
        answers.push(answer);
    }
    let serving = Arc::clone(&queue);
    assert!(
        thread::spawn(move || serving.serve(&mut Broken))
            .join()
            .is_err()
    );
    for answer in answers {
        assert!(matches!(
            answer.wait().await,
            Err(RecordError::Unavailable(_))
        ));
    }
    assert!(queue.push(put(0).0).await.is_err());
}
