//! What every request passes: it gets an id, must be meant for this node, and
//! is answered in any case, with a problem if not otherwise.
//!
//! Loopback is not a boundary, since any web page can send requests to it.
//! Therefore, whether keys are needed or not, the `Host` must be a loopback one or configured (a page whose
//! name was rebound to 127.0.0.1 has another), a foreign `Origin` is refused,
//! and writes need a content type that no plain form can send.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST,
    HeaderName, HeaderValue, ORIGIN, TRANSFER_ENCODING, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::uri::Authority;
use http::{HeaderMap, Method, StatusCode, Uri};
use nebula_api::{Code, Problem, problem};
use tracing::Instrument;

use super::guard::{self, Template};
use super::reply::{Pending, Refusal};
use crate::app::{Hosts, Shared};
use crate::service::keys::Caller;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Lets a request pass, or answers it here.
pub(crate) async fn pass(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let id = request_id(request.headers());
    let span = tracing::debug_span!("request", id = ?id, method = %request.method(), path = request.uri().path());
    let answer = async {
        AssertUnwindSafe(answer(&shared, request, next))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| {
                tracing::error!("a handler panicked");
                let detail = "the node made a mistake; its log says more under this request's id";
                Refusal::from(Problem::new(Code::Internal, detail)).into_response()
            })
    };
    let response = answer.instrument(span.clone()).await;
    let _entered = span.enter();
    let status = response.status().as_u16();
    tracing::debug!(status, "answered");
    let template = response.extensions().get::<Template>();
    // What has no route has no name of its own either: any path may be asked for.
    let route = template.map_or("none", |Template(path)| path.as_str());
    shared
        .metrics
        .answered(&method, route, status, begun.elapsed());
    finish(response, id)
}

/// Lets a request on to the hub if it is meant for this machine; who sends it,
/// its token says.
pub(crate) async fn pass_to_hub(
    State(hosts): State<Arc<Hosts>>,
    request: Request,
    next: Next,
) -> Response {
    match check(&request, &hosts) {
        Ok(()) => next.run(request).await,
        Err(Refusal(problem)) => {
            let hint = problem.hint.map(|hint| format!("; {hint}"));
            nebula_hub::serve::denied(problem.detail + hint.as_deref().unwrap_or_default())
        }
    }
}

/// Checks where a request comes from and who sends it, then lets it on.
async fn answer(shared: &Arc<Shared>, mut request: Request, next: Next) -> Response {
    if let Err(refusal) = check(&request, &shared.hosts) {
        return refusal.into_response();
    }
    if request.method() == Method::POST && request.uri().path().starts_with(guard::HOOKS) {
        // Who sends it, its own secret says: nobody whom the API knows.
        request.extensions_mut().insert(Caller::Anonymous);
        return next.run(request).await;
    }
    match guard::identify(shared, request.headers()).await {
        Err(refusal) => refusal.into_response(),
        Ok(caller) => {
            // No handler and no log line has a use for it any more.
            request.headers_mut().remove(AUTHORIZATION);
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
    }
}

/// The caller's id for the request if it is a short token, else a fresh one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    static PROCESS: LazyLock<u32> = LazyLock::new(|| getrandom::u32().unwrap_or_default());
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let token = |v: &&HeaderValue| {
        (1..=64).contains(&v.len())
            && v.as_bytes()
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    headers
        .get(REQUEST_ID)
        .filter(token)
        .cloned()
        .unwrap_or_else(|| {
            let text = format!(
                "req-{:08x}-{:x}",
                *PROCESS,
                NEXT.fetch_add(1, Ordering::Relaxed)
            );
            HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("req"))
        })
}

fn check(request: &Request, configured: &Hosts) -> Result<(), Refusal> {
    let host = host(request.headers(), request.uri(), configured)?;
    origin(request.headers(), &host)
}

fn host(headers: &HeaderMap, uri: &Uri, configured: &Hosts) -> Result<Authority, Refusal> {
    let refuse = |what: String| {
        Refusal::from(
            Problem::new(Code::HostRefused, what)
                .hint("address the node as localhost or 127.0.0.1, or configure the name"),
        )
    };
    let mut values = headers.get_all(HOST).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(refuse("a request needs exactly one `Host`".into()));
    };
    let host = Authority::try_from(value.as_bytes())
        .map_err(|_| refuse("the `Host` is not a host".into()))?;
    let named = uri.authority().is_none_or(|a| is_ours(a, configured));
    if named && is_ours(&host, configured) {
        Ok(host)
    } else {
        Err(refuse(format!(
            "`{}` is not a name of this node",
            host.host()
        )))
    }
}

fn is_ours(authority: &Authority, configured: &Hosts) -> bool {
    let host = authority.host();
    let bare = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    !authority.as_str().contains('@')
        && (bare.eq_ignore_ascii_case("localhost")
            || bare
                .parse::<IpAddr>()
                .is_ok_and(|ip| ip.is_loopback() || configured.any_address)
            || configured
                .names
                .iter()
                .any(|name| name.eq_ignore_ascii_case(bare)))
}

fn origin(headers: &HeaderMap, host: &Authority) -> Result<(), Refusal> {
    let refuse = || {
        Refusal::from(
            Problem::new(
                Code::OriginRefused,
                "the request comes from a web page of another origin",
            )
            .hint("open the page from this node itself"),
        )
    };
    for origin in headers.get_all(ORIGIN) {
        let own = origin
            .to_str()
            .ok()
            .and_then(|o| o.parse::<Uri>().ok())
            .is_some_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https"))
                    && uri
                        .authority()
                        .is_some_and(|a| a.as_str().eq_ignore_ascii_case(host.as_str()))
            });
        if !own {
            return Err(refuse());
        }
    }
    match headers.get(SEC_FETCH_SITE) {
        Some(site) if site == "cross-site" => Err(refuse()),
        _ => Ok(()),
    }
}

/// Writes need a content type; a DELETE without a body has none to name. Asked
/// where the route is known, so that a route that is not there says so first.
pub(crate) fn content_type(
    method: &Method,
    route: &str,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    let has_body = headers.contains_key(TRANSFER_ENCODING)
        || headers
            .get(CONTENT_LENGTH)
            .is_some_and(|length| length != "0");
    let is_write = match *method {
        Method::POST | Method::PUT | Method::PATCH => true,
        Method::DELETE => has_body,
        _ => false,
    };
    if !is_write {
        return Ok(());
    }
    let refuse = |what: String, hint: &str| {
        Err(Problem::new(Code::UnsupportedMediaType, what)
            .hint(hint)
            .into())
    };
    if headers.contains_key(CONTENT_ENCODING) {
        return refuse(
            "the body is encoded".into(),
            "send it without `Content-Encoding`",
        );
    }
    match media_type(headers) {
        Some(given) if is_json(given) || is_yaml(given) && takes_yaml(route) => Ok(()),
        Some(given) => refuse(
            format!(
                "`{}` is not taken here",
                given.chars().take(80).collect::<String>()
            ),
            "send `Content-Type: application/json` (for a workflow also application/yaml)",
        ),
        None => refuse(
            "the content type is missing".into(),
            "send `Content-Type: application/json`",
        ),
    }
}

/// The content type without its parameters.
fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or(value).trim())
}

fn is_json(media_type: &str) -> bool {
    media_type.eq_ignore_ascii_case("application/json")
}

fn is_yaml(media_type: &str) -> bool {
    ["application/yaml", "text/yaml", "application/x-yaml"]
        .iter()
        .any(|y| media_type.eq_ignore_ascii_case(y))
}

fn takes_yaml(route: &str) -> bool {
    matches!(
        route.strip_prefix(nebula_api::PREFIX),
        Some("/workflows" | "/workflows/validate")
    )
}

/// Adds the id and writes the problem of a refused request.
fn finish(mut response: Response, id: HeaderValue) -> Response {
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let mut problem = match response.extensions_mut().remove::<Pending>() {
            Some(pending) => Arc::unwrap_or_clone(pending.0),
            None => generic(status),
        };
        problem.hint.get_or_insert_with(|| hint(status).into());
        problem.request_id = id.to_str().ok().map(str::to_owned);
        let allow = response.headers_mut().remove(ALLOW);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let status = StatusCode::from_u16(problem.status).unwrap_or(status);
        response = Response::new(Body::from(body));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(problem::MEDIA_TYPE));
        if let Some(allow) = allow {
            response.headers_mut().insert(ALLOW, allow);
        }
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"nebula\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
    }
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REQUEST_ID, id);
    response
}

/// For a problem that has no hint of its own.
fn hint(status: StatusCode) -> &'static str {
    if status.is_server_error() {
        "try again; if it stays so, the node's log says more under this request's id"
    } else {
        "what every request takes is at /api/v1/openapi.json"
    }
}

/// For a refusal that the framework made without a problem.
fn generic(status: StatusCode) -> Problem {
    match status {
        StatusCode::NOT_FOUND => Problem::new(Code::RouteNotFound, "no such route"),
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(Code::MethodNotAllowed, "no such method here")
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(Code::PayloadTooLarge, "the body is too large")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(
            Code::UnsupportedMediaType,
            "the content type is not taken here",
        ),
        status if status.is_client_error() => Problem::new(
            Code::BadRequest,
            "the request is not understood; is its path valid UTF-8?",
        ),
        _ => Problem::new(Code::Internal, "the node made a mistake"),
    }
}
