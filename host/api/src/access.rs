//! What actions may reach: credentials and grants. Every answer leaves the
//! secret out.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Time;

/// What a credential is: how requests carry its secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// A text, wherever the action puts it.
    #[default]
    Text,
    /// The value of a header.
    ApiKey,
    /// `authorization: Bearer …`.
    Bearer,
    /// `authorization: Basic …`, of a user and a password.
    Basic,
    /// `authorization: Bearer …`, with a token that the host gets: OAuth 2.0, client
    /// credentials.
    #[serde(rename = "oauth2")]
    OAuth2,
    /// A certificate, by which the host proves who it is.
    Certificate,
}

/// How a client says its secret to a token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuth {
    /// In the header `authorization`.
    Basic,
    /// In the form.
    Body,
}

/// A credential without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Credential {
    /// As workflows bind it.
    pub name: String,
    /// What it is.
    pub kind: CredentialKind,
    /// Of an API key: the name of its header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Of `basic`: the user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Of `oauth2`: where tokens are got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    /// Where that host really is, if elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_at: Option<String>,
    /// Of `oauth2`: who gets them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Of `oauth2`: for what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Of `oauth2`: for whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Of `oauth2`: how the client says its secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<ClientAuth>,
    /// Hosts whose requests may carry it, `host` or `host:port`.
    pub hosts: Vec<String>,
    /// Whether actions that are granted it may read it in plain text.
    pub reveal: bool,
    /// How often it was set.
    pub version: u64,
}

/// A credential to be stored. What its kind does not have is left out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetCredential {
    /// The secret; never returned: a text, a key, a token, a password, a client's
    /// secret, or the private key of a certificate as PEM. At most 64 KiB.
    #[schema(min_length = 1, max_length = 65536)]
    pub secret: String,
    /// What it is.
    #[serde(default)]
    pub kind: CredentialKind,
    /// Of an API key: the name of its header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Of `basic`: the user's name, without `:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Of `oauth2`: where tokens are got; https, or http where `token_at` begins with
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    /// Where that host really is, if elsewhere, e.g. `http://127.0.0.1:8080`. Only this
    /// makes a loopback or private address reachable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_at: Option<String>,
    /// Of `oauth2`: who gets them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Of `oauth2`: for what; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Of `oauth2`: for whom, where the server asks for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Of `oauth2`: how the client says its secret; `basic` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<ClientAuth>,
    /// Of a certificate: it and those between it and a root, as PEM. At most 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Hosts whose requests may carry it, `host` or `host:port`.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Whether actions that are granted it may read it in plain text; never of
    /// `oauth2` and `certificate`.
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

/// An operator's word that an action may read a credential in plain text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Reveal {
    /// Which action.
    pub action: String,
    /// The name that the credential is stored under.
    pub credential: String,
}

/// What an action may reach and read in plain text, and what it has reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionReach {
    /// Which action.
    pub action: String,
    /// Whether it is installed now.
    pub installed: bool,
    /// Hosts that it asks for, is granted, or has reached or tried, by name.
    pub hosts: Vec<HostReach>,
    /// Credentials that it is granted in plain text, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reveals: Vec<RevealReach>,
}

/// A credential that an action is granted in plain text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevealReach {
    /// The name that it is stored under.
    pub credential: String,
    /// Why the action does not get it in plain text all the same; absent if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
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
