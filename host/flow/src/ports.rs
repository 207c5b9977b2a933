//! The five doors to the world. Each method says what is true once it returns.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use semver::VersionReq;
use serde::{Deserialize, Serialize};

use crate::component::{ActionMetadata, Component, Effect, Verified};
use crate::event::{Failure, Recorded, Usage};
use crate::grant::Capabilities;
use crate::id::{
    ActionId, Digest, ExecutionId, Shard, StepKey, TenantId, WorkflowId, WorkflowName,
};
use crate::payload::Payload;
use crate::time::Timestamp;

/// A stream without an end of its own.
pub type Feed<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

// ---------------------------------------------------------------- the log --

/// The log of all executions. Two doors write it: anyone may [`submit`], only
/// the owner of a shard may [`append`].
///
/// [`submit`]: EventLog::submit
/// [`append`]: EventLog::append
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
    /// what an owner finds when it takes over, and what polling finds.
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
}

/// A message for an execution.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Whose.
    pub tenant: TenantId,
    /// For a start: a fresh id. Else: one that exists.
    pub execution: ExecutionId,
    /// Makes a repeat harmless.
    pub key: Option<IdempotencyKey>,
    /// When it was received.
    pub at: Timestamp,
    /// What is asked for.
    pub message: Message,
    /// How soon it must be on disk.
    pub durability: Durability,
}

/// A caller's key for a request, unique within its tenant, and a digest of the
/// request, so that another request under the same key is noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// As the caller gave it, at most 255 bytes.
    pub key: String,
    /// Of the request's content.
    pub fingerprint: Digest,
}

/// How soon a submission must be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As soon as the writer can.
    Now,
    /// The caller waits for the execution's end anyway: it may share the commit
    /// of the owner's first append, at the latest after 50 ms.
    WithAppend,
}

/// What is asked of an execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// Begin.
    Start {
        /// Which workflow.
        workflow: WorkflowId,
        /// Its name when it was started, for lists.
        name: WorkflowName,
        /// Which version.
        version: u32,
        /// Its input.
        input: Payload,
    },
    /// Stop as soon as possible.
    Cancel {
        /// For people.
        reason: String,
    },
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// It is on disk.
    Accepted,
    /// Its key was used before, for this execution; nothing changed.
    Duplicate(ExecutionId),
}

/// A message in an inbox.
#[derive(Debug, Clone, PartialEq)]
pub struct InboxRow {
    /// Place in the execution's inbox; 1 for its start.
    pub seq: u64,
    /// When it was received.
    pub at: Timestamp,
    /// What is asked for.
    pub message: Message,
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
        /// The message.
        row: Arc<InboxRow>,
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
    /// The state after these events.
    pub status: Status,
    /// When it must be looked at again, if it waits for a time.
    pub wake_at: Option<Timestamp>,
    /// Set by the append that ends the execution in failure.
    pub error: Option<Failure>,
}

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Submitted; the owner has not begun.
    Queued,
    /// Steps run.
    Running,
    /// Waits for a time.
    Waiting,
    /// Ended well.
    Succeeded,
    /// Ended in failure.
    Failed,
    /// Ended by a cancel.
    Cancelled,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether nothing can happen any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The name it has everywhere, e.g. `succeeded`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
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
    /// `trace`, `debug`, `info`, `warn`, `error`, `stdout` or `stderr`.
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

/// Something that is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// The expected version is not the last.
    #[error("execution {execution} is at version {actual}, not {expected}")]
    Conflict {
        /// Which execution.
        execution: ExecutionId,
        /// As the append expected it.
        expected: u64,
        /// As it is.
        actual: u64,
    },
    /// No such execution, or it belongs to another tenant.
    #[error("execution {0} does not exist")]
    NotFound(ExecutionId),
    /// The key was used for a different request.
    #[error("the idempotency key `{0}` was used before for a different request")]
    KeyReused(String),
    /// The store is in trouble; trying again may help.
    #[error("the log is not available: {0}")]
    Unavailable(String),
    /// What the store holds is not what it should be.
    #[error("the log is damaged: {0}")]
    Damaged(String),
}

// ------------------------------------------------------------ the records --

/// Everything that is kept by name: definitions, grants, credentials; and
/// blobs by content hash. Typed wrappers stand beside what they keep.
#[async_trait]
pub trait Records: Send + Sync + 'static {
    /// The record of this name, if there is one.
    async fn get(
        &self,
        kind: Kind,
        tenant: &TenantId,
        key: &str,
    ) -> Result<Option<Record>, RecordError>;

    /// Sets a record; returns its new version. Once it returns, it is on disk.
    async fn put(
        &self,
        kind: Kind,
        tenant: &TenantId,
        key: &str,
        value: Bytes,
        expect: Expect,
    ) -> Result<u64, RecordError>;

    /// Removes a record; whether there was one.
    async fn remove(&self, kind: Kind, tenant: &TenantId, key: &str) -> Result<bool, RecordError>;

    /// Records whose key begins with `prefix` and is greater than `after`, in
    /// order of the key.
    async fn list(
        &self,
        kind: Kind,
        tenant: &TenantId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, RecordError>;

    /// Keeps bytes under their digest. Once it returns, they are on disk.
    async fn put_blob(&self, bytes: Bytes) -> Result<Digest, RecordError>;

    /// The bytes of this digest, if they are kept.
    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, RecordError>;
}

/// The kinds of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A workflow by name: its id and newest version.
    Workflow,
    /// One version of a workflow, by `id/version` (version with 10 digits).
    WorkflowVersion,
    /// A grant, by `action/host`.
    Grant,
    /// A credential, by name. Encrypted at rest.
    Credential,
    /// What an action has reached, by its id.
    Reached,
}

impl Kind {
    /// The name it has in stores.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Workflow => "workflow",
            Self::WorkflowVersion => "workflow_version",
            Self::Grant => "grant",
            Self::Credential => "credential",
            Self::Reached => "reached",
        }
    }
}

/// A record's bytes and how often they were set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// 1 for the first.
    pub version: u64,
    /// JSON, by the wrapper beside the type.
    pub value: Bytes,
}

/// What must hold for a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Any,
    /// No such record.
    Absent,
    /// The record has this version.
    Version(u64),
}

/// Why the records refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordError {
    /// What was expected does not hold: someone else was faster.
    #[error("{kind} `{key}` was changed by someone else")]
    Conflict {
        /// Of record.
        kind: &'static str,
        /// Its name.
        key: String,
    },
    /// The store is in trouble; trying again may help.
    #[error("the records are not available: {0}")]
    Unavailable(String),
    /// What the store holds is not what it should be.
    #[error("the records are damaged: {0}")]
    Damaged(String),
}

// ------------------------------------------------------------- the runner --

/// Runs components in the sandbox.
#[async_trait]
pub trait Runner: Send + Sync + 'static {
    /// Checks, compiles (or loads from the cache) and describes a component.
    async fn prepare(&self, component: &Verified<Component>) -> Result<Prepared, Failure>;

    /// Runs one attempt to its end. Dropping the future stops the guest.
    async fn run(&self, call: Call) -> Report;
}

/// What the sandbox knows of a component once it is compiled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prepared {
    /// Its actions, as it describes them.
    pub actions: Vec<ActionMetadata>,
    /// Known from its imports.
    pub effect: Effect,
    /// The interfaces it imports, e.g. `nebula:action/log@0.1.0`.
    pub imports: Vec<String>,
}

/// One attempt of one step.
#[derive(Debug, Clone)]
pub struct Call {
    /// On whose account.
    pub tenant: TenantId,
    /// What runs.
    pub component: Verified<Component>,
    /// Which of its actions.
    pub action: ActionId,
    /// MessagePack.
    pub input: Bytes,
    /// Who it is, for its context, keys and seed.
    pub identity: Identity,
    /// When its step became ready: the virtual time of a pure call.
    pub ready_at: Timestamp,
    /// What it may cost.
    pub limits: Limits,
    /// What it may reach; empty for a pure call.
    pub capabilities: Arc<Capabilities>,
}

/// Which attempt of which step of which execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Name of the workflow.
    pub workflow: WorkflowName,
    /// Which execution.
    pub execution: ExecutionId,
    /// Which step.
    pub step: StepKey,
    /// 1 for the first.
    pub attempt: u32,
    /// How often an operator restarted the step; part of idempotency keys.
    pub restarts: u32,
}

impl Identity {
    /// The seed of the step's randomness: equal on every attempt.
    #[must_use]
    pub fn seed(&self) -> [u8; 32] {
        *Digest::of(format!("seed\0{}\0{}", self.execution, self.step).as_bytes()).as_bytes()
    }

    /// The explicit idempotency key for an operation: equal on every attempt.
    #[must_use]
    pub fn idempotency_key(&self, op: &str) -> String {
        let text = format!(
            "key\0{}\0{}\0{}\0{op}",
            self.execution, self.step, self.restarts
        );
        Digest::of(text.as_bytes()).hex()
    }
}

/// What one call may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Fuel units; about one for each Wasm instruction.
    pub fuel: u64,
    /// Bytes of linear memory and tables, over the whole store.
    pub memory_bytes: u64,
    /// Wall time.
    pub timeout: Duration,
}

impl Default for Limits {
    /// 10⁹ units, 64 MiB, 30 s (`sandbox.md`).
    fn default() -> Self {
        Self {
            fuel: 1_000_000_000,
            memory_bytes: 64 << 20,
            timeout: Duration::from_secs(30),
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone)]
pub struct Report {
    /// What it gave.
    pub result: Result<Outcome, Failure>,
    /// What it cost.
    pub usage: Usage,
    /// What it logged: level and message, in order, already capped.
    pub lines: Vec<(String, String)>,
}

/// What an action answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Its output, MessagePack.
    Success(Bytes),
    /// The node counts as skipped.
    Skip(Option<String>),
    /// Its output, and the port whose connections fire.
    Branch(String, Bytes),
}

// --------------------------------------------------------- the components --

/// The components this node may run.
#[async_trait]
pub trait Components: Send + Sync + 'static {
    /// The newest version of an action within the range.
    async fn resolve(
        &self,
        tenant: &TenantId,
        action: &ActionId,
        range: &VersionReq,
    ) -> Result<ResolvedAction, ResolveError>;

    /// A component by its digest: one that is installed, or one that a deployed
    /// version pinned.
    async fn component(
        &self,
        tenant: &TenantId,
        digest: Digest,
    ) -> Result<Verified<Component>, ResolveError>;

    /// Every action that the tenant may use, by id.
    async fn actions(
        &self,
        tenant: &TenantId,
    ) -> Result<BTreeMap<ActionId, ResolvedAction>, ResolveError>;
}

/// An action and the component that has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResolvedAction {
    /// Of the component.
    pub digest: Digest,
    /// Of the component.
    pub effect: Effect,
    /// Of the action.
    pub metadata: Arc<ActionMetadata>,
    /// Where the component comes from.
    pub origin: crate::component::Origin,
}

/// Why an action or a component cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ResolveError {
    /// No component here has it.
    #[error("no action `{action}` is installed")]
    UnknownAction {
        /// As it was asked for.
        action: ActionId,
        /// The installed action whose name is nearest.
        similar: Option<ActionId>,
    },
    /// It is installed, in no version of the range.
    #[error("action `{action}` is installed in version {installed}, and {range} was asked for")]
    NoVersion {
        /// Which action.
        action: ActionId,
        /// As it was asked for.
        range: VersionReq,
        /// What is there.
        installed: semver::Version,
    },
    /// No such component here.
    #[error("component {0} is not on this node")]
    UnknownComponent(Digest),
    /// The store is in trouble; trying again may help.
    #[error("components are not available: {0}")]
    Unavailable(String),
}

// --------------------------------------------------------------- the clock --

/// Time, the only one there is.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Wall time.
    fn now(&self) -> Timestamp;

    /// Returns at the instant or after it.
    async fn until(&self, at: Timestamp);
}
