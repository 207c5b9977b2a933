//! What a registry refused, or did not do.

use std::time::Duration;

use nebula_flow::Digest;
use oci_distribution::errors::OciDistributionError;

use super::elsewhere::Elsewhere;

/// What a registry refused, or did not do. The hints are part of the words:
/// what happened, to which thing, what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Nobody answers there, or the connection was lost.
    #[error("{registry} cannot be reached: {reason}; check its address and try again")]
    Unreachable {
        /// Which.
        registry: String,
        /// In the library's words.
        reason: String,
    },
    /// It does not answer in time.
    #[error("{registry} did not answer within {after:?}; try again, or name another registry")]
    TimedOut {
        /// Which.
        registry: String,
        /// For how long it was waited.
        after: Duration,
    },
    /// It wants to know who asks, or does not let them.
    #[error(
        "{registry} does not let you do this; log in with `nebula hub login {registry}`, or ask its owner for the right"
    )]
    Unauthorized {
        /// Which.
        registry: String,
    },
    /// It has no room left.
    #[error("{registry} has no space left: {reason}; nothing was published")]
    NoSpace {
        /// Which.
        registry: String,
        /// In its words.
        reason: String,
    },
    /// It refuses, in its own words.
    #[error("{registry} refuses with status {status}: {reason}")]
    Refused {
        /// Which.
        registry: String,
        /// Of HTTP.
        status: u16,
        /// In its words.
        reason: String,
    },
    /// It sends more than it said, or than anyone takes.
    #[error("{registry} sends more than {limit} bytes for {what}; it was cut off")]
    TooLarge {
        /// Which.
        registry: String,
        /// For what.
        what: String,
        /// As many as are taken.
        limit: u64,
    },
    /// It sends other bytes than were asked for.
    #[error(
        "{registry} sends other bytes for {expected}: their digest is {actual}; nothing of them was kept"
    )]
    Altered {
        /// Which.
        registry: String,
        /// As it was asked for.
        expected: Digest,
        /// Of what came.
        actual: Digest,
    },
    /// It sends us where it should not.
    #[error("{registry} sends us to {reason}; we did not go there")]
    Elsewhere {
        /// Which.
        registry: String,
        /// Where, and why we do not go.
        reason: String,
    },
    /// What it says is not what registries say.
    #[error("{registry} answers in a way that no registry does: {reason}")]
    Nonsense {
        /// Which.
        registry: String,
        /// What is odd.
        reason: String,
    },
    /// Credentials that are kept cannot be read.
    #[error("the credentials for {registry} cannot be read: {reason}")]
    Credentials {
        /// Which.
        registry: String,
        /// Why.
        reason: String,
    },
    /// It has not what was asked for.
    #[error("{registry} has no {what}")]
    Missing {
        /// Which.
        registry: String,
        /// What was asked for.
        what: String,
    },
}

impl RegistryError {
    /// Whether the same may succeed a moment later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => true,
            // A blob that we have pushed is away for a moment while `docker-registry` puts
            // another client's upload of the same bytes in its place.
            Self::Refused {
                status: 400,
                reason,
                ..
            } => reason.contains("BLOB_UNKNOWN"),
            Self::Refused { status, .. } => matches!(status, 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// From a status and a body that says no more than a line.
    pub(super) fn of_status(registry: &str, status: u16, body: &str) -> Self {
        let registry = registry.to_owned();
        let reason = one_line(body);
        let full = [
            "no space left",
            "disk full",
            "quota exceeded",
            "insufficient storage",
        ];
        let lower = body.to_ascii_lowercase();
        match status {
            401 | 403 => Self::Unauthorized { registry },
            507 => Self::NoSpace { registry, reason },
            _ if full.iter().any(|words| lower.contains(words)) => {
                Self::NoSpace { registry, reason }
            }
            status => Self::Refused {
                registry,
                status,
                reason,
            },
        }
    }

    pub(super) fn of_library(registry: &str, error: &OciDistributionError) -> Self {
        match error {
            OciDistributionError::RequestError(error) => Self::of_request(registry, error),
            OciDistributionError::UnauthorizedError { .. }
            | OciDistributionError::AuthenticationFailure(_) => Self::Unauthorized {
                registry: registry.to_owned(),
            },
            OciDistributionError::ServerError { code, message, .. } => {
                Self::of_status(registry, *code, message)
            }
            OciDistributionError::RegistryError { envelope, .. } => {
                Self::of_status(registry, 400, &envelope.to_string())
            }
            OciDistributionError::IoError(error) => Self::Unreachable {
                registry: registry.to_owned(),
                reason: error.to_string(),
            },
            error => Self::Nonsense {
                registry: registry.to_owned(),
                reason: one_line(&error.to_string()),
            },
        }
    }

    pub(super) fn of_request(registry: &str, error: &reqwest::Error) -> Self {
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(inner) = source {
            reason = inner.to_string();
            if inner.is::<Elsewhere>() {
                let registry = registry.to_owned();
                return Self::Elsewhere { registry, reason };
            }
            source = inner.source();
        }
        Self::Unreachable {
            registry: registry.to_owned(),
            reason: one_line(&reason),
        }
    }
}

/// The beginning of what a registry says, without what a terminal would obey.
fn one_line(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(clean).take(300).collect()
}
