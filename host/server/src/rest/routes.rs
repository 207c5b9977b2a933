//! Every route, and the OpenAPI document that is made from the handlers.

use std::sync::{Arc, LazyLock};

use axum::{Router, middleware};
use bytes::Bytes;
use nebula_api::{Code, Problem};
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};

use super::guard::{ADMIN, ANYONE, METRICS, Need, OPERATOR, Routes, SECRET, VIEWER};
use super::reply::Refusal;
use super::{
    access, actions, control, door, executions, hooks, keys, live, node, packages, triggers,
    workflows,
};
use crate::app::{App, Shared};

/// The name of the scheme by which keys are sent.
const SCHEME: &str = "key";

/// Every route, and the table of who may use it. The same table stands in
/// `docs/server.md`, where a test compares it.
pub(crate) fn routes() -> Routes {
    of_triggers(of_executions(Routes::default()))
        .get("/health", ANYONE, node::health)
        .get("/ready", ANYONE, node::ready)
        .get("/openapi.json", VIEWER, node::openapi)
        .get(METRICS, VIEWER, node::metrics)
        .get("/workflows", VIEWER, workflows::list)
        .post("/workflows", OPERATOR, workflows::deploy)
        .post("/workflows/validate", VIEWER, workflows::validate)
        .get("/workflows/schema", VIEWER, workflows::schema)
        .get("/workflows/{workflow}", VIEWER, workflows::get)
        .get(
            "/workflows/{workflow}/versions",
            VIEWER,
            workflows::versions,
        )
        .post(
            "/workflows/{workflow}/execute",
            OPERATOR,
            executions::execute,
        )
        .get("/actions", VIEWER, actions::list)
        .get("/actions/search", VIEWER, actions::search)
        .get("/actions/{action}", VIEWER, actions::get)
        .get("/packages", VIEWER, packages::list)
        .post("/packages", ADMIN, packages::install)
        .post("/packages/plan", ADMIN, packages::plan)
        .get("/packages/{namespace}/{package}", VIEWER, packages::get)
        .delete("/packages/{namespace}/{package}", ADMIN, packages::remove)
        .get("/credentials", OPERATOR, access::list_credentials)
        .get("/credentials/{name}", OPERATOR, access::get_credential)
        .put("/credentials/{name}", ADMIN, access::set_credential)
        .delete("/credentials/{name}", ADMIN, access::remove_credential)
        .get("/grants", VIEWER, access::list_grants)
        .post("/grants", ADMIN, access::add_grant)
        .put("/grants", ADMIN, access::put_grant)
        .delete("/grants", ADMIN, access::remove_grant)
        .get("/reveals", VIEWER, access::list_reveals)
        .post("/reveals", ADMIN, access::add_reveal)
        .delete("/reveals", ADMIN, access::remove_reveal)
        .get("/reach", VIEWER, access::list_reach)
        .get("/keys", ADMIN, keys::list)
        .post("/keys", ADMIN, keys::create)
        .delete("/keys/{key}", ADMIN, keys::revoke)
}

fn of_executions(routes: Routes) -> Routes {
    routes
        .get("/executions", VIEWER, executions::list)
        .get("/executions/{execution}", VIEWER, executions::get)
        .delete("/executions/{execution}", OPERATOR, executions::remove)
        .post(
            "/executions/{execution}/signals/{signal}",
            OPERATOR,
            executions::signal,
        )
        .post(
            "/executions/{execution}/resolve",
            OPERATOR,
            executions::resolve,
        )
        .post("/executions/{execution}/retry", OPERATOR, executions::retry)
        .post(
            "/executions/{execution}/replay",
            OPERATOR,
            executions::replay,
        )
        .post("/executions/{execution}/cancel", OPERATOR, control::cancel)
        .post("/executions/{execution}/pause", OPERATOR, control::pause)
        .post("/executions/{execution}/resume", OPERATOR, control::resume)
        .post("/executions/{execution}/step", OPERATOR, control::step)
        .post(
            "/executions/{execution}/terminate",
            OPERATOR,
            control::terminate,
        )
        .get("/executions/{execution}/events", VIEWER, live::events)
        .get(
            "/executions/{execution}/events/stream",
            VIEWER,
            live::events_stream,
        )
        .get("/executions/{execution}/logs", VIEWER, live::logs)
        .get(
            "/executions/{execution}/logs/stream",
            VIEWER,
            live::logs_stream,
        )
}

fn of_triggers(routes: Routes) -> Routes {
    routes
        .post("/hooks/{workflow}/{trigger}", SECRET, hooks::receive)
        .get("/triggers", VIEWER, triggers::list)
        .get("/triggers/{workflow}/{trigger}", VIEWER, triggers::get)
        .post(
            "/triggers/{workflow}/{trigger}/test",
            OPERATOR,
            triggers::test,
        )
        .post(
            "/triggers/{workflow}/{trigger}/enable",
            OPERATOR,
            triggers::enable,
        )
        .post(
            "/triggers/{workflow}/{trigger}/disable",
            OPERATOR,
            triggers::disable,
        )
}

/// Mounts everything.
pub(crate) fn configure_routes(shared: Arc<Shared>) -> Router {
    let Routes { api, outside, .. } = routes();
    outside
        .nest(nebula_api::PREFIX, api)
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&shared),
            door::pass,
        ))
        .with_state(shared)
}

async fn unknown_route(_: App, uri: http::Uri) -> Refusal {
    Problem::new(
        Code::RouteNotFound,
        format!("no route is at {}", uri.path()),
    )
    .hint("the routes are listed at /api/v1/openapi.json")
    .into()
}

async fn wrong_method(_: App, method: http::Method, uri: http::Uri) -> Refusal {
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
        workflows::versions,
        executions::execute,
        executions::list,
        executions::get,
        executions::remove,
        executions::signal,
        executions::resolve,
        executions::retry,
        executions::replay,
        control::cancel,
        control::pause,
        control::resume,
        control::step,
        control::terminate,
        live::events,
        live::events_stream,
        live::logs,
        live::logs_stream,
        hooks::receive,
        triggers::list,
        triggers::get,
        triggers::test,
        triggers::enable,
        triggers::disable,
        actions::list,
        actions::search,
        actions::get,
        packages::list,
        packages::get,
        packages::plan,
        packages::install,
        packages::remove,
        access::list_credentials,
        access::get_credential,
        access::set_credential,
        access::remove_credential,
        access::list_grants,
        access::add_grant,
        access::put_grant,
        access::remove_grant,
        access::list_reveals,
        access::add_reveal,
        access::remove_reveal,
        keys::list,
        keys::create,
        keys::revoke,
        access::list_reach,
        node::health,
        node::ready,
        node::openapi,
        node::metrics,
    ),
    components(schemas(Problem))
)]
struct Document;

/// The OpenAPI document of the whole API, with the role that each operation
/// needs.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let mut scheme = Http::new(HttpAuthScheme::Bearer);
    scheme.description = Some(
        "A key, made by `nebula key create` or POST /keys. A node on loopback may need none."
            .into(),
    );
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(SCHEME, SecurityScheme::Http(scheme));
    for access in routes().table {
        let Some(item) = document.paths.paths.get_mut(&access.full_path()) else {
            continue;
        };
        let operation = match access.method {
            "GET" => &mut item.get,
            "POST" => &mut item.post,
            "PUT" => &mut item.put,
            _ => &mut item.delete,
        };
        let Some(operation) = operation else { continue };
        operation.security = Some(match access.need {
            Need::Nothing | Need::Secret => Vec::new(),
            // OpenAPI 3.1: for a scheme that has no scopes, the roles.
            Need::Role(role) => vec![SecurityRequirement::new(SCHEME, [role.name()])],
        });
    }
    document
}

/// The same as JSON bytes, made once.
pub(crate) fn openapi_json() -> Bytes {
    static JSON: LazyLock<Bytes> =
        LazyLock::new(|| openapi().to_pretty_json().unwrap_or_default().into());
    JSON.clone()
}
