//! Executions that are made from others.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The execution that another one was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Origin {
    /// `exec-` and a ULID.
    pub execution: String,
    /// What the other one does.
    pub restart: Restart,
}

/// What an execution does that is made from one that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// Goes on where that one failed or was stopped; what ended there is kept.
    Retry,
    /// Begins again with the same input.
    Replay,
}

/// How an execution is replayed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReplayQuery {
    /// Which version of its workflow: a number, or `newest`; its own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(pattern = "^([1-9][0-9]{0,9}|newest)$")]
    pub version: Option<String>,
}
