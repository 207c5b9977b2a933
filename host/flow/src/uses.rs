//! Which blobs events and messages refer to. A store keeps a blob for as long as
//! one of them does.

use crate::event::{Event, Kept};
use crate::id::Digest;
use crate::payload::Payload;
use crate::ports::{Message, Resolution};

impl Payload {
    /// The blob that has its bytes, unless it has them itself.
    #[must_use]
    pub const fn blob(&self) -> Option<Digest> {
        match self {
            Self::Inline(_) => None,
            Self::Blob { digest, .. } => Some(*digest),
        }
    }
}

impl Event {
    /// The value that it carries, if it carries one. Every event is named here: one
    /// that is forgotten would lose its blob.
    #[must_use]
    pub const fn payload(&self) -> Option<&Payload> {
        match self {
            Self::Started { input, .. } | Self::StepReady { input, .. } => Some(input),
            Self::MapStarted { items, .. } => Some(items),
            Self::StepSucceeded { output, .. }
            | Self::StepKept {
                outcome: Kept::Succeeded { output, .. },
                ..
            }
            | Self::Succeeded { output } => Some(output),
            Self::SignalReceived { payload, .. } => Some(payload),
            Self::StepContinued { state, .. } => Some(state),
            Self::StepKept {
                outcome: Kept::Failed { .. } | Kept::Skipped { .. },
                ..
            }
            | Self::WaitStarted { .. }
            | Self::ChildStarted { .. }
            | Self::AttemptStarted { .. }
            | Self::AttemptFailed { .. }
            | Self::StepUnknown { .. }
            | Self::StepResumed { .. }
            | Self::StepFailed { .. }
            | Self::StepSkipped { .. }
            | Self::ConnectionDecided { .. }
            | Self::Warning { .. }
            | Self::UndoStarted { .. }
            | Self::CancelRequested { .. }
            | Self::Paused { .. }
            | Self::Resumed { .. }
            | Self::Stepped { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. }
            | Self::Terminated { .. } => None,
        }
    }

    /// The blobs that it refers to.
    #[must_use]
    pub fn blobs(&self) -> Vec<Digest> {
        self.payload().and_then(Payload::blob).into_iter().collect()
    }
}

impl Message {
    /// The blobs that it refers to.
    #[must_use]
    pub fn blobs(&self) -> Vec<Digest> {
        let payload = match self {
            Self::Start { input, .. } => input,
            Self::ChildEnded {
                result: Ok(output), ..
            }
            | Self::Resolve {
                resolution: Resolution::Succeeded { output },
                ..
            } => output,
            Self::Signal { payload, .. } => payload,
            Self::ChildEnded { .. }
            | Self::Resolve { .. }
            | Self::Cancel { .. }
            | Self::Pause { .. }
            | Self::Resume { .. }
            | Self::Step { .. }
            | Self::Terminate { .. } => return Vec::new(),
        };
        payload.blob().into_iter().collect()
    }
}
