//! Arrivals for the owner and changes for watchers. Bounded: who is too slow is
//! told that it lags and looks at the log instead.

use futures_util::stream;
use nebula_flow::ports::{Arrival, Change, Feed};
use tokio::sync::broadcast::{self, error::RecvError};

/// How many items a slow listener may be behind.
const BEHIND: usize = 4096;

/// Something to tell listeners.
#[derive(Debug)]
pub(crate) enum News {
    /// For the owner.
    Arrival(Arrival),
    /// For watchers.
    Change(Change),
}

/// Both feeds of a store.
#[derive(Debug)]
pub(crate) struct Feeds {
    arrivals: broadcast::Sender<Arrival>,
    changes: broadcast::Sender<Change>,
}

impl Feeds {
    pub(crate) fn new() -> Self {
        Self {
            arrivals: broadcast::Sender::new(BEHIND),
            changes: broadcast::Sender::new(BEHIND),
        }
    }

    /// Tells everyone who listens now.
    pub(crate) fn tell(&self, news: News) {
        // An error only says that nobody listens.
        match news {
            News::Arrival(arrival) => drop(self.arrivals.send(arrival)),
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
