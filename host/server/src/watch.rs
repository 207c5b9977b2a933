//! Who waits for which execution. One task reads the log's change feed and
//! wakes exactly those that wait for what changed, so that many waiters cost
//! one look-up per change.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use nebula_flow::ports::{Change, EventLog, Status};
use nebula_flow::{ExecutionId, Recorded};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// The watched executions of a node.
pub(crate) struct Watches {
    slots: Arc<Slots>,
    feeder: AbortHandle,
}

type Slots = Mutex<HashMap<ExecutionId, watch::Sender<Seen>>>;

/// The last that the feed said of an execution since it is watched.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Version of its last event; 0 when nothing was said.
    pub(crate) version: u64,
    /// Its status; absent when nothing was said.
    pub(crate) status: Option<Status>,
    /// The event that ended it, if the feed had it.
    pub(crate) end: Option<Arc<Recorded>>,
    /// Raised each time the feed overran: then the log itself must be asked.
    pub(crate) overruns: u64,
}

/// One watched execution; forgotten when dropped.
pub(crate) struct Watch {
    execution: ExecutionId,
    slots: Arc<Slots>,
    receiver: watch::Receiver<Seen>,
}

impl Watches {
    /// Begins to follow the log.
    pub(crate) fn follow(log: &dyn EventLog) -> Self {
        let slots = Arc::new(Slots::default());
        let mut changes = log.changes();
        let feeder = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move {
                while let Some(change) = changes.next().await {
                    tell(&slots, change);
                }
            }
        });
        Self {
            slots,
            feeder: feeder.abort_handle(),
        }
    }

    /// Watches one execution. What is committed after this returns is seen.
    pub(crate) fn watch(&self, execution: ExecutionId) -> Watch {
        let receiver = lock(&self.slots)
            .entry(execution)
            .or_insert_with(|| watch::Sender::new(Seen::default()))
            .subscribe();
        Watch {
            execution,
            slots: Arc::clone(&self.slots),
            receiver,
        }
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        self.feeder.abort();
    }
}

impl Watch {
    /// What is known, marked as seen.
    pub(crate) fn seen(&mut self) -> Seen {
        self.receiver.borrow_and_update().clone()
    }

    /// Returns once something changed since [`seen`](Self::seen).
    pub(crate) async fn changed(&mut self) {
        if self.receiver.changed().await.is_err() {
            // The slot outlives its watches; without a sender nothing more is said.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Entry::Occupied(slot) = lock(&self.slots).entry(self.execution)
            && slot.get().receiver_count() <= 1
        {
            slot.remove();
        }
    }
}

fn tell(slots: &Slots, change: Change) {
    let slots = lock(slots);
    match change {
        Change::Appended {
            execution,
            version,
            status,
            end,
            ..
        } => {
            if let Some(sender) = slots.get(&execution) {
                sender.send_modify(|seen| {
                    seen.version = version;
                    seen.status = Some(status);
                    seen.end = end;
                });
            }
        }
        Change::Lagged => {
            for sender in slots.values() {
                sender.send_modify(|seen| seen.overruns += 1);
            }
        }
    }
}

fn lock(slots: &Slots) -> MutexGuard<'_, HashMap<ExecutionId, watch::Sender<Seen>>> {
    // Nothing panics while it is held, and each state of the map is a good one.
    slots.lock().unwrap_or_else(PoisonError::into_inner)
}
