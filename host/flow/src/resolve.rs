//! Saying what became of an attempt whose outcome is unknown. Whether that is
//! asked for is decided from the execution's history and inbox, as for a signal.

use std::sync::Arc;

use serde_json::Value;

use crate::control::MAX_REASON;
use crate::execution::{IllegalEvent, Resolved};
use crate::id::{ExecutionId, StepKey, TenantId};
use crate::look::{Look, LookError};
use crate::payload::{self, PayloadError};
use crate::plan::Plan;
use crate::ports::{
    Durability, EventLog, LogError, Message, RecordError, Records, Resolution, Submission,
};
use crate::signal::TRIES;
use crate::start;
use crate::time::Timestamp;

/// What is said of a step.
#[derive(Debug)]
pub struct Resolve<'a> {
    /// Whose.
    pub tenant: &'a TenantId,
    /// Of which execution.
    pub execution: ExecutionId,
    /// Of the workflow's version that it runs.
    pub plan: &'a Arc<Plan>,
    /// Which step.
    pub step: &'a StepKey,
    /// What became of it.
    pub verdict: &'a Verdict,
    /// When it was said.
    pub at: Timestamp,
}

/// What became of an attempt, or what is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It ended well, with this result.
    Succeeded(Value),
    /// The step is to fail, for this reason.
    Failed(String),
    /// It is to be tried again, for this reason.
    Retry(String),
}

/// Why nothing was resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveStepError {
    /// Nobody asks.
    #[error(transparent)]
    Refused(#[from] Resolved),
    /// The result is too large.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The execution moves on faster than it can be decided.
    #[error("execution {0} changes too fast to be resolved; try again")]
    Busy(ExecutionId),
    /// Its history contradicts itself.
    #[error("the history of execution {0} cannot be followed: {1}")]
    Unreadable(ExecutionId, IllegalEvent),
    /// The log refused.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A large result could not be kept.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl From<LookError> for ResolveStepError {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Unreadable(id, illegal) => Self::Unreadable(id, illegal),
            LookError::Log(error) => Self::Log(error),
        }
    }
}

/// Says it. Once it returns, that is on disk; the attempt that it concerns.
///
/// # Errors
/// When nobody asks, or the log is not available.
pub async fn resolve(
    log: &dyn EventLog,
    records: &dyn Records,
    resolve: Resolve<'_>,
) -> Result<u32, ResolveStepError> {
    let cut = |reason: &str| reason.chars().take(MAX_REASON).collect();
    let resolution = match resolve.verdict {
        Verdict::Succeeded(output) => Resolution::Succeeded {
            output: start::keep(records, payload::encode(output)?).await?,
        },
        Verdict::Failed(reason) => Resolution::Failed {
            reason: cut(reason),
        },
        Verdict::Retry(reason) => Resolution::Retry {
            reason: cut(reason),
        },
    };
    let mut look = Look::new(resolve.execution, resolve.plan.clone());
    for _ in 0..TRIES {
        let (ahead, standing) = look.again(log).await?;
        let attempt = ahead.unknown_attempt(resolve.step)?;
        let submission = Submission {
            tenant: resolve.tenant.clone(),
            execution: resolve.execution,
            key: None,
            at: resolve.at,
            message: Message::Resolve {
                step: resolve.step.clone(),
                attempt,
                resolution: resolution.clone(),
            },
            expect: Some(standing),
            durability: Durability::Now,
        };
        match log.submit(submission).await {
            Ok(_) => return Ok(attempt),
            Err(LogError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ResolveStepError::Busy(resolve.execution))
}
