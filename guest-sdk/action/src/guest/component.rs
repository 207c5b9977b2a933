//! The exports of a component, made by [`export!`](crate::export).

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use crate::action::{ProcessAction, ProcessResult};
use crate::again::Wake;
use crate::context::ActionContext;
use crate::error::{ActionError, Result};
use crate::invoke::{self, Description};

pub use super::bindings::exports::nebula::action::actions::{
    ActionMetadata, Error, Guest, Outcome,
};
use super::bindings::nebula::action::types::{self, Branch, Retryable, Wait};

/// `describe` for one action.
#[must_use]
pub fn describe<A: ProcessAction>() -> ActionMetadata {
    metadata(invoke::describe::<A>())
}

/// `execute` for one action.
///
/// # Errors
/// What the action answers.
pub fn execute<A: ProcessAction>(input: &[u8]) -> Result<Outcome, Error> {
    let ctx = ActionContext::default();
    answer(super::block_on(invoke::invoke::<A>(input, &ctx)))
}

/// The answer to an id that the component does not have.
#[must_use]
pub fn unknown(action: &str) -> Error {
    Error::Permanent(format!("this component has no action `{action}`"))
}

fn metadata(description: Description) -> ActionMetadata {
    let Description {
        metadata,
        input_schema,
        output_schema,
    } = description;
    let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
    ActionMetadata {
        id: metadata.id.as_str().to_owned(),
        name: metadata.name.to_owned(),
        version: metadata.version.to_owned(),
        description: metadata.description.to_owned(),
        category: metadata.category.to_owned(),
        input_schema,
        output_schema,
        credentials: owned(metadata.credentials),
        hosts: owned(metadata.hosts),
    }
}

fn answer(result: Result<ProcessResult<Vec<u8>>>) -> Result<Outcome, Error> {
    match result {
        Ok(ProcessResult::Success(output)) => Ok(Outcome::Success(output)),
        Ok(ProcessResult::Skip { reason }) => Ok(Outcome::Skip(reason)),
        Ok(ProcessResult::Branch { port, output }) => Ok(Outcome::Branch(Branch { port, output })),
        Ok(ProcessResult::Wait { wake, state }) => Ok(Outcome::Wait(Wait {
            wake: awaited(wake),
            state: state.0,
        })),
        Ok(ProcessResult::Continue { state }) => Ok(Outcome::Continue(state.0)),
        Err(ActionError::InvalidInput(message)) => Err(Error::InvalidInput(message)),
        Err(ActionError::Permanent(message)) => Err(Error::Permanent(message)),
        Err(ActionError::Retryable { message, delay }) => Err(Error::Retryable(Retryable {
            message,
            delay_ms: delay.map(millis),
        })),
        Err(ActionError::Cancelled) => Err(Error::Cancelled),
    }
}

fn awaited(wake: Wake) -> types::Wake {
    match wake {
        Wake::After(time) => types::Wake::AfterMs(millis(time)),
        Wake::AtMillis(instant) => types::Wake::AtMs(instant),
        Wake::Signal { name, timeout } => types::Wake::Signal(types::AwaitedSignal {
            name,
            timeout_ms: timeout.map(millis),
        }),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
