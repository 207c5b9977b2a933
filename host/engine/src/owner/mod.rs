//! The owner of shards: one task that hears of work and gives each execution
//! with something to do a task of its own. It never waits for the log itself.
//!
//! - `keeper`: claims shards, looks for unfinished executions.
//! - `queue`: what waits for a free place.
//! - `timers`: when waiting executions are due.
//! - `ends`: what becomes of an execution when its task has ended.
//! - `drain`: how the owner ends.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::FutureExt;
use nebula_flow::ports::{Arrival, Feed, Fence, InboxRow, Unfinished};
use nebula_flow::{ExecutionId, Shard, TenantId, Timestamp};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use crate::alarm::Alarm;
use crate::chance::Backoff;
use crate::config::Core;
use crate::task::{self, Assignment, Exit, Signal};

mod drain;
mod ends;
mod keeper;
mod queue;
mod timers;

use keeper::Found;
use queue::Queue;
use timers::Timers;

/// How often the log is asked for what was missed. Only a safety net.
const POLL: Duration = Duration::from_secs(5);

/// An order to end.
pub(crate) struct Drain {
    /// How long steps in flight may take to end.
    pub(crate) grace: Duration,
    /// Told when all is on disk and the shards are released.
    pub(crate) done: oneshot::Sender<()>,
}

/// See the module.
pub(crate) struct Owner {
    core: Arc<Core>,
    held: HashMap<Shard, Fence>,
    active: HashMap<ExecutionId, Active>,
    tasks: JoinSet<Ended>,
    /// What waits for a free place.
    queue: Queue<Due>,
    timers: Timers<(TenantId, i8)>,
    parked: HashSet<ExecutionId>,
    stumbles: HashMap<ExecutionId, (u32, Backoff)>,
    /// Shards to look through next, and whether a look is under way.
    to_scan: BTreeSet<Shard>,
    scanning: bool,
    next_poll: Timestamp,
    doors: Doors,
    _helpers: JoinSet<()>,
}

struct Doors {
    arrivals: Feed<Arrival>,
    held: mpsc::Receiver<Vec<Fence>>,
    claim: Arc<Notify>,
    scan: mpsc::Sender<Vec<Shard>>,
    found: mpsc::Receiver<Found>,
}

struct Active {
    signals: mpsc::UnboundedSender<Signal>,
    abort: AbortHandle,
    epoch: u64,
    priority: i8,
}

/// An execution with something to do.
struct Due {
    tenant: TenantId,
    rows: Vec<Arc<InboxRow>>,
}

/// The end of an execution's task.
struct Ended {
    id: ExecutionId,
    tenant: TenantId,
    epoch: u64,
    exit: Exit,
    /// With what it did not hear any more.
    mailbox: mpsc::UnboundedReceiver<Signal>,
}

impl Owner {
    /// Subscribes to arrivals first, so that nothing falls between the look at
    /// what is unfinished and what is heard.
    pub(crate) fn new(core: Arc<Core>) -> Self {
        let arrivals = core.log.arrivals();
        let claim = Arc::new(Notify::new());
        let (held_tx, held) = mpsc::channel(1);
        let (scan, requests) = mpsc::channel(1);
        let (found_tx, found) = mpsc::channel(1);
        let mut helpers = JoinSet::new();
        helpers.spawn(keeper::hold(core.clone(), held_tx, claim.clone()));
        helpers.spawn(keeper::scan(core.clone(), requests, found_tx));
        Self {
            next_poll: core.clock.now().plus(POLL),
            core,
            held: HashMap::new(),
            active: HashMap::new(),
            tasks: JoinSet::new(),
            queue: Queue::new(),
            timers: Timers::new(),
            parked: HashSet::new(),
            stumbles: HashMap::new(),
            to_scan: BTreeSet::new(),
            scanning: false,
            doors: Doors {
                arrivals,
                held,
                claim,
                scan,
                found,
            },
            _helpers: helpers,
        }
    }

    /// Works until it is told to drain, or dropped.
    pub(crate) async fn run(mut self, mut orders: mpsc::Receiver<Drain>) {
        let mut alarm = Alarm::new(self.core.clock.clone());
        loop {
            self.fill();
            alarm.set(Some(self.next_look()));
            tokio::select! {
                Some(ended) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    // A task that was aborted has nothing to say.
                    if let Ok(ended) = ended {
                        self.ended(ended);
                    }
                }
                // Before the first claim nothing is ours; arrivals wait in the feed.
                Some(arrival) = self.doors.arrivals.next(), if !self.held.is_empty() => self.arrived(arrival),
                Some(fences) = self.doors.held.recv() => self.holds(fences),
                Some(found) = self.doors.found.recv(), if self.has_room() => self.found(found),
                () = alarm.ring() => self.time_passed(),
                order = orders.recv() => {
                    if let Some(order) = order {
                        self.drain(order).await;
                    }
                    return;
                }
            }
        }
    }

    /// When something is due. With a full queue timers wait for a place in it.
    fn next_look(&self) -> Timestamp {
        match self.timers.earliest() {
            Some(at) if self.has_room() => at.min(self.next_poll),
            _ => self.next_poll,
        }
    }

    /// Whether the queue takes more; what it does not take stays in the log.
    fn has_room(&self) -> bool {
        self.queue.len() < self.core.max_active.max(1)
    }

    /// Gives free places to what waits for one.
    fn fill(&mut self) {
        while self.active.len() < self.core.max_active.max(1) {
            let Some((id, priority, due)) = self.queue.pop() else {
                break;
            };
            self.activate(id, priority, due);
        }
        if !self.scanning && !self.to_scan.is_empty() {
            let shards = std::mem::take(&mut self.to_scan).into_iter().collect();
            self.scanning = self.doors.scan.try_send(shards).is_ok();
        }
    }

    fn activate(&mut self, id: ExecutionId, priority: i8, due: Due) {
        let Some(fence) = self.held.get(&id.shard()).copied() else {
            return;
        };
        self.timers.remove(id);
        let (signals, mailbox) = mpsc::unbounded_channel();
        let assignment = Assignment {
            core: self.core.clone(),
            tenant: due.tenant,
            id,
            fence,
            rows: due.rows,
        };
        let abort = self.tasks.spawn(work(assignment, mailbox));
        self.active.insert(
            id,
            Active {
                signals,
                abort,
                epoch: fence.epoch,
                priority,
            },
        );
    }

    /// Lets an execution run: at once, when a place is free, or when the log is
    /// read again. In a full queue it takes the place of one of a lower priority.
    fn enqueue(
        &mut self,
        id: ExecutionId,
        (tenant, priority): (TenantId, i8),
        row: Option<Arc<InboxRow>>,
    ) {
        if let Some(due) = self.queue.get_mut(id) {
            due.rows.extend(row);
            return;
        }
        if !self.has_room() {
            let Some(last) = self.queue.make_room(priority) else {
                self.to_scan.insert(id.shard());
                return;
            };
            self.to_scan.insert(last.shard());
        }
        let rows = row.into_iter().collect();
        self.queue.push(id, priority, Due { tenant, rows });
    }

    fn arrived(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Message {
                tenant,
                execution,
                priority,
                row,
            } => self.message(execution, (tenant, priority), row),
            Arrival::Admitted {
                tenant,
                execution,
                priority,
            } => self.admitted(execution, (tenant, priority)),
            Arrival::Lagged => self.to_scan.extend(self.held.keys()),
        }
    }

    fn message(&mut self, id: ExecutionId, whose: (TenantId, i8), row: Arc<InboxRow>) {
        if !self.held.contains_key(&id.shard()) {
            return;
        }
        self.parked.remove(&id);
        if let Some(active) = self.active.get(&id) {
            // Should the task have ended, the message is found in its mailbox.
            let _ = active.signals.send(Signal::Row(row));
        } else {
            self.enqueue(id, whose, Some(row));
        }
    }

    fn admitted(&mut self, id: ExecutionId, whose: (TenantId, i8)) {
        if self.held.contains_key(&id.shard()) && !self.active.contains_key(&id) {
            self.enqueue(id, whose, None);
        }
    }

    fn holds(&mut self, fences: Vec<Fence>) {
        let now: HashMap<Shard, Fence> = fences.into_iter().map(|f| (f.shard, f)).collect();
        let lost: Vec<Shard> = self
            .held
            .values()
            .filter(|f| now.get(&f.shard) != Some(f))
            .map(|f| f.shard)
            .collect();
        for shard in lost {
            tracing::warn!(shard = shard.0, "shard was taken over");
            self.lose(shard);
        }
        self.to_scan
            .extend(now.keys().filter(|s| !self.held.contains_key(s)));
        self.core.hold(now.keys().copied());
        self.held = now;
    }

    /// Drops everything of a shard; its new owner goes on with it.
    fn lose(&mut self, shard: Shard) {
        self.held.remove(&shard);
        self.core.hold(self.held.keys().copied());
        self.active.retain(|id, active| {
            let keep = id.shard() != shard;
            if !keep {
                active.abort.abort();
            }
            keep
        });
        self.queue.retain(|id| id.shard() != shard);
        self.timers.retain(|id| id.shard() != shard);
        self.parked.retain(|id| id.shard() != shard);
        self.stumbles.retain(|id, _| id.shard() != shard);
    }

    fn found(&mut self, found: Found) {
        match found {
            Found::Done => self.scanning = false,
            Found::Page(page) => page
                .into_iter()
                .for_each(|unfinished| self.consider(unfinished)),
        }
    }

    fn consider(&mut self, found: Unfinished) {
        let id = found.execution;
        if let Some(active) = self.active.get(&id) {
            if found.has_inbox {
                let _ = active.signals.send(Signal::Look);
            }
            return;
        }
        if !self.held.contains_key(&id.shard())
            || self.parked.contains(&id)
            || self.stumbles.contains_key(&id)
        {
            return;
        }
        let whose = (found.tenant, found.priority);
        match found.wake_at {
            Some(at) if !found.has_inbox => self.timers.set(at, id, whose),
            _ => self.enqueue(id, whose, None),
        }
    }

    fn time_passed(&mut self) {
        let now = self.core.clock.now();
        if now >= self.next_poll {
            self.next_poll = now.plus(POLL);
            self.to_scan.extend(self.held.keys());
        }
        while self.has_room() {
            let Some((id, whose)) = self.timers.pop_due(now) else {
                break;
            };
            self.enqueue(id, whose, None);
        }
    }
}

/// The whole life of an execution's task; a panic ends nothing but itself.
async fn work(assignment: Assignment, mut mailbox: mpsc::UnboundedReceiver<Signal>) -> Ended {
    let Assignment { id, fence, .. } = assignment;
    let tenant = assignment.tenant.clone();
    let run = AssertUnwindSafe(task::run(assignment, &mut mailbox));
    let exit = run
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Exit::Stumbled("its task panicked".into()));
    Ended {
        id,
        tenant,
        epoch: fence.epoch,
        exit,
        mailbox,
    }
}
