//! `/workflows/{workflow}/execute` and `/executions`, with what is sent to them.

use std::time::Duration;

use axum::extract::{Path, Request};
use axum::response::{IntoResponse, Response};
use http::header::{HeaderName, HeaderValue, LOCATION};
use http::{HeaderMap, StatusCode};
use nebula_api::execution::{
    ExecuteQuery, Execution, ExecutionResult, ExecutionSummary, ExecutionsQuery, ReplayQuery,
    Resolve, ResolvedStep, Signalled,
};
use nebula_api::{Page, Problem, problem};
use nebula_flow::time::Span;

use super::extract::{self, Query};
use super::reply::{self, Refusal, Reply};
use crate::app::App;
use crate::service::start_execution::{self, Start, Started};
use crate::service::{
    Error, executions, remove_execution, resolve_execution, restart_execution, signal_execution,
};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// What `?wait=true` waits for.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// The longest wait; further on, ask again or follow the events.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Execute a workflow
///
/// The body is the input. Without `wait`, or when the wait is over before the
/// execution, the answer is 202 and the execution goes on.
#[utoipa::path(
    post, path = "/api/v1/workflows/{workflow}/execute", tag = "executions", operation_id = "execute_workflow",
    params(
        ("workflow" = String, Path, description = "Its name or id"),
        ("idempotency-key" = Option<String>, Header, min_length = 1, max_length = 255, description = "A repeat with the same key and body starts nothing and gives the first one's execution"),
        ExecuteQuery
    ),
    request_body = serde_json::Value,
    responses(
        (status = 200, body = ExecutionResult, description = "It has ended: with `wait`"),
        (status = 202, body = ExecutionResult, description = "It is accepted and on disk"),
        (status = "default", body = Problem, content_type = problem::MEDIA_TYPE)
    )
)]
pub(crate) async fn execute(
    app: App,
    Path(workflow): Path<String>,
    Query(query): Query<ExecuteQuery>,
    request: Request,
) -> Reply {
    let wait = query.wait.as_deref().map(parse_wait).transpose()?.flatten();
    let key = idempotency_key(request.headers())?;
    let start = Start {
        workflow: &workflow,
        version: query.version,
        priority: query.priority.map(parse_priority).transpose()?,
        paused: query.paused,
        input: input(&app, request).await?,
        key,
        wait,
    };
    started(&start_execution::start(&app, start).await?)
}

fn parse_priority(priority: i32) -> Result<i8, Error> {
    i8::try_from(priority).map_err(|_| Error::InvalidQuery {
        parameter: "priority",
        message: format!("{priority} is not between -100 and 100"),
    })
}

/// The answer to what started an execution.
fn started(started: &Started) -> Reply {
    let ended = started.result.finished_at.is_some();
    let mut response = reply::json(
        if ended {
            StatusCode::OK
        } else {
            StatusCode::ACCEPTED
        },
        &started.result,
    )?;
    let headers = response.headers_mut();
    let location = format!("{}/executions/{}", nebula_api::PREFIX, started.result.id);
    if let Ok(location) = HeaderValue::try_from(location) {
        headers.insert(LOCATION, location);
    }
    if started.replayed {
        headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Go on where an execution failed or was stopped
///
/// Makes a new execution in the same version of the workflow: what ended in this
/// one is kept, and the rest runs. This one stays as it is. Refused while it has
/// not ended, and when it succeeded.
#[utoipa::path(
    post, path = "/api/v1/executions/{execution}/retry", tag = "executions", operation_id = "retry_execution",
    params(
        ("execution" = String, Path, description = "Its id", pattern = "^exec-[0-7][0-9a-hjkmnp-tv-z]{25}$"),
        ("idempotency-key" = Option<String>, Header, min_length = 1, max_length = 255, description = "A repeat with the same key starts nothing and gives the first one's execution")
    ),
    responses(
        (status = 202, body = ExecutionResult, description = "The new execution is accepted and on disk"),
        (status = "default", body = Problem, content_type = problem::MEDIA_TYPE)
    )
)]
pub(crate) async fn retry(app: App, Path(execution): Path<String>, request: Request) -> Reply {
    let execution = executions::parse_id(&execution)?;
    let key = idempotency_key(request.headers())?;
    started(&restart_execution::retry(&app, execution, key).await?)
}

/// Begin again with an execution's input
///
/// Makes a new execution with the same input, in the same version of the workflow
/// or in another. This one stays as it is. Refused while it has not ended.
#[utoipa::path(
    post, path = "/api/v1/executions/{execution}/replay", tag = "executions", operation_id = "replay_execution",
    params(
        ("execution" = String, Path, description = "Its id", pattern = "^exec-[0-7][0-9a-hjkmnp-tv-z]{25}$"),
        ("idempotency-key" = Option<String>, Header, min_length = 1, max_length = 255, description = "A repeat with the same key starts nothing and gives the first one's execution"),
        ReplayQuery
    ),
    responses(
        (status = 202, body = ExecutionResult, description = "The new execution is accepted and on disk"),
        (status = "default", body = Problem, content_type = problem::MEDIA_TYPE)
    )
)]
pub(crate) async fn replay(
    app: App,
    Path(execution): Path<String>,
    Query(query): Query<ReplayQuery>,
    request: Request,
) -> Reply {
    let execution = executions::parse_id(&execution)?;
    let key = idempotency_key(request.headers())?;
    started(&restart_execution::replay(&app, execution, query, key).await?)
}

/// List executions, newest first
#[utoipa::path(
    get, path = "/api/v1/executions", tag = "executions", operation_id = "list_executions",
    params(ExecutionsQuery),
    responses((status = 200, body = Page<ExecutionSummary>), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn list(app: App, Query(query): Query<ExecutionsQuery>) -> Reply {
    reply::ok(&executions::list(&app, query).await?)
}

/// Look at one execution: its nodes, its timeline, what it cost
#[utoipa::path(
    get, path = "/api/v1/executions/{execution}", tag = "executions", operation_id = "get_execution",
    params(("execution" = String, Path, description = "Its id", pattern = "^exec-[0-7][0-9a-hjkmnp-tv-z]{25}$")),
    responses((status = 200, body = Execution), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn get(app: App, Path(execution): Path<String>) -> Reply {
    reply::ok(&executions::get(&app, executions::parse_id(&execution)?).await?)
}

/// Remove an execution that has ended
///
/// Its history, its logs and what it alone used of values are gone with it. A request with its idempotency
/// key is still answered, for a week after the first. Refused while an execution that has not ended was
/// started by it, or started it.
#[utoipa::path(
    delete, path = "/api/v1/executions/{execution}", tag = "executions", operation_id = "remove_execution",
    params(("execution" = String, Path, description = "Its id", pattern = "^exec-[0-7][0-9a-hjkmnp-tv-z]{25}$")),
    responses((status = 204), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn remove(app: App, Path(execution): Path<String>) -> Result<Response, Refusal> {
    remove_execution::remove(&app, executions::parse_id(&execution)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Send an execution a signal
///
/// The body is what the signal says; a wait for it that has begun takes it, or
/// it is kept for one to come. Refused is a signal that no node waits for, or
/// not any more, and one whose payload is not what the wait's `schema` asks for.
#[utoipa::path(
    post, path = "/api/v1/executions/{execution}/signals/{signal}", tag = "executions", operation_id = "signal_execution",
    params(
        ("execution" = String, Path, description = "Its id", pattern = "^exec-[0-7][0-9a-hjkmnp-tv-z]{25}$"),
        ("signal" = String, Path, description = "The signal's name", pattern = "^[A-Za-z][A-Za-z0-9._-]{0,63}$"),
        ("idempotency-key" = Option<String>, Header, min_length = 1, max_length = 255, description = "A repeat with the same key and body sends nothing and is answered as the first")
    ),
    request_body = serde_json::Value,
    responses(
        (status = 202, body = Signalled, description = "The signal is accepted and on disk"),
        (status = "default", body = Problem, content_type = problem::MEDIA_TYPE)
    )
)]
pub(crate) async fn signal(
    app: App,
    Path((execution, signal)): Path<(String, String)>,
    request: Request,
) -> Reply {
    let execution = executions::parse_id(&execution)?;
    let name = signal.parse().map_err(Error::InvalidId)?;
    let key = idempotency_key(request.headers())?;
    let request = signal_execution::Request {
        execution,
        name,
        payload: input(&app, request).await?,
        key,
    };
    let (signalled, replayed) = signal_execution::signal(&app, request).await?;
    let mut response = reply::json(StatusCode::ACCEPTED, &signalled)?;
    if replayed {
        let headers = response.headers_mut();
        headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Say what became of a step
///
/// For a node with `delivery: at-most-once` whose attempt was cut off: nobody but
/// a person knows whether it had its effects. Refused for any other step.
#[utoipa::path(
    post, path = "/api/v1/executions/{execution}/resolve", tag = "executions", operation_id = "resolve_execution",
    params(("execution" = String, Path, description = "Its id", pattern = "^exec-[0-7][0-9a-hjkmnp-tv-z]{25}$")),
    request_body = Resolve,
    responses(
        (status = 202, body = ResolvedStep, description = "It is accepted and on disk"),
        (status = "default", body = Problem, content_type = problem::MEDIA_TYPE)
    )
)]
pub(crate) async fn resolve(app: App, Path(execution): Path<String>, request: Request) -> Reply {
    let execution = executions::parse_id(&execution)?;
    let body = extract::body(&app, request, app.http.max_input_body).await?;
    let resolve = extract::parse(&body)?;
    let resolved = resolve_execution::resolve(&app, execution, resolve).await?;
    reply::json(StatusCode::ACCEPTED, &resolved)
}

/// A body that is a value for an execution; null if there is none.
async fn input(app: &App, request: Request) -> Result<nebula_flow::Value, Refusal> {
    let body = extract::body(app, request, app.http.max_input_body).await?;
    if body.is_empty() {
        Ok(nebula_flow::Value::Null)
    } else {
        extract::parse(&body)
    }
}

fn parse_wait(text: &str) -> Result<Option<Duration>, Error> {
    let invalid = |message| {
        Err(Error::InvalidQuery {
            parameter: "wait",
            message,
        })
    };
    match text {
        "" | "true" => Ok(Some(DEFAULT_WAIT)),
        "false" => Ok(None),
        text => match text.parse::<Span>() {
            Ok(Span(wait)) if wait <= LONGEST_WAIT => Ok(Some(wait)),
            Ok(_) => invalid(format!("at most {} s", LONGEST_WAIT.as_secs())),
            Err(error) => invalid(format!("give `true`, `false` or a duration; {error}")),
        },
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) => Ok(Some(key.into())),
        _ => Err(Error::InvalidHeader {
            message: "`Idempotency-Key` has 1 to 255 visible ASCII characters".into(),
        }),
    }
}
