//! Triggers at work: where each stands, and what it starts. They are versioned
//! with their workflow, and only those of its newest version are live; where a
//! trigger stands is a record of its own, through all versions.
//!
//! - `webhook`: what a request is as an event.
//! - `on_end`: what follows the end of an execution.
//! - `cron`: what is due by the clock, and how each slot starts once.
//! - `poll`: what is found by looking, and how each event starts once.

use serde_json::Value;

use crate::definition::trigger::input;
use crate::deploy::DeployedWorkflow;
use crate::expression::ExpressionError;
use crate::id::{ExecutionId, TenantId, TriggerName};
use crate::ports::{Durability, EventLog, LogError, RecordError, Records, Submitted};
use crate::start::{self, Start, StartError};
use crate::time::Timestamp;

pub mod cron;
pub mod on_end;
pub mod poll;
mod state;
#[cfg(test)]
mod tests;
pub mod webhook;

pub(crate) use state::prepare;
pub use state::{Cursor, Fired, Outcome, State, Trouble, get, list, switch, trouble, update};

/// The ports that a trigger works over, and on whose account.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Where executions are started.
    pub log: &'a dyn EventLog,
    /// Where triggers stand.
    pub records: &'a dyn Records,
    /// Whose.
    pub tenant: &'a TenantId,
}

/// Why a trigger started nothing.
#[derive(Debug, thiserror::Error)]
pub enum TriggerError {
    /// The workflow has no such trigger.
    #[error("workflow `{workflow}` has no trigger `{trigger}` in version {version}")]
    Unknown {
        /// Its name.
        workflow: String,
        /// As it was asked for.
        trigger: TriggerName,
        /// Its newest.
        version: u32,
    },
    /// The template of its input errs.
    #[error("the trigger's input cannot be made: {0}")]
    Input(#[from] ExpressionError),
    /// The start was refused.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The log refused.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The records refused.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl TriggerError {
    /// Whether trying again later may help: the store is in trouble.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Log(_) | Self::Records(_) => true,
            Self::Start(error) => matches!(error, StartError::Log(_) | StartError::Records(_)),
            Self::Unknown { .. } | Self::Input(_) => false,
        }
    }
}

/// What to do next about a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Something was done: look again at once.
    Again,
    /// Nothing before this instant; without one, nothing at all.
    At(Option<Timestamp>),
    /// The workflow has no such trigger any more.
    Gone,
}

/// Something that happened to a trigger, and what it starts.
#[derive(Debug)]
pub struct Firing<'a> {
    /// The newest version of its workflow.
    pub workflow: &'a DeployedWorkflow,
    /// Which of its triggers.
    pub trigger: &'a TriggerName,
    /// What happened, `$trigger` in its input.
    pub event: Value,
    /// Makes a repeat harmless; without one each call starts another execution.
    pub key: Option<&'a str>,
    /// A fresh id.
    pub execution: ExecutionId,
    /// When.
    pub at: Timestamp,
    /// How soon it must be on disk.
    pub durability: Durability,
}

/// The input that an event of a trigger makes.
///
/// # Errors
/// When there is no such trigger, or the template of its input errs.
pub fn input_of(
    workflow: &DeployedWorkflow,
    name: &TriggerName,
    event: Value,
) -> Result<Value, TriggerError> {
    let definition = &workflow.definition;
    match definition.triggers.get(name) {
        Some(trigger) => Ok(input(definition, trigger, event)?),
        None => Err(TriggerError::Unknown {
            workflow: definition.name.to_string(),
            trigger: name.clone(),
            version: workflow.version,
        }),
    }
}

/// Starts the workflow as its trigger says; gives the execution, that of an
/// earlier call where the key is repeated.
///
/// # Errors
/// When there is no such trigger, its input is refused, or the log is not
/// available.
pub async fn fire(place: Place<'_>, firing: Firing<'_>) -> Result<Submitted, TriggerError> {
    let input = input_of(firing.workflow, firing.trigger, firing.event)?;
    let start = Start {
        tenant: place.tenant,
        workflow: firing.workflow,
        input: &input,
        key: firing.key,
        priority: None,
        paused: false,
        execution: firing.execution,
        at: firing.at,
        durability: firing.durability,
    };
    Ok(start::start_by_trigger(place.log, place.records, start).await?)
}

/// The execution, if it has not ended.
async fn running(
    place: Place<'_>,
    execution: Option<ExecutionId>,
) -> Result<Option<ExecutionId>, TriggerError> {
    let Some(execution) = execution else {
        return Ok(None);
    };
    let found = place.log.execution(place.tenant, execution).await?;
    let runs = found.is_some_and(|summary| !summary.status.is_final());
    Ok(runs.then_some(execution))
}
