//! The OCI distribution API, version 1.1: HTTP in, HTTP out.
//!
//! - [`route`], [`range`]: what a request asks for.
//! - [`caller`]: who sends it, and whether it is allowed.
//! - [`blobs`], [`uploads`], [`manifests`], [`lists`]: the endpoints.
//! - [`body`]: bytes in both directions.
//! - [`refusal`]: errors as the specification shapes them.

mod blobs;
mod body;
mod caller;
mod lists;
mod manifests;
mod range;
mod refusal;
mod route;
mod uploads;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};

use super::Hub;
use super::tokens::Allowed;
use caller::Caller;
use refusal::{Answer, Refusal};
use route::Route;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// Every route.
pub(super) fn router(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/v2", any(serve))
        .route("/v2/", any(serve))
        .route("/v2/{*rest}", any(serve))
        .route(lists::WASM_REGISTRY, get(lists::wasm_registry))
        .with_state(hub)
}

/// A request that is not for this machine.
pub(super) fn denied(message: String) -> Response {
    Refusal::denied(message).into_response()
}

async fn serve(State(hub): State<Arc<Hub>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answer = answer(&hub, &parts, body).await;
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    let headers = response.headers_mut();
    headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn answer(hub: &Arc<Hub>, parts: &Parts, body: Body) -> Answer {
    let caller = Caller::identify(hub, &parts.headers)?;
    let route = match route::route(&parts.uri) {
        Ok(route) => route,
        // Who may see nothing is not told what would have been a name.
        Err(refusal) => {
            may_begin(hub, &caller)?;
            return Err(refusal);
        }
    };
    if let Route::Base = route {
        may_begin(hub, &caller)?;
    } else {
        let needed = needed(&parts.method, &route);
        match (&route, &caller) {
            // It lists only what the caller may read.
            (Route::Catalog, Caller::Known(_)) => {}
            _ => caller.may(hub, needed, route.repository())?,
        }
        if needed > Allowed::Pull && hub.config.read_only {
            let text = "this hub is read only; it takes nothing and deletes nothing";
            return Err(Refusal::unsupported(text, "GET, HEAD"));
        }
    }
    let asked = Asked {
        hub,
        caller: &caller,
        parts,
    };
    asked.dispatch(route, body).await
}

/// What a request needs to be allowed.
fn needed(method: &Method, route: &Route) -> Allowed {
    match (method, route) {
        (_, Route::Uploads(_) | Route::Upload(..)) => Allowed::Push,
        (&Method::DELETE, _) => Allowed::Delete,
        (&Method::GET | &Method::HEAD, _) => Allowed::Pull,
        _ => Allowed::Push,
    }
}

/// Who comes without a token where one can be of use is asked for it, so that
/// clients learn to send theirs: many ask here first, and only once.
fn may_begin(hub: &Hub, caller: &Caller) -> Result<(), Refusal> {
    match caller {
        Caller::Known(_) => Ok(()),
        Caller::Anonymous if hub.config.read_only => caller.may(hub, Allowed::Pull, None),
        Caller::Anonymous => caller.may(hub, Allowed::Push, None),
    }
}

/// One request that may be answered.
struct Asked<'a> {
    hub: &'a Arc<Hub>,
    caller: &'a Caller,
    parts: &'a Parts,
}

impl Asked<'_> {
    async fn dispatch(self, route: Route, body: Body) -> Answer {
        let method = self.parts.method.as_str();
        match (method, route) {
            ("GET" | "HEAD", Route::Base) => Ok(json(&serde_json::json!({}))),
            ("GET" | "HEAD", Route::Catalog) => self.catalog().await,
            ("GET" | "HEAD", Route::Tags(name)) => self.tags(name).await,
            ("GET" | "HEAD", Route::Referrers(name, subject)) => {
                self.referrers(name, subject).await
            }
            ("GET" | "HEAD", Route::Blob(name, digest)) => self.get_blob(name, digest).await,
            ("DELETE", Route::Blob(name, digest)) => self.delete_blob(name, digest).await,
            ("POST", Route::Uploads(name)) => self.begin_upload(name, body).await,
            ("GET", Route::Upload(name, session)) => self.upload_state(name, session).await,
            ("PATCH", Route::Upload(name, session)) => self.patch(name, session, body).await,
            ("PUT", Route::Upload(name, session)) => self.finish(name, session, body).await,
            ("DELETE", Route::Upload(name, session)) => self.cancel(name, session).await,
            ("GET" | "HEAD", Route::Manifest(name, at)) => self.get_manifest(name, at).await,
            ("PUT", Route::Manifest(name, at)) => self.put_manifest(name, at, body).await,
            ("DELETE", Route::Manifest(name, at)) => self.delete_manifest(name, at).await,
            (_, route) => {
                let text = format!("{method} is not taken here");
                Err(Refusal::unsupported(text, route.methods()))
            }
        }
    }

    fn is_head(&self) -> bool {
        self.parts.method == Method::HEAD
    }

    /// A header as text.
    fn header(&self, name: &HeaderName) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// The length that the body is said to have.
    fn length(&self) -> Option<u64> {
        self.header(&CONTENT_LENGTH)?.parse().ok()
    }

    /// The value of a query parameter.
    fn query(&self, name: &str) -> Option<String> {
        self.queries(name).into_iter().next()
    }

    /// All values of a query parameter.
    fn queries(&self, name: &str) -> Vec<String> {
        let query = self.parts.uri.query().unwrap_or_default();
        url::form_urlencoded::parse(query.as_bytes())
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .collect()
    }

    /// Works with the folder, where waiting for the disk holds up nobody.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Hub) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let hub = Arc::clone(self.hub);
        Ok(tokio::task::spawn_blocking(move || work(&hub)).await??)
    }
}

/// An answer without a body.
fn empty(status: StatusCode) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
    Reply {
        status,
        headers,
        body: Body::empty(),
    }
}

/// An answer that is being put together.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
}

impl Reply {
    /// With another header. A value that cannot be one, such as an annotation's,
    /// is left out.
    fn header(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        if let Ok(value) = HeaderValue::try_from(value.as_ref()) {
            self.headers.append(name, value);
        }
        self
    }

    fn done(self) -> Answer {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        Ok(response)
    }
}

/// An answer of JSON.
fn json(value: &serde_json::Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    let json = HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    response
}
