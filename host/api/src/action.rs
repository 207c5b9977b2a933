//! The actions that are installed.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// An action as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionSummary {
    /// For example `weather.fetch`.
    pub id: String,
    /// For people.
    pub name: String,
    /// Semver.
    pub version: String,
    /// `action`, which a node runs, or `trigger`, which a workflow's trigger polls.
    pub kind: String,
    /// One or two sentences.
    pub description: String,
    /// Where a catalog lists it.
    pub category: String,
    /// `pure` (a function of its input) or `effectful`.
    pub effect: String,
    /// `statement`, `cosign-only`, `unsigned`, `embedded` or `local`.
    pub origin: String,
    /// Credentials that it asks for.
    pub credentials: Vec<String>,
    /// Hosts that it asks for; `*` when they come from its input.
    pub hosts: Vec<String>,
}

/// An action with its schemas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Action {
    /// As lists show it.
    #[serde(flatten)]
    pub summary: ActionSummary,
    /// SHA-256 of the component that has it.
    pub digest: String,
    /// JSON Schema of the input.
    pub input_schema: Value,
    /// JSON Schema of the output.
    pub output_schema: Value,
}

/// Which actions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ActionsQuery {
    /// Only those of this category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most this many; 50 if absent, 200 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}

/// What to look for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ActionSearch {
    /// Words that id, name, category or description must have.
    pub q: String,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most this many; 50 if absent, 200 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}
