//! From the log into memory.

use std::sync::Arc;

use nebula_flow::event::{Event, Origin, Restart};
use nebula_flow::execution::Execution;
use nebula_flow::ports::{InboxRow, LogError, Message};
use nebula_flow::{ExecutionId, Recorded, Timestamp, WorkflowId};

use super::journal::Journal;
use super::{Assignment, Exit, Task};
use crate::chance::Backoff;
use crate::config::Core;
use crate::pinned;

/// How many events are read at once.
const PAGE: usize = 512;

/// Loads an execution and takes its messages.
pub(super) async fn load(assignment: Assignment) -> Result<Task, Exit> {
    let Assignment {
        core,
        tenant,
        id,
        fence,
        rows,
    } = assignment;
    // The start itself is at hand: the log has nothing that is older.
    let fresh = matches!(rows.first(), Some(row) if matches!(row.message, Message::Start { .. }));
    let (mut page, rows) = if fresh {
        (Vec::new(), rows)
    } else {
        // What was heard may have been taken since; only the log knows.
        let page = history(&core, id, 0).await?;
        (page, inbox(&core, id).await?)
    };
    let Some((workflow, version)) = workflow_of(&page, &rows) else {
        return Err(Exit::Vanished);
    };
    let plan = pinned::patient_plan(&core, &tenant, workflow, version)
        .await
        .map_err(Exit::Parked)?;
    let mut execution = Execution::new(id, plan);
    let mut last_at = Timestamp::default();
    while !page.is_empty() {
        for recorded in &page {
            execution
                .apply(recorded)
                .map_err(|e| Exit::Parked(e.to_string()))?;
            last_at = last_at.max(recorded.at);
        }
        let full = page.len() >= PAGE;
        page = if full {
            history(&core, id, execution.version()).await?
        } else {
            Vec::new()
        };
    }
    if execution.final_event().is_some() {
        return Err(Exit::Finished);
    }
    let journal = Journal::new(core.clone(), tenant.clone(), fence, id, execution.version());
    let mut task = Task::new(core, tenant, id, execution, journal, last_at);
    for row in rows {
        if fresh {
            task.heard(&row).await?;
        } else {
            task.take(&row)?;
        }
        if task.execution.version() == 1 {
            keep(&mut task).await?;
            pause(&mut task, &row)?;
        }
    }
    Ok(task)
}

/// Lets an execution that has just started keep what the one that it goes on with
/// had done. The start and all of that are one commit.
async fn keep(task: &mut Task) -> Result<(), Exit> {
    let Some(Origin {
        execution: id,
        restart: Restart::Retry,
    }) = task.execution.origin()
    else {
        return Ok(());
    };
    let mut origin = Execution::new(id, task.execution.plan().clone());
    let mut history = Vec::new();
    loop {
        let page = self::history(&task.core, id, origin.version()).await?;
        for recorded in &page {
            origin
                .apply(recorded)
                .map_err(|e| Exit::Parked(format!("it goes on with {id}, of which {e}")))?;
        }
        let last = page.len() < PAGE;
        history.extend(page);
        if last {
            break;
        }
    }
    if origin.final_event().is_none() {
        let reason = format!("execution {id}, with which it goes on, is no longer kept");
        return task.record(Event::Terminated { reason }, task.now());
    }
    for event in origin.kept(&history) {
        task.record(event, task.now())?;
    }
    Ok(())
}

/// Pauses an execution that has just started, if its start says so.
fn pause(task: &mut Task, row: &InboxRow) -> Result<(), Exit> {
    let paused = matches!(row.message, Message::Start { paused: true, .. });
    if paused && task.execution.final_event().is_none() {
        let reason = "it was started to be stepped through".to_owned();
        return task.record(Event::Paused { reason }, task.now());
    }
    Ok(())
}

fn workflow_of(page: &[Recorded], inbox: &[Arc<InboxRow>]) -> Option<(WorkflowId, u32)> {
    match page.first().map(|r| &r.event) {
        Some(Event::Started {
            workflow,
            workflow_version,
            ..
        }) => return Some((*workflow, *workflow_version)),
        Some(_) => return None,
        None => {}
    }
    match inbox.first().map(|row| &row.message) {
        Some(Message::Start {
            workflow, version, ..
        }) => Some((*workflow, *version)),
        _ => None,
    }
}

async fn history(core: &Core, id: ExecutionId, after: u64) -> Result<Vec<Recorded>, Exit> {
    let mut backoff = Backoff::new();
    loop {
        match core.log.history(id, after, PAGE).await {
            Ok(page) => return Ok(page),
            Err(error) => again(core, id, error, &mut backoff).await?,
        }
    }
}

/// The messages that no append has taken yet.
pub(super) async fn inbox(core: &Core, id: ExecutionId) -> Result<Vec<Arc<InboxRow>>, Exit> {
    let mut backoff = Backoff::new();
    loop {
        match core.log.inbox(id).await {
            Ok(rows) => return Ok(rows.into_iter().map(Arc::new).collect()),
            Err(error) => again(core, id, error, &mut backoff).await?,
        }
    }
}

async fn again(
    core: &Core,
    id: ExecutionId,
    error: LogError,
    backoff: &mut Backoff,
) -> Result<(), Exit> {
    match error {
        LogError::Unavailable(_) => {
            tracing::warn!(execution = %id, %error, "an execution cannot be read; trying again");
            backoff.pause(&*core.clock).await;
            Ok(())
        }
        LogError::NotFound(_) => Err(Exit::Vanished),
        other => Err(Exit::Parked(other.to_string())),
    }
}
