//! The log of all executions: what is submitted, what is decided, who owns
//! which shard, and what readers see.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Feed, InboxRow, Message, Submission, Submitted};
use crate::event::{Failure, Recorded};
use crate::id::{Digest, ExecutionId, Shard, StepKey, TenantId, WorkflowId, WorkflowName};
use crate::time::Timestamp;

/// The log of all executions. Two doors write it: anyone may [`submit`], only
/// the owner of a shard may [`append`]. A third one, [`remove_executions`] and [`sweep`], is
/// for what is over; it stands here because it must see what the other two do.
///
/// [`submit`]: EventLog::submit
/// [`append`]: EventLog::append
/// [`remove_executions`]: EventLog::remove_executions
/// [`sweep`]: EventLog::sweep
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Puts a message into an execution's inbox, after all earlier ones. A
    /// start also makes the execution. Once it returns, the message is on disk.
    /// A repeated key with an equal fingerprint changes nothing and names the
    /// execution of the first; with another fingerprint it is refused.
    async fn submit(&self, submission: Submission) -> Result<Submitted, LogError>;

    /// Appends what the owner decided, at exactly the expected version, and
    /// takes the inbox rows that became events. Once it returns, all of it is
    /// on disk; on an error, nothing of it is or ever will be.
    async fn append(&self, fence: Fence, append: Append) -> Result<(), LogError>;

    /// Takes every shard that is free or whose owner is dead, with a new epoch,
    /// and renews those already held. Returns all that are held.
    async fn claim(&self, owner: &str) -> Result<Vec<Fence>, LogError>;

    /// Gives shards back, so that another owner need not wait for the death of
    /// this one.
    async fn release(&self, fences: &[Fence]) -> Result<(), LogError>;

    /// What is submitted from now on, for the owner, in the order of each
    /// inbox, and possibly before it is on disk: the owner may begin, but its
    /// first append is committed after the submission or not at all.
    fn arrivals(&self) -> Feed<Arrival>;

    /// Executions of a shard that are not finished, by id, after `after`:
    /// what an owner finds when it takes over, and what polling finds. One that
    /// is at rest until a message comes, and has none, is not among them, nor one
    /// that waits for a slot.
    async fn unfinished(
        &self,
        shard: Shard,
        after: Option<ExecutionId>,
        limit: usize,
    ) -> Result<Vec<Unfinished>, LogError>;

    /// The messages of an execution that no append has taken yet, in order.
    async fn inbox(&self, execution: ExecutionId) -> Result<Vec<InboxRow>, LogError>;

    /// Events with a version above `after`, in order, at most `limit`.
    async fn history(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogError>;

    /// Log lines with a sequence number above `after`, in order, at most `limit`.
    async fn lines(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, LogLine)>, LogError>;

    /// One execution, if it exists and belongs to the tenant.
    async fn execution(
        &self,
        tenant: &TenantId,
        execution: ExecutionId,
    ) -> Result<Option<ExecutionSummary>, LogError>;

    /// A page of a tenant's executions, newest first.
    async fn executions(
        &self,
        tenant: &TenantId,
        query: &ExecutionQuery,
    ) -> Result<Vec<ExecutionSummary>, LogError>;

    /// What is committed from now on.
    fn changes(&self) -> Feed<Change>;

    /// A page of a workflow's executions that have ended, in the order of their
    /// ends.
    async fn ended(
        &self,
        tenant: &TenantId,
        query: &EndedQuery,
    ) -> Result<Vec<ExecutionSummary>, LogError>;

    /// Removes executions that have ended, each with its events, lines, messages
    /// and uses of blobs, and tells what became of each. Once it returns, what is
    /// removed is gone for every reader. A key under which one of them was asked
    /// for answers until [`KEY_LIFE`](crate::start::KEY_LIFE) is over.
    async fn remove_executions(
        &self,
        tenant: &TenantId,
        executions: &[ExecutionId],
        at: Timestamp,
    ) -> Result<Vec<Removal>, LogError>;

    /// Removes the next of what nothing needs any more, a bounded number of rows
    /// in one transaction: keys whose time is over, what is left of removed
    /// executions, blobs that nothing uses. Whether there may be more.
    async fn sweep(&self, at: Timestamp) -> Result<bool, LogError>;
}

/// A message as the owner hears of it.
#[derive(Debug, Clone)]
pub enum Arrival {
    /// A message, possibly not yet on disk.
    Message {
        /// Whose.
        tenant: TenantId,
        /// For which execution.
        execution: ExecutionId,
        /// Of the execution.
        priority: i8,
        /// The message.
        row: Arc<InboxRow>,
    },
    /// An execution that waited for a slot has one, and may begin.
    Admitted {
        /// Whose.
        tenant: TenantId,
        /// Which execution.
        execution: ExecutionId,
        /// Of the execution.
        priority: i8,
    },
    /// The feed overran: look at [`EventLog::unfinished`].
    Lagged,
}

/// Proof of ownership: the shard and the epoch under which it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// Which shard.
    pub shard: Shard,
    /// Raised at each change of owner.
    pub epoch: u64,
}

/// What the owner of a shard adds to one execution.
#[derive(Debug, Clone)]
pub struct Append {
    /// Which execution; its shard must be the fence's.
    pub execution: ExecutionId,
    /// The version of the last event before these; 0 for none.
    pub expected: u64,
    /// With versions `expected + 1 ..`.
    pub events: Vec<Recorded>,
    /// Lines that guests logged, in order.
    pub lines: Vec<LogLine>,
    /// Inbox rows up to this sequence number have become events.
    pub consumed: u64,
    /// Whether the inbox must have nothing beyond `consumed`, because what was
    /// decided would not hold then: that no signal came in time, say. Else it is
    /// refused with [`LogError::Unheard`].
    pub inbox_empty: bool,
    /// The state after these events.
    pub status: Status,
    /// When it must be looked at again, if it waits for a time.
    pub wake_at: Option<Timestamp>,
    /// Set by the append that ends the execution in failure.
    pub error: Option<Failure>,
    /// What these events send to other executions of the tenant: on disk with
    /// them, or not at all. A start makes its execution; what is sent to one that
    /// does not exist, or has ended, changes nothing.
    pub outbox: Vec<Outgoing>,
}

/// A message to another execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// Which.
    pub execution: ExecutionId,
    /// What it is told.
    pub message: Message,
}

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Submitted; the owner has not begun.
    Queued,
    /// Steps run.
    Running,
    /// Waits for a time, for a signal, or for both.
    Waiting,
    /// Begins nothing more until it is resumed.
    Paused,
    /// Ended well.
    Succeeded,
    /// Ended in failure.
    Failed,
    /// Ended by a cancel.
    Cancelled,
    /// Ended at once because someone said so.
    Terminated,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Paused,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Terminated,
    ];

    /// Whether nothing can happen any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::Cancelled | Self::Terminated
        )
    }

    /// The name it has everywhere, e.g. `succeeded`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Terminated => "terminated",
        }
    }

    /// The status of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// An execution that is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub execution: ExecutionId,
    /// Its own.
    pub priority: i8,
    /// When it must be looked at, if it waits for a time and its inbox is empty.
    pub wake_at: Option<Timestamp>,
    /// Whether its inbox has messages.
    pub has_inbox: bool,
}

/// A line that a guest logged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// `trace`, `debug`, `info`, `warn`, `error`, `metric`, `stdout` or `stderr`.
    pub level: String,
    /// Which step.
    pub step: StepKey,
    /// Which attempt.
    pub attempt: u32,
    /// What it said.
    pub message: String,
}

/// An execution as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionSummary {
    /// Which.
    pub id: ExecutionId,
    /// Of which workflow.
    pub workflow: WorkflowId,
    /// The workflow's name when it was started.
    pub workflow_name: WorkflowName,
    /// Which version of it.
    pub workflow_version: u32,
    /// Where it stands.
    pub status: Status,
    /// Version of its last committed event.
    pub version: u64,
    /// When its start was submitted.
    pub created_at: Timestamp,
    /// When its last event was decided.
    pub updated_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When it is due, if it waits for a time.
    pub wake_at: Option<Timestamp>,
    /// Which goes first among those that wait for a place or a slot.
    pub priority: i8,
    /// Whether it waits for a slot of its workflow's concurrency limit.
    pub waits_for_slot: bool,
    /// Why it failed.
    pub error: Option<Failure>,
}

/// Which executions, and from where on.
#[derive(Debug, Clone, Default)]
pub struct ExecutionQuery {
    /// Only those of this workflow.
    pub workflow: Option<WorkflowId>,
    /// Only those with this status.
    pub status: Option<Status>,
    /// Only those with a smaller (older) id.
    pub before: Option<ExecutionId>,
    /// At most this many.
    pub limit: usize,
}

/// Which executions of a workflow that have ended, and from where on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedQuery {
    /// Of this workflow.
    pub workflow: WorkflowId,
    /// Only those that ended before.
    pub before: Timestamp,
    /// Without so many of its executions, those that ended last.
    pub beyond: u32,
    /// Only those behind the one that ended then.
    pub after: Option<(Timestamp, ExecutionId)>,
    /// At most this many.
    pub limit: usize,
}

/// What became of an execution that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Removed,
    /// No such execution, or it belongs to another tenant.
    NotFound,
    /// Its row cannot be read.
    Damaged,
    /// It has not ended.
    Unfinished(Status),
    /// One that has not ended refers to it (it started that one, or was started
    /// by it), or it is being changed just now.
    InUse,
}

/// Something that is on disk.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// An append.
    Appended {
        /// Whose.
        tenant: TenantId,
        /// Which execution.
        execution: ExecutionId,
        /// Its last version.
        version: u64,
        /// Its status.
        status: Status,
        /// The event that ended it, where that is at hand and small: who is told spares
        /// the log a question.
        end: Option<Arc<Recorded>>,
    },
    /// The feed overran: look again at whatever is watched.
    Lagged,
}

/// Why the log refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// Another owner holds the shard, or this one's epoch is over.
    #[error("shard {} is no longer held under epoch {}", .0.shard.0, .0.epoch)]
    Fenced(Fence),
    /// The expected version is not the last, or the execution does not stand
    /// where a submission expects it.
    #[error("execution {execution} is at version {actual}, not {expected}")]
    Conflict {
        /// Which execution.
        execution: ExecutionId,
        /// As the append expected it.
        expected: u64,
        /// As it is.
        actual: u64,
    },
    /// What was decided holds only if no message came, and one has.
    #[error("execution {0} has a message that its owner has not heard of yet")]
    Unheard(ExecutionId),
    /// No such execution, or it belongs to another tenant.
    #[error("execution {0} does not exist")]
    NotFound(ExecutionId),
    /// The key was used for a different request.
    #[error("the idempotency key `{0}` was used before for a different request")]
    KeyReused(String),
    /// A blob that it refers to is not kept, or not any more: put it again.
    #[error("blob {0} is not kept, and cannot be referred to")]
    NoBlob(Digest),
    /// The store is in trouble; trying again may help.
    #[error("the log is not available: {0}")]
    Unavailable(String),
    /// What the store holds is not what it should be.
    #[error("the log is damaged: {0}")]
    Damaged(String),
}
