//! Secrets in the place of their placeholders, and those that the host adds.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use crate::credential::{Credential, SecretRule};
use crate::error::EgressError;
use crate::policy::Destination;
use crate::token::{Token, TokenSource};

/// How messages call a credential that the guest named for the host to add.
const NAMED: &str = "header `nebula-credential`";

/// The secrets that a request to one destination may carry.
pub(crate) struct Secrets<'a> {
    /// For the guest's placeholders.
    pub(crate) rules: &'a [SecretRule],
    /// For the host to add.
    pub(crate) added: &'a [SecretRule],
    pub(crate) to: &'a Destination,
    /// Whether nobody on the way can read them: TLS, or an operator's address.
    pub(crate) private: bool,
    /// Those that had to be got first.
    pub(crate) tokens: Vec<(&'a TokenSource, Token)>,
}

impl<'a> Secrets<'a> {
    /// The tokens that the request needs, of credentials that may go where it goes.
    pub(crate) fn wanted(&self, headers: &HeaderMap) -> Vec<&'a TokenSource> {
        let mut wanted = Vec::new();
        let mut want = |rule: &'a SecretRule, place: &str| {
            if let Credential::OAuth2(source) = &rule.credential
                && !wanted.contains(&source)
                && self.permit(rule, &|| place.to_owned()).is_ok()
            {
                wanted.push(source);
            }
        };
        for rule in self.added {
            want(rule, NAMED);
        }
        for (name, value) in headers {
            let plain = (name == AUTHORIZATION).then(|| decoded(value)).flatten();
            for rule in self.rules {
                let held = |text: &[u8]| position(text, rule).is_some();
                if held(value.as_bytes()) || plain.as_ref().is_some_and(|plain| held(plain)) {
                    want(rule, name.as_str());
                }
            }
        }
        wanted
    }

    /// Puts secrets in the place of their placeholders in header values, and
    /// refuses a placeholder anywhere else or on its way to anyone else.
    pub(crate) fn place(
        &self,
        uri: &http::Uri,
        headers: &mut HeaderMap,
    ) -> Result<(), EgressError> {
        let url = uri.to_string();
        if self.next(url.as_bytes()).is_some() {
            return Err(self.refuse(
                "the URL".into(),
                "which may stand in a header value only".into(),
            ));
        }
        for (name, value) in headers.iter_mut() {
            let place = || format!("header `{name}`");
            let lower = |rule: &SecretRule| rule.placeholder.to_ascii_lowercase();
            if self
                .rules
                .iter()
                .any(|rule| !rule.placeholder.is_empty() && name.as_str().contains(&lower(rule)))
            {
                return Err(self.refuse(
                    "a header's name".into(),
                    "which may stand in its value only".into(),
                ));
            }
            let replaced = match self.replace(value.as_bytes(), Credential::in_place, &place)? {
                Some(bytes) => Some(bytes),
                None if *name == AUTHORIZATION => self.replace_in_basic(value, &place)?,
                None => None,
            };
            if let Some(bytes) = replaced {
                *value = self.value(&bytes, place())?;
            }
        }
        Ok(())
    }

    /// Adds those that the guest named, each by its own header, which the guest may
    /// not have set too. Gives the certificate to prove who we are by, if one of them is that.
    pub(crate) fn add(
        &self,
        headers: &mut HeaderMap,
    ) -> Result<Option<&'a Credential>, EgressError> {
        let mut certificate = None;
        for rule in self.added {
            self.permit(rule, &|| NAMED.to_owned())?;
            if matches!(rule.credential, Credential::Certificate { .. }) {
                if certificate.replace(&rule.credential).is_some() {
                    return Err(self.refuse(NAMED.into(), "and another certificate".into()));
                }
                continue;
            }
            let unfit = |reason: &str| {
                self.refuse(
                    NAMED.into(),
                    format!("whose header cannot be sent: {reason}"),
                )
            };
            let token = self.token(rule);
            let Some((name, value)) = rule.credential.added(token).map_err(unfit)? else {
                return Err(self.refuse(NAMED.into(), "for which there is no token".into()));
            };
            if headers.contains_key(&name) {
                let reason = format!("which sets `{name}`, as the request does; leave one out");
                return Err(self.refuse(NAMED.into(), reason));
            }
            let value = self.value(value.as_bytes(), format!("header `{name}`"))?;
            headers.insert(name, value);
        }
        Ok(certificate)
    }

    fn value(&self, bytes: &[u8], place: String) -> Result<HeaderValue, EgressError> {
        let mut value = HeaderValue::from_bytes(bytes).map_err(|_| {
            self.refuse(
                place,
                "whose secret has characters that no header may have".into(),
            )
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn token(&self, rule: &SecretRule) -> Option<&str> {
        let Credential::OAuth2(source) = &rule.credential else {
            return None;
        };
        let mut tokens = self.tokens.iter();
        let (_, token) = tokens.find(|(of, _)| *of == source)?;
        Some(token.text())
    }

    /// `Basic` and the base64 of `user:placeholder`.
    fn replace_in_basic(
        &self,
        value: &HeaderValue,
        place: &dyn Fn() -> String,
    ) -> Result<Option<Vec<u8>>, EgressError> {
        let Some(plain) = decoded(value) else {
            return Ok(None);
        };
        let replaced = self.replace(&plain, Credential::in_basic, place)?;
        Ok(replaced.map(|bytes| format!("Basic {}", STANDARD.encode(bytes)).into_bytes()))
    }

    /// The text with every placeholder replaced, from left to right and once;
    /// nothing if there is none in it.
    fn replace(
        &self,
        text: &[u8],
        secret: fn(&Credential, Option<&str>) -> Option<String>,
        place: &dyn Fn() -> String,
    ) -> Result<Option<Vec<u8>>, EgressError> {
        let mut out = Vec::new();
        let mut rest = text;
        while let Some((at, rule)) = self.next(rest) {
            self.permit(rule, place)?;
            let secret = secret(&rule.credential, self.token(rule)).ok_or_else(|| {
                self.refuse(
                    place(),
                    "which stands in no header, as it is a certificate: name it for the host, by `credential(…)`"
                        .into(),
                )
            })?;
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(secret.as_bytes());
            rest = &rest[at + rule.placeholder.len()..];
        }
        if rest.len() == text.len() {
            return Ok(None);
        }
        out.extend_from_slice(rest);
        Ok(Some(out))
    }

    /// The first placeholder in the text; of two that begin there, the longer.
    fn next(&self, text: &[u8]) -> Option<(usize, &SecretRule)> {
        let found = self
            .rules
            .iter()
            .filter_map(|rule| position(text, rule).map(|at| (at, rule)));
        found.min_by_key(|(at, rule)| (*at, std::cmp::Reverse(rule.placeholder.len())))
    }

    fn permit(&self, rule: &SecretRule, place: &dyn Fn() -> String) -> Result<(), EgressError> {
        if !rule.may_go_to(self.to) {
            let only = if rule.hosts.is_empty() {
                "no host at all".to_owned()
            } else {
                rule.hosts.join(", ")
            };
            return Err(self.refuse(place(), format!("which may go to {only} only")));
        }
        if !self.private {
            return Err(self.refuse(
                place(),
                "which everybody on the way could read; use https".into(),
            ));
        }
        Ok(())
    }

    pub(crate) fn refuse(&self, place: String, reason: String) -> EgressError {
        EgressError::Credential {
            host: self.to.to_string(),
            place,
            reason,
        }
    }

    /// A certificate that cannot be used.
    pub(crate) fn refuse_certificate(&self, reason: &str) -> EgressError {
        self.refuse(NAMED.into(), format!("whose certificate {reason}"))
    }
}

/// Where the placeholder of a rule stands first.
fn position(text: &[u8], rule: &SecretRule) -> Option<usize> {
    let placeholder = rule.placeholder.as_bytes();
    if placeholder.is_empty() {
        return None;
    }
    text.windows(placeholder.len())
        .position(|window| window == placeholder)
}

/// `user:password` of a header that has them, as `Basic`.
fn decoded(value: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    STANDARD
        .decode(token)
        .or_else(|_| STANDARD_NO_PAD.decode(token))
        .ok()
}
