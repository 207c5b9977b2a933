//! `/health`, `/ready`, `/openapi.json`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use nebula_api::Problem;
use nebula_api::node::{Health, Readiness};
use nebula_api::{Code, problem};

use super::reply::{self, Reply};
use super::routes;
use crate::app::Shared;
use crate::service::Error;

/// Whether the node answers
#[utoipa::path(
    get, path = "/api/v1/health", tag = "node",
    responses((status = 200, body = Health), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn health(State(app): State<Shared>) -> Reply {
    reply::ok(&Health {
        status: "ok".into(),
        node: app.name.clone(),
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
pub(crate) async fn ready(State(app): State<Shared>) -> Reply {
    if *app.stopping.borrow() {
        return Err(Problem::new(Code::Unavailable, "the node is stopping").into());
    }
    let query = nebula_flow::ports::ExecutionQuery {
        limit: 1,
        ..Default::default()
    };
    app.log
        .executions(&app.tenant, &query)
        .await
        .map_err(Error::from)?;
    let actions = app
        .components
        .actions(&app.tenant)
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
