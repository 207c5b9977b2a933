//! The end of an execution that cannot be loaded: its workflow's version is
//! gone, say, or an event is damaged. Only a terminate reaches it.

use std::sync::Arc;

use nebula_flow::event::{Event, Parent, RULES};
use nebula_flow::execution;
use nebula_flow::ports::{Append, Fence, InboxRow, LogError, Message, Status};
use nebula_flow::{ExecutionId, Recorded, TenantId};

use super::{Exit, load};
use crate::config::Core;

/// Ends it if that was asked for; else it is parked.
pub(super) async fn if_asked(
    core: &Arc<Core>,
    tenant: &TenantId,
    id: ExecutionId,
    fence: Fence,
    why: String,
) -> Exit {
    let Ok(inbox) = load::inbox(core, id).await else {
        return Exit::Parked(why);
    };
    let asked = inbox.iter().find_map(|row| match &row.message {
        Message::Terminate { reason } => Some(reason.clone()),
        _ => None,
    });
    let Some(reason) = asked else {
        return Exit::Parked(why);
    };
    match terminate(core, tenant, id, fence, &inbox, reason).await {
        Ok(()) => Exit::Finished,
        Err(LogError::Fenced(_)) => Exit::Fenced,
        Err(error @ LogError::Unavailable(_)) => Exit::Stumbled(error.to_string()),
        Err(error) => Exit::Parked(format!("{why}; and it cannot be terminated: {error}")),
    }
}

async fn terminate(
    core: &Core,
    tenant: &TenantId,
    id: ExecutionId,
    fence: Fence,
    inbox: &[Arc<InboxRow>],
    reason: String,
) -> Result<(), LogError> {
    let found = core.log.execution(tenant, id).await?;
    let found = found.ok_or(LogError::NotFound(id))?;
    let at = found.updated_at.max(core.clock.now());
    let mut events = Vec::new();
    let parent = parent(core, id, inbox).await?;
    // Every history begins with its start.
    if found.version == 0
        && let Some(Message::Start {
            workflow,
            version,
            input,
            origin,
            follows,
            ..
        }) = inbox.first().map(|row| &row.message)
    {
        events.push(Event::Started {
            workflow: *workflow,
            workflow_version: *version,
            input: input.clone(),
            rules: RULES,
            parent: parent.clone(),
            origin: *origin,
            follows: *follows,
        });
    }
    let end = Event::Terminated { reason };
    let told = parent.and_then(|parent| execution::to_parent(&parent, id, &end));
    events.push(end);
    let versions = found.version + 1..;
    let append = Append {
        execution: id,
        expected: found.version,
        events: events
            .into_iter()
            .zip(versions)
            .map(|(event, version)| Recorded { version, at, event })
            .collect(),
        lines: Vec::new(),
        consumed: inbox.last().map_or(0, |row| row.seq),
        inbox_empty: false,
        status: Status::Terminated,
        wake_at: None,
        error: None,
        outbox: told.into_iter().collect(),
    };
    core.log.append(fence, append).await
}

/// Who started it, as far as its start can be read.
async fn parent(
    core: &Core,
    id: ExecutionId,
    inbox: &[Arc<InboxRow>],
) -> Result<Option<Parent>, LogError> {
    if let Some(Message::Start { parent, .. }) = inbox.first().map(|row| &row.message) {
        return Ok(parent.clone());
    }
    let first = match core.log.history(id, 0, 1).await {
        Err(LogError::Damaged(_)) => return Ok(None),
        first => first?,
    };
    Ok(match first.into_iter().next().map(|r| r.event) {
        Some(Event::Started { parent, .. }) => parent,
        _ => None,
    })
}
