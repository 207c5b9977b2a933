//! Sending a signal to an execution. Whether it is taken is decided from the
//! execution's history and inbox, and the log accepts it only if nothing has
//! come since: what is refused was never accepted, and what is accepted finds
//! its wait unless the execution ends first.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::definition::{Code, Diagnostic};
use crate::execution::{IllegalEvent, Refused};
use crate::id::{Digest, ExecutionId, SignalName, TenantId};
use crate::look::{Look, LookError};
use crate::payload::{self, Payload, PayloadError};
use crate::plan::Plan;
use crate::ports::{
    Durability, EventLog, IdempotencyKey, LogError, Message, RecordError, Records, Standing,
    Submission, Submitted,
};
use crate::shape::Shape;
use crate::start::{self, MAX_KEY, RESERVED};
use crate::time::Timestamp;

/// How often it is decided anew because something came meanwhile.
pub(crate) const TRIES: u32 = 100;

/// What is to be sent.
#[derive(Debug)]
pub struct Signal<'a> {
    /// Whose.
    pub tenant: &'a TenantId,
    /// To which execution.
    pub execution: ExecutionId,
    /// Of the workflow's version that it runs.
    pub plan: &'a Arc<Plan>,
    /// Which signal.
    pub name: &'a SignalName,
    /// What it says.
    pub payload: &'a Value,
    /// The caller's key, which makes a repeat harmless.
    pub key: Option<&'a str>,
    /// When it was received.
    pub at: Timestamp,
}

/// Why a signal was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// Nothing of the execution takes it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The payload is not what the signal takes; pointers are into the payload.
    #[error("the payload is not what the signal takes: {}", .0.first().map_or("", |d| d.message.as_str()))]
    InvalidPayload(Vec<Diagnostic>),
    /// The payload is too large.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The key is empty or too long.
    #[error("an idempotency key has 1 to {MAX_KEY} bytes; this one has {0}")]
    InvalidKey(usize),
    /// The key is one of the host's own.
    #[error("an idempotency key does not begin with `{RESERVED}`: these are the host's own")]
    ReservedKey,
    /// The execution moves on faster than it can be decided.
    #[error("execution {0} changes too fast for a signal; try again")]
    Busy(ExecutionId),
    /// Its history contradicts itself.
    #[error("the history of execution {0} cannot be followed: {1}")]
    Unreadable(ExecutionId, IllegalEvent),
    /// The log refused.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A large payload could not be kept.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl From<LookError> for SignalError {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Unreadable(id, illegal) => Self::Unreadable(id, illegal),
            LookError::Log(error) => Self::Log(error),
        }
    }
}

/// Decides whether the execution takes the signal, and submits it. Once it
/// returns, it is on disk. The execution must exist.
///
/// # Errors
/// When it is refused, or the log is not available.
pub async fn signal(
    log: &dyn EventLog,
    records: &dyn Records,
    signal: Signal<'_>,
) -> Result<Submitted, SignalError> {
    let bytes = payload::encode(signal.payload)?;
    let key = signal
        .key
        .map(|key| idempotency_key(key, &signal, &bytes))
        .transpose()?;
    check_payload(&signal)?;
    let mut look = Look::new(signal.execution, signal.plan.clone());
    for _ in 0..TRIES {
        let (ahead, standing) = look.again(log).await?;
        let admitted = ahead.admits(signal.name, bytes.len() as u64, signal.at);
        let refused = admitted.err();
        let (expect, payload) = match refused {
            None => (standing, start::keep(records, bytes.clone()).await?),
            // Perhaps the same signal was accepted before, under this key: the
            // log knows, and takes nothing else.
            Some(_) if key.is_some() => (Standing::NOWHERE, Payload::null()),
            Some(refused) => return Err(refused.into()),
        };
        let submission = Submission {
            tenant: signal.tenant.clone(),
            execution: signal.execution,
            key: key.clone(),
            at: signal.at,
            message: Message::Signal {
                name: signal.name.clone(),
                payload,
            },
            expect: Some(expect),
            durability: Durability::Now,
        };
        match (log.submit(submission).await, refused) {
            (Ok(submitted), _) => return Ok(submitted),
            (Err(LogError::Conflict { .. }), Some(refused)) => return Err(refused.into()),
            (Err(LogError::Conflict { .. }), None) => {}
            (Err(error), _) => return Err(error.into()),
        }
    }
    Err(SignalError::Busy(signal.execution))
}

/// What of it does not hang on where the execution stands.
fn check_payload(signal: &Signal<'_>) -> Result<(), SignalError> {
    let known = signal.plan.signals.get(signal.name);
    let Some(schema) = known.and_then(|known| known.schema.as_ref()) else {
        return Ok(());
    };
    let problems = match Shape::compile(schema) {
        Ok(shape) => shape.mismatches(signal.payload),
        Err(mismatch) => vec![mismatch],
    };
    if problems.is_empty() {
        return Ok(());
    }
    let diagnostic =
        |m: crate::shape::Mismatch| Diagnostic::new(Code::InvalidInput, m.pointer, m.message);
    Err(SignalError::InvalidPayload(
        problems.into_iter().map(diagnostic).collect(),
    ))
}

/// A key with the digest of what it stands for.
fn idempotency_key(
    key: &str,
    signal: &Signal<'_>,
    payload: &Bytes,
) -> Result<IdempotencyKey, SignalError> {
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(SignalError::InvalidKey(key.len()));
    }
    if key.starts_with(RESERVED) {
        return Err(SignalError::ReservedKey);
    }
    let mut request = format!("signal\0{}\0{}\0", signal.execution, signal.name).into_bytes();
    request.extend_from_slice(payload);
    Ok(IdempotencyKey {
        key: key.to_owned(),
        fingerprint: Digest::of(&request),
    })
}
