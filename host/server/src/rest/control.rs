//! `/executions/{execution}/cancel`, `/pause`, `/resume`, `/step` and `/terminate`.

use axum::extract::{Path, Request};
use http::StatusCode;
use nebula_api::execution::{Asked, Reason};
use nebula_api::{Problem, problem};
use nebula_flow::control::Control;

use super::extract;
use super::reply::{self, Reply};
use crate::app::App;
use crate::service::{control_execution, executions};

/// Cancel an execution
///
/// It stops as soon as possible; calls that run are stopped. One that is cancelled already stays so.
#[utoipa::path(
    post, path = "/api/v1/executions/{execution}/cancel", tag = "executions", operation_id = "cancel_execution",
    params(("execution" = String, Path, description = "Its id", pattern = "^exec-[0-7][0-9a-hjkmnp-tv-z]{25}$")),
    request_body = Option<Reason>,
    responses(
        (status = 202, body = Asked, description = "It is accepted and on disk"),
        (status = "default", body = Problem, content_type = problem::MEDIA_TYPE)
    )
)]
pub(crate) async fn cancel(app: App, Path(execution): Path<String>, request: Request) -> Reply {
    ask(&app, &execution, Control::Cancel, request).await
}

/// Pause an execution
///
/// Attempts that run may end; nothing more begins, and no time-out ends it, until it is resumed. For one
/// that is paused already it changes nothing.
#[utoipa::path(
    post, path = "/api/v1/executions/{execution}/pause", tag = "executions", operation_id = "pause_execution",
    params(("execution" = String, Path, description = "Its id", pattern = "^exec-[0-7][0-9a-hjkmnp-tv-z]{25}$")),
    request_body = Option<Reason>,
    responses(
        (status = 202, body = Asked, description = "It is accepted and on disk"),
        (status = "default", body = Problem, content_type = problem::MEDIA_TYPE)
    )
)]
pub(crate) async fn pause(app: App, Path(execution): Path<String>, request: Request) -> Reply {
    ask(&app, &execution, Control::Pause, request).await
}

/// Let a paused execution go on
///
/// What came due meanwhile happens now. For one that is not paused it changes nothing.
#[utoipa::path(
    post, path = "/api/v1/executions/{execution}/resume", tag = "executions", operation_id = "resume_execution",
    params(("execution" = String, Path, description = "Its id", pattern = "^exec-[0-7][0-9a-hjkmnp-tv-z]{25}$")),
    request_body = Option<Reason>,
    responses(
        (status = 202, body = Asked, description = "It is accepted and on disk"),
        (status = "default", body = Problem, content_type = problem::MEDIA_TYPE)
    )
)]
pub(crate) async fn resume(app: App, Path(execution): Path<String>, request: Request) -> Reply {
    ask(&app, &execution, Control::Resume, request).await
}

/// Let a paused execution go on for one step
///
/// It goes on until one more step has succeeded or failed, and is paused again. Of several actions that may
/// run one begins. For one that is not paused it changes nothing.
#[utoipa::path(
    post, path = "/api/v1/executions/{execution}/step", tag = "executions", operation_id = "step_execution",
    params(("execution" = String, Path, description = "Its id", pattern = "^exec-[0-7][0-9a-hjkmnp-tv-z]{25}$")),
    request_body = Option<Reason>,
    responses(
        (status = 202, body = Asked, description = "It is accepted and on disk"),
        (status = "default", body = Problem, content_type = problem::MEDIA_TYPE)
    )
)]
pub(crate) async fn step(app: App, Path(execution): Path<String>, request: Request) -> Reply {
    ask(&app, &execution, Control::Step, request).await
}

/// End an execution at once
///
/// It waits for nothing, whatever is under way; it ends also one that cannot go on. One that is
/// terminated already stays so.
#[utoipa::path(
    post, path = "/api/v1/executions/{execution}/terminate", tag = "executions", operation_id = "terminate_execution",
    params(("execution" = String, Path, description = "Its id", pattern = "^exec-[0-7][0-9a-hjkmnp-tv-z]{25}$")),
    request_body = Option<Reason>,
    responses(
        (status = 202, body = Asked, description = "It is accepted and on disk"),
        (status = "default", body = Problem, content_type = problem::MEDIA_TYPE)
    )
)]
pub(crate) async fn terminate(app: App, Path(execution): Path<String>, request: Request) -> Reply {
    ask(&app, &execution, Control::Terminate, request).await
}

async fn ask(app: &App, execution: &str, what: Control, request: Request) -> Reply {
    let execution = executions::parse_id(execution)?;
    let reason: Reason = extract::json_or_default(app, request).await?;
    reply::json(
        StatusCode::ACCEPTED,
        &control_execution::control(app, execution, what, reason).await?,
    )
}
