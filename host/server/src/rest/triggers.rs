//! `/triggers`.

use axum::extract::{Path, Request};
use nebula_api::trigger::{TestTrigger, TestedTrigger, Trigger, TriggersQuery};
use nebula_api::{Page, Problem, problem};

use super::extract::{self, Query};
use super::reply::{self, Reply};
use crate::app::App;
use crate::service::triggers;

/// List the triggers of the newest version of each workflow
#[utoipa::path(
    get, path = "/api/v1/triggers", tag = "triggers", operation_id = "list_triggers",
    params(TriggersQuery),
    responses((status = 200, body = Page<Trigger>), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn list(app: App, Query(query): Query<TriggersQuery>) -> Reply {
    reply::ok(&triggers::list(&app, query).await?)
}

/// Look at one trigger: when it starts an execution next, what it did last
#[utoipa::path(
    get, path = "/api/v1/triggers/{workflow}/{trigger}", tag = "triggers", operation_id = "get_trigger",
    params(
        ("workflow" = String, Path, description = "Name or id of its workflow"),
        ("trigger" = String, Path, description = "Its name", pattern = "^[A-Za-z][A-Za-z0-9._-]{0,63}$")
    ),
    responses((status = 200, body = Trigger), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn get(app: App, Path((workflow, trigger)): Path<(String, String)>) -> Reply {
    reply::ok(&triggers::get(&app, &workflow, &trigger).await?)
}

/// Try a trigger by hand
///
/// Says the input that an execution would have, and the next times of a schedule.
/// A trigger that polls does so once, from its cursor on, which stays where it is. With
/// `fire` it starts an execution besides, whether the trigger is switched on or off,
/// and whatever runs: of a poll, for its first event.
#[utoipa::path(
    post, path = "/api/v1/triggers/{workflow}/{trigger}/test", tag = "triggers", operation_id = "test_trigger",
    params(
        ("workflow" = String, Path, description = "Name or id of its workflow"),
        ("trigger" = String, Path, description = "Its name", pattern = "^[A-Za-z][A-Za-z0-9._-]{0,63}$")
    ),
    request_body = Option<TestTrigger>,
    responses((status = 200, body = TestedTrigger), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn test(
    app: App,
    Path((workflow, trigger)): Path<(String, String)>,
    request: Request,
) -> Reply {
    let test: TestTrigger = extract::json_or_default(&app, request).await?;
    reply::ok(&triggers::test(&app, &workflow, &trigger, test).await?)
}

/// Switch a trigger on
///
/// Slots of a schedule that passed while it was off are not made up for; what a poll
/// finds is. One that is on already stays so.
#[utoipa::path(
    post, path = "/api/v1/triggers/{workflow}/{trigger}/enable", tag = "triggers", operation_id = "enable_trigger",
    params(
        ("workflow" = String, Path, description = "Name or id of its workflow"),
        ("trigger" = String, Path, description = "Its name", pattern = "^[A-Za-z][A-Za-z0-9._-]{0,63}$")
    ),
    responses((status = 200, body = Trigger), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn enable(app: App, Path((workflow, trigger)): Path<(String, String)>) -> Reply {
    reply::ok(&triggers::switch(&app, &workflow, &trigger, true).await?)
}

/// Switch a trigger off
///
/// It starts nothing until it is switched on, through all versions of its workflow.
#[utoipa::path(
    post, path = "/api/v1/triggers/{workflow}/{trigger}/disable", tag = "triggers", operation_id = "disable_trigger",
    params(
        ("workflow" = String, Path, description = "Name or id of its workflow"),
        ("trigger" = String, Path, description = "Its name", pattern = "^[A-Za-z][A-Za-z0-9._-]{0,63}$")
    ),
    responses((status = 200, body = Trigger), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn disable(app: App, Path((workflow, trigger)): Path<(String, String)>) -> Reply {
    reply::ok(&triggers::switch(&app, &workflow, &trigger, false).await?)
}
