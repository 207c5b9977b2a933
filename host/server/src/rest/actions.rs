//! `/actions`.

use axum::extract::Path;
use nebula_api::action::{Action, ActionSearch, ActionSummary, ActionsQuery};
use nebula_api::{Page, Problem, problem};

use super::extract::Query;
use super::reply::{self, Reply};
use crate::app::App;
use crate::service::actions;

/// List the installed actions
#[utoipa::path(
    get, path = "/api/v1/actions", tag = "actions", operation_id = "list_actions",
    params(ActionsQuery),
    responses((status = 200, body = Page<ActionSummary>), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn list(app: App, Query(query): Query<ActionsQuery>) -> Reply {
    reply::ok(&actions::list(&app, query).await?)
}

/// Search the installed actions
#[utoipa::path(
    get, path = "/api/v1/actions/search", tag = "actions", operation_id = "search_actions",
    params(ActionSearch),
    responses((status = 200, body = Page<ActionSummary>), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn search(app: App, Query(query): Query<ActionSearch>) -> Reply {
    reply::ok(&actions::search(&app, query).await?)
}

/// Look at one action
#[utoipa::path(
    get, path = "/api/v1/actions/{action}", tag = "actions", operation_id = "get_action",
    params(("action" = String, Path, description = "Its id, e.g. `weather.fetch`", pattern = "^[a-z][a-z0-9_-]*([.][a-z][a-z0-9_-]*)+$")),
    responses((status = 200, body = Action), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn get(app: App, Path(action): Path<String>) -> Reply {
    reply::ok(&actions::get(&app, &action).await?)
}
