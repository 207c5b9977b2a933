//! What a credential is: one secret, how requests carry it, and where it may go.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

/// A credential as the records keep it (encrypted at rest by `nebula-server`).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The secret itself: a text, a key, a token, a password, a client's secret, or
    /// the private key of a certificate.
    pub secret: Secret,
    /// What it is, with what is no secret of it.
    #[serde(default, skip_serializing_if = "CredentialKind::is_text")]
    pub kind: CredentialKind,
    /// Hosts whose requests may carry it, `host` or `host:port`.
    pub hosts: Vec<String>,
    /// Whether actions that are granted it may read it in plain text.
    #[serde(default)]
    pub reveal: bool,
}

/// How requests carry a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum CredentialKind {
    /// Wherever the action puts it.
    #[default]
    Text,
    /// As the value of a header.
    ApiKey {
        /// The header's name.
        header: String,
    },
    /// As a bearer token (RFC 6750).
    Bearer,
    /// As the password of a user (RFC 7617).
    Basic {
        /// The user's name.
        user: String,
    },
    /// Not at all: the host gets a token for it, and requests carry that.
    #[serde(rename = "oauth2")]
    OAuth2(OAuth2),
    /// Not at all: it is the key of a certificate, by which the host proves who it is.
    Certificate {
        /// The certificate, and those between it and a root; PEM.
        chain: String,
    },
}

/// How a token is got: OAuth 2.0, client credentials (RFC 6749, section 4.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuth2 {
    /// Where.
    pub token_url: String,
    /// Where that host really is, if elsewhere: `http://127.0.0.1:8080`. Only this
    /// makes a loopback or private address reachable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_at: Option<String>,
    /// Who asks; the secret proves it.
    pub client_id: String,
    /// For what; all that the client may if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// For whom, where the server asks for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// How the client says its secret.
    #[serde(default)]
    pub client_auth: ClientAuth,
}

/// How a client says its secret to a token endpoint (RFC 6749, section 2.3.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuth {
    /// In the header `authorization`.
    #[default]
    Basic,
    /// In the form.
    Body,
}

impl CredentialKind {
    /// Whether it is a text that the action puts where it likes.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::Text)
    }

    /// Whether an action could do anything with its plain text. What only the host
    /// can use is never given to one, whatever is granted.
    #[must_use]
    pub const fn may_be_revealed(&self) -> bool {
        !matches!(self, Self::OAuth2(_) | Self::Certificate { .. })
    }
}

impl Credential {
    /// What a sender and this node both know: the text, or `user:password`. None of a
    /// credential that only the host can use.
    #[must_use]
    pub fn shared(&self) -> Option<Secret> {
        match &self.kind {
            CredentialKind::Basic { user } => {
                Some(Secret(format!("{user}:{}", self.secret.expose())))
            }
            kind if kind.may_be_revealed() => Some(self.secret.clone()),
            _ => None,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential(for {:?})", self.hosts)
    }
}

/// A text that never shows in a log, an error or a debug print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes the secret text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself; for the egress, at the last moment.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A credential bound to a node.
#[derive(Clone)]
pub struct BoundCredential {
    /// The name it is stored under, for audit and errors.
    pub stored_as: String,
    /// What replaces the placeholder, or what the host makes that of.
    pub secret: Secret,
    /// What it is.
    pub kind: CredentialKind,
    /// Hosts whose requests may carry it.
    pub hosts: Vec<String>,
    /// Whether the guest gets the plain text instead of a placeholder.
    pub reveal: bool,
}

impl BoundCredential {
    /// The texts of it that may come back from where it went.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let secret = self.secret.expose();
        match &self.kind {
            CredentialKind::Basic { user } => vec![
                secret.to_owned(),
                format!("{user}:{secret}"),
                BASE64.encode(format!("{user}:{secret}").as_bytes()),
            ],
            // It goes nowhere; but a line of it would be as bad as all.
            CredentialKind::Certificate { .. } => {
                let lines = secret.lines().map(str::trim);
                let lines = lines.filter(|line| !line.starts_with("-----"));
                lines.map(ToOwned::to_owned).collect()
            }
            _ => vec![secret.to_owned()],
        }
    }
}

impl fmt::Debug for BoundCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "BoundCredential({:?} for {:?})",
            self.stored_as, self.hosts
        )
    }
}

/// Secrets that come up while a call runs: the tokens that the host got for it.
/// Clones share them.
#[derive(Clone, Default)]
pub struct Learned(Arc<Mutex<Vec<Secret>>>);

impl Learned {
    /// Remembers one.
    pub fn add(&self, secret: &str) {
        let mut known = self.lock();
        if !known.iter().any(|one| one.expose() == secret) {
            known.push(Secret::new(secret));
        }
    }

    /// All of them, in the order in which they came up.
    #[must_use]
    pub fn all(&self) -> Vec<Secret> {
        self.lock().clone()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Secret>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Learned({})", self.count())
    }
}
