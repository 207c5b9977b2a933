//! `/health`, `/ready`, `/openapi.json`, `/metrics`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use nebula_api::Problem;
use nebula_api::node::{Health, Readiness};
use nebula_api::{Code, problem};
use nebula_flow::TenantId;

use super::reply::{self, Reply};
use super::routes;
use crate::app::Shared;
use crate::service::Error;

/// Whether the node answers
#[utoipa::path(
    get, path = "/api/v1/health", tag = "node",
    responses((status = 200, body = Health), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn health(State(shared): State<Arc<Shared>>) -> Reply {
    reply::ok(&Health {
        status: "ok".into(),
        node: shared.name.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
    })
}

/// Whether the node takes work
///
/// The store answers, the components are listed, and the node is not stopping.
#[utoipa::path(
    get, path = "/api/v1/ready", tag = "node",
    responses((status = 200, body = Readiness), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn ready(State(shared): State<Arc<Shared>>) -> Reply {
    if *shared.stopping.borrow() {
        return Err(Problem::new(Code::Unavailable, "the node is stopping").into());
    }
    let query = nebula_flow::ports::ExecutionQuery {
        limit: 1,
        ..Default::default()
    };
    // The node as a whole is asked, on nobody's account.
    let tenant = TenantId::default_tenant();
    shared
        .log
        .executions(&tenant, &query)
        .await
        .map_err(Error::from)?;
    let actions = shared
        .components
        .actions(&tenant)
        .await
        .map_err(Error::from)?;
    reply::ok(&Readiness {
        status: "ready".into(),
        actions: actions.len() as u64,
    })
}

/// This document
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "node",
    responses((status = 200, body = serde_json::Value), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn openapi() -> Response {
    let mut response = Response::new(Body::from(routes::openapi_json()));
    *response.status_mut() = StatusCode::OK;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The node's figures, in Prometheus' text format
#[utoipa::path(
    get, path = "/metrics", tag = "node",
    responses((status = 200, body = String, content_type = "application/openmetrics-text"), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Reply {
    let text = shared.metrics.text().map_err(|error| {
        tracing::error!(%error, "the figures cannot be written");
        Problem::new(Code::Internal, "the figures cannot be written")
    })?;
    let mut response = Response::new(Body::from(text));
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media));
    Ok(response)
}
