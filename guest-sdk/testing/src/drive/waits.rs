//! What executions wait for: signals that the harness has, and what has no end.

use std::collections::BTreeMap;

use nebula_engine::WorkflowEngine;
use nebula_flow::SignalName;
use nebula_flow::event::{Event, Recorded};
use nebula_flow::ports::ExecutionSummary;

use super::Run;
use crate::result::TestError;

impl Run {
    /// Sends the first signal that is waited for; whether there is one.
    pub(super) async fn send(
        &mut self,
        engine: &WorkflowEngine,
        open: &[ExecutionSummary],
    ) -> Result<bool, TestError> {
        if self.setup.signals.is_empty() {
            return Ok(false);
        }
        for execution in open {
            let (awaited, _) = waiting(&self.history(execution.id).await?);
            let found = self
                .setup
                .signals
                .iter()
                .position(|(name, _)| awaited.contains(name));
            if let Some((name, says)) = found.and_then(|place| self.setup.signals.remove(place)) {
                engine.signal(execution.id, &name, says, None).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What they wait for, for ever.
    pub(super) async fn waits(&self, open: &[ExecutionSummary]) -> Result<TestError, TestError> {
        let (mut signals, mut unknown) = (Vec::new(), Vec::new());
        for execution in open {
            let (awaited, asked) = waiting(&self.history(execution.id).await?);
            signals.extend(awaited.iter().map(ToString::to_string));
            unknown.extend(asked);
        }
        Ok(TestError::Waits { signals, unknown })
    }
}

/// The signals that an execution waits for, and the steps of which nobody knows what
/// became.
fn waiting(history: &[Recorded]) -> (Vec<SignalName>, Vec<String>) {
    let mut signals = BTreeMap::new();
    let mut unknown = BTreeMap::new();
    for recorded in history {
        match &recorded.event {
            Event::WaitStarted { step, signal, .. } | Event::StepContinued { step, signal, .. } => {
                if let Some(signal) = signal {
                    signals.insert((&step.node, &step.path), signal);
                }
            }
            Event::StepUnknown { step, .. } => {
                unknown.insert((&step.node, &step.path), step.to_string());
            }
            Event::StepResumed { step }
            | Event::StepSucceeded { step, .. }
            | Event::StepFailed { step, .. }
            | Event::StepSkipped { step, .. }
            | Event::AttemptFailed { step, .. } => {
                signals.remove(&(&step.node, &step.path));
                unknown.remove(&(&step.node, &step.path));
            }
            _ => {}
        }
    }
    (
        signals.into_values().cloned().collect(),
        unknown.into_values().collect(),
    )
}
