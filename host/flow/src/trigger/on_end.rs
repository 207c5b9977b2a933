//! What follows the end of an execution: the starts that it sends are on disk with
//! the end, or not at all, so that each end is followed once.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{TriggerError, input_of};
use crate::deploy::DeployedWorkflow;
use crate::event::{Event, Follows};
use crate::execution::{self, Execution};
use crate::id::{ExecutionId, TriggerName};
use crate::payload::{self, Payload};
use crate::ports::{Message, Status};
use crate::start::StartError;

/// How many ends in a row may start executions.
pub const MAX_CHAIN: u32 = 32;

/// A trigger that follows ends.
#[derive(Debug, Clone)]
pub struct Follower {
    /// The newest version of its workflow.
    pub workflow: Arc<DeployedWorkflow>,
    /// Which of its triggers.
    pub trigger: TriggerName,
}

/// Why an end is not followed.
#[derive(Debug, thiserror::Error)]
pub enum NotFollowed {
    /// A circle, most likely.
    #[error(
        "{MAX_CHAIN} executions in a row were started by the end of the one before; no more are"
    )]
    Chain,
    /// The input cannot be made, or is not what the workflow takes.
    #[error(transparent)]
    Trigger(#[from] TriggerError),
}

impl Follower {
    /// Whether it is fired by this end.
    #[must_use]
    pub fn follows(&self, status: Status) -> bool {
        let trigger = self.workflow.definition.triggers.get(&self.trigger);
        let on_end = trigger.and_then(|trigger| trigger.on_end.as_ref());
        on_end.is_some_and(|on_end| on_end.is_for(status))
    }

    /// The execution that follows the end of this one: the same whoever asks, and
    /// however often.
    #[must_use]
    pub fn execution(&self, ended: &Execution) -> ExecutionId {
        let which = format!("{}/{}", self.workflow.id, self.trigger);
        let at = ended.started_at().unwrap_or_default();
        let at = at.max(ended.updated_at());
        execution::mint("on_end", ended.id(), &which, at)
    }

    /// The input of that execution, encoded.
    ///
    /// # Errors
    /// When there is none.
    pub fn input(&self, ended: &Execution, event: Value) -> Result<Bytes, NotFollowed> {
        if chain(ended) >= MAX_CHAIN {
            return Err(NotFollowed::Chain);
        }
        let input = input_of(&self.workflow, &self.trigger, event)?;
        let problems = self.workflow.check_input(&input);
        if !problems.is_empty() {
            return Err(TriggerError::from(StartError::InvalidInput(problems)).into());
        }
        let encoded = payload::encode(&input);
        Ok(encoded.map_err(|e| TriggerError::from(StartError::from(e)))?)
    }

    /// Its start.
    #[must_use]
    pub fn start(&self, ended: &Execution, input: Payload) -> Message {
        Message::Start {
            workflow: self.workflow.id,
            name: self.workflow.definition.name.clone(),
            version: self.workflow.version,
            input,
            parent: None,
            origin: None,
            follows: Some(Follows {
                execution: ended.id(),
                chain: chain(ended) + 1,
            }),
            // Its owner knows both, and says them.
            priority: 0,
            slot: None,
            paused: false,
        }
    }
}

fn chain(ended: &Execution) -> u32 {
    ended.follows().map_or(0, |follows| follows.chain)
}

/// What an end is as an event; `output` is that of an execution that succeeded.
#[must_use]
pub fn event(ended: &Execution, output: Option<Value>) -> Value {
    let deployed = &ended.plan().deployed;
    let mut event = json!({
        "execution": ended.id().to_string(),
        "workflow": deployed.definition.name,
        "version": deployed.version,
        "status": ended.status().0.name(),
    });
    match ended.final_event() {
        Some(Event::Succeeded { .. }) => event["output"] = output.unwrap_or_default(),
        Some(Event::Failed { node, error }) => {
            event["error"] = json!({
                "kind": error.kind.name(), "message": error.message, "node": node,
            });
        }
        Some(Event::Cancelled { reason } | Event::Terminated { reason }) => {
            event["reason"] = reason.as_str().into();
        }
        _ => {}
    }
    event
}
