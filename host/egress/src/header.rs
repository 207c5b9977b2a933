//! The headers that a guest may not set.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use crate::error::EgressError;
use crate::host::Authority;
use crate::policy::Destination;
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
    if let Some(reason) = hop_or_proxy(name) {
        return Some(reason);
    }
    let dashed = name.as_str().replace('_', "-");
    if !route.rule.methods.is_empty() && OTHER_METHOD.contains(&dashed.as_str()) {
        return Some("only some methods are granted here, and it names another; leave it out");
    }
    None
}

/// Why no credential may stand in a header, if none may.
pub(crate) fn of_the_host(name: &HeaderName) -> Option<&'static str> {
    let dashed = name.as_str().replace('_', "-");
    if *name == HOST || *name == CONTENT_LENGTH || OTHER_METHOD.contains(&dashed.as_str()) {
        return Some("it says something about the request");
    }
    hop_or_proxy(name)
}

fn hop_or_proxy(name: &HeaderName) -> Option<&'static str> {
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
