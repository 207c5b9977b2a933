//! The calls that are in flight when their execution is cancelled: those that would
//! hear of it are told, all others are stopped.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::FutureExt;

use super::Task;

/// So long may a call go on that hears of a cancel.
const GRACE: Duration = Duration::from_secs(5);

impl Task {
    /// Stops what is in flight but the calls that would hear of a cancel.
    pub(super) fn stop_but_listeners(&mut self) {
        self.in_flight.retain(|_, flight| {
            let pulse = flight.pulse.as_ref();
            pulse.is_some_and(|pulse| pulse.listens())
        });
        if self.in_flight.is_empty() {
            self.work.clear();
        }
        // What was stopped lets go when it is polled.
        while let Some(Some(_)) = self.work.next().now_or_never() {}
    }

    /// Tells the calls that are still in flight that the execution was cancelled,
    /// and gives them a while. What they answer goes nowhere.
    pub(super) fn tell_listeners(&mut self) {
        if self.in_flight.is_empty() {
            return;
        }
        for (_, mut flight) in self.in_flight.drain() {
            if let Some(pulse) = &flight.pulse {
                pulse.cancel();
            }
            // They outlive this task.
            flight.running = None;
        }
        let (core, mut work) = (self.core.clone(), std::mem::take(&mut self.work));
        self.core.runtime.spawn(async move {
            tokio::select! {
                () = core.clock.until(core.clock.now().plus(GRACE)) => {}
                () = async { while work.next().await.is_some() {} } => {}
            }
        });
    }
}
