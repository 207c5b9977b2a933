//! The ends of waits for signals: a signal that was accepted in time, and is not heard
//! of yet, keeps them out.

use nebula_flow::event::{Event, FailureKind};
use nebula_flow::plan::Task as PlanTask;
use nebula_flow::{Recorded, Timestamp};

use super::{Exit, Task};

impl Task {
    /// Whether an event says that no signal came in time: one that was accepted
    /// in time, and is not heard of yet, must not find the wait over.
    pub(super) fn overrules_signals(&self, event: &Event) -> bool {
        match event {
            Event::StepFailed { step, error, .. } => {
                error.kind == FailureKind::TimedOut
                    && matches!(self.execution.task(step), Some(PlanTask::Signal { .. }))
            }
            Event::StepResumed { step } => self.execution.lacks_signal(step),
            _ => false,
        }
    }

    /// Lets an event happen that says that no signal came in time: on disk first, where
    /// a message that is not heard of yet keeps it out, and then in memory. False if
    /// one did; it is taken, and what is in flight beside the wait runs on.
    pub(super) async fn overrule(&mut self, event: Event, now: Timestamp) -> Result<bool, Exit> {
        let state = self.execution.status();
        self.journal.flush(state).await?;
        self.open_gate().await?;
        let recorded = Recorded {
            version: self.execution.version() + 1,
            at: now,
            event,
        };
        if !self.journal.overrule(recorded.clone()).await? {
            self.look().await?;
            return Ok(false);
        }
        self.last_at = now;
        self.execution
            .apply(&recorded)
            .map_err(|e| Exit::Parked(e.to_string()))?;
        Ok(true)
    }
}
