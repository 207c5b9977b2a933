//! Why a request did not go out, or its response did not come back. Every
//! message names the host and says what to do; none has a secret, a URL's path
//! or an internal address in it.

use std::time::Duration;

/// Why a request did not go out, or its response did not come back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// The URL names no host in its usual spelling.
    #[error("the URL of the request{} cannot be used: {reason}", shown(host))]
    Url {
        /// What stands where the host should, without user name and password.
        host: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The package does not ask for the host, so that no grant would open it.
    #[error(
        "{} does not ask for host {host}, so that it cannot be granted; its author must declare it: `hosts(\"{host}\")`",
        action_or_this(action)
    )]
    NotAsked {
        /// Who asks.
        action: String,
        /// As it was asked for, with its port unless that is the default.
        host: String,
    },
    /// No rule names the host and port.
    #[error(
        "host {host} is not granted to {}; an operator can grant it: `nebula grant {} {host}{}`",
        action_or_this(action),
        action_or_gap(action),
        flag(scheme)
    )]
    NotGranted {
        /// Who asks.
        action: String,
        /// As it was asked for, with its port unless that is the default.
        host: String,
        /// `http` or `https`.
        scheme: &'static str,
    },
    /// The host is granted, for the other scheme.
    #[error(
        "{scheme} to {host} is not granted to {}, only {granted}; an operator can widen the grant: \
         `nebula grant {} {host} --scheme http,https`",
        action_or_this(action),
        action_or_gap(action)
    )]
    Scheme {
        /// Who asks.
        action: String,
        /// As it was asked for.
        host: String,
        /// As it was asked for.
        scheme: &'static str,
        /// What is granted.
        granted: &'static str,
    },
    /// The host is granted, for other methods.
    #[error(
        "{method} to {host} is not granted to {}, only {granted}{}",
        action_or_this(action),
        widened(action, host, granted, method)
    )]
    Method {
        /// Who asks.
        action: String,
        /// As it was asked for.
        host: String,
        /// As it was asked for.
        method: String,
        /// Those that are granted, joined by commas.
        granted: String,
    },
    /// A method that nobody may use.
    #[error("{method} to {host} is never allowed; use another method")]
    ForbiddenMethod {
        /// As it was asked for.
        host: String,
        /// CONNECT or TRACE.
        method: String,
    },
    /// The host is, or has, an address that is not on the public internet.
    #[error(
        "host {host} has an address that is {what}; only an operator can open it, by naming the address: \
         `nebula grant {} {host} --at URL`",
        action_or_gap(action)
    )]
    Internal {
        /// Who asks.
        action: String,
        /// As it was asked for.
        host: String,
        /// For example `loopback`.
        what: &'static str,
    },
    /// A redirect that is not followed.
    #[error("{host} redirects where this request does not follow: {reason}")]
    Redirect {
        /// Who redirects.
        host: String,
        /// Why not.
        reason: &'static str,
    },
    /// One redirect too many.
    #[error("{host} redirects again after {limit} redirects, which is the most that are followed")]
    Redirects {
        /// Who redirects.
        host: String,
        /// How many are followed.
        limit: usize,
    },
    /// A header that a guest may not set, or may not set to this.
    #[error("the request to {host} was refused for its header `{name}`: {reason}")]
    Header {
        /// As it was asked for.
        host: String,
        /// The header.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A credential stands where it may not go.
    #[error("the request to {host} was refused: {place} has a credential, {reason}")]
    Credential {
        /// As it was asked for.
        host: String,
        /// Where it stands, e.g. ``header `authorization` ``.
        place: String,
        /// Where it may go instead.
        reason: String,
    },
    /// There is no token for a credential of it.
    #[error("the request to {host} was not sent: {reason}")]
    Token {
        /// As it was asked for.
        host: String,
        /// What the token endpoint of which credential did.
        reason: String,
        /// Whether there may be one later.
        passing: bool,
    },
    /// The name has no address, or the resolver has no answer.
    #[error("host {host} cannot be resolved: {reason}; check its spelling")]
    Resolve {
        /// As it was asked for.
        host: String,
        /// In the resolver's words.
        reason: String,
    },
    /// No connection came about.
    #[error("host {host} cannot be reached: {reason}")]
    Connect {
        /// As it was asked for.
        host: String,
        /// In the system's words.
        reason: String,
    },
    /// The server is not who it should be, or speaks no TLS that we do.
    #[error("no secure connection to {host}: {reason}")]
    Tls {
        /// As it was asked for.
        host: String,
        /// In the TLS library's words.
        reason: String,
    },
    /// A phase took longer than it may.
    #[error("{host} took longer than {} ms to {phase}", limit.as_millis())]
    Timeout {
        /// As it was asked for.
        host: String,
        /// What was waited for, e.g. `answer`.
        phase: &'static str,
        /// How long it may take.
        limit: Duration,
    },
    /// A body, or its number of chunks, is over its cap.
    #[error("the {what} {host} is over its limit of {limit}")]
    TooLarge {
        /// As it was asked for.
        host: String,
        /// Which body, e.g. `response body of`.
        what: &'static str,
        /// For example `16777216 bytes`.
        limit: String,
    },
    /// The guest's own body failed or is not as long as it said.
    #[error("the request body for {host} is not complete: {reason}")]
    RequestBody {
        /// As it was asked for.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server does not speak HTTP/1.1 as it should, or hung up.
    #[error("{host} did not answer with a whole HTTP/1.1 response: {reason}")]
    Protocol {
        /// As it was asked for.
        host: String,
        /// In the HTTP library's words.
        reason: String,
    },
}

/// What sort of error it is, for those who translate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request itself cannot be sent to anyone.
    Invalid,
    /// It is not granted.
    Denied,
    /// There is no token for a credential of it, and trying again gives none.
    Token,
    /// There is no token for a credential of it now.
    TokenLater,
    /// Its redirect is not followed.
    Redirect,
    /// Its address is not on the public internet.
    Internal,
    /// The name has no address.
    Resolve,
    /// No connection, or one that broke.
    Connect,
    /// No TLS.
    Tls,
    /// Too slow.
    Timeout,
    /// A request body over its cap.
    RequestTooLarge,
    /// A response body over its cap.
    ResponseTooLarge,
    /// Not HTTP/1.1.
    Protocol,
}

impl EgressError {
    /// What sort of error it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Url { .. } | Self::Header { .. } | Self::RequestBody { .. } => Kind::Invalid,
            Self::NotAsked { .. }
            | Self::NotGranted { .. }
            | Self::Scheme { .. }
            | Self::Method { .. }
            | Self::ForbiddenMethod { .. }
            | Self::Credential { .. } => Kind::Denied,
            Self::Token { passing: false, .. } => Kind::Token,
            Self::Token { passing: true, .. } => Kind::TokenLater,
            Self::Redirect { .. } | Self::Redirects { .. } => Kind::Redirect,
            Self::Internal { .. } => Kind::Internal,
            Self::Resolve { .. } => Kind::Resolve,
            Self::Connect { .. } => Kind::Connect,
            Self::Tls { .. } => Kind::Tls,
            Self::Timeout { .. } => Kind::Timeout,
            Self::TooLarge { what, .. } if what.starts_with("request") => Kind::RequestTooLarge,
            Self::TooLarge { .. } => Kind::ResponseTooLarge,
            Self::Protocol { .. } => Kind::Protocol,
        }
    }

    /// The host that it was about, as it was asked for; for a URL that cannot be
    /// read, a word that no host can be.
    #[must_use]
    pub fn host(&self) -> &str {
        match self {
            Self::Url { .. } => "(malformed)",
            Self::NotAsked { host, .. }
            | Self::NotGranted { host, .. }
            | Self::Scheme { host, .. }
            | Self::Method { host, .. }
            | Self::ForbiddenMethod { host, .. }
            | Self::Internal { host, .. }
            | Self::Redirect { host, .. }
            | Self::Redirects { host, .. }
            | Self::Header { host, .. }
            | Self::Credential { host, .. }
            | Self::Token { host, .. }
            | Self::Resolve { host, .. }
            | Self::Connect { host, .. }
            | Self::Tls { host, .. }
            | Self::Timeout { host, .. }
            | Self::TooLarge { host, .. }
            | Self::RequestBody { host, .. }
            | Self::Protocol { host, .. } => host,
        }
    }

    /// Whether the request was refused before anything of it left this machine.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Url { .. }
                | Self::NotAsked { .. }
                | Self::NotGranted { .. }
                | Self::Scheme { .. }
                | Self::Method { .. }
                | Self::ForbiddenMethod { .. }
                | Self::Internal { .. }
                | Self::Header { .. }
                | Self::Credential { .. }
        )
    }
}

fn action_or_this(action: &str) -> &str {
    if action.is_empty() {
        "this action"
    } else {
        action
    }
}

fn action_or_gap(action: &str) -> &str {
    if action.is_empty() {
        "<action>"
    } else {
        action
    }
}

fn flag(scheme: &str) -> &'static str {
    if scheme == "http" {
        " --scheme http"
    } else {
        ""
    }
}

/// How to widen a grant to one more method. A guest chose the method: what a
/// shell could take for more than a word stays out of a command.
fn widened(action: &str, host: &str, granted: &str, method: &str) -> String {
    if !method.bytes().all(|b| b.is_ascii_uppercase()) {
        return String::new();
    }
    let action = action_or_gap(action);
    format!(
        "; an operator can widen the grant: `nebula grant {action} {host} --method {granted},{method}`"
    )
}

fn shown(host: &str) -> String {
    if host.is_empty() {
        String::new()
    } else {
        format!(" to `{host}`")
    }
}
