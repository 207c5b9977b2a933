//! What became of a run, read from its log.

use nebula_action::native::Credential;
use nebula_engine::EngineError;
use nebula_flow::event::{Event, Recorded};
use nebula_flow::ports::{EventLog, LogLine, Records, Status};
use nebula_flow::{ExecutionId, Payload, Value, WorkflowDefinition, payload};

use super::{PAGE, Run};
use crate::result::{Metrics, NodeOutputs, TestError, TestResult};

impl TestResult {
    /// Of an execution that never began.
    pub(super) fn not_begun(error: TestError) -> Self {
        Self {
            output: Value::Null,
            events: Vec::new(),
            metrics: Metrics::default(),
            node_outputs: NodeOutputs::default(),
            status: Status::Queued,
            error: Some(error),
            calls: Vec::new(),
            logs: Vec::new(),
        }
    }
}

impl Run {
    pub(super) async fn result(
        &self,
        id: ExecutionId,
        workflow: &WorkflowDefinition,
        error: Option<TestError>,
    ) -> TestResult {
        match self.read(id, workflow).await {
            Ok(mut result) => {
                let secrets = self.setup.credentials.values();
                self.setup
                    .world
                    .http
                    .keep(secrets.flat_map(Credential::secrets));
                let unexpected = self.runner.unexpected_requests();
                result.error = error.or_else(|| {
                    (!unexpected.is_empty()).then_some(TestError::UnexpectedRequests(unexpected))
                });
                result
            }
            Err(trouble) => TestResult::not_begun(error.unwrap_or_else(|| trouble.into())),
        }
    }

    async fn read(
        &self,
        id: ExecutionId,
        workflow: &WorkflowDefinition,
    ) -> Result<TestResult, EngineError> {
        let events = self.history(id).await?;
        let summary = self.store.execution(&self.tenant, id).await?;
        let calls = self.runner.calls();
        let output = match events.last().map(|last| &last.event) {
            Some(Event::Succeeded { output }) => self.value(output).await?,
            _ => Value::Null,
        };
        Ok(TestResult {
            output,
            metrics: Metrics::of(&events, &calls, self.crashes),
            node_outputs: self.node_outputs(&events, workflow).await?,
            status: summary.map_or(Status::Queued, |s| s.status),
            error: None,
            calls,
            logs: self.logs(id).await?,
            events,
        })
    }

    async fn node_outputs(
        &self,
        events: &[Recorded],
        workflow: &WorkflowDefinition,
    ) -> Result<NodeOutputs, EngineError> {
        let mut outputs = NodeOutputs::default();
        let nodes = workflow.nodes.keys().map(ToString::to_string);
        outputs.others = nodes
            .map(|node| (node, ("pending", "it did not end".to_owned())))
            .collect();
        for recorded in events {
            let (step, what) = match &recorded.event {
                Event::StepSucceeded { step, output, .. } => (step, Ok(output)),
                Event::StepFailed { step, error, .. } => {
                    (step, Err(("failed", format!("it failed: {error}"))))
                }
                Event::StepSkipped { step, reason, .. } => {
                    (step, Err(("skipped", skipped(reason.as_deref()))))
                }
                Event::StepUnknown { step, .. } => {
                    let why = "what became of it is unknown";
                    (step, Err(("unknown", why.to_owned())))
                }
                _ => continue,
            };
            if !step.path.is_empty() {
                continue;
            }
            let node = step.node.to_string();
            match what {
                Ok(output) => {
                    let value = self.value(output).await?;
                    outputs.others.remove(&node);
                    outputs.results.insert(node, value);
                }
                Err(why) => {
                    outputs.others.insert(node, why);
                }
            }
        }
        Ok(outputs)
    }

    async fn value(&self, stored: &Payload) -> Result<Value, EngineError> {
        let bytes = match stored {
            Payload::Inline(bytes) => Some(bytes.clone()),
            Payload::Blob { digest, .. } => self.store.blob(*digest).await?,
        };
        // What cannot be read is shown as null, as an output that is absent.
        Ok(bytes
            .and_then(|b| payload::decode(&b).ok())
            .unwrap_or_default())
    }

    async fn logs(&self, id: ExecutionId) -> Result<Vec<LogLine>, EngineError> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let page = self.store.lines(id, after, PAGE).await?;
            let full = page.len() == PAGE;
            after = page.last().map_or(after, |(seq, _)| *seq);
            all.extend(page.into_iter().map(|(_, line)| line));
            if !full {
                return Ok(all);
            }
        }
    }
}

fn skipped(reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("it was skipped: {reason}"),
        None => "it was skipped".to_owned(),
    }
}
