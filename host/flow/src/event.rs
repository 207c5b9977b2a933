//! What can happen to an execution. The log is the truth; every state is a
//! fold of these. Events are stored as MessagePack maps by field name: fields
//! may be added with a default, none may change its meaning.

use serde::{Deserialize, Serialize};

use crate::id::{ExecutionId, NodeId, SignalName, StepKey, WorkflowId};
use crate::payload::Payload;
use crate::time::Timestamp;

mod failure;

pub use failure::{Failure, FailureKind, Usage};

/// The version of the decision rules that a start records.
pub const RULES: u16 = 1;

/// An event with its place and time in its execution's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// 1 for the first event of an execution, without gaps.
    pub version: u64,
    /// When the owner decided it.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The owner took the start from the inbox. Always the first event.
    Started {
        /// Which workflow.
        workflow: WorkflowId,
        /// Which of its versions; never changes under an execution.
        workflow_version: u32,
        /// The workflow's input.
        input: Payload,
        /// [`RULES`] at the start.
        rules: u16,
        /// The step of another execution that started this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<Parent>,
        /// The execution that this one goes on with or repeats.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
        /// The execution whose end started this one, or one that led to it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        follows: Option<Follows>,
    },
    /// A step ended in the execution that this one goes on with; it counts here
    /// as well, and does not run. All of these follow the start in one commit.
    StepKept {
        /// Which step.
        step: StepKey,
        /// How it ended.
        outcome: Kept,
    },
    /// A step's input is evaluated; it may run. Its virtual time is this event's.
    StepReady {
        /// Which step.
        step: StepKey,
        /// The evaluated input.
        input: Payload,
    },
    /// A map's list is evaluated.
    MapStarted {
        /// The map node's own step.
        step: StepKey,
        /// The list.
        items: Payload,
        /// How many items it has.
        count: u32,
    },
    /// A wait began.
    WaitStarted {
        /// Which step.
        step: StepKey,
        /// The signal that it is for, unless it is for a time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<SignalName>,
        /// When it is over; for a signal, its time-out, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// A step started a child: an execution of another workflow. The same commit
    /// puts the child's start into its inbox.
    ChildStarted {
        /// Which step.
        step: StepKey,
        /// The child.
        execution: ExecutionId,
    },
    /// A signal was taken from the inbox.
    SignalReceived {
        /// Its name.
        name: SignalName,
        /// What it says.
        payload: Payload,
        /// When it was accepted: a wait takes it only if that is before its time-out.
        received_at: Timestamp,
    },
    /// An effectful attempt is about to start; committed before it does.
    AttemptStarted {
        /// Which step.
        step: StepKey,
        /// 1 for the first.
        attempt: u32,
    },
    /// An attempt failed and will be tried again.
    AttemptFailed {
        /// Which step.
        step: StepKey,
        /// Which attempt.
        attempt: u32,
        /// Why.
        error: Failure,
        /// When the next attempt is due.
        retry_at: Timestamp,
        /// What it cost.
        usage: Usage,
    },
    /// What became of an attempt is unknown, and it must not be tried again: a
    /// person has to say.
    StepUnknown {
        /// Which step.
        step: StepKey,
        /// Which attempt.
        attempt: u32,
        /// Why it is unknown.
        error: Failure,
        /// What it cost, as far as that is known.
        #[serde(default)]
        usage: Usage,
    },
    /// A step ended well. For a map: its results are gathered. For a wait: it
    /// is over, and its output is the signal's payload, or null. For a child: it
    /// ended well, and the output is its output.
    StepSucceeded {
        /// Which step.
        step: StepKey,
        /// Which attempt; 0 for a map, a wait or a child.
        attempt: u32,
        /// Its result.
        output: Payload,
        /// The port it branched to, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<String>,
        /// What it cost.
        usage: Usage,
    },
    /// A step's action wants to be called again, as the step's next iteration: at
    /// once, or when what it waits for is here.
    StepContinued {
        /// Which step, in the iteration that ends with this.
        step: StepKey,
        /// Which attempt.
        attempt: u32,
        /// What the next iteration begins with.
        state: Payload,
        /// The signal that it waits for, unless it is for a time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<SignalName>,
        /// When the wait is over; for a signal, its time-out, if it has one. With
        /// neither it waits for nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// What it cost.
        usage: Usage,
    },
    /// What a step's action waited for is here, or did not come in time: its next
    /// iteration may run. The virtual time of that is this event's.
    StepResumed {
        /// Which step, in the iteration that begins with this.
        step: StepKey,
    },
    /// A step failed for good.
    StepFailed {
        /// Which step.
        step: StepKey,
        /// Which attempt; 0 when it never ran.
        attempt: u32,
        /// Why.
        error: Failure,
        /// What it cost.
        usage: Usage,
    },
    /// A node was skipped: no incoming connection fired, or its action said so.
    StepSkipped {
        /// Which step.
        step: StepKey,
        /// Said by the action, or absent when no connection fired.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What it cost; zero unless the action ran.
        #[serde(default)]
        usage: Usage,
    },
    /// A connection's `when` was evaluated.
    ConnectionDecided {
        /// Index in the definition's list of connections.
        connection: u32,
        /// Whether it fired.
        fired: bool,
        /// Why its `when` erred, if it did: then it did not fire, and its
        /// target fails once all its connections are decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Failure>,
    },
    /// Something a person should see: an expression read a skipped node, say.
    Warning {
        /// The node it concerns.
        node: NodeId,
        /// What it is.
        message: String,
    },
    /// The execution will end, and first what its nodes did is undone, the last
    /// first: nothing else begins, and what is under way is cut off.
    UndoStarted {
        /// The node that failed, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeId>,
        /// Why it will fail; absent when it was cancelled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Failure>,
    },
    /// A cancel was taken from the inbox.
    CancelRequested {
        /// As the caller gave it.
        reason: String,
    },
    /// A pause was taken from the inbox: nothing more begins.
    Paused {
        /// As the caller gave it.
        reason: String,
    },
    /// It goes on.
    Resumed {
        /// As the caller gave it.
        reason: String,
    },
    /// It goes on until one more step has succeeded or failed, and is paused then.
    Stepped {
        /// As the caller gave it.
        reason: String,
    },
    /// The end: every node is decided and none failed unhandled.
    Succeeded {
        /// The workflow's output.
        output: Payload,
    },
    /// The end: a node failed and no connection took it, the output's expression
    /// erred, or it took longer than its workflow allows.
    Failed {
        /// The first failed node in node order; absent for the others.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<NodeId>,
        /// Why.
        error: Failure,
    },
    /// The end: it was cancelled.
    Cancelled {
        /// As the caller gave it.
        reason: String,
    },
    /// The end: it was terminated, whatever was under way.
    Terminated {
        /// As the caller gave it.
        reason: String,
    },
}

impl Event {
    /// The name it has in the log and the API, e.g. `step_succeeded`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::StepKept { .. } => "step_kept",
            Self::StepReady { .. } => "step_ready",
            Self::MapStarted { .. } => "map_started",
            Self::WaitStarted { .. } => "wait_started",
            Self::ChildStarted { .. } => "child_started",
            Self::SignalReceived { .. } => "signal_received",
            Self::AttemptStarted { .. } => "attempt_started",
            Self::AttemptFailed { .. } => "attempt_failed",
            Self::StepUnknown { .. } => "step_unknown",
            Self::StepSucceeded { .. } => "step_succeeded",
            Self::StepContinued { .. } => "step_continued",
            Self::StepResumed { .. } => "step_resumed",
            Self::StepFailed { .. } => "step_failed",
            Self::StepSkipped { .. } => "step_skipped",
            Self::ConnectionDecided { .. } => "connection_decided",
            Self::Warning { .. } => "warning",
            Self::UndoStarted { .. } => "undo_started",
            Self::CancelRequested { .. } => "cancel_requested",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::Stepped { .. } => "stepped",
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Cancelled { .. } => "cancelled",
            Self::Terminated { .. } => "terminated",
        }
    }

    /// Whether nothing can follow it.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Succeeded { .. }
                | Self::Failed { .. }
                | Self::Cancelled { .. }
                | Self::Terminated { .. }
        )
    }
}

/// Who started an execution: a step of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The execution.
    pub execution: ExecutionId,
    /// Its step.
    pub step: StepKey,
    /// How many executions stand above this one.
    pub depth: u32,
    /// Whether the step waits for this one's end, and is told of it.
    pub waits: bool,
}

/// An execution that has ended, and from which another one was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Which.
    pub execution: ExecutionId,
    /// What the other one does.
    pub restart: Restart,
}

/// The execution whose end started another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follows {
    /// Which.
    pub execution: ExecutionId,
    /// How many ends in a row started executions, up to this one.
    pub chain: u32,
}

/// What an execution does that is made from one that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// Goes on where that one failed or was stopped; what ended there is kept.
    Retry,
    /// Begins again with the same input.
    Replay,
}

/// How a step ended that another execution keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "snake_case")]
pub enum Kept {
    /// It ended well.
    Succeeded {
        /// Its result.
        output: Payload,
        /// The port it branched to, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<String>,
    },
    /// It failed, and the workflow went on all the same.
    Failed {
        /// Why.
        error: Failure,
    },
    /// It was skipped.
    Skipped {
        /// Said by the action, or absent when no connection fired.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}
