//! Arrivals for the owner and changes for watchers. Bounded: who is too slow is
//! told that it lags and looks at the log instead.

use std::fmt::Debug;

use futures_util::stream;
use nebula_flow::Payload;
use nebula_flow::event::{Event, Recorded};
use nebula_flow::id::{ExecutionId, TenantId};
use nebula_flow::ports::{Append, Arrival, Change, Feed};
use tokio::sync::broadcast::{self, error::RecvError};

/// How many items a slow listener may be behind.
const BEHIND: usize = 4096;

/// Something to tell listeners.
#[derive(Debug)]
pub(crate) enum News {
    /// For the owner.
    Arrival(Arrival),
    /// An execution has a slot now and may begin; for the owner.
    Admitted {
        tenant: TenantId,
        execution: ExecutionId,
        priority: i8,
        /// Number of its last message.
        last: u64,
    },
    /// A message of which the listeners here heard before it was on disk.
    Known(ExecutionId, u64),
    /// For watchers.
    Change(Change),
}

/// To where else news of what is on disk go. It must not wait.
pub(crate) trait Outlet: Debug + Send + Sync {
    fn send(&self, news: &News);
}

/// Both feeds of a store.
#[derive(Debug)]
pub(crate) struct Feeds {
    arrivals: broadcast::Sender<Arrival>,
    changes: broadcast::Sender<Change>,
    outlet: Option<Box<dyn Outlet>>,
}

impl Feeds {
    pub(crate) fn new() -> Self {
        Self {
            arrivals: broadcast::Sender::new(BEHIND),
            changes: broadcast::Sender::new(BEHIND),
            outlet: None,
        }
    }

    /// Feeds of a store that others use too.
    pub(crate) fn with_outlet(outlet: Box<dyn Outlet>) -> Self {
        Self {
            outlet: Some(outlet),
            ..Self::new()
        }
    }

    /// Tells what is on disk, here and elsewhere.
    pub(crate) fn publish(&self, news: News) {
        if let Some(outlet) = &self.outlet {
            outlet.send(&news);
        }
        self.tell(news);
    }

    /// Tells everyone here who listens now.
    pub(crate) fn tell(&self, news: News) {
        // An error only says that nobody listens.
        match news {
            News::Arrival(arrival) => drop(self.arrivals.send(arrival)),
            News::Admitted {
                tenant,
                execution,
                priority,
                ..
            } => drop(self.arrivals.send(Arrival::Admitted {
                tenant,
                execution,
                priority,
            })),
            News::Known(..) => {}
            News::Change(change) => drop(self.changes.send(change)),
        }
    }

    /// What arrives from now on.
    pub(crate) fn arrivals(&self) -> Feed<Arrival> {
        feed(self.arrivals.subscribe(), Arrival::Lagged)
    }

    /// What changes from now on.
    pub(crate) fn changes(&self) -> Feed<Change> {
        feed(self.changes.subscribe(), Change::Lagged)
    }
}

fn feed<T: Clone + Send + 'static>(receiver: broadcast::Receiver<T>, lagged: T) -> Feed<T> {
    Box::pin(stream::unfold(
        (receiver, lagged),
        |(mut receiver, lagged)| async move {
            let item = match receiver.recv().await {
                Ok(item) => item,
                Err(RecvError::Lagged(_)) => lagged.clone(),
                Err(RecvError::Closed) => return None,
            };
            Some((item, (receiver, lagged)))
        },
    ))
}

/// An end that is handed to watchers has at most this much: the feed keeps thousands.
const SMALL: usize = 4 << 10;

/// Whether an event ends the execution and has little enough for watchers.
pub(crate) fn is_small_end(append: &Append, last: &Recorded) -> bool {
    let is_small = match (&last.event, last.event.payload()) {
        (Event::Failed { error, .. }, _) => error.message.len() <= SMALL,
        (_, Some(Payload::Inline(bytes))) => bytes.len() <= SMALL,
        _ => true,
    };
    append.status.is_final() && is_small
}
