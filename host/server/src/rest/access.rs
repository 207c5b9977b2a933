//! `/credentials`, `/grants`, `/reveals` and `/reach`.

use axum::extract::{Path, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use nebula_api::access::{
    ActionReach, Credential, Grant, GrantKey, GrantsQuery, PageQuery, Reveal, SetCredential,
};
use nebula_api::{Page, Problem, problem};
use serde::Serialize;

use super::extract::{self, Query};
use super::reply::{self, Refusal, Reply};
use crate::app::App;
use crate::service::{credentials, grants, reach, reveals};

/// List the credentials; their secrets are never given back
#[utoipa::path(
    get, path = "/api/v1/credentials", tag = "access",
    params(PageQuery),
    responses((status = 200, body = Page<Credential>), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn list_credentials(app: App, Query(query): Query<PageQuery>) -> Reply {
    reply::ok(&credentials::list(&app, query).await?)
}

/// Look at a credential; its secret is never given back
#[utoipa::path(
    get, path = "/api/v1/credentials/{name}", tag = "access",
    params(("name" = String, Path, description = "As workflows bind it", pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")),
    responses((status = 200, body = Credential), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn get_credential(app: App, Path(name): Path<String>) -> Reply {
    reply::ok(&credentials::get(&app, &name).await?)
}

/// Set a credential
#[utoipa::path(
    put, path = "/api/v1/credentials/{name}", tag = "access",
    params(("name" = String, Path, description = "As workflows bind it", pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")),
    request_body = SetCredential,
    responses((status = 200, body = Credential), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn set_credential(app: App, Path(name): Path<String>, request: Request) -> Reply {
    let body = extract::json_with_a_secret(&app, request).await?;
    reply::ok(&credentials::set(&app, &name, body).await?)
}

/// Remove a credential
#[utoipa::path(
    delete, path = "/api/v1/credentials/{name}", tag = "access",
    params(("name" = String, Path, description = "As workflows bind it", pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")),
    responses((status = 204), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn remove_credential(
    app: App,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    credentials::remove(&app, &name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// List the grants
#[utoipa::path(
    get, path = "/api/v1/grants", tag = "access",
    params(GrantsQuery),
    responses((status = 200, body = Page<Grant>), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn list_grants(app: App, Query(query): Query<GrantsQuery>) -> Reply {
    reply::ok(&grants::list(&app, query).await?)
}

/// Grant an action a host
#[utoipa::path(
    post, path = "/api/v1/grants", tag = "access",
    request_body = Grant,
    responses(
        (status = 201, body = Grant),
        (status = 200, body = Grant, description = "It took the place of an earlier one"),
        (status = "default", body = Problem, content_type = problem::MEDIA_TYPE)
    )
)]
pub(crate) async fn add_grant(app: App, request: Request) -> Reply {
    set_grant(&app, request).await
}

/// Grant an action a host
#[utoipa::path(
    put, path = "/api/v1/grants", tag = "access",
    request_body = Grant,
    responses(
        (status = 201, body = Grant),
        (status = 200, body = Grant, description = "It took the place of an earlier one"),
        (status = "default", body = Problem, content_type = problem::MEDIA_TYPE)
    )
)]
pub(crate) async fn put_grant(app: App, request: Request) -> Reply {
    set_grant(&app, request).await
}

/// Take a grant back
#[utoipa::path(
    delete, path = "/api/v1/grants", tag = "access",
    params(GrantKey),
    responses((status = 204), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn remove_grant(
    app: App,
    Query(grant): Query<GrantKey>,
) -> Result<Response, Refusal> {
    grants::remove(&app, grant).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// List which actions may read which credentials in plain text
#[utoipa::path(
    get, path = "/api/v1/reveals", tag = "access",
    params(GrantsQuery),
    responses((status = 200, body = Page<Reveal>), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn list_reveals(app: App, Query(query): Query<GrantsQuery>) -> Reply {
    reply::ok(&reveals::list(&app, query).await?)
}

/// Grant an action the plain text of a credential that says `reveal`
#[utoipa::path(
    post, path = "/api/v1/reveals", tag = "access",
    request_body = Reveal,
    responses(
        (status = 201, body = Reveal),
        (status = 200, body = Reveal, description = "It was granted already"),
        (status = "default", body = Problem, content_type = problem::MEDIA_TYPE)
    )
)]
pub(crate) async fn add_reveal(app: App, request: Request) -> Reply {
    let body = extract::json(&app, request).await?;
    let (reveal, is_new) = reveals::add(&app, body).await?;
    made(&reveal, is_new)
}

/// Take the plain text of a credential back from an action
#[utoipa::path(
    delete, path = "/api/v1/reveals", tag = "access",
    params(Reveal),
    responses((status = 204), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn remove_reveal(
    app: App,
    Query(reveal): Query<Reveal>,
) -> Result<Response, Refusal> {
    reveals::remove(&app, reveal).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// List what each action may reach and has reached
#[utoipa::path(
    get, path = "/api/v1/reach", tag = "access",
    params(GrantsQuery),
    responses((status = 200, body = Page<ActionReach>), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn list_reach(app: App, Query(query): Query<GrantsQuery>) -> Reply {
    reply::ok(&reach::list(&app, query).await?)
}

async fn set_grant(app: &App, request: Request) -> Reply {
    let body = extract::json(app, request).await?;
    let (grant, is_new) = grants::add(app, body).await?;
    made(&grant, is_new)
}

fn made<T: Serialize>(what: &T, is_new: bool) -> Reply {
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    reply::json(status, what)
}
