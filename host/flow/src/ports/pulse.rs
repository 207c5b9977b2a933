//! What goes between a call and who runs it, while it runs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What the host sees of a call that runs, and what it tells it. The sandbox writes
/// what the guest does; the engine looks, and says that the execution was cancelled.
#[derive(Debug, Default)]
pub struct Pulse {
    beats: AtomicU64,
    cancelled: AtomicBool,
    asks: AtomicBool,
    waits: AtomicBool,
}

impl Pulse {
    /// The guest began, or says that it makes progress.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it did; 0 before it began.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// Tells the guest, when it asks, that its execution was cancelled.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    /// Whether its execution was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// The guest asks whether its execution was cancelled.
    #[must_use]
    pub fn ask(&self) -> bool {
        self.asks.store(true, Ordering::Relaxed);
        self.is_cancelled()
    }

    /// The guest waits for the host, or goes on.
    pub fn wait(&self, waits: bool) {
        self.waits.store(waits, Ordering::Relaxed);
    }

    /// Whether the guest would hear of a cancel: it has asked for one before, and
    /// does not wait for the host just now.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.asks.load(Ordering::Relaxed) && !self.waits.load(Ordering::Relaxed)
    }
}
