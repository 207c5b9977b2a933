//! `/packages`.

use axum::extract::{Path, Request};
use nebula_api::package::{
    InstallPackages, InstallProgress, InstalledPackages, Package, PackagePlan, PackageVersion,
    PackagesQuery, PlanPackages,
};
use nebula_api::{Page, Problem, problem};
use nebula_hub::install::Watcher;

use super::extract::{self, Query};
use super::reply::{self, Reply};
use super::{installing, live};
use crate::app::App;
use crate::service::{install_packages, packages, plan_packages};

/// List the installed packages
#[utoipa::path(
    get, path = "/api/v1/packages", tag = "packages", operation_id = "list_packages",
    params(PackagesQuery),
    responses((status = 200, body = Page<Package>), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn list(app: App, Query(query): Query<PackagesQuery>) -> Reply {
    reply::ok(&packages::list(&app, query).await?)
}

/// Look at the installed versions of a package
#[utoipa::path(
    get, path = "/api/v1/packages/{namespace}/{package}", tag = "packages", operation_id = "get_package",
    params(
        ("namespace" = String, Path, description = "Before the slash", pattern = "^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$"),
        ("package" = String, Path, description = "After the slash", pattern = "^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$"),
    ),
    responses((status = 200, body = Page<Package>), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn get(app: App, Path((namespace, package)): Path<(String, String)>) -> Reply {
    reply::ok(&packages::get(&app, &namespace, &package).await?)
}

/// Plan what would be installed, and what it asks for
#[utoipa::path(
    post, path = "/api/v1/packages/plan", tag = "packages", operation_id = "plan_packages",
    request_body = PlanPackages,
    responses((status = 200, body = PackagePlan), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn plan(app: App, request: Request) -> Reply {
    let body = extract::json(&app, request).await?;
    reply::ok(&plan_packages::plan(&app, body).await?)
}

/// Install what was planned and agreed to
///
/// With `Accept: text/event-stream` the answer is a stream: events `progress` (how far a
/// component has come), and at the end one event `installed` with what the answer would
/// be otherwise, or one event `problem`.
#[utoipa::path(
    post, path = "/api/v1/packages", tag = "packages", operation_id = "install_packages",
    request_body = InstallPackages,
    responses(
        (status = 200, content((InstalledPackages = "application/json"), (InstallProgress = "text/event-stream"))),
        (status = "default", body = Problem, content_type = problem::MEDIA_TYPE)
    )
)]
pub(crate) async fn install(app: App, request: Request) -> Reply {
    let streams = live::wants_stream(request.headers());
    let body = extract::json(&app, request).await?;
    if streams {
        return installing::stream(app, body);
    }
    reply::ok(&install_packages::install(&app, body, Watcher::nobody()).await?)
}

/// Remove a package, or one version of it; what is deployed keeps its components
#[utoipa::path(
    delete, path = "/api/v1/packages/{namespace}/{package}", tag = "packages", operation_id = "remove_package",
    params(
        ("namespace" = String, Path, description = "Before the slash", pattern = "^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$"),
        ("package" = String, Path, description = "After the slash", pattern = "^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$"),
        PackageVersion,
    ),
    responses((status = 200, body = Page<Package>, description = "What was removed"), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn remove(
    app: App,
    Path((namespace, package)): Path<(String, String)>,
    Query(query): Query<PackageVersion>,
) -> Reply {
    reply::ok(&packages::remove(&app, &namespace, &package, query).await?)
}
