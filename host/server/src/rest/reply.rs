//! Answers: JSON, and problems. A refused request's problem travels beside
//! the response to the [`door`](super::door), which adds the request's id and
//! writes it.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use nebula_api::problem::{Diagnostic, Position};
use nebula_api::{Code, Problem};
use nebula_flow::TriggerName;
use nebula_flow::execution::{Refused, Resolved};
use nebula_flow::grant::NotRevealable;
use nebula_flow::payload::PayloadError;
use nebula_flow::ports::{LogError, RecordError, ResolveError};
use serde::Serialize;

use super::package_problem;
use crate::service::Error;

/// A refused request.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) Box<Problem>);

/// Of a handler.
pub(crate) type Reply = Result<Response, Refusal>;

/// A problem on its way to the door.
#[derive(Clone)]
pub(crate) struct Pending(pub(crate) Arc<Problem>);

/// An answer in JSON.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Reply {
    let body = serde_json::to_vec(value).map_err(|e| {
        tracing::error!(error = %e, "an answer cannot be written");
        Refusal::from(Problem::new(Code::Internal, "the answer cannot be written"))
    })?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// An answer in JSON with status 200.
pub(crate) fn ok<T: Serialize>(value: &T) -> Reply {
    json(StatusCode::OK, value)
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        response.extensions_mut().insert(Pending(Arc::from(self.0)));
        response
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        problem(error).into()
    }
}

fn problem(error: Error) -> Problem {
    let detail = error.to_string();
    match error {
        Error::WorkflowNotFound(_)
        | Error::VersionNotFound { .. }
        | Error::ExecutionNotFound(_)
        | Error::ActionNotFound { .. }
        | Error::TriggerNotFound { .. }
        | Error::CredentialNotFound(_)
        | Error::GrantNotFound { .. }
        | Error::RevealNotFound { .. }
        | Error::KeyNotFound(_) => not_found(error, detail),
        Error::TriggerInput(_) => Problem::new(Code::InvalidInput, detail)
            .hint("look at the trigger's `input` in the workflow, and at the event"),
        Error::PollFailed(_)
        | Error::TriggerDisabled(_)
        | Error::HookNotFound { .. }
        | Error::WebhookRefused(_)
        | Error::SecretMissing(_) => trigger(&error, detail),
        Error::NotRevealable { credential, why } => not_revealable(&credential, why, detail),
        Error::InvalidId(_) => Problem::new(Code::InvalidId, detail),
        Error::InvalidQuery { .. } => Problem::new(Code::InvalidQuery, detail),
        Error::InvalidBody { pointer, .. } => {
            Problem::new(Code::InvalidBody, detail).pointer(pointer)
        }
        Error::InvalidHeader { .. } => Problem::new(Code::InvalidHeader, detail),
        Error::InvalidWorkflow(diagnostics) => Problem::new(Code::InvalidWorkflow, detail)
            .hint("POST /api/v1/workflows/validate checks a document without deploying it")
            .errors(diagnostics.into_iter().map(diagnostic).collect()),
        Error::InvalidInput(diagnostics) => Problem::new(Code::InvalidInput, detail)
            .hint("the workflow's `input` is the schema of what it takes")
            .errors(diagnostics.into_iter().map(diagnostic).collect()),
        Error::Payload(PayloadError::TooLarge { .. } | PayloadError::TooMany { .. }) => {
            Problem::new(Code::PayloadTooLarge, detail)
        }
        Error::Payload(PayloadError::TooDeep { .. } | PayloadError::Malformed(_)) => {
            Problem::new(Code::InvalidBody, detail)
        }
        Error::Finished { .. } => {
            Problem::new(Code::ExecutionFinished, detail).hint("nothing more can be asked of it")
        }
        Error::Unfinished { .. } => Problem::new(Code::ExecutionUnfinished, detail)
            .hint("cancel or terminate it first, or wait for its end"),
        Error::InUse(_) => Problem::new(Code::ExecutionInUse, detail)
            .hint("remove it once the other one has ended"),
        Error::InvalidSignal(diagnostics) => Problem::new(Code::InvalidSignal, detail)
            .hint("the wait's `schema` is the schema of what the signal says")
            .errors(diagnostics.into_iter().map(diagnostic).collect()),
        Error::SignalRefused { refused, .. } => signal(refused, detail),
        Error::NotUnknown { resolved, .. } => match resolved {
            Resolved::Over => Problem::new(Code::ExecutionFinished, detail)
                .hint("nothing more can be asked of it"),
            Resolved::NoStep(_) | Resolved::Known(_) => Problem::new(Code::OutcomeKnown, detail)
                .hint("look at the execution: its steps say where they stand"),
        },
        Error::NotRestartable(_) => Problem::new(Code::NotRestartable, detail)
            .hint("look at the execution: its status says where it stands"),
        Error::Busy(_) => Problem::new(Code::Conflict, detail).hint("send it again"),
        Error::Log(error) => log(error, detail),
        Error::Records(error) => records(&error, detail),
        Error::Resolve(error) => resolve(&error, detail),
        Error::Package(error) => package_problem::install(&error, detail),
        Error::PackageId(_) => Problem::new(Code::InvalidId, detail),
        Error::Damaged(_) => internal(&detail),
    }
}

/// An id may be right, and its execution gone.
const NO_EXECUTION: &str = "look at GET /api/v1/executions; one that has ended may have been removed, by its workflow's \
     `retention`, the node's settings or a person";

fn not_found(error: Error, detail: String) -> Problem {
    match error {
        Error::WorkflowNotFound(_) => Problem::new(Code::WorkflowNotFound, detail)
            .hint("deploy it with POST /api/v1/workflows, or look at GET /api/v1/workflows"),
        Error::VersionNotFound { .. } => {
            Problem::new(Code::WorkflowNotFound, detail).hint("leave `version` out for the newest")
        }
        Error::ExecutionNotFound(_) => {
            Problem::new(Code::ExecutionNotFound, detail).hint(NO_EXECUTION)
        }
        Error::ActionNotFound { similar, .. } => {
            Problem::new(Code::ActionNotFound, detail).hint(match similar {
                Some(similar) => format!("did you mean `{similar}`?"),
                None => "look at GET /api/v1/actions".into(),
            })
        }
        Error::TriggerNotFound { there, .. } => trigger_not_found(&there, detail),
        Error::CredentialNotFound(_) => {
            Problem::new(Code::CredentialNotFound, detail).hint("look at GET /api/v1/credentials")
        }
        Error::GrantNotFound { .. } => {
            Problem::new(Code::GrantNotFound, detail).hint("look at GET /api/v1/grants")
        }
        Error::RevealNotFound { .. } => {
            Problem::new(Code::RevealNotFound, detail).hint("look at GET /api/v1/reveals")
        }
        Error::KeyNotFound(_) => {
            Problem::new(Code::KeyNotFound, detail).hint("look at GET /api/v1/keys")
        }
        _ => internal(&detail),
    }
}

fn not_revealable(credential: &str, why: NotRevealable, detail: String) -> Problem {
    Problem::new(Code::NotRevealable, detail).hint(match why {
        NotRevealable::NotSaid => format!(
            "set it again so that it says so, if it may be: `nebula credential set {credential} … --reveal`"
        ),
        NotRevealable::TooShort => "set a longer secret".into(),
        NotRevealable::Never => "let the action name it in its requests; the host adds what \
             is made of it"
            .into(),
    })
}

fn trigger_not_found(there: &[TriggerName], detail: String) -> Problem {
    let there: Vec<_> = there.iter().map(|name| format!("`{name}`")).collect();
    Problem::new(Code::TriggerNotFound, detail).hint(match there.as_slice() {
        [] => "its newest version has none".to_owned(),
        names => format!("its newest version has {}", names.join(", ")),
    })
}

fn trigger(error: &Error, detail: String) -> Problem {
    match error {
        Error::PollFailed(_) => Problem::new(Code::PollFailed, detail)
            .hint("look at the trigger's `poll` in the workflow, and at what its action may reach"),
        Error::TriggerDisabled(_) => Problem::new(Code::TriggerDisabled, detail)
            .hint("ask who runs the node; `nebula trigger enable` switches it on"),
        Error::WebhookRefused(_) => Problem::new(Code::WebhookRefused, detail)
            .hint("docs/workflows.md says how a request to a webhook is signed"),
        Error::SecretMissing(_) => {
            tracing::warn!(%detail, "a webhook is refused");
            Problem::new(Code::Unavailable, "the webhook cannot be checked now")
                .hint("ask who runs the node: the trigger's last error says more")
        }
        _ => Problem::new(Code::TriggerNotFound, detail)
            .hint("a webhook's path is /hooks/<workflow>/<trigger>, by their names"),
    }
}

fn signal(refused: Refused, detail: String) -> Problem {
    match refused {
        Refused::Ended(_) | Refused::Ending => Problem::new(Code::ExecutionFinished, detail)
            .hint("a signal reaches an execution only before its end"),
        Refused::Unknown { awaited, .. } => {
            let awaited: Vec<_> = awaited.iter().map(|name| format!("`{name}`")).collect();
            Problem::new(Code::SignalNotAwaited, detail).hint(match awaited.as_slice() {
                [] => "nothing of it waits for a signal now".to_owned(),
                names => format!("its workflow waits for {}", names.join(", ")),
            })
        }
        Refused::Over(_) => Problem::new(Code::SignalNotAwaited, detail)
            .hint("look at the execution: its steps say what became of the wait"),
        Refused::Answered(_) => Problem::new(Code::SignalAnswered, detail)
            .hint("look at the execution: the result of the wait is the first answer"),
        Refused::Full { .. } => Problem::new(Code::TooManySignals, detail)
            .hint("send it again once the execution has come to its waits"),
    }
}

fn log(error: LogError, detail: String) -> Problem {
    match error {
        LogError::NotFound(_) => Problem::new(Code::ExecutionNotFound, detail).hint(NO_EXECUTION),
        LogError::KeyReused(_) => Problem::new(Code::IdempotencyKeyReused, detail)
            .hint("use a fresh key for each request; repeat a key only with the same body"),
        LogError::Unavailable(_) => unavailable(&detail),
        LogError::Fenced(_)
        | LogError::Conflict { .. }
        | LogError::Unheard(_)
        | LogError::NoBlob(_)
        | LogError::Damaged(_) => internal(&detail),
    }
}

pub(super) fn records(error: &RecordError, detail: String) -> Problem {
    match error {
        RecordError::Conflict { .. } => {
            Problem::new(Code::Conflict, detail).hint("read it again and repeat")
        }
        RecordError::Unavailable(_) => unavailable(&detail),
        RecordError::Damaged(_) => internal(&detail),
    }
}

fn resolve(error: &ResolveError, detail: String) -> Problem {
    match error {
        ResolveError::Unavailable(_) => unavailable(&detail),
        ResolveError::Damaged(_) => internal(&detail),
        _ => Problem::new(Code::ActionNotFound, detail).hint("look at GET /api/v1/actions"),
    }
}

// What the store said goes to the node's own log, not to the caller.
fn unavailable(detail: &str) -> Problem {
    tracing::warn!(%detail, "a request is refused");
    Problem::new(Code::Unavailable, "the store does not answer now")
        .hint("try again in a moment; the node's log says why")
}

pub(super) fn internal(detail: &str) -> Problem {
    tracing::error!(%detail, "a request failed");
    Problem::new(
        Code::Internal,
        "the node cannot answer this; its log says why under this request's id",
    )
}

/// A diagnostic as the wire has it.
pub(crate) fn diagnostic(diagnostic: nebula_flow::definition::Diagnostic) -> Diagnostic {
    Diagnostic {
        code: diagnostic.code.name().into(),
        message: diagnostic.message,
        hint: diagnostic.hint,
        pointer: Some(diagnostic.pointer),
        position: diagnostic.position.map(|p| Position {
            line: p.line,
            column: p.column,
        }),
    }
}
