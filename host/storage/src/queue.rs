//! Where requests wait for the writer.
//!
//! - `waiting`: what waits, and when the writer must take it.
//! - `company`: for how many it pays to wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::batch::{self, Store};
use crate::feeds::{Feeds, News};
use crate::figures::Figures;
use crate::lost::{Bell, Lost};
use crate::request::Request;
use crate::trouble::Trouble;

use waiting::{Due, Waiting, Writer};

mod company;
mod waiting;

/// A batch has at most this many requests: enough to make the cost of its fsync
/// small for each, few enough to be committed in milliseconds.
const BATCH_REQUESTS: usize = 512;

/// A batch writes at most about this many bytes, unless its only request has more.
const BATCH_BYTES: usize = 8 << 20;

/// All that waits has at most about this many bytes; further callers wait
/// before they are queued.
const WAITING_BYTES: usize = 64 << 20;

/// The room is counted in units of this many bytes.
const UNIT: usize = 1024;

/// The queue of one writer.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    room: Arc<Semaphore>,
    /// Requests whose arrival was told and that are not settled.
    told: AtomicUsize,
    feeds: Arc<Feeds>,
    figures: Arc<Figures>,
    bell: Bell,
}

#[derive(Debug)]
struct Item {
    request: Request,
    bytes: usize,
    since: Instant,
    room: OwnedSemaphorePermit,
}

impl Queue {
    pub(crate) fn new(feeds: Arc<Feeds>) -> Self {
        Self {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            room: Arc::new(Semaphore::new(WAITING_BYTES / UNIT)),
            told: AtomicUsize::new(0),
            feeds,
            figures: Arc::default(),
            bell: Bell::default(),
        }
    }

    /// What the writer does, in numbers.
    pub(crate) fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.figures)
    }

    /// Says when the writer has panicked.
    pub(crate) fn lost(&self) -> Lost {
        self.bell.lost()
    }

    /// Queues a request once there is room.
    pub(crate) async fn push(&self, mut request: Request) -> Result<(), Trouble> {
        let bytes = request.bytes();
        let units = u32::try_from((bytes / UNIT + 1).min(WAITING_BYTES / UNIT)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room)
            .acquire_many_owned(units)
            .await
            .map_err(|_| Trouble::closed())?;
        let early = request.early_arrival();

        let mut waiting = self.lock();
        if waiting.closed {
            return Err(Trouble::closed());
        }
        if early.is_some() {
            self.told.fetch_add(1, Ordering::AcqRel);
        }
        let now = Instant::now();
        waiting.add(Item {
            request,
            bytes,
            since: now,
            room,
        });
        self.figures.queued();
        // Told under the lock: whoever acts on it is queued behind the
        // submission, and no later message of the same inbox is told before it.
        if let Some(arrival) = early {
            self.feeds.tell(News::Arrival(arrival));
        }
        if waiting.must_wake(now) {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Whether someone was told of a submission that is not on disk yet.
    pub(crate) fn has_told_early(&self) -> bool {
        self.told.load(Ordering::Acquire) > 0
    }

    /// Lets the writer end once the queue is empty.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Runs batches until the queue is closed and empty: the writer's life.
    pub(crate) fn serve(&self, store: &mut impl Store) {
        // Should a batch panic, nobody waits for an answer that cannot come.
        let _guard = Abandon(self);
        while let Some(items) = self.next() {
            let (requests, rooms): (Vec<_>, Vec<_>) = items
                .into_iter()
                .map(|item| (item.request, item.room))
                .unzip();
            let count = requests.len();
            self.figures.taken(count);
            let told = requests.iter().filter(|r| r.is_announced()).count();
            batch::run(store, requests, &self.feeds, &self.figures);
            self.told.fetch_sub(told, Ordering::AcqRel);
            drop(rooms);
        }
    }

    /// Waits for a batch; none once the queue is closed and empty.
    fn next(&self) -> Option<Vec<Item>> {
        let mut waiting = self.lock();
        loop {
            let now = Instant::now();
            waiting = match waiting.due(now) {
                Due::Never if waiting.closed => return None,
                Due::Now => return Some(waiting.take(now)),
                Due::Never => {
                    waiting.writer = Writer::Idle;
                    let woken = self.changed.wait(waiting);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
                Due::At(instant) => {
                    waiting.writer = Writer::Until(instant);
                    let rest = instant.saturating_duration_since(now);
                    let woken = self.changed.wait_timeout(waiting, rest);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            waiting.writer = Writer::Busy;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics between two changes of the queue that belong together.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Abandon<'a>(&'a Queue);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.closed = true;
        let left = waiting.empty();
        drop(waiting);
        self.0.room.close();
        drop(left);
        if std::thread::panicking() {
            self.0.bell.ring();
        }
    }
}

#[cfg(test)]
mod tests;
