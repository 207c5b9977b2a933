//! `/keys`.

use axum::extract::{Path, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use nebula_api::access::PageQuery;
use nebula_api::key::{CreateKey, CreatedKey, Key};
use nebula_api::{Page, Problem, problem};

use super::extract::{self, Query};
use super::reply::{self, Refusal, Reply};
use crate::app::App;
use crate::service::keys;

/// List the keys; their secrets are not kept
#[utoipa::path(
    get, path = "/api/v1/keys", tag = "keys", operation_id = "list_keys",
    params(PageQuery),
    responses((status = 200, body = Page<Key>), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn list(app: App, Query(query): Query<PageQuery>) -> Reply {
    reply::ok(&keys::list(&app, query).await?)
}

/// Make a key
///
/// The answer has the only copy of its secret.
#[utoipa::path(
    post, path = "/api/v1/keys", tag = "keys", operation_id = "create_key",
    request_body = CreateKey,
    responses((status = 201, body = CreatedKey), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn create(app: App, request: Request) -> Reply {
    let body = extract::json(&app, request).await?;
    reply::json(StatusCode::CREATED, &keys::create(&app, body).await?)
}

/// Revoke a key, at once
#[utoipa::path(
    delete, path = "/api/v1/keys/{key}", tag = "keys", operation_id = "revoke_key",
    params(("key" = String, Path, description = "Its id", pattern = "^[0-9a-f]{16}$")),
    responses((status = 204), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn revoke(app: App, Path(key): Path<String>) -> Result<Response, Refusal> {
    keys::revoke(&app, &key).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
