//! Sending an execution a signal: it is taken, or refused and never recorded.

use nebula_api::execution::Signalled;
use nebula_flow::ports::Submitted;
use nebula_flow::signal::{self, Signal, SignalError};
use nebula_flow::{ExecutionId, SignalName, Value};

use super::{Error, Result, executions};
use crate::app::App;

/// What is to be sent.
pub(crate) struct Request {
    /// To which execution.
    pub(crate) execution: ExecutionId,
    /// Which signal.
    pub(crate) name: SignalName,
    /// What it says.
    pub(crate) payload: Value,
    /// Makes a repeat harmless.
    pub(crate) key: Option<String>,
}

/// Sends it. Once this returns, it is on disk; says also whether an earlier
/// request with this key sent it.
pub(crate) async fn signal(app: &App, request: Request) -> Result<(Signalled, bool)> {
    let execution = request.execution;
    let plan = executions::plan(app, execution).await?;
    let signal = Signal {
        tenant: &app.tenant,
        execution,
        plan: &plan,
        name: &request.name,
        payload: &request.payload,
        key: request.key.as_deref(),
        at: app.clock.now(),
    };
    let submitted = signal::signal(&*app.log, &*app.records, signal)
        .await
        .map_err(|error| refusal(execution, error))?;
    let answer = Signalled {
        id: execution.to_string(),
        signal: request.name.to_string(),
    };
    Ok((answer, matches!(submitted, Submitted::Duplicate(_))))
}

fn refusal(execution: ExecutionId, error: SignalError) -> Error {
    match error {
        SignalError::Refused(refused) => Error::SignalRefused { execution, refused },
        SignalError::InvalidPayload(problems) => Error::InvalidSignal(problems),
        SignalError::Payload(error) => error.into(),
        SignalError::InvalidKey(_) | SignalError::ReservedKey => Error::InvalidHeader {
            message: error.to_string(),
        },
        SignalError::Busy(execution) => Error::Busy(execution),
        SignalError::Unreadable(..) => Error::Damaged(error.to_string()),
        SignalError::Log(error) => error.into(),
        SignalError::Records(error) => error.into(),
    }
}
