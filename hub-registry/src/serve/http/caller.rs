//! Who sends a request, and whether it is allowed.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::super::Hub;
use super::super::name::RepositoryName;
use super::super::tokens::{Allowed, Token};
use super::refusal::Refusal;

/// Who sends a request.
pub(super) enum Caller {
    Anonymous,
    Known(Token),
}

impl Caller {
    /// By the token that was sent. One that is not good is refused even where
    /// none is needed: who sends one means to be someone.
    pub(super) fn identify(hub: &Hub, headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Ok(Self::Anonymous);
        };
        let token = value.to_str().ok().and_then(token);
        let (Some(token), None) = (token, values.next()) else {
            return Err(Refusal::unauthorized(
                "`Authorization` is not that of a token: send the token as the password of any user, or as a bearer token",
            ));
        };
        let found = hub.tokens.find(&token)?;
        found.map(Self::Known).map_err(|refused| {
            let hint = "`nebula hub token create` makes another";
            Refusal::unauthorized(format!("{refused}; {hint}"))
        })
    }

    /// Whether this is allowed in a repository; without one, in all of them.
    pub(super) fn may(
        &self,
        hub: &Hub,
        what: Allowed,
        name: Option<&RepositoryName>,
    ) -> Result<(), Refusal> {
        if what == Allowed::Pull && hub.config.anonymous_pull {
            return Ok(());
        }
        let Self::Known(token) = self else {
            return Err(Refusal::unauthorized(
                "this needs a token; `nebula hub token create` on the hub's machine makes one",
            ));
        };
        let allowed = match name {
            Some(name) => token.allows(what, name),
            None => token.allowed >= what && token.namespaces.is_empty(),
        };
        if allowed {
            return Ok(());
        }
        let place = name.map_or_else(|| "all repositories".into(), ToString::to_string);
        Err(Refusal::denied(format!(
            "token {} does not allow to {} in {place}",
            token.id,
            what.name()
        )))
    }

    /// As the log names it.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Known(token) => &token.id,
        }
    }
}

/// The token of `Bearer <token>` or of `Basic <user:token>`; the scheme's case
/// does not matter (RFC 7235).
fn token(value: &str) -> Option<String> {
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.into());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = data_encoding::BASE64.decode(rest.as_bytes()).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    pair.split_once(':').map(|(_, password)| password.into())
}
