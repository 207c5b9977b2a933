//! The headers that a guest may not set, and secrets in the place of their
//! placeholders.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use crate::error::EgressError;
use crate::host::Authority;
use crate::policy::{Destination, SecretRule};
use crate::route::Route;

/// How many header lines a request may have; as many as a response may.
const MAX_HEADERS: usize = 100;

/// Bytes of names and values.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// They concern one connection and not the request; whoever sets them means
/// to make two servers disagree about where a request ends.
const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// They say for whom or by which way a request comes; a guest is no proxy.
const OF_PROXIES: [&str; 4] = ["forwarded", "via", "x-real-ip", "x-client-ip"];

/// They ask a server to take a request for one of another method.
const OTHER_METHOD: [&str; 3] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// Checks a guest's headers and takes out those that the host writes itself.
/// Returns the length that the guest declared for its body.
pub(crate) fn check(
    headers: &mut HeaderMap,
    route: &Route<'_>,
) -> Result<Option<u64>, EgressError> {
    let to = &route.destination;
    let refuse = |name: &HeaderName, reason| {
        Err(EgressError::Header {
            host: to.to_string(),
            name: name.to_string(),
            reason,
        })
    };
    let mut bytes = 0;
    for (name, value) in &*headers {
        bytes += name.as_str().len() + value.len();
        if bytes > MAX_HEADER_BYTES || headers.len() > MAX_HEADERS {
            return refuse(name, "at most 100 headers with 65536 bytes are allowed");
        }
        if let Some(reason) = forbidden(name, route) {
            return refuse(name, reason);
        }
    }
    // An HTTP library may write the host for its guest; then it must be the URL's.
    let same = |value: &HeaderValue| value.to_str().is_ok_and(|text| names(text, to));
    if !headers.get_all(HOST).iter().all(same) || headers.get_all(HOST).iter().count() > 1 {
        return refuse(&HOST, "it is not the host of the URL; leave it out");
    }
    headers.remove(HOST);

    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let declared = match (lengths.next(), lengths.next()) {
        (None, _) => None,
        (Some(length), None) => match parse_length(length) {
            Some(length) => Some(length),
            None => return refuse(&CONTENT_LENGTH, "it is not a decimal number"),
        },
        (Some(_), Some(_)) => return refuse(&CONTENT_LENGTH, "it stands there more than once"),
    };
    headers.remove(CONTENT_LENGTH);
    Ok(declared)
}

/// Why a guest may not set a header, if it may not.
fn forbidden(name: &HeaderName, route: &Route<'_>) -> Option<&'static str> {
    if HOP_BY_HOP.contains(name) {
        return Some("it concerns the connection, which belongs to the host; leave it out");
    }
    // Servers that hand headers on as variables take `_` for `-`.
    let dashed = name.as_str().replace('_', "-");
    let twin = dashed != name.as_str();
    let of_host = |own: &HeaderName| dashed == own.as_str();
    if twin && (HOP_BY_HOP.iter().any(of_host) || of_host(&CONTENT_LENGTH) || of_host(&HOST)) {
        return Some("some servers take it for the header with dashes; leave it out");
    }
    if OF_PROXIES.contains(&dashed.as_str())
        || dashed.starts_with("x-forwarded-")
        || dashed.starts_with("proxy-")
    {
        return Some("it speaks for a proxy, and there is none; leave it out");
    }
    if !route.rule.methods.is_empty() && OTHER_METHOD.contains(&dashed.as_str()) {
        return Some("only some methods are granted here, and it names another; leave it out");
    }
    None
}

/// Checks that a response says in one way how long it is, and takes out what
/// concerned its connection only.
pub(crate) fn check_response(headers: &mut HeaderMap) -> Result<(), &'static str> {
    if headers.contains_key(TRANSFER_ENCODING) {
        if headers.contains_key(CONTENT_LENGTH) {
            return Err("it says its length twice, by `content-length` and `transfer-encoding`");
        }
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let chunked = codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if !chunked || headers.get_all(TRANSFER_ENCODING).iter().count() > 1 {
            return Err("its `transfer-encoding` is not `chunked` and nothing else");
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    Ok(())
}

fn names(text: &str, to: &Destination) -> bool {
    Authority::parse(text).is_ok_and(|authority| {
        authority.host == to.host && authority.port.is_none_or(|port| port == to.port)
    })
}

fn parse_length(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

// ---------------------------------------------------------------- secrets --

/// The secrets that a request to one destination may carry.
pub(crate) struct Secrets<'a> {
    pub(crate) rules: &'a [SecretRule],
    pub(crate) to: &'a Destination,
    /// Whether nobody on the way can read them: TLS, or an operator's address.
    pub(crate) private: bool,
}

impl Secrets<'_> {
    /// Puts secrets in the place of their placeholders in header values, and
    /// refuses a placeholder anywhere else or on its way to anyone else.
    pub(crate) fn place(
        &self,
        uri: &http::Uri,
        headers: &mut HeaderMap,
    ) -> Result<(), EgressError> {
        let url = uri.path_and_query().map_or("", |path| path.as_str());
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
            let replaced = match self.replace(value.as_bytes(), &place)? {
                Some(bytes) => Some(bytes),
                None if *name == AUTHORIZATION => self.replace_in_basic(value, &place)?,
                None => None,
            };
            if let Some(bytes) = replaced {
                let unfit = |_| {
                    self.refuse(
                        place(),
                        "whose secret has characters that no header may have".into(),
                    )
                };
                *value = HeaderValue::from_bytes(&bytes).map_err(unfit)?;
                value.set_sensitive(true);
            }
        }
        Ok(())
    }

    /// `Basic` and the base64 of `user:placeholder`.
    fn replace_in_basic(
        &self,
        value: &HeaderValue,
        place: &dyn Fn() -> String,
    ) -> Result<Option<Vec<u8>>, EgressError> {
        let Some((scheme, token)) = value.to_str().ok().and_then(|text| text.split_once(' '))
        else {
            return Ok(None);
        };
        let token = token.trim();
        if !scheme.eq_ignore_ascii_case("basic") {
            return Ok(None);
        }
        let Ok(plain) = STANDARD
            .decode(token)
            .or_else(|_| STANDARD_NO_PAD.decode(token))
        else {
            return Ok(None);
        };
        let replaced = self.replace(&plain, place)?;
        Ok(replaced.map(|bytes| format!("Basic {}", STANDARD.encode(bytes)).into_bytes()))
    }

    /// The text with every placeholder replaced, from left to right and once;
    /// nothing if there is none in it.
    fn replace(
        &self,
        text: &[u8],
        place: &dyn Fn() -> String,
    ) -> Result<Option<Vec<u8>>, EgressError> {
        let mut out = Vec::new();
        let mut rest = text;
        while let Some((at, rule)) = self.next(rest) {
            self.permit(rule, place)?;
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(rule.secret.as_bytes());
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
        let find = |rule: &SecretRule| {
            let placeholder = rule.placeholder.as_bytes();
            if placeholder.is_empty() {
                return None;
            }
            text.windows(placeholder.len())
                .position(|window| window == placeholder)
        };
        let found = self
            .rules
            .iter()
            .filter_map(|rule| find(rule).map(|at| (at, rule)));
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

    fn refuse(&self, place: String, reason: String) -> EgressError {
        EgressError::Credential {
            host: self.to.to_string(),
            place,
            reason,
        }
    }
}
