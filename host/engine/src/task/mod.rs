//! The life of one execution in memory: load it, then decide, do what was
//! decided, and hear how it went, until it ends or does nothing but wait.
//!
//! - `load`: from the log.
//! - `journal`: what was decided and is not on disk yet.
//! - `work`: from commands to work, and from its results to events.
//! - `evaluate`: what is evaluated; default inputs, gathered lists.
//! - `evaluator`: templates, conditions and expressions.
//! - `scope`: the values that an expression may read.
//! - `call`: one attempt of an action.
//! - `overrule`: the ends of waits, which no late signal may find over.
//! - `cancel`: the calls in flight when it is cancelled.
//! - `follow`: what follows its end.
//! - `terminate`: the end of an execution that cannot be loaded.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::FuturesUnordered;
use nebula_flow::decide::{Command, decide};
use nebula_flow::event::Event;
use nebula_flow::execution::Execution;
use nebula_flow::planted::{self, Bug};
use nebula_flow::ports::{Fence, InboxRow};
use nebula_flow::{ExecutionId, Recorded, TenantId, Timestamp};
use tokio::sync::mpsc;

use crate::alarm::Alarm;
use crate::config::Core;
use crate::watch;

pub(crate) mod call;
mod cancel;
mod evaluate;
mod evaluator;
mod follow;
mod journal;
mod load;
mod overrule;
mod scope;
mod terminate;
mod work;

use journal::Journal;
use scope::Values;
use work::{Done, Flight};

/// So many pieces of work may end at once before the task looks up.
const BREATH: u64 = 32;

/// What the owner gives a task.
pub(crate) struct Assignment {
    pub(crate) core: Arc<Core>,
    pub(crate) tenant: TenantId,
    pub(crate) id: ExecutionId,
    pub(crate) fence: Fence,
    /// Messages that were heard of, possibly before they are on disk.
    pub(crate) rows: Vec<Arc<InboxRow>>,
}

/// What the owner tells a task.
#[derive(Debug, Clone)]
pub(crate) enum Signal {
    /// A message arrived.
    Row(Arc<InboxRow>),
    /// The inbox in the log has messages.
    Look,
    /// Start nothing more; end when what is in flight has ended.
    Drain,
    /// Stop what is in flight too.
    Stop,
}

/// Why a task ended.
#[derive(Debug)]
pub(crate) enum Exit {
    /// The execution has ended.
    Finished,
    /// It has nothing to do before this instant, or, without one, before a message.
    Waiting(Option<Timestamp>),
    /// Its start never got to disk.
    Vanished,
    /// What is in memory is not what the log has, or it panicked: to be loaded again.
    Stumbled(String),
    /// The shard has another owner.
    Fenced,
    /// It cannot go on.
    Parked(String),
    /// Told to end.
    Drained,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Live,
    Draining,
    Stopping,
}

/// One execution in memory.
struct Task {
    core: Arc<Core>,
    tenant: TenantId,
    id: ExecutionId,
    execution: Execution,
    journal: Journal,
    values: Arc<Values>,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    in_flight: HashMap<Command, Flight>,
    /// Effectful attempts whose `AttemptStarted` has this version and is not on disk yet.
    gated: VecDeque<(u64, Command)>,
    tickets: u64,
    round: u64,
    at_once: u64,
    alarm: Alarm,
    /// The last inbox row that was taken.
    taken: u64,
    last_at: Timestamp,
    mode: Mode,
}

/// Runs an execution until there is a reason to stop.
pub(crate) async fn run(
    assignment: Assignment,
    mailbox: &mut mpsc::UnboundedReceiver<Signal>,
) -> Exit {
    let (core, id) = (assignment.core.clone(), assignment.id);
    let (tenant, fence) = (assignment.tenant.clone(), assignment.fence);
    core.watch.adopt(id);
    let adopted = Adopted { core, id };
    let mut task = match load::load(assignment).await {
        Ok(task) => task,
        Err(Exit::Parked(why)) => {
            return terminate::if_asked(&adopted.core, &tenant, id, fence, why).await;
        }
        Err(exit) => return exit,
    };
    match task.live(mailbox).await {
        Ok(never) => match never {},
        Err(exit) => exit,
    }
}

/// Whatever happens to the task, waiters hear of the end from somewhere.
struct Adopted {
    core: Arc<Core>,
    id: ExecutionId,
}

impl Drop for Adopted {
    fn drop(&mut self) {
        self.core.watch.disown(self.id);
    }
}

impl Task {
    fn new(
        core: Arc<Core>,
        tenant: TenantId,
        id: ExecutionId,
        execution: Execution,
        journal: Journal,
        last_at: Timestamp,
    ) -> Self {
        Self {
            values: Arc::new(Values::default()),
            work: FuturesUnordered::new(),
            in_flight: HashMap::new(),
            gated: VecDeque::new(),
            tickets: 0,
            round: 0,
            at_once: 0,
            alarm: Alarm::new(core.clock.clone()),
            taken: 0,
            mode: Mode::Live,
            core,
            tenant,
            id,
            execution,
            journal,
            last_at,
        }
    }

    async fn live(
        &mut self,
        mailbox: &mut mpsc::UnboundedReceiver<Signal>,
    ) -> Result<Infallible, Exit> {
        loop {
            let commands = self.decide().await?;
            if self.execution.final_event().is_some() {
                return Err(self.finish().await?);
            }
            if self.pursue(&commands).await? {
                self.breathe(mailbox).await?;
                continue;
            }
            let wake = commands.iter().find_map(|c| match c {
                Command::Wake(at) => Some(*at),
                _ => None,
            });
            if self.in_flight.is_empty() {
                let waits = !commands.is_empty() || self.execution.is_paused();
                return Err(self.rest(wake, waits).await?);
            }
            if !self.gated.is_empty() {
                self.journal.begin_or_prove(self.execution.status());
            } else if self.journal.is_due(self.core.clock.now()) {
                self.journal.begin(self.execution.status());
            }
            self.wait(wake, mailbox).await?;
        }
    }

    /// Keeps a long run of work that ends at once from holding up the commit,
    /// the messages and the other executions.
    async fn breathe(&mut self, mailbox: &mut mpsc::UnboundedReceiver<Signal>) -> Result<(), Exit> {
        self.at_once += 1;
        if !self.at_once.is_multiple_of(BREATH) {
            return Ok(());
        }
        if self.journal.is_due(self.core.clock.now()) {
            self.journal.begin(self.execution.status());
        }
        if self.journal.is_committing()
            && let Some(landed) = self.journal.landed().now_or_never()
        {
            landed?;
            self.open_gate().await?;
        }
        while let Ok(signal) = mailbox.try_recv() {
            self.hear(signal).await?;
        }
        tokio::task::yield_now().await;
        Ok(())
    }

    /// Folds in what follows without any work; gives what is outstanding.
    async fn decide(&mut self) -> Result<Vec<Command>, Exit> {
        loop {
            let now = self.now();
            let decision = decide(&self.execution, now);
            if decision.events.is_empty() {
                return Ok(decision.commands);
            }
            for event in decision.events {
                if !self.overrules_signals(&event) {
                    self.record(event, now)?;
                } else if !self.overrule(event, now).await? {
                    break;
                }
            }
        }
    }

    /// The time of what happens now: a clock that is set back does not turn the
    /// history round.
    fn now(&self) -> Timestamp {
        self.last_at.max(self.core.clock.now())
    }

    /// Lets an event happen at the time by which it was decided: in memory now,
    /// on disk later.
    fn record(&mut self, event: Event, now: Timestamp) -> Result<(), Exit> {
        self.last_at = now;
        let recorded = Recorded {
            version: self.execution.version() + 1,
            at: self.last_at,
            event,
        };
        let outbox = self.execution.outgoing(&recorded.event);
        self.execution
            .apply(&recorded)
            .map_err(|e| Exit::Parked(e.to_string()))?;
        self.journal.push(recorded, outbox);
        Ok(())
    }

    /// Turns messages into events; those that were taken before change nothing.
    fn take(&mut self, row: &InboxRow) -> Result<(), Exit> {
        if row.seq <= self.taken {
            return Ok(());
        }
        let lost = planted::is(Bug::MessageLost) && row.seq > 1;
        if let Some(event) = self.execution.taken(row).filter(|_| !lost) {
            self.record(event, self.now())?;
        }
        self.taken = row.seq;
        self.journal.consume(row.seq);
        Ok(())
    }

    /// Puts the end on disk and tells who waits for it.
    async fn finish(&mut self) -> Result<Exit, Exit> {
        let is_cancel = matches!(self.execution.final_event(), Some(Event::Cancelled { .. }));
        if is_cancel {
            self.stop_but_listeners();
        } else {
            self.work.clear();
        }
        self.follow().await;
        let state = self.execution.status();
        self.journal.flush(state).await?;
        if is_cancel {
            self.tell_listeners();
        }
        if self.core.watch.is_waited_for(self.id)
            && let Some(event) = self.execution.final_event()
        {
            let result = watch::result_from(&self.core, self.id, state.0, event).await;
            self.core.watch.finish(result);
        }
        Ok(Exit::Finished)
    }

    /// Leaves memory with everything on disk.
    async fn rest(&mut self, wake: Option<Timestamp>, waits: bool) -> Result<Exit, Exit> {
        let state = self.execution.status();
        self.journal.flush(state).await?;
        Ok(match self.mode {
            Mode::Draining | Mode::Stopping => Exit::Drained,
            Mode::Live if waits => Exit::Waiting(wake),
            Mode::Live => Exit::Parked("it has not ended, and nothing is left to do".into()),
        })
    }

    /// Waits for whatever comes first, and takes it in.
    async fn wait(
        &mut self,
        wake: Option<Timestamp>,
        mailbox: &mut mpsc::UnboundedReceiver<Signal>,
    ) -> Result<(), Exit> {
        let alarm = [wake, self.journal.deadline()].into_iter().flatten().min();
        self.alarm.set(alarm);
        let committing = self.journal.is_committing();
        tokio::select! {
            biased;
            landed = self.journal.landed(), if committing => {
                landed?;
                self.open_gate().await
            }
            Some(done) = self.work.next(), if !self.work.is_empty() => self.done(done),
            signal = mailbox.recv() => match signal {
                Some(signal) => self.hear(signal).await,
                None => Err(Exit::Drained),
            },
            () = self.alarm.ring(), if alarm.is_some() => Ok(()),
        }
    }

    async fn hear(&mut self, signal: Signal) -> Result<(), Exit> {
        match signal {
            Signal::Row(row) => self.heard(&row).await,
            Signal::Look => self.look().await,
            Signal::Drain => {
                self.mode = Mode::Draining;
                Ok(())
            }
            Signal::Stop => {
                self.mode = Mode::Stopping;
                self.work.clear();
                self.in_flight.clear();
                self.gated.clear();
                Ok(())
            }
        }
    }

    /// Takes a message that came. Unless it follows one that this task took, the log
    /// is asked: one before it may have been missed, or it was taken by this
    /// execution's task before this one.
    async fn heard(&mut self, row: &InboxRow) -> Result<(), Exit> {
        let loaded = self.taken == 0 && self.execution.version() > 0;
        if loaded || row.seq > self.taken + 1 {
            self.look().await
        } else {
            self.take(row)
        }
    }

    async fn look(&mut self) -> Result<(), Exit> {
        for row in load::inbox(&self.core, self.id).await? {
            self.take(&row)?;
        }
        Ok(())
    }
}
