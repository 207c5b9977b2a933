//! Where a request may go: what its URL says, and the rule that lets it.

use std::time::Duration;

use http::{Method, Request};

use crate::error::EgressError;
use crate::policy::{Caller, Destination, HostRule, Policy};

/// A tunnel would get around all checks; an echo would show the secrets.
const NEVER: [Method; 2] = [Method::CONNECT, Method::TRACE];

/// A request that a rule lets pass, and what it still needs.
pub(crate) struct Route<'a> {
    pub(crate) destination: Destination,
    pub(crate) rule: &'a HostRule,
    pub(crate) caller: &'a Caller,
    /// The destination as messages and the `Host` header say it.
    pub(crate) shown: String,
}

impl<'a> Route<'a> {
    /// The one reading of a request's URL, and the rule for it: what is checked
    /// here is what is resolved, connected to and named in `Host` and TLS.
    pub(crate) fn find<B>(policy: &'a Policy, request: &Request<B>) -> Result<Self, EgressError> {
        let destination = Destination::of(request.uri()).map_err(|reason| {
            let authority = request
                .uri()
                .authority()
                .map_or("", |authority| authority.as_str());
            // Never show a user name or password.
            let host = authority.rsplit('@').next().unwrap_or_default();
            EgressError::Url {
                host: host.chars().take(80).collect(),
                reason,
            }
        })?;
        let rule = choose(policy, &destination, request.method())?;
        Ok(Self {
            shown: destination.to_string(),
            destination,
            rule,
            caller: &policy.caller,
        })
    }

    pub(crate) fn tls(&self) -> bool {
        self.rule
            .at
            .as_ref()
            .map_or(self.destination.tls, |at| at.tls)
    }

    pub(crate) fn timeout(&self, phase: &'static str, limit: Duration) -> EgressError {
        EgressError::Timeout {
            host: self.shown.clone(),
            phase,
            limit,
        }
    }
}

/// The rule that lets a request pass; of several, one that names the port.
fn choose<'a>(
    policy: &'a Policy,
    to: &Destination,
    method: &Method,
) -> Result<&'a HostRule, EgressError> {
    let caller = &policy.caller;
    let (action, host) = (caller.action.clone(), to.to_string());
    if NEVER.contains(method) {
        let method = method.to_string();
        return Err(EgressError::ForbiddenMethod { host, method });
    }
    let covering: Vec<_> = policy.rules.iter().filter(|r| r.covers(to)).collect();
    if covering.is_empty() {
        return Err(if caller.asks_for(to) {
            EgressError::NotGranted {
                action,
                host,
                scheme: to.scheme(),
            }
        } else {
            EgressError::NotAsked { action, host }
        });
    }
    let speaking: Vec<_> = covering
        .into_iter()
        .filter(|rule| rule.schemes.has(to.tls))
        .collect();
    if speaking.is_empty() {
        return Err(EgressError::Scheme {
            action,
            host,
            scheme: to.scheme(),
            granted: if to.tls { "http" } else { "https" },
        });
    }
    let permitting = speaking.iter().copied().filter(|r| r.permits(method));
    permitting
        .min_by_key(|rule| rule.authority.port.is_none())
        .ok_or_else(|| EgressError::Method {
            action,
            host,
            method: method.to_string(),
            granted: names(speaking.iter().flat_map(|rule| &rule.methods)),
        })
}

fn names<'a>(methods: impl Iterator<Item = &'a Method>) -> String {
    let mut names: Vec<_> = methods.map(Method::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names.join(",")
}
