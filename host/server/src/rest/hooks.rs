//! `/hooks/{workflow}/{trigger}`: requests that fire triggers. Who sends one is
//! proven by the trigger's secret; keys of the API are of no use here.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use http::StatusCode;
use nebula_api::execution::ExecutionResult;
use nebula_api::{Problem, problem};
use nebula_flow::TenantId;

use super::extract;
use super::reply::{self, Reply};
use crate::app::{App, Shared};
use crate::service::webhooks::{self, Delivery};

/// Fire a webhook
///
/// The body is any JSON or text. The sender proves with each request that it knows
/// the trigger's secret: by a signature, a bearer token or a password, as the
/// trigger says. A delivery that is repeated starts nothing.
#[utoipa::path(
    post, path = "/hooks/{workflow}/{trigger}", tag = "triggers", operation_id = "fire_webhook",
    params(
        ("workflow" = String, Path, description = "Name of its workflow"),
        ("trigger" = String, Path, description = "Its name", pattern = "^[A-Za-z][A-Za-z0-9._-]{0,63}$"),
        ("webhook-id" = Option<String>, Header, description = "A name for the delivery", pattern = "^[A-Za-z0-9_-]{1,100}$"),
        ("webhook-timestamp" = Option<String>, Header, description = "When it was signed, seconds since 1970"),
        ("webhook-signature" = Option<String>, Header, description = "`sha256=` and the HMAC-SHA256 of `timestamp.body` in hex, or of `id.timestamp.body` where there is an id")
    ),
    request_body(content((serde_json::Value = "application/json"), (String = "text/plain"))),
    responses(
        (status = 200, body = ExecutionResult, description = "The execution has ended: for a trigger that replies with the result"),
        (status = 202, body = ExecutionResult, description = "It is accepted and on disk"),
        (status = "default", body = Problem, content_type = problem::MEDIA_TYPE)
    )
)]
pub(crate) async fn receive(
    State(shared): State<Arc<Shared>>,
    Path((workflow, trigger)): Path<(String, String)>,
    request: Request,
) -> Reply {
    let app = App::new(shared, TenantId::default_tenant());
    webhooks::check(&app, &workflow, &trigger).await?;
    let headers = request.headers().clone();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let body = extract::body(&app, request, app.http.max_body).await?;
    let delivery = Delivery {
        workflow: &workflow,
        trigger: &trigger,
        headers: &headers,
        query: &query,
        body: &body,
    };
    let started = webhooks::receive(&app, delivery).await?;
    let status = match started.result.finished_at {
        Some(_) => StatusCode::OK,
        None => StatusCode::ACCEPTED,
    };
    reply::json(status, &started.result)
}
