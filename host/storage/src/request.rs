//! What a caller asks of the writer, and how it is answered.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use nebula_flow::Timestamp;
use nebula_flow::event::Recorded;
use nebula_flow::id::{Digest, ExecutionId, TenantId};
use nebula_flow::ports::{
    Append, Arrival, Durability, Expect, Fence, InboxRow, LogError, Message, Outgoing, RecordError,
    Removal, Submission, Submitted,
};
use tokio::sync::oneshot;

use crate::rows::{EventRow, RecordKey};
use crate::trouble::Trouble;

/// One request to the writer.
#[derive(Debug)]
pub(crate) enum Request {
    Submit(Submit),
    Append(AppendRows),
    Claim {
        owner: String,
        ticket: Ticket<Vec<Fence>, LogError>,
    },
    Release {
        fences: Vec<Fence>,
        ticket: Ticket<(), LogError>,
    },
    /// Changes nothing: answered once everything before it is on disk.
    Flush {
        ticket: Ticket<(), LogError>,
    },
    Put {
        key: RecordKey,
        value: Bytes,
        expect: Expect,
        ticket: Ticket<u64, RecordError>,
    },
    Remove {
        key: RecordKey,
        ticket: Ticket<bool, RecordError>,
    },
    PutBlob {
        digest: Digest,
        bytes: Bytes,
        ticket: Ticket<(), RecordError>,
    },
    PinBlob {
        digest: Digest,
        ticket: Ticket<bool, RecordError>,
    },
    RemoveExecutions {
        tenant: TenantId,
        executions: Vec<ExecutionId>,
        at: Timestamp,
        ticket: Ticket<Vec<Removal>, LogError>,
    },
    Sweep {
        at: Timestamp,
        ticket: Ticket<bool, LogError>,
    },
}

/// A submission and its message as bytes.
#[derive(Debug)]
pub(crate) struct Submit {
    pub(crate) submission: Submission,
    pub(crate) body: Bytes,
    /// Those that the message refers to.
    pub(crate) blobs: Vec<Digest>,
    /// Its arrival was told when it was queued.
    pub(crate) announced: bool,
    pub(crate) ticket: Ticket<Submitted, LogError>,
}

impl Submit {
    /// The execution that a start goes on with or repeats.
    pub(crate) fn origin(&self) -> Option<ExecutionId> {
        match &self.submission.message {
            Message::Start { origin, .. } => origin.map(|origin| origin.execution),
            _ => None,
        }
    }
}

/// An append whose events and lines are bytes.
#[derive(Debug)]
pub(crate) struct AppendRows {
    pub(crate) fence: Fence,
    /// Without its events, lines and outbox.
    pub(crate) head: Append,
    pub(crate) events: Vec<EventRow>,
    /// The last event, if it ends the execution and is small.
    pub(crate) end: Option<Arc<Recorded>>,
    /// Those that the events refer to.
    pub(crate) blobs: Vec<Digest>,
    pub(crate) lines: Vec<Bytes>,
    pub(crate) outbox: Vec<Letter>,
    pub(crate) ticket: Ticket<(), LogError>,
}

/// A message to another execution, and the same as bytes.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) outgoing: Outgoing,
    pub(crate) body: Bytes,
    /// Those that the message refers to.
    pub(crate) blobs: Vec<Digest>,
}

/// Where an answer goes, and the verdict once there is one. It is sent only
/// when the batch is on disk.
#[derive(Debug)]
pub(crate) struct Ticket<T, E> {
    reply: oneshot::Sender<Result<T, E>>,
    verdict: RefCell<Option<Result<T, E>>>,
}

impl<T, E: From<Trouble>> Ticket<T, E> {
    /// A ticket, and where its answer will be.
    pub(crate) fn new() -> (Self, Answer<T, E>) {
        let (reply, answer) = oneshot::channel();
        (
            Self {
                reply,
                verdict: RefCell::new(None),
            },
            Answer(answer),
        )
    }

    /// Keeps the verdict until the batch is on disk.
    pub(crate) fn decide(&self, verdict: Result<T, E>) {
        self.verdict.replace(Some(verdict));
    }

    fn settle(self, trouble: Option<&Trouble>) {
        let verdict = match trouble {
            Some(trouble) => Err(trouble.clone().into()),
            None => self
                .verdict
                .into_inner()
                .unwrap_or_else(|| Err(Trouble::closed().into())),
        };
        // An error only says that the caller no longer waits.
        drop(self.reply.send(verdict));
    }
}

/// Where the answer to a request will be.
#[derive(Debug)]
pub(crate) struct Answer<T, E>(oneshot::Receiver<Result<T, E>>);

impl<T, E: From<Trouble>> Answer<T, E> {
    /// Waits for the answer.
    pub(crate) async fn wait(self) -> Result<T, E> {
        self.0
            .await
            .unwrap_or_else(|_| Err(Trouble::closed().into()))
    }
}

impl Request {
    /// Sends the verdict, or the trouble that befell the whole batch.
    pub(crate) fn settle(self, trouble: Option<&Trouble>) {
        match self {
            Self::Submit(submit) => submit.ticket.settle(trouble),
            Self::Append(append) => append.ticket.settle(trouble),
            Self::Claim { ticket, .. } => ticket.settle(trouble),
            Self::Release { ticket, .. } | Self::Flush { ticket } => ticket.settle(trouble),
            Self::Put { ticket, .. } => ticket.settle(trouble),
            Self::Remove { ticket, .. } => ticket.settle(trouble),
            Self::PutBlob { ticket, .. } => ticket.settle(trouble),
            Self::PinBlob { ticket, .. } => ticket.settle(trouble),
            Self::RemoveExecutions { ticket, .. } => ticket.settle(trouble),
            Self::Sweep { ticket, .. } => ticket.settle(trouble),
        }
    }

    /// About how many bytes it will write.
    pub(crate) fn bytes(&self) -> usize {
        const ROW: usize = 256;
        ROW + match self {
            Self::Submit(submit) => submit.body.len(),
            Self::Append(append) => {
                let events: usize = append.events.iter().map(|e| e.body.len() + 32).sum();
                let lines: usize = append.lines.iter().map(|l| l.len() + 32).sum();
                let outbox: usize = append.outbox.iter().map(|l| l.body.len() + ROW).sum();
                events + lines + outbox
            }
            Self::Put { value, .. } => value.len(),
            Self::PutBlob { bytes, .. } => bytes.len(),
            Self::Claim { .. }
            | Self::Release { .. }
            | Self::Flush { .. }
            | Self::PinBlob { .. }
            | Self::Sweep { .. }
            | Self::Remove { .. } => 0,
            Self::RemoveExecutions { executions, .. } => executions.len() * ROW,
        }
    }

    /// The execution with whose first append it may be committed. Only if its owner
    /// was told of it: else there is no such append before it is on disk.
    pub(crate) fn patient(&self) -> Option<ExecutionId> {
        match self {
            Self::Submit(Submit {
                submission,
                announced: true,
                ..
            }) if submission.durability == Durability::WithAppend => Some(submission.execution),
            _ => None,
        }
    }

    /// The executions that it speaks of, behind whose earlier requests it must
    /// stay; none if it must stay behind all requests.
    pub(crate) fn executions(&self) -> Option<Vec<ExecutionId>> {
        match self {
            Self::Submit(submit) => {
                let origin = submit.origin();
                Some(
                    origin
                        .into_iter()
                        .chain([submit.submission.execution])
                        .collect(),
                )
            }
            Self::Append(append) => {
                let others = append.outbox.iter().map(|l| l.outgoing.execution);
                Some(others.chain([append.head.execution]).collect())
            }
            Self::RemoveExecutions { executions, .. } => Some(executions.clone()),
            Self::Put { .. }
            | Self::Remove { .. }
            | Self::PutBlob { .. }
            | Self::PinBlob { .. } => Some(Vec::new()),
            Self::Claim { .. } | Self::Release { .. } | Self::Flush { .. } | Self::Sweep { .. } => {
                None
            }
        }
    }

    /// The arrival that may be told before the request is on disk: only that of
    /// a start without a key and a slot. One with a key may turn out to be a
    /// duplicate, one with a slot may have to wait for it, and any other message has
    /// a place in an inbox that only the writer knows.
    pub(crate) fn early_arrival(&mut self) -> Option<Arrival> {
        match self {
            Self::Submit(submit) if submit.submission.key.is_none() => {
                let Message::Start {
                    priority,
                    slot: None,
                    ..
                } = submit.submission.message
                else {
                    return None;
                };
                submit.announced = true;
                Some(arrival(&submit.submission, priority, 1))
            }
            _ => None,
        }
    }

    /// Whether its arrival was told when it was queued.
    pub(crate) fn is_announced(&self) -> bool {
        matches!(self, Self::Submit(submit) if submit.announced)
    }
}

/// A submission as the owner hears of it.
pub(crate) fn arrival(submission: &Submission, priority: i8, seq: u64) -> Arrival {
    let whose = (submission.tenant.clone(), submission.execution, priority);
    arrival_of(whose, seq, submission.at, submission.message.clone())
}

/// A message as the owner of an execution of this priority hears of it.
pub(crate) fn arrival_of(
    (tenant, execution, priority): (TenantId, ExecutionId, i8),
    seq: u64,
    at: Timestamp,
    message: Message,
) -> Arrival {
    Arrival::Message {
        tenant,
        execution,
        priority,
        row: Arc::new(InboxRow { seq, at, message }),
    }
}

/// The name of a record in every store.
pub(crate) fn record_key(
    kind: nebula_flow::ports::Kind,
    tenant: &TenantId,
    key: &str,
) -> RecordKey {
    (kind.name(), tenant.clone(), key.to_owned())
}
