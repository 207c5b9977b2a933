//! How an owner ends: no new work, what runs may end, all is on disk, the
//! shards are free.

use std::time::Duration;

use nebula_flow::ports::Fence;

use super::{Drain, Owner};
use crate::task::Signal;

/// How long tasks may take to write what they know, once their steps are stopped.
const LAST_COMMIT: Duration = Duration::from_secs(5);

impl Owner {
    pub(super) async fn drain(mut self, order: Drain) {
        tracing::info!(active = self.active.len(), "draining");
        self.queue.clear();
        self.tell(&Signal::Drain);
        if !self.all_end_within(order.grace).await {
            tracing::warn!(
                active = self.tasks.len(),
                "stopping steps that did not end within the grace period"
            );
            self.tell(&Signal::Stop);
            if !self.all_end_within(LAST_COMMIT).await {
                tracing::error!(
                    active = self.tasks.len(),
                    "the log did not take the last events in time"
                );
            }
        }
        self.tasks.shutdown().await;
        self.release().await;
        self.core.watch.close();
        // The caller may have stopped waiting; the work is done all the same.
        let _ = order.done.send(());
    }

    /// Gives the shards back, if the log takes it in time.
    async fn release(&mut self) {
        let fences: Vec<Fence> = self.held.values().copied().collect();
        let clock = &self.core.clock;
        let why = tokio::select! {
            released = self.core.log.release(&fences) => match released {
                Ok(()) => return,
                Err(error) => error.to_string(),
            },
            () = clock.until(clock.now().plus(LAST_COMMIT)) => "the log does not answer".into(),
        };
        tracing::warn!(
            why,
            "shards cannot be released; their next owner waits until they expire"
        );
    }

    fn tell(&self, signal: &Signal) {
        for active in self.active.values() {
            let _ = active.signals.send(signal.clone());
        }
    }

    async fn all_end_within(&mut self, time: Duration) -> bool {
        let clock = self.core.clock.clone();
        let mut limit = clock.until(clock.now().plus(time));
        while !self.tasks.is_empty() {
            tokio::select! {
                // Each has written what it knows; where it stands does not matter any more.
                _ = self.tasks.join_next() => {}
                // Renewed all the while; what was lost shows at the next append.
                Some(_) = self.doors.held.recv() => {}
                () = &mut limit => return false,
            }
        }
        true
    }
}
