//! Connections: a few at once, the idle ones kept for whoever comes next.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nebula_sandbox::resources::ResourceError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::statement::Job;

/// Connections of one tenant to one server or file.
#[derive(Debug)]
pub(crate) struct Pool<C> {
    idle: Mutex<Vec<C>>,
    turns: Arc<Semaphore>,
}

impl<C> Pool<C> {
    /// At most so many at once.
    pub(crate) fn new(most: u32) -> Arc<Self> {
        Arc::new(Self {
            idle: Mutex::default(),
            turns: Arc::new(Semaphore::new(most.max(1) as usize)),
        })
    }

    /// Waits for a turn; it lasts for as long as what is given is held.
    pub(super) async fn turn(&self, job: &Job) -> Result<OwnedSemaphorePermit, ResourceError> {
        self.turn_until(job.until)
            .await
            .ok_or_else(|| job.crowded())
    }

    /// The same; none if it did not come in time.
    pub(crate) async fn turn_until(&self, until: Instant) -> Option<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        tokio::time::timeout_at(until, turn).await.ok()?.ok()
    }

    /// An idle connection, if there is one.
    pub(crate) fn take(&self) -> Option<C> {
        self.idle().pop()
    }

    /// Keeps a connection that is fit for the next one.
    pub(crate) fn give(&self, connection: C) {
        self.idle().push(connection);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<C>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
