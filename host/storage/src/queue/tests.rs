#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use nebula_flow::id::{Digest, TenantId};
use nebula_flow::ports::{Expect, Kind, RecordError};

use super::*;
use crate::request::{Answer, Ticket, record_key};
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
            .send(needs.records.len() + needs.blobs.len())
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
