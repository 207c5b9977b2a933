//! Workflows: deploying, validating, listing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::problem::Diagnostic;
use crate::time::Time;

/// What became of a deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deployed {
    /// Of the workflow, through all its versions.
    pub id: String,
    /// As the document has it.
    pub name: String,
    /// 1 for the first.
    pub version: u32,
    /// False when the newest version was the same already.
    pub created: bool,
}

/// A workflow as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkflowSummary {
    /// Through all versions.
    pub id: String,
    /// Unique on this node.
    pub name: String,
    /// The newest.
    pub version: u32,
    /// `active`: it can be started.
    pub status: String,
    /// For people.
    pub description: String,
    /// When the newest version was deployed.
    pub deployed_at: Time,
}

/// One version of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Workflow {
    /// Through all versions.
    pub id: String,
    /// Unique on this node.
    pub name: String,
    /// This version.
    pub version: u32,
    /// The newest version.
    pub latest_version: u32,
    /// `active`: it can be started.
    pub status: String,
    /// When this version was deployed.
    pub deployed_at: Time,
    /// As it was written; the schema is at `/workflows/schema`.
    pub definition: Value,
    /// What each action reference was fixed to.
    pub actions: BTreeMap<String, PinnedAction>,
}

/// One version of a workflow, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkflowVersion {
    /// 1 for the first.
    pub version: u32,
    /// For people.
    pub description: String,
    /// When it was deployed.
    pub deployed_at: Time,
    /// What each action reference was fixed to.
    pub actions: BTreeMap<String, PinnedAction>,
}

/// What an action reference was fixed to at deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PinnedAction {
    /// Which action.
    pub id: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the component that has it.
    pub digest: String,
    /// `pure` or `effectful`.
    pub effect: String,
}

/// What validating found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Validation {
    /// Whether it could be deployed here and now.
    pub valid: bool,
    /// Every mistake, in the order of the document.
    pub errors: Vec<Diagnostic>,
}

/// Which workflows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WorkflowsQuery {
    /// `status=active`, `name=<name>` or `name=<beginning>*`; several joined by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most this many; 50 if absent, 200 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}

/// Which version of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WorkflowQuery {
    /// The newest if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1)]
    pub version: Option<u32>,
}
