//! What a store's writer does, in numbers: how well requests share commits, and
//! how many wait.

use std::sync::atomic::{AtomicU64, Ordering};

/// The figures of one writer, since it began.
#[derive(Debug, Default)]
pub struct Figures {
    commits: AtomicU64,
    requests: AtomicU64,
    waiting: AtomicU64,
}

impl Figures {
    /// Batches that were written; each is one transaction and one fsync.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// Requests that these batches had.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Acquire)
    }

    /// Requests that wait for the writer now.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn queued(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn taken(&self, requests: usize) {
        self.waiting.fetch_sub(requests as u64, Ordering::Relaxed);
    }

    pub(crate) fn written(&self, requests: usize) {
        // In this order, so that who reads the commits first sees no fewer requests.
        self.requests.fetch_add(requests as u64, Ordering::Release);
        self.commits.fetch_add(1, Ordering::Release);
    }
}
