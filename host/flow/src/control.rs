//! Asking something of an execution: that it stop, pause, go on, or end at once.

use crate::id::{ExecutionId, TenantId};
use crate::ports::{Durability, EventLog, LogError, Message, Submission};
use crate::time::Timestamp;

/// The longest reason, characters; what is over it is cut.
pub const MAX_REASON: usize = 1_000;

/// What may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Stop as soon as possible.
    Cancel,
    /// Let what is under way end, and begin nothing more.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Go on after a pause until one more step has ended, and pause again.
    Step,
    /// End at once, whatever is under way.
    Terminate,
}

/// Asks it. Once it returns, that is on disk; an execution that has ended, or
/// that is so already, stays as it is.
///
/// # Errors
/// When there is no such execution, or the log is not available.
pub async fn control(
    log: &dyn EventLog,
    tenant: &TenantId,
    execution: ExecutionId,
    what: Control,
    reason: &str,
    at: Timestamp,
) -> Result<(), LogError> {
    let reason = reason.chars().take(MAX_REASON).collect();
    let submission = Submission {
        tenant: tenant.clone(),
        execution,
        key: None,
        at,
        message: match what {
            Control::Cancel => Message::Cancel { reason },
            Control::Pause => Message::Pause { reason },
            Control::Resume => Message::Resume { reason },
            Control::Step => Message::Step { reason },
            Control::Terminate => Message::Terminate { reason },
        },
        expect: None,
        durability: Durability::Now,
    };
    log.submit(submission).await.map(|_| ())
}
