//! Starting an execution of a deployed workflow.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::definition::{Diagnostic, MAX_PRIORITY, is_priority};
use crate::deploy::DeployedWorkflow;
use crate::id::{Digest, ExecutionId, TenantId};
use crate::payload::{self, MAX_INLINE, Payload, PayloadError};
use crate::ports::{
    Durability, EventLog, IdempotencyKey, LogError, Message, RecordError, Records, Submission,
    Submitted,
};
use crate::time::Timestamp;

/// The longest idempotency key, bytes.
pub const MAX_KEY: usize = 255;

/// How long an idempotency key answers at least; it does so for as long as its
/// execution is kept.
pub const KEY_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How the keys begin that the host itself makes: for the slots of a schedule, say.
pub const RESERVED: &str = "nebula:";

/// What is to be started.
#[derive(Debug)]
pub struct Start<'a> {
    /// Whose.
    pub tenant: &'a TenantId,
    /// Which version of which workflow.
    pub workflow: &'a DeployedWorkflow,
    /// Its input.
    pub input: &'a Value,
    /// The caller's key, which makes a repeat harmless.
    pub key: Option<&'a str>,
    /// Which goes first among those that wait for a place; the workflow's if absent.
    pub priority: Option<i8>,
    /// Whether it is paused as soon as it has started.
    pub paused: bool,
    /// A fresh id.
    pub execution: ExecutionId,
    /// When it was asked for.
    pub at: Timestamp,
    /// How soon it must be on disk.
    pub durability: Durability,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The input is not what the workflow takes; pointers are into the input.
    #[error("the input is not what the workflow takes: {}", .0.first().map_or("", |d| d.message.as_str()))]
    InvalidInput(Vec<Diagnostic>),
    /// The input is too large.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The key is empty or too long.
    #[error("an idempotency key has 1 to {MAX_KEY} bytes; this one has {0}")]
    InvalidKey(usize),
    /// The key is one of the host's own.
    #[error("an idempotency key does not begin with `{RESERVED}`: these are the host's own")]
    ReservedKey,
    /// No such priority.
    #[error("a priority is between -{MAX_PRIORITY} and {MAX_PRIORITY}, not {0}")]
    InvalidPriority(i8),
    /// The log refused.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A large input could not be kept.
    #[error(transparent)]
    Records(#[from] RecordError),
}

/// Checks the input and submits the start. Once it returns, it is on disk.
///
/// # Errors
/// When the input or the key is refused, or the log is not available.
pub async fn start(
    log: &dyn EventLog,
    records: &dyn Records,
    start: Start<'_>,
) -> Result<Submitted, StartError> {
    let input = check(&start)?;
    let key = start
        .key
        .map(|key| idempotency_key(key, start.workflow, &input))
        .transpose()?;
    submit(log, records, start, input, key).await
}

/// The same for a trigger, whose key says alone what it stands for: the input
/// may have changed with a deploy since the first time.
pub(crate) async fn start_by_trigger(
    log: &dyn EventLog,
    records: &dyn Records,
    start: Start<'_>,
) -> Result<Submitted, StartError> {
    let input = check(&start)?;
    let key = start.key.map(|key| IdempotencyKey {
        key: key.to_owned(),
        fingerprint: Digest::of(key.as_bytes()),
    });
    submit(log, records, start, input, key).await
}

fn check(start: &Start<'_>) -> Result<Bytes, StartError> {
    if let Some(priority) = start.priority.filter(|priority| !is_priority(*priority)) {
        return Err(StartError::InvalidPriority(priority));
    }
    let problems = start.workflow.check_input(start.input);
    if !problems.is_empty() {
        return Err(StartError::InvalidInput(problems));
    }
    Ok(payload::encode(start.input)?)
}

async fn submit(
    log: &dyn EventLog,
    records: &dyn Records,
    start: Start<'_>,
    input: Bytes,
    key: Option<IdempotencyKey>,
) -> Result<Submitted, StartError> {
    let submission = Submission {
        tenant: start.tenant.clone(),
        execution: start.execution,
        key,
        at: start.at,
        message: Message::Start {
            workflow: start.workflow.id,
            name: start.workflow.definition.name.clone(),
            version: start.workflow.version,
            input: keep(records, input).await?,
            parent: None,
            origin: None,
            follows: None,
            priority: start.priority.unwrap_or(start.workflow.definition.priority),
            slot: start.workflow.slot(start.input),
            paused: start.paused,
        },
        expect: None,
        durability: start.durability,
    };
    Ok(log.submit(submission).await?)
}

/// Keeps a large value as a blob.
///
/// # Errors
/// When the records are not available.
pub async fn keep(records: &dyn Records, bytes: Bytes) -> Result<Payload, RecordError> {
    if bytes.len() <= MAX_INLINE {
        return Ok(Payload::Inline(bytes));
    }
    let size = bytes.len() as u64;
    Ok(Payload::Blob {
        digest: records.put_blob(bytes).await?,
        size,
    })
}

/// A key with the digest of what it stands for: the workflow, not its version,
/// so that a repeat after a deploy is still a repeat.
fn idempotency_key(
    key: &str,
    workflow: &DeployedWorkflow,
    input: &[u8],
) -> Result<IdempotencyKey, StartError> {
    let mut request = format!("start\0{}\0", workflow.id).into_bytes();
    request.extend_from_slice(input);
    callers_key(key, &request)
}

/// A caller's key for a request.
pub(crate) fn callers_key(key: &str, request: &[u8]) -> Result<IdempotencyKey, StartError> {
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(StartError::InvalidKey(key.len()));
    }
    if key.starts_with(RESERVED) {
        return Err(StartError::ReservedKey);
    }
    Ok(IdempotencyKey {
        key: key.to_owned(),
        fingerprint: Digest::of(request),
    })
}

#[cfg(test)]
mod tests;
