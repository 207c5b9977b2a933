//! What is submitted to the log: messages for executions.

use serde::{Deserialize, Serialize};

use crate::event::{Failure, Follows, Origin, Parent};
use crate::id::{Digest, ExecutionId, SignalName, StepKey, TenantId, WorkflowId, WorkflowName};
use crate::payload::Payload;
use crate::time::Timestamp;

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
    /// Where the execution must stand, else it is refused with
    /// [`LogError::Conflict`](super::LogError::Conflict). Of no matter for a
    /// repeated key, and for a start.
    pub expect: Option<Standing>,
    /// How soon it must be on disk.
    pub durability: Durability,
}

/// Where an execution stands: whoever looked at its history and its inbox
/// knows by this that nothing has come since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Version of its last event.
    pub version: u64,
    /// Number of the last message that no append has taken; none if there is none.
    pub last_message: Option<u64>,
}

impl Standing {
    /// Where no execution ever stands.
    pub const NOWHERE: Self = Self {
        version: u64::MAX,
        last_message: None,
    };
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

/// One of the slots of a group, of which an execution needs one before it begins
/// and holds it until it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Unique: it begins with the workflow's id.
    pub group: String,
    /// How many slots the group has, as the execution's version says.
    pub limit: u32,
    /// What becomes of it if none is free.
    #[serde(default)]
    pub when_full: WhenFull,
}

/// What becomes of an execution for which no slot is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// It waits for one; the highest priority gets it first, then the oldest.
    #[default]
    Queue,
    /// It is cancelled before it begins.
    Drop,
    /// The oldest of its group is cancelled for it.
    Replace,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_usual(priority: &i8) -> bool {
    *priority == 0
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
        /// The step of another execution that starts it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<Parent>,
        /// The execution that it goes on with or repeats.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
        /// The execution whose end started it, or one that led to it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        follows: Option<Follows>,
        /// Among those that wait for a place: the highest goes first.
        #[serde(default, skip_serializing_if = "is_usual")]
        priority: i8,
        /// What it needs before it begins.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot: Option<Slot>,
        /// Whether it is paused as soon as it has started.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        paused: bool,
    },
    /// A child has ended, to the execution that waits for it.
    ChildEnded {
        /// The step that started it.
        step: StepKey,
        /// The child.
        execution: ExecutionId,
        /// Its output, or why it has none.
        result: Result<Payload, Failure>,
    },
    /// Stop as soon as possible.
    Cancel {
        /// For people.
        reason: String,
    },
    /// Something that a wait of it is for.
    Signal {
        /// Which signal.
        name: SignalName,
        /// What it says.
        payload: Payload,
    },
    /// What became of an attempt whose outcome is unknown.
    Resolve {
        /// Which step.
        step: StepKey,
        /// Which attempt.
        attempt: u32,
        /// What became of it, or what is to be done.
        resolution: Resolution,
    },
    /// Begin nothing more until it is resumed.
    Pause {
        /// For people.
        reason: String,
    },
    /// Go on.
    Resume {
        /// For people.
        reason: String,
    },
    /// Go on until one more step has ended.
    Step {
        /// For people.
        reason: String,
    },
    /// End at once, whatever is under way.
    Terminate {
        /// For people.
        reason: String,
    },
}

/// What a person says of an attempt whose outcome is unknown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "snake_case")]
pub enum Resolution {
    /// It ended well.
    Succeeded {
        /// The result that it gave.
        output: Payload,
    },
    /// It had no effect, or the step is to fail.
    Failed {
        /// For people.
        reason: String,
    },
    /// It is to be tried again, whatever became of it.
    Retry {
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
