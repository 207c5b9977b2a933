//! What happened to an execution: its events and its log lines, as pages or
//! followed live.

use nebula_api::Page;
use nebula_api::execution as wire;
use nebula_flow::event::{Event, Kept, Recorded};
use nebula_flow::ports::{ExecutionSummary, LogLine};
use nebula_flow::{ExecutionId, StepKey};

use super::values::{self, Values};
use super::{Error, Result, executions, paging};
use crate::app::App;
use crate::watch::Watch;

/// How many entries a stream reads at once.
const CHUNK: usize = 100;

/// Which entries to begin with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct From {
    /// Entries above this are given.
    pub(crate) after: u64,
    /// At most this many.
    pub(crate) limit: usize,
}

impl From {
    /// From a request's cursor and limit.
    pub(crate) fn parse(cursor: Option<&str>, limit: Option<u32>) -> Result<Self> {
        let after = match cursor {
            None => 0,
            Some(text) => text.parse().map_err(|_| Error::InvalidQuery {
                parameter: "cursor",
                message: "give `next_cursor` of the page before, as it is".into(),
            })?,
        };
        Ok(Self {
            after,
            limit: paging::bounded(limit, 100, 500)?,
        })
    }
}

/// A page of an execution's events.
pub(crate) async fn events(
    app: &App,
    execution: ExecutionId,
    from: From,
) -> Result<Page<wire::Event>> {
    executions::summary(app, execution).await?;
    let recorded = app
        .log
        .history(execution, from.after, from.limit + 1)
        .await?;
    let total = recorded.len();
    let mut items = Vec::with_capacity(total.min(from.limit));
    let mut values = Values::new(&*app.records);
    for recorded in recorded.into_iter().take(from.limit) {
        // A page that grows too long ends early; its cursor leads on.
        if !items.is_empty() && recorded.event.payload().is_some_and(|p| !values.affords(p)) {
            break;
        }
        items.push(event(recorded, &mut values).await?);
    }
    let next_cursor = if items.len() < total {
        items.last().map(|e: &wire::Event| e.version.to_string())
    } else {
        None
    };
    Ok(Page { items, next_cursor })
}

/// A page of an execution's log lines.
pub(crate) async fn lines(
    app: &App,
    execution: ExecutionId,
    from: From,
) -> Result<Page<wire::LogLine>> {
    executions::summary(app, execution).await?;
    let lines = app.log.lines(execution, from.after, from.limit + 1).await?;
    let lines = lines.into_iter().map(|(seq, l)| line(seq, l)).collect();
    Ok(paging::page(lines, from.limit, |l: &wire::LogLine| {
        l.seq.to_string()
    }))
}

/// An execution that is followed to its end.
pub(crate) struct Follow {
    app: App,
    execution: ExecutionId,
    watch: Watch,
    after: u64,
    ended: bool,
}

impl Follow {
    /// Follows from behind the entry `after` on.
    pub(crate) async fn new(app: App, execution: ExecutionId, after: u64) -> Result<Self> {
        let watch = app.watches.watch(execution);
        executions::summary(&app, execution).await?;
        Ok(Self {
            app,
            execution,
            watch,
            after,
            ended: false,
        })
    }

    /// The next events; empty when all have been given.
    pub(crate) async fn events(&mut self) -> Result<Vec<wire::Event>> {
        while !self.ended {
            self.watch.seen();
            let recorded = self
                .app
                .log
                .history(self.execution, self.after, CHUNK)
                .await?;
            if recorded.is_empty() {
                self.pause().await?;
                continue;
            }
            let mut events = Vec::with_capacity(recorded.len());
            let mut values = Values::of_a_piece(&*self.app.records);
            for recorded in recorded {
                if !events.is_empty()
                    && recorded.event.payload().is_some_and(|p| !values.affords(p))
                {
                    break;
                }
                self.ended |= recorded.event.is_final();
                self.after = recorded.version;
                events.push(event(recorded, &mut values).await?);
            }
            return Ok(events);
        }
        Ok(Vec::new())
    }

    /// The next log lines; empty when all have been given.
    pub(crate) async fn lines(&mut self) -> Result<Vec<wire::LogLine>> {
        while !self.ended {
            self.watch.seen();
            let summary = executions::summary(&self.app, self.execution).await?;
            let lines = self
                .app
                .log
                .lines(self.execution, self.after, CHUNK)
                .await?;
            if let Some((seq, _)) = lines.last() {
                self.after = *seq;
                return Ok(lines.into_iter().map(|(seq, l)| line(seq, l)).collect());
            }
            // Lines are committed with events: after the last event comes none.
            if summary.status.is_final() {
                self.ended = true;
            } else {
                self.watch.changed().await;
            }
        }
        Ok(Vec::new())
    }

    /// Whether the execution has ended and nothing is left to give.
    pub(crate) async fn is_exhausted(&self) -> Result<bool> {
        let ExecutionSummary {
            status, version, ..
        } = executions::summary(&self.app, self.execution).await?;
        Ok(status.is_final() && version <= self.after)
    }

    async fn pause(&mut self) -> Result<()> {
        if self.is_exhausted().await? {
            self.ended = true;
        } else {
            self.watch.changed().await;
        }
        Ok(())
    }
}

fn line(seq: u64, line: LogLine) -> wire::LogLine {
    wire::LogLine {
        seq,
        at: values::time(line.at),
        level: line.level,
        step: line.step.to_string(),
        attempt: line.attempt,
        message: line.message,
    }
}

/// An event as the wire has it.
async fn event(recorded: Recorded, values: &mut Values<'_>) -> Result<wire::Event> {
    let value = match recorded.event.payload() {
        Some(payload) => Some(values.decode(payload).await?),
        None => None,
    };
    let mut wire = wire::Event {
        version: recorded.version,
        at: Some(values::time(recorded.at)),
        kind: recorded.event.name().into(),
        ..wire::Event::default()
    };
    fill(&mut wire, recorded.event, value);
    Ok(wire)
}

fn fill(wire: &mut wire::Event, event: Event, value: Option<nebula_flow::Value>) {
    match event {
        Event::Started {
            workflow,
            workflow_version,
            parent,
            origin,
            follows,
            ..
        } => {
            wire.follows = follows.map(|follows| follows.execution.to_string());
            wire.origin = origin.map(values::origin);
            wire.parent = parent.map(|parent| parent.execution.to_string());
            wire.workflow_id = Some(workflow.to_string());
            wire.workflow_version = Some(workflow_version);
            wire.input = value;
        }
        Event::StepKept { step, outcome } => {
            name(wire, &step, None);
            match outcome {
                Kept::Succeeded { port, .. } => (wire.output, wire.port) = (value, port),
                Kept::Failed { error } => wire.error = Some(values::failure(error)),
                Kept::Skipped { reason } => wire.reason = reason,
            }
        }
        Event::StepReady { step, .. } => {
            name(wire, &step, None);
            wire.input = value;
        }
        Event::MapStarted { step, count, .. } => {
            name(wire, &step, None);
            wire.input = value;
            wire.count = Some(count);
        }
        Event::WaitStarted {
            step,
            signal,
            until,
        } => {
            name(wire, &step, None);
            wire.signal = signal.map(|s| s.to_string());
            wire.until = until.map(values::time);
        }
        Event::ChildStarted { step, execution } => {
            name(wire, &step, None);
            wire.execution = Some(execution.to_string());
        }
        Event::SignalReceived {
            name, received_at, ..
        } => {
            wire.signal = Some(name.to_string());
            wire.received_at = Some(values::time(received_at));
            wire.payload = value;
        }
        Event::AttemptStarted { step, attempt } => name(wire, &step, Some(attempt)),
        Event::AttemptFailed {
            step,
            attempt,
            error,
            retry_at,
            usage,
        } => {
            name(wire, &step, Some(attempt));
            wire.error = Some(values::failure(error));
            wire.retry_at = Some(values::time(retry_at));
            wire.usage = Some(values::usage(usage));
        }
        Event::StepUnknown {
            step,
            attempt,
            error,
            usage,
        } => {
            name(wire, &step, Some(attempt));
            wire.error = Some(values::failure(error));
            wire.usage = Some(values::usage(usage));
        }
        Event::StepSucceeded {
            step,
            attempt,
            port,
            usage,
            ..
        } => {
            name(wire, &step, Some(attempt));
            wire.output = value;
            wire.port = port;
            wire.usage = Some(values::usage(usage));
        }
        Event::StepContinued {
            step,
            attempt,
            signal,
            until,
            usage,
            ..
        } => {
            name(wire, &step, Some(attempt));
            wire.state = value;
            wire.signal = signal.map(|s| s.to_string());
            wire.until = until.map(values::time);
            wire.usage = Some(values::usage(usage));
        }
        Event::StepResumed { step } => name(wire, &step, None),
        Event::StepFailed {
            step,
            attempt,
            error,
            usage,
        } => {
            name(wire, &step, Some(attempt));
            wire.error = Some(values::failure(error));
            wire.usage = Some(values::usage(usage));
        }
        Event::StepSkipped {
            step,
            reason,
            usage,
        } => {
            name(wire, &step, None);
            wire.reason = reason;
            wire.usage = Some(values::usage(usage));
        }
        Event::ConnectionDecided {
            connection,
            fired,
            error,
        } => {
            wire.error = error.map(values::failure);
            wire.connection = Some(connection);
            wire.fired = Some(fired);
        }
        Event::UndoStarted { node, error } => {
            wire.node = node.map(|n| n.to_string());
            wire.error = error.map(values::failure);
        }
        Event::Warning { node, message } => {
            wire.node = Some(node.to_string());
            wire.message = Some(message);
        }
        Event::CancelRequested { reason }
        | Event::Paused { reason }
        | Event::Resumed { reason }
        | Event::Stepped { reason }
        | Event::Cancelled { reason }
        | Event::Terminated { reason } => wire.reason = Some(reason),
        Event::Succeeded { .. } => wire.output = value,
        Event::Failed { node, error } => {
            wire.node = node.map(|n| n.to_string());
            wire.error = Some(values::failure(error));
        }
    }
}

fn name(wire: &mut wire::Event, step: &StepKey, attempt: Option<u32>) {
    wire.step = Some(step.to_string());
    wire.node = Some(step.node.to_string());
    wire.attempt = attempt;
}
