//! Who waits for the end of which execution. One subscription to the log's
//! change feed serves every handle of an engine. An execution that runs here
//! hands its result over itself once its end is on disk; the feed tells of
//! the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use nebula_flow::event::{Event, Failure, FailureKind};
use nebula_flow::ports::{Change, ExecutionSummary, Feed, LogError, Status};
use nebula_flow::{ExecutionId, Payload, TenantId, Value};
use tokio::sync::{mpsc, watch};

use crate::chance::Backoff;
use crate::config::Core;
use crate::values;

/// How an execution ended.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionResult {
    /// Which.
    pub id: ExecutionId,
    /// Final, unless the engine was shut down before the end.
    pub status: Status,
    /// The workflow's output, if it succeeded.
    pub output: Option<Value>,
    /// Why it did not succeed.
    pub error: Option<Failure>,
}

pub(crate) type Waiting = watch::Receiver<Option<Arc<ExecutionResult>>>;

/// The executions that someone waits for.
pub(crate) struct Watch {
    entries: Mutex<Entries>,
    look_again: mpsc::UnboundedSender<ExecutionId>,
}

#[derive(Default)]
struct Entries {
    by_execution: HashMap<ExecutionId, Entry>,
    /// Whether this engine ends no execution any more.
    closed: bool,
}

struct Entry {
    sender: watch::Sender<Option<Arc<ExecutionResult>>>,
    /// Whether a task of this engine runs it and will hand over its result.
    local: bool,
}

impl Watch {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<ExecutionId>) {
        let (look_again, requests) = mpsc::unbounded_channel();
        (
            Self {
                entries: Mutex::default(),
                look_again,
            },
            requests,
        )
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to wait. For an execution that may have ended already,
    /// [`Self::look`] must follow.
    pub(crate) fn wait_for(&self, id: ExecutionId) -> Waiting {
        let mut entries = self.entries();
        if entries.closed {
            return watch::Sender::new(Some(Arc::new(stopped(id)))).subscribe();
        }
        let fresh = || Entry {
            sender: watch::Sender::new(None),
            local: false,
        };
        entries
            .by_execution
            .entry(id)
            .or_insert_with(fresh)
            .sender
            .subscribe()
    }

    /// Has the log asked whether the execution has ended.
    pub(crate) fn look(&self, id: ExecutionId) {
        // The follower is gone only when the engine is, and then nobody waits.
        let _ = self.look_again.send(id);
    }

    /// Called when a waiter leaves; the last one takes the entry with it.
    pub(crate) fn leave(&self, id: ExecutionId) {
        let mut entries = self.entries();
        if entries
            .by_execution
            .get(&id)
            .is_some_and(|e| e.sender.receiver_count() == 0)
        {
            entries.by_execution.remove(&id);
        }
    }

    /// A task of this engine runs the execution from now on.
    pub(crate) fn adopt(&self, id: ExecutionId) {
        if let Some(entry) = self.entries().by_execution.get_mut(&id) {
            entry.local = true;
        }
    }

    /// The task that ran the execution is gone without handing over its end.
    pub(crate) fn disown(&self, id: ExecutionId) {
        let waited_for = match self.entries().by_execution.get_mut(&id) {
            Some(entry) => std::mem::replace(&mut entry.local, false),
            None => false,
        };
        if waited_for {
            self.look(id);
        }
    }

    pub(crate) fn is_waited_for(&self, id: ExecutionId) -> bool {
        self.entries().by_execution.contains_key(&id)
    }

    /// Hands the end over to whoever waits for it.
    pub(crate) fn finish(&self, result: ExecutionResult) {
        let entry = self.entries().by_execution.remove(&result.id);
        if let Some(entry) = entry {
            entry.sender.send_replace(Some(Arc::new(result)));
        }
    }

    /// Tells everyone who still waits that this engine ends no execution any more.
    pub(crate) fn close(&self) {
        let mut entries = self.entries();
        entries.closed = true;
        for (id, entry) in entries.by_execution.drain() {
            entry.sender.send_replace(Some(Arc::new(stopped(id))));
        }
    }

    fn is_remote(&self, id: ExecutionId) -> bool {
        self.entries()
            .by_execution
            .get(&id)
            .is_some_and(|e| !e.local)
    }

    fn remote(&self) -> Vec<ExecutionId> {
        self.entries()
            .by_execution
            .iter()
            .filter(|(_, e)| !e.local)
            .map(|(id, _)| *id)
            .collect()
    }
}

/// What a waiter gets whose engine was shut down.
pub(crate) fn stopped(id: ExecutionId) -> ExecutionResult {
    let message = "the engine was shut down before the execution ended; it goes on when an engine runs on this log again";
    ExecutionResult {
        id,
        status: Status::Running,
        output: None,
        error: Some(Failure::new(FailureKind::Host, message)),
    }
}

/// Follows the change feed until the engine is dropped.
pub(crate) async fn follow(
    core: Arc<Core>,
    mut changes: Feed<Change>,
    mut requests: mpsc::UnboundedReceiver<ExecutionId>,
) {
    let mut looks = FuturesUnordered::new();
    loop {
        tokio::select! {
            change = changes.next() => match change {
                Some(Change::Appended { tenant, execution, status, .. }) => {
                    if status.is_final() && core.watch.is_remote(execution) {
                        looks.push(look(&core, tenant, execution));
                    }
                }
                Some(Change::Lagged) => {
                    looks.extend(core.watch.remote().into_iter().map(|id| look(&core, TenantId::default_tenant(), id)));
                }
                None => return,
            },
            request = requests.recv() => match request {
                Some(id) => looks.push(look(&core, TenantId::default_tenant(), id)),
                None => return,
            },
            Some(()) = looks.next(), if !looks.is_empty() => {}
        }
    }
}

/// Hands over the result of an execution if the log says that it has ended.
async fn look(core: &Core, tenant: TenantId, id: ExecutionId) {
    let mut backoff = Backoff::new();
    loop {
        let found = match core.log.execution(&tenant, id).await {
            Ok(Some(summary)) if summary.status.is_final() => {
                result_of(core, &summary).await.map(Some)
            }
            Ok(_) => Ok(None),
            Err(error) => Err(error),
        };
        match found {
            Ok(Some(result)) => return core.watch.finish(result),
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(execution = %id, %error, "the end of the execution cannot be read; trying again");
                backoff.pause(&*core.clock).await;
            }
        }
        if !core.watch.is_waited_for(id) {
            return;
        }
    }
}

/// The result of an execution that has ended.
async fn result_of(core: &Core, summary: &ExecutionSummary) -> Result<ExecutionResult, LogError> {
    let last = core
        .log
        .history(summary.id, summary.version.saturating_sub(1), 1)
        .await?;
    let mut result = ExecutionResult {
        id: summary.id,
        status: summary.status,
        output: None,
        error: summary.error.clone(),
    };
    match last.into_iter().next().map(|r| r.event) {
        Some(event) => complete(core, &mut result, &event).await,
        None => {
            result.error = Some(Failure::new(
                FailureKind::Host,
                "the history of the execution has no last event",
            ))
        }
    }
    Ok(result)
}

/// The result that a final event makes.
pub(crate) async fn result_from(
    core: &Core,
    id: ExecutionId,
    status: Status,
    event: &Event,
) -> ExecutionResult {
    let mut result = ExecutionResult {
        id,
        status,
        output: None,
        error: None,
    };
    complete(core, &mut result, event).await;
    result
}

async fn complete(core: &Core, result: &mut ExecutionResult, event: &Event) {
    match event {
        Event::Succeeded { output } => match output_value(core, output).await {
            Ok(value) => result.output = Some(value),
            Err(failure) => result.error = Some(failure),
        },
        Event::Failed { error, .. } => result.error = Some(error.clone()),
        Event::Cancelled { reason } | Event::Terminated { reason } => {
            result.error = Some(Failure::new(FailureKind::Cancelled, reason.clone()))
        }
        _ => {}
    }
}

async fn output_value(core: &Core, output: &Payload) -> Result<Value, Failure> {
    let bytes = values::bytes(core, output).await?;
    values::decode(&bytes)
}
