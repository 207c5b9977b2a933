//! What was decided and is not on disk yet. Events take effect in memory at
//! once and are committed late: before an effect, at the end, before a wait,
//! or after 50 ms or 1 MiB. One append is in flight at a time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use nebula_flow::event::{Event, Failure};
use nebula_flow::ports::{Append, Fence, LogError, LogLine, Message, Outgoing, Status};
use nebula_flow::{ExecutionId, Payload, Recorded, TenantId, Timestamp};

use super::Exit;
use crate::chance::Backoff;
use crate::config::Core;
use crate::pinned;
use crate::values;

/// An event is on disk this long after it was decided, at the latest
/// (`design.md`, output commit).
const LATEST: Duration = Duration::from_millis(50);

/// So many bytes are committed without waiting for that (`design.md`).
const FULL: usize = 1 << 20;

/// What an event weighs besides its payload, about.
const EVENT: usize = 100;

pub(super) struct Journal {
    core: Arc<Core>,
    tenant: TenantId,
    fence: Fence,
    execution: ExecutionId,
    /// Version of the last event on disk.
    committed: u64,
    pending: Vec<Recorded>,
    lines: Vec<LogLine>,
    error: Option<Failure>,
    /// What the pending events tell other executions.
    outbox: Vec<Outgoing>,
    bytes: usize,
    /// When the oldest pending event was decided.
    since: Option<Timestamp>,
    /// Inbox rows that are taken, and whether the log knows.
    consumed: u64,
    consumed_unsaid: bool,
    /// Whether an append of this task has landed: its fence held then.
    proven: bool,
    flight: Option<Flight>,
}

struct Flight {
    version: u64,
    append: BoxFuture<'static, Result<(), LogError>>,
}

impl Journal {
    pub(super) fn new(
        core: Arc<Core>,
        tenant: TenantId,
        fence: Fence,
        execution: ExecutionId,
        committed: u64,
    ) -> Self {
        Self {
            core,
            tenant,
            fence,
            execution,
            committed,
            pending: Vec::new(),
            lines: Vec::new(),
            error: None,
            outbox: Vec::new(),
            bytes: 0,
            since: None,
            consumed: 0,
            consumed_unsaid: false,
            proven: false,
            flight: None,
        }
    }

    /// Adds an event and what it tells other executions.
    pub(super) fn push(&mut self, recorded: Recorded, outbox: Vec<Outgoing>) {
        self.outbox.extend(outbox);
        self.bytes += weight(&recorded.event);
        self.since.get_or_insert(recorded.at);
        if let Event::Failed { error, .. } = &recorded.event {
            self.error = Some(error.clone());
        }
        self.pending.push(recorded);
    }

    /// Adds what the last pending event tells another execution.
    pub(super) fn send(&mut self, outgoing: Outgoing) {
        self.outbox.push(outgoing);
    }

    pub(super) fn push_lines(&mut self, lines: impl Iterator<Item = LogLine>) {
        let before = self.lines.len();
        self.lines.extend(lines);
        self.bytes += self.lines[before..]
            .iter()
            .map(|l| EVENT + l.message.len())
            .sum::<usize>();
    }

    /// Inbox rows up to this one are taken.
    pub(super) fn consume(&mut self, seq: u64) {
        self.consumed = seq;
        self.consumed_unsaid = true;
    }

    pub(super) const fn committed(&self) -> u64 {
        self.committed
    }

    pub(super) const fn is_committing(&self) -> bool {
        self.flight.is_some()
    }

    /// Whether this task has shown that the shard is its owner's. Until then the history
    /// may be another owner's, and go on elsewhere.
    pub(super) const fn is_proven(&self) -> bool {
        self.proven
    }

    const fn is_clean(&self) -> bool {
        self.pending.is_empty() && !self.consumed_unsaid
    }

    /// When what is pending must be on its way to the disk; none while an
    /// append is in flight, since only one may be.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        if self.flight.is_some() {
            None
        } else {
            self.since.map(|at| at.plus(LATEST))
        }
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.bytes >= FULL || self.deadline().is_some_and(|at| at <= now)
    }

    /// Sends all that is pending on its way, unless an append is in flight or
    /// nothing is pending. `state` is that after the last event.
    pub(super) fn begin(&mut self, state: (Status, Option<Timestamp>)) {
        if !self.is_clean() {
            self.send_off(state);
        }
    }

    /// The same, and if nothing is pending and the fence is not proven yet, an append of
    /// nothing that proves it.
    pub(super) fn begin_or_prove(&mut self, state: (Status, Option<Timestamp>)) {
        if !self.is_clean() || !self.proven {
            self.send_off(state);
        }
    }

    fn send_off(&mut self, state: (Status, Option<Timestamp>)) {
        if self.flight.is_some() {
            return;
        }
        let events = std::mem::take(&mut self.pending);
        let append = Append {
            execution: self.execution,
            expected: self.committed,
            lines: std::mem::take(&mut self.lines),
            consumed: self.consumed,
            inbox_empty: false,
            status: state.0,
            wake_at: state.1,
            error: self.error.take(),
            outbox: std::mem::take(&mut self.outbox),
            events,
        };
        let version = append.events.last().map_or(self.committed, |r| r.version);
        self.bytes = 0;
        self.since = None;
        self.consumed_unsaid = false;
        let append = Box::pin(commit(
            self.core.clone(),
            self.tenant.clone(),
            self.fence,
            append,
        ));
        self.flight = Some(Flight { version, append });
    }

    /// Waits until the append in flight is on disk; without one, for ever.
    pub(super) async fn landed(&mut self) -> Result<(), Exit> {
        let Some(flight) = &mut self.flight else {
            return std::future::pending().await;
        };
        let result = (&mut flight.append).await;
        let version = flight.version;
        self.flight = None;
        match result {
            Ok(()) => {
                self.committed = version;
                self.proven = true;
                Ok(())
            }
            Err(error) => Err(self.refused(error)),
        }
    }

    /// Waits until everything is on disk.
    pub(super) async fn flush(&mut self, state: (Status, Option<Timestamp>)) -> Result<(), Exit> {
        loop {
            if self.flight.is_some() {
                self.landed().await?;
            } else if self.is_clean() {
                return Ok(());
            } else {
                self.begin(state);
            }
        }
    }

    /// Puts an event on disk that holds only if no message has come besides those that
    /// are taken; false if one has. Everything before it must be on disk.
    pub(super) async fn overrule(&mut self, recorded: Recorded) -> Result<bool, Exit> {
        let version = recorded.version;
        let append = Append {
            execution: self.execution,
            expected: self.committed,
            events: vec![recorded],
            lines: Vec::new(),
            consumed: self.consumed,
            inbox_empty: true,
            // What follows from it is not decided yet.
            status: Status::Running,
            wake_at: None,
            error: None,
            outbox: Vec::new(),
        };
        let (core, tenant) = (self.core.clone(), self.tenant.clone());
        match commit(core, tenant, self.fence, append).await {
            Ok(()) => {
                self.committed = version;
                self.proven = true;
                Ok(true)
            }
            Err(LogError::Unheard(_)) => Ok(false),
            Err(error) => Err(self.refused(error)),
        }
    }

    fn refused(&self, error: LogError) -> Exit {
        match error {
            LogError::Fenced(_) => Exit::Fenced,
            LogError::NotFound(_) if self.committed == 0 => {
                tracing::debug!(execution = %self.execution, "the start never got to disk");
                Exit::Vanished
            }
            LogError::Damaged(why) => Exit::Parked(format!("the log is damaged: {why}")),
            other => Exit::Stumbled(other.to_string()),
        }
    }
}

/// Executions that these events start have the priority of their own workflow, and
/// need a slot of it, as far as that can be read.
async fn complete(core: &Core, tenant: &TenantId, outbox: &mut [Outgoing]) {
    for outgoing in outbox {
        if let Message::Start {
            workflow,
            version,
            input,
            priority,
            slot,
            ..
        } = &mut outgoing.message
            && let Ok(plan) = pinned::plan(core, tenant, *workflow, *version).await
        {
            let deployed = &plan.deployed;
            *priority = deployed.definition.priority;
            if deployed.definition.concurrency.is_some() {
                let bytes = values::bytes(core, input).await.ok();
                let input = bytes.and_then(|bytes| values::decode(&bytes).ok());
                *slot = deployed.slot(&input.unwrap_or_default());
            }
        }
    }
}

/// Appends; while the log is not available, again and again.
async fn commit(
    core: Arc<Core>,
    tenant: TenantId,
    fence: Fence,
    mut append: Append,
) -> Result<(), LogError> {
    complete(&core, &tenant, &mut append.outbox).await;
    let mut backoff = Backoff::new();
    loop {
        match core.log.append(fence, append.clone()).await {
            Err(error @ LogError::Unavailable(_)) => {
                tracing::warn!(execution = %append.execution, %error, "events cannot be appended; trying again");
                backoff.pause(&*core.clock).await;
            }
            other => return other,
        }
    }
}

fn weight(event: &Event) -> usize {
    EVENT
        + match event.payload() {
            Some(Payload::Inline(bytes)) => bytes.len(),
            _ => 0,
        }
}
