//! Making an execution from one that has ended: one that goes on where it failed
//! or was stopped (a retry), or one that begins again (a replay). What has ended
//! stays as it is.

use serde_json::Value;

use crate::deploy::DeployedWorkflow;
use crate::event::{Event, Origin, Recorded, Restart};
use crate::id::{ExecutionId, TenantId};
use crate::payload::{self, Payload, PayloadError};
use crate::ports::{
    Durability, EventLog, LogError, Message, RecordError, Records, Status, Submission, Submitted,
};
use crate::start::{self, StartError};
use crate::time::Timestamp;

/// How many events are read at once.
const PAGE: usize = 500;

/// What is to be made.
#[derive(Debug)]
pub struct Again<'a> {
    /// Whose.
    pub tenant: &'a TenantId,
    /// From which execution, and what the new one does.
    pub origin: Origin,
    /// The version that the new one runs. For a retry that of its origin, since
    /// what it keeps belongs to that.
    pub workflow: &'a DeployedWorkflow,
    /// The caller's key, which makes a repeat harmless.
    pub key: Option<&'a str>,
    /// A fresh id.
    pub execution: ExecutionId,
    /// When it was asked for.
    pub at: Timestamp,
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum RestartError {
    /// It has not ended.
    #[error("execution {0} has not ended: it is {status}; cancel it first, or let it end", status = .1.name())]
    NotEnded(ExecutionId, Status),
    /// Nothing of it is left to do.
    #[error("execution {0} succeeded, so that nothing of it is left to retry; replay it instead")]
    Succeeded(ExecutionId),
    /// What its steps did is undone.
    #[error(
        "what execution {0} did was undone, so that nothing of it can be kept; replay it instead"
    )]
    Undone(ExecutionId),
    /// A retry of another version, or of another workflow.
    #[error("execution {0} ran another version, and a retry runs the same one; replay it instead")]
    OtherVersion(ExecutionId),
    /// The key or the input is refused; the log or the records are not available.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl From<LogError> for RestartError {
    fn from(error: LogError) -> Self {
        Self::Start(error.into())
    }
}

/// Makes it. Once it returns, its start is on disk.
///
/// # Errors
/// When the origin is not one to go on with or to repeat, the workflow's version
/// does not take its input, or the log is not available.
pub async fn restart(
    log: &dyn EventLog,
    records: &dyn Records,
    again: Again<'_>,
) -> Result<Submitted, RestartError> {
    let id = again.origin.execution;
    let found = log.execution(again.tenant, id).await?;
    let found = found.ok_or(LogError::NotFound(id))?;
    let same =
        (found.workflow, found.workflow_version) == (again.workflow.id, again.workflow.version);
    match (again.origin.restart, found.status) {
        (_, status) if !status.is_final() => return Err(RestartError::NotEnded(id, status)),
        (Restart::Retry, Status::Succeeded) => return Err(RestartError::Succeeded(id)),
        (Restart::Retry, _) if !same => return Err(RestartError::OtherVersion(id)),
        (Restart::Retry, _) if was_undone(log, id, again.workflow).await? => {
            return Err(RestartError::Undone(id));
        }
        _ => {}
    }
    let first = log.history(id, 0, 1).await?.pop().map(|r| r.event);
    let Some(Event::Started { input, .. }) = first else {
        return Err(LogError::Damaged(format!("execution {id} has no start")).into());
    };
    let value = read(records, &input).await?;
    let problems = again.workflow.check_input(&value);
    if !same && !problems.is_empty() {
        return Err(StartError::InvalidInput(problems).into());
    }
    let key = again
        .key
        .map(|key| start::callers_key(key, request(&again).as_bytes()))
        .transpose()?;
    let submission = Submission {
        tenant: again.tenant.clone(),
        execution: again.execution,
        key,
        at: again.at,
        message: Message::Start {
            workflow: again.workflow.id,
            name: again.workflow.definition.name.clone(),
            version: again.workflow.version,
            input,
            parent: None,
            origin: Some(again.origin),
            priority: again.workflow.definition.priority,
            follows: None,
            slot: again.workflow.slot(&value),
            paused: false,
        },
        expect: None,
        durability: Durability::Now,
    };
    Ok(log.submit(submission).await?)
}

/// Whether what an execution did was undone before it ended.
async fn was_undone(
    log: &dyn EventLog,
    id: ExecutionId,
    workflow: &DeployedWorkflow,
) -> Result<bool, LogError> {
    let mut after = 0;
    if workflow
        .definition
        .nodes
        .values()
        .all(|node| node.undo.is_none())
    {
        return Ok(false);
    }
    loop {
        let page = log.history(id, after, PAGE).await?;
        let is_it = |recorded: &Recorded| matches!(recorded.event, Event::UndoStarted { .. });
        match page.last() {
            _ if page.iter().any(is_it) => return Ok(true),
            Some(last) if page.len() == PAGE => after = last.version,
            _ => return Ok(false),
        }
    }
}

/// What a key stands for.
fn request(again: &Again<'_>) -> String {
    let (id, version) = (again.origin.execution, again.workflow.version);
    match again.origin.restart {
        Restart::Retry => format!("retry\0{id}"),
        Restart::Replay => format!("replay\0{id}\0{version}"),
    }
}

async fn read(records: &dyn Records, input: &Payload) -> Result<Value, StartError> {
    let bytes = match input {
        Payload::Inline(bytes) => bytes.clone(),
        Payload::Blob { digest, .. } => {
            let found = records.blob(*digest).await?;
            found.ok_or_else(|| RecordError::Damaged(format!("blob {digest} is not there")))?
        }
    };
    payload::decode(&bytes).map_err(|error: PayloadError| error.into())
}
