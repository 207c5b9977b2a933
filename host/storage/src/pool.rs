//! Connections for reading: a few at once, the idle ones kept.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::trouble::Trouble;

/// How many reads run at once; more wait. Reads are short and the machine has
/// other work.
pub(crate) const READERS: usize = 4;

/// The connections of a store for reading.
#[derive(Debug)]
pub(crate) struct Pool<C> {
    idle: Mutex<Vec<C>>,
    permits: Semaphore,
}

impl<C> Pool<C> {
    /// With these, all idle.
    pub(crate) fn new(idle: Vec<C>) -> Self {
        Self {
            idle: Mutex::new(idle),
            permits: Semaphore::new(READERS),
        }
    }

    /// Waits for a turn.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, Trouble> {
        self.permits.acquire().await.map_err(|_| Trouble::closed())
    }

    /// An idle one, if there is one: a read whose caller gave up may still hold
    /// one of them, or it broke.
    pub(crate) fn take(&self) -> Option<C> {
        self.idle().pop()
    }

    /// Keeps one that is fit for the next read.
    pub(crate) fn give(&self, connection: C) {
        let mut idle = self.idle();
        if idle.len() < READERS {
            idle.push(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<C>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
