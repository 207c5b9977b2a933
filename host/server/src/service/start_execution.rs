//! Starting an execution: quota, definition, id, idempotency key, then the
//! log; and waiting for its end, if the caller wants that.

use std::time::Duration;

use nebula_api::execution::ExecutionResult;
use nebula_flow::deploy::DeployedWorkflow;
use nebula_flow::ports::{Durability, LogError, Status, Submitted};
use nebula_flow::{ExecutionId, Timestamp, Value, start};

use super::executions::Ended;
use super::{Result, executions, workflows};
use crate::app::App;
use crate::service::values::{failure, time};
use crate::watch::Watch;

/// What is to be started.
pub(crate) struct Start<'a> {
    /// Name or id.
    pub(crate) workflow: &'a str,
    /// The newest if absent.
    pub(crate) version: Option<u32>,
    /// The workflow's if absent.
    pub(crate) priority: Option<i8>,
    /// Paused as soon as it has started.
    pub(crate) paused: bool,
    /// The workflow's input.
    pub(crate) input: Value,
    /// Makes a repeat harmless.
    pub(crate) key: Option<String>,
    /// How long to wait for the end.
    pub(crate) wait: Option<Duration>,
}

/// What became of a start.
pub(crate) struct Started {
    /// With its end, if that was awaited and came.
    pub(crate) result: ExecutionResult,
    /// Whether the execution is that of an earlier request with this key.
    pub(crate) replayed: bool,
}

/// Starts an execution. Once it returns, the start is on disk.
pub(crate) async fn start(app: &App, request: Start<'_>) -> Result<Started> {
    let (_, workflow) = workflows::select(app, request.workflow, request.version).await?;
    let now = app.clock.now();
    let execution = mint(now)?;
    // Watched from before the start, so that no end is missed.
    let watch = request
        .wait
        .map(|patience| (app.watches.watch(execution), patience));
    let start = start::Start {
        tenant: &app.tenant,
        workflow: &workflow,
        input: &request.input,
        key: request.key.as_deref(),
        priority: request.priority,
        paused: request.paused,
        execution,
        at: now,
        durability: if watch.is_some() {
            Durability::WithAppend
        } else {
            Durability::Now
        },
    };
    let submitted = start::start(&*app.log, &*app.records, start).await?;
    let submission = Submission {
        execution,
        workflow: &workflow,
        at: now,
        submitted,
        watch,
    };
    answer(app, submission).await
}

/// A start that was submitted.
pub(crate) struct Submission<'a> {
    /// The id that was minted for it.
    pub(crate) execution: ExecutionId,
    /// Of which version.
    pub(crate) workflow: &'a DeployedWorkflow,
    /// When.
    pub(crate) at: Timestamp,
    /// What became of it.
    pub(crate) submitted: Submitted,
    /// How long to wait for the end, watched from before the start.
    pub(crate) watch: Option<(Watch, Duration)>,
}

/// What became of a start: the execution, with its end if that is awaited and comes.
pub(crate) async fn answer(app: &App, start: Submission<'_>) -> Result<Started> {
    let execution = start.execution;
    if let Submitted::Duplicate(first) = start.submitted {
        let patience = start.watch.map(|(_, patience)| patience);
        return replay(app, first, start.workflow, patience).await;
    }
    let ended = match start.watch {
        Some((watch, patience)) => executions::wait(app, execution, watch, patience).await?,
        None => None,
    };
    let mut result = queued(execution, start.workflow, start.at);
    if let Some(ended) = ended {
        end(app, execution, ended, &mut result).await?;
    }
    Ok(Started {
        result,
        replayed: false,
    })
}

fn queued(execution: ExecutionId, deployed: &DeployedWorkflow, now: Timestamp) -> ExecutionResult {
    ExecutionResult {
        id: execution.to_string(),
        workflow_id: deployed.id.to_string(),
        workflow: deployed.definition.name.to_string(),
        workflow_version: deployed.version,
        status: Status::Queued.name().into(),
        created_at: time(now),
        finished_at: None,
        output: None,
        error: None,
    }
}

async fn end(
    app: &App,
    execution: ExecutionId,
    ended: Ended,
    result: &mut ExecutionResult,
) -> Result<()> {
    result.status = ended.status.name().into();
    let end = executions::end(app, execution, ended).await?;
    result.finished_at = Some(end.at);
    result.output = end.output;
    result.error = end.error;
    Ok(())
}

/// The answer to a repeated request: the first one's execution as it is now,
/// or as it ends.
async fn replay(
    app: &App,
    execution: ExecutionId,
    workflow: &DeployedWorkflow,
    wait: Option<Duration>,
) -> Result<Started> {
    let watch = app.watches.watch(execution);
    let Some(summary) = app.log.execution(&app.tenant, execution).await? else {
        // Its key outlives it, so that the request is not done again.
        let mut result = queued(execution, workflow, execution.minted_at());
        result.status = "removed".into();
        return Ok(Started {
            result,
            replayed: true,
        });
    };
    let mut result = ExecutionResult {
        id: execution.to_string(),
        workflow_id: summary.workflow.to_string(),
        workflow: summary.workflow_name.to_string(),
        workflow_version: summary.workflow_version,
        status: summary.status.name().into(),
        created_at: time(summary.created_at),
        finished_at: None,
        output: None,
        error: summary.error.map(failure),
    };
    let ended = match wait {
        _ if summary.status.is_final() => Some(Ended::new(summary.status, summary.version)),
        Some(patience) => executions::wait(app, execution, watch, patience).await?,
        None => None,
    };
    if let Some(ended) = ended {
        end(app, execution, ended, &mut result).await?;
    }
    Ok(Started {
        result,
        replayed: true,
    })
}

/// A fresh id.
pub(crate) fn mint(now: Timestamp) -> Result<ExecutionId> {
    let mut chance = [0; 16];
    getrandom::fill(&mut chance)
        .map_err(|e| LogError::Unavailable(format!("the system gives no randomness: {e}")))?;
    Ok(ExecutionId::mint(now, u128::from_le_bytes(chance)))
}
