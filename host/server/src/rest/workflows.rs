//! `/workflows`.

use axum::extract::{Path, Request};
use http::StatusCode;
use nebula_api::access::PageQuery;
use nebula_api::workflow::{
    Deployed, Validation, Workflow, WorkflowQuery, WorkflowSummary, WorkflowVersion, WorkflowsQuery,
};
use nebula_api::{Code, Page, Problem, problem};

use super::extract::{self, Query};
use super::reply::{self, Refusal, Reply};
use crate::app::App;
use crate::service::{deploy_workflow, workflows};

/// List the workflows
#[utoipa::path(
    get, path = "/api/v1/workflows", tag = "workflows", operation_id = "list_workflows",
    params(WorkflowsQuery),
    responses((status = 200, body = Page<WorkflowSummary>), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn list(app: App, Query(query): Query<WorkflowsQuery>) -> Reply {
    reply::ok(&workflows::list(&app, query).await?)
}

/// Deploy a workflow
///
/// The document is JSON, or YAML with `Content-Type: application/yaml`.
#[utoipa::path(
    post, path = "/api/v1/workflows", tag = "workflows", operation_id = "deploy_workflow",
    request_body(content(
        (serde_json::Value = "application/json"),
        (String = "application/yaml"),
    )),
    responses(
        (status = 201, body = Deployed),
        (status = 200, body = Deployed, description = "The newest version is the same"),
        (status = "default", body = Problem, content_type = problem::MEDIA_TYPE)
    )
)]
pub(crate) async fn deploy(app: App, request: Request) -> Reply {
    let text = text(&app, request).await?;
    let deployed = deploy_workflow::deploy(&app, &text).await?;
    let status = if deployed.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    reply::json(status, &deployed)
}

/// Validate a workflow without deploying it
#[utoipa::path(
    post, path = "/api/v1/workflows/validate", tag = "workflows", operation_id = "validate_workflow",
    request_body(content(
        (serde_json::Value = "application/json"),
        (String = "application/yaml"),
    )),
    responses((status = 200, body = Validation), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn validate(app: App, request: Request) -> Reply {
    let text = text(&app, request).await?;
    let errors = deploy_workflow::validate(&app, &text).await?;
    let errors: Vec<_> = errors.into_iter().map(reply::diagnostic).collect();
    reply::ok(&Validation {
        valid: errors.is_empty(),
        errors,
    })
}

/// The JSON Schema of a workflow
#[utoipa::path(
    get, path = "/api/v1/workflows/schema", tag = "workflows", operation_id = "workflow_schema",
    responses((status = 200, body = serde_json::Value), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn schema() -> Reply {
    reply::ok(&nebula_flow::definition::schema())
}

/// Look at one workflow
#[utoipa::path(
    get, path = "/api/v1/workflows/{workflow}", tag = "workflows", operation_id = "get_workflow",
    params(("workflow" = String, Path, description = "Its name or id"), WorkflowQuery),
    responses((status = 200, body = Workflow), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn get(
    app: App,
    Path(workflow): Path<String>,
    Query(query): Query<WorkflowQuery>,
) -> Reply {
    reply::ok(&workflows::get(&app, &workflow, query.version).await?)
}

/// List a workflow's versions, newest first
#[utoipa::path(
    get, path = "/api/v1/workflows/{workflow}/versions", tag = "workflows", operation_id = "list_workflow_versions",
    params(("workflow" = String, Path, description = "Its name or id"), PageQuery),
    responses((status = 200, body = Page<WorkflowVersion>), (status = "default", body = Problem, content_type = problem::MEDIA_TYPE))
)]
pub(crate) async fn versions(
    app: App,
    Path(workflow): Path<String>,
    Query(query): Query<PageQuery>,
) -> Reply {
    reply::ok(&workflows::versions(&app, &workflow, query).await?)
}

async fn text(app: &App, request: Request) -> Result<String, Refusal> {
    let bytes = extract::body(app, request, app.http.max_body).await?;
    String::from_utf8(bytes.into()).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Problem::new(
            Code::InvalidBody,
            format!("the document is not UTF-8 from byte {at} on"),
        )
        .into()
    })
}
