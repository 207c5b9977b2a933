//! Every route, and the OpenAPI document that is made from the handlers.

use std::sync::LazyLock;

use axum::routing::{get, post};
use axum::{Router, middleware};
use bytes::Bytes;
use nebula_api::{Code, Problem};
use utoipa::OpenApi;

use super::reply::Refusal;
use super::{access, actions, door, executions, live, node, workflows};
use crate::app::Shared;

/// Mounts everything.
pub(crate) fn configure_routes(app: Shared) -> Router {
    let api = Router::new()
        .route("/workflows", get(workflows::list).post(workflows::deploy))
        .route("/workflows/validate", post(workflows::validate))
        .route("/workflows/schema", get(workflows::schema))
        .route("/workflows/{workflow}", get(workflows::get))
        .route("/workflows/{workflow}/execute", post(executions::execute))
        .route("/executions", get(executions::list))
        .route("/executions/{execution}", get(executions::get))
        .route("/executions/{execution}/cancel", post(executions::cancel))
        .route("/executions/{execution}/events", get(live::events))
        .route(
            "/executions/{execution}/events/stream",
            get(live::events_stream),
        )
        .route("/executions/{execution}/logs", get(live::logs))
        .route(
            "/executions/{execution}/logs/stream",
            get(live::logs_stream),
        )
        .route("/actions", get(actions::list))
        .route("/actions/search", get(actions::search))
        .route("/actions/{action}", get(actions::get))
        .route("/credentials", get(access::list_credentials))
        .route(
            "/credentials/{name}",
            get(access::get_credential)
                .put(access::set_credential)
                .delete(access::remove_credential),
        )
        .route(
            "/grants",
            get(access::list_grants)
                .post(access::add_grant)
                .put(access::put_grant)
                .delete(access::remove_grant),
        )
        .route("/reach", get(access::list_reach))
        .route("/health", get(node::health))
        .route("/ready", get(node::ready))
        .route("/openapi.json", get(node::openapi));
    Router::new()
        .nest(nebula_api::PREFIX, api)
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(app.clone(), door::pass))
        .with_state(app)
}

async fn unknown_route(uri: http::Uri) -> Refusal {
    Problem::new(
        Code::RouteNotFound,
        format!("no route is at {}", uri.path()),
    )
    .hint("the routes are listed at /api/v1/openapi.json")
    .into()
}

async fn wrong_method(method: http::Method, uri: http::Uri) -> Refusal {
    Problem::new(
        Code::MethodNotAllowed,
        format!("{} does not take {method}", uri.path()),
    )
    .hint("the header `allow` names the methods that it takes")
    .into()
}

/// The document, from the handlers' own words.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Nebula",
        description = "Durable workflows of sandboxed WebAssembly actions."
    ),
    paths(
        workflows::list,
        workflows::deploy,
        workflows::validate,
        workflows::schema,
        workflows::get,
        executions::execute,
        executions::list,
        executions::get,
        executions::cancel,
        live::events,
        live::events_stream,
        live::logs,
        live::logs_stream,
        actions::list,
        actions::search,
        actions::get,
        access::list_credentials,
        access::get_credential,
        access::set_credential,
        access::remove_credential,
        access::list_grants,
        access::add_grant,
        access::put_grant,
        access::remove_grant,
        access::list_reach,
        node::health,
        node::ready,
        node::openapi,
    ),
    components(schemas(Problem))
)]
struct Document;

/// The OpenAPI document of the whole API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// The same as JSON bytes, made once.
pub(crate) fn openapi_json() -> Bytes {
    static JSON: LazyLock<Bytes> =
        LazyLock::new(|| openapi().to_pretty_json().unwrap_or_default().into());
    JSON.clone()
}
