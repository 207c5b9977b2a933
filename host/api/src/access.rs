//! What actions may reach: credentials and grants. Every answer leaves the
//! secret out.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Time;

/// A credential without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Credential {
    /// As workflows bind it.
    pub name: String,
    /// Hosts whose requests may carry it, `host` or `host:port`.
    pub hosts: Vec<String>,
    /// Whether an action may read it in plain text.
    pub reveal: bool,
    /// How often it was set.
    pub version: u64,
}

/// A credential to be stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetCredential {
    /// The secret text; never returned. At most 64 KiB.
    #[schema(min_length = 1, max_length = 65536)]
    pub secret: String,
    /// Hosts whose requests may carry it, `host` or `host:port`.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Whether an action may read it in plain text.
    #[serde(default)]
    pub reveal: bool,
}

impl fmt::Debug for SetCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SetCredential(… for {:?})", self.hosts)
    }
}

/// An operator's word that an action may reach a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Which action.
    pub action: String,
    /// `host` (then port 443 for https, 80 for http) or `host:port`.
    pub host: String,
    /// `https`, `http` or both; empty for https, and for http too where `at`
    /// begins with it. Answers have them always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemes: Vec<String>,
    /// Where the host really is, if elsewhere, e.g. `http://127.0.0.1:8080`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// HTTP methods; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
}

/// What an action may reach, and what it has reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionReach {
    /// Which action.
    pub action: String,
    /// Whether it is installed now.
    pub installed: bool,
    /// Hosts that it asks for, is granted, or has reached or tried, by name.
    pub hosts: Vec<HostReach>,
}

/// What an action may do and has done at a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HostReach {
    /// `host` or `host:port`; `*` for an action that asks for any.
    pub host: String,
    /// Whether its package asks for it; what it does not ask for it does not
    /// reach, granted or not.
    pub asked: bool,
    /// What is granted, if anything is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
    /// Requests for which a connection was made.
    pub requests: u64,
    /// When the last of them was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Time>,
    /// Requests that were refused before anything left.
    pub refused: u64,
    /// The last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_refusal: Option<Refusal>,
}

/// A request that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    /// When.
    pub at: Time,
    /// Why, and what to do about it.
    pub reason: String,
}

/// Which grant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct GrantKey {
    /// Which action.
    pub action: String,
    /// As it was granted.
    pub host: String,
}

/// Which grants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct GrantsQuery {
    /// Only those of this action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most this many; 50 if absent, 200 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}

/// Which part of a plain list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most this many; 50 if absent, 200 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}
