//! Executions as the log shows them: lists, one in full, one awaited.

use std::sync::Arc;
use std::time::Duration;

use nebula_api::Page;
use nebula_api::execution as wire;
use nebula_flow::event::Event;
use nebula_flow::plan::Plan;
use nebula_flow::ports::{ExecutionQuery, ExecutionSummary, Status};
use nebula_flow::{ExecutionId, Payload, Recorded};

use super::timeline::Timeline;
use super::values::{self, Values};
use super::{Error, Result, paging, workflows};
use crate::app::App;
use crate::watch::Watch;

/// How many events are read at once.
const CHUNK: usize = 500;

/// The id that a path or a cursor gives.
pub(crate) fn parse_id(text: &str) -> Result<ExecutionId> {
    Ok(text.parse()?)
}

/// One execution of this tenant.
pub(crate) async fn summary(app: &App, execution: ExecutionId) -> Result<ExecutionSummary> {
    let found = app.log.execution(&app.tenant, execution).await?;
    found.ok_or_else(|| Error::ExecutionNotFound(execution.to_string()))
}

/// A page of executions, newest first.
pub(crate) async fn list(
    app: &App,
    query: wire::ExecutionsQuery,
) -> Result<Page<wire::ExecutionSummary>> {
    let limit = paging::limit(query.limit)?;
    let status = query.status.as_deref().map(parse_status).transpose()?;
    let before = query.cursor.as_deref().map(parse_cursor).transpose()?;
    let workflow = match &query.workflow {
        Some(workflow) => Some(workflows::find(app, workflow).await?.id),
        None => None,
    };
    let query = ExecutionQuery {
        workflow,
        status,
        before,
        limit: limit + 1,
    };
    let found = app.log.executions(&app.tenant, &query).await?;
    let items = found.into_iter().map(wire_summary).collect();
    Ok(paging::page(items, limit, |e: &wire::ExecutionSummary| {
        e.id.clone()
    }))
}

/// Everything about one execution.
pub(crate) async fn get(app: &App, execution: ExecutionId) -> Result<wire::Execution> {
    let summary = summary(app, execution).await?;
    let deployed = workflows::load(app, summary.workflow, summary.workflow_version).await?;
    let mut timeline = Timeline::new(&deployed.definition);
    let mut after = 0;
    loop {
        let events = app.log.history(execution, after, CHUNK).await?;
        let Some(last) = events.last() else { break };
        after = last.version;
        let full = events.len() == CHUNK;
        events
            .into_iter()
            .for_each(|recorded| timeline.apply(recorded));
        if !full {
            break;
        }
    }
    timeline
        .finish(wire_summary(summary), &mut Values::new(&*app.records))
        .await
}

/// An execution as its starter sees it, once it has ended or `patience` is
/// over. The watch must be older than the start, or nothing may have been
/// awaited for it yet.
pub(crate) async fn wait(
    app: &App,
    execution: ExecutionId,
    mut watch: Watch,
    patience: Duration,
) -> Result<Option<Ended>> {
    let ended = async {
        let mut overruns = 0;
        loop {
            let seen = watch.seen();
            if let Some(status) = seen.status.filter(|s| s.is_final()) {
                let (version, event) = (seen.version, seen.end);
                return Ok(Some(Ended {
                    status,
                    version,
                    event,
                }));
            }
            if seen.overruns != overruns {
                overruns = seen.overruns;
                let summary = summary(app, execution).await?;
                if summary.status.is_final() {
                    return Ok(Some(Ended::new(summary.status, summary.version)));
                }
            }
            watch.changed().await;
        }
    };
    tokio::select! {
        ended = ended => ended,
        () = tokio::time::sleep(patience) => Ok(None),
        () = app.stopped() => Ok(None),
    }
}

/// That an execution has ended.
pub(crate) struct Ended {
    /// As what.
    pub(crate) status: Status,
    /// The version of its last event.
    version: u64,
    /// That event, if it is at hand.
    event: Option<Arc<Recorded>>,
}

impl Ended {
    /// As the log's summary has it.
    pub(crate) const fn new(status: Status, version: u64) -> Self {
        Self {
            status,
            version,
            event: None,
        }
    }
}

/// How an execution ended, by its last event.
pub(crate) struct End {
    /// When.
    pub(crate) at: nebula_api::Time,
    /// If it succeeded.
    pub(crate) output: Option<nebula_flow::Value>,
    /// If it failed.
    pub(crate) error: Option<wire::Failure>,
}

/// How an execution ended, from the log unless the event is at hand.
pub(crate) async fn end(app: &App, execution: ExecutionId, ended: Ended) -> Result<End> {
    let last = match ended.event {
        Some(event) => Arc::unwrap_or_clone(event),
        None => last_event(app, execution, ended.version).await?,
    };
    let mut end = End {
        at: values::time(last.at),
        output: None,
        error: None,
    };
    match last.event {
        Event::Succeeded { output } => end.output = Some(decode(app, &output).await?),
        Event::Failed { node, error } => {
            let mut failure = values::failure(error);
            failure.node = node.map(|n| n.to_string());
            end.error = Some(failure);
        }
        _ => {}
    }
    Ok(end)
}

async fn last_event(app: &App, execution: ExecutionId, version: u64) -> Result<Recorded> {
    let before = version.saturating_sub(1);
    let last = app.log.history(execution, before, 1).await?.pop();
    let Some(last) = last else {
        // It may be gone since its end was seen.
        summary(app, execution).await?;
        let what = format!("execution {execution} lacks event {version}");
        return Err(Error::Damaged(what));
    };
    Ok(last)
}

async fn decode(app: &App, payload: &Payload) -> Result<nebula_flow::Value> {
    Values::new(&*app.records).decode(payload).await
}

fn parse_status(text: &str) -> Result<Status> {
    Status::from_name(text).ok_or_else(|| {
        let names: Vec<_> = Status::ALL.iter().map(|s| s.name()).collect();
        Error::InvalidQuery {
            parameter: "status",
            message: format!("give one of {}", names.join(", ")),
        }
    })
}

fn parse_cursor(text: &str) -> Result<ExecutionId> {
    text.parse().map_err(|_| Error::InvalidQuery {
        parameter: "cursor",
        message: "give `next_cursor` of the page before, as it is".into(),
    })
}

/// A summary as the wire has it.
pub(crate) fn wire_summary(summary: ExecutionSummary) -> wire::ExecutionSummary {
    wire::ExecutionSummary {
        id: summary.id.to_string(),
        workflow_id: summary.workflow.to_string(),
        workflow: summary.workflow_name.to_string(),
        workflow_version: summary.workflow_version,
        status: summary.status.name().into(),
        version: summary.version,
        created_at: values::time(summary.created_at),
        updated_at: values::time(summary.updated_at),
        finished_at: summary.finished_at.map(values::time),
        wake_at: summary.wake_at.map(values::time),
        priority: summary.priority,
        waits_for_slot: summary.waits_for_slot,
        error: summary.error.map(values::failure),
    }
}

/// What decides an execution.
pub(crate) async fn plan(app: &App, execution: ExecutionId) -> Result<Arc<Plan>> {
    let summary = summary(app, execution).await?;
    let deployed = workflows::load(app, summary.workflow, summary.workflow_version).await?;
    let plan = Plan::compile(deployed).map_err(|problems| {
        let first = problems.first().map(ToString::to_string);
        Error::Damaged(format!(
            "the workflow of {execution} does not compile: {}",
            first.unwrap_or_default()
        ))
    })?;
    Ok(Arc::new(plan))
}
