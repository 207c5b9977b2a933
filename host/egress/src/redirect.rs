//! Following redirects: each hop is a request of its own, with every check of
//! the first. At most five; never from https to http; to another origin without
//! credentials.

use std::borrow::Cow;

use bytes::Bytes;
use fluent_uri::{Uri as Reference, UriRef};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, LOCATION,
    USER_AGENT,
};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{Either, Empty};
use tokio::time::Instant;

use crate::body::ResponseBody;
use crate::config::Timeouts;
use crate::error::EgressError;
use crate::policy::{Destination, Policy};
use crate::send::Egress;

/// How many redirects of one request are followed.
const MAX_HOPS: usize = 5;

/// What another origin may be told: how to answer, and nothing of who asks.
/// A list of what is kept, so that a credential under any name is dropped.
const KEPT_ACROSS_ORIGINS: [HeaderName; 5] = [
    ACCEPT,
    ACCEPT_ENCODING,
    ACCEPT_LANGUAGE,
    CACHE_CONTROL,
    USER_AGENT,
];

/// They speak of a body, or of the host, that the next request does not have.
const DROPPED_AT_EACH_HOP: [HeaderName; 7] = [
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_LOCATION,
    CONTENT_TYPE,
    EXPECT,
    HOST,
];

/// What the next hop is made of.
struct Hop {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    /// Whether it is for another origin than the hop before.
    elsewhere: bool,
}

impl Egress {
    /// Like [`send`](Self::send), and follows redirects of GET and HEAD, and
    /// any `303 See Other` by a GET. Other redirects are handed back: the body
    /// that they would need again is gone. The deadline is that of all hops
    /// together.
    ///
    /// # Errors
    /// When a hop is refused or fails, or is one too many.
    pub async fn follow<B>(
        &self,
        policy: &Policy,
        request: Request<B>,
        timeouts: Timeouts,
    ) -> Result<Response<ResponseBody>, EgressError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let began = Instant::now();
        let mut hop = Hop {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            elsewhere: false,
        };
        let mut request = request.map(Either::Left);
        let mut policy = Cow::Borrowed(policy);
        let mut hops = 0;
        loop {
            let left = timeouts.after(began.elapsed());
            let response = self.send(&policy, request, left).await?;
            let Some(next) = hop.after(&response)? else {
                return Ok(response);
            };
            if hops == MAX_HOPS {
                return Err(EgressError::Redirects {
                    host: shown(&hop.uri),
                    limit: MAX_HOPS,
                });
            }
            hops += 1;
            if next.elsewhere && !policy.added.is_empty() {
                policy.to_mut().added.clear();
            }
            hop = next;
            request = hop.request().map(Either::Right);
        }
    }
}

impl Hop {
    /// The hop that a response asks for, if it asks for one that is followed.
    fn after<B>(&self, response: &Response<B>) -> Result<Option<Self>, EgressError> {
        let method = match (response.status(), &self.method) {
            (StatusCode::SEE_OTHER, &Method::HEAD) => Method::HEAD,
            (StatusCode::SEE_OTHER, _) => Method::GET,
            (
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT,
                method @ (&Method::GET | &Method::HEAD),
            ) => method.clone(),
            _ => return Ok(None),
        };
        let refused = |reason| EgressError::Redirect {
            host: shown(&self.uri),
            reason,
        };
        let mut locations = response.headers().get_all(LOCATION).iter();
        let location = match (locations.next(), locations.next()) {
            (None, _) => return Ok(None),
            (Some(location), None) => location,
            (Some(_), Some(_)) => return Err(refused("it names more than one location")),
        };
        let location = location
            .to_str()
            .map_err(|_| refused("its location has letters outside ASCII"))?;
        let uri = resolve(&self.uri, location).ok_or_else(|| {
            refused("its location is not a URL of http or https in its usual spelling")
        })?;
        let (from, to) = match (Destination::of(&self.uri), Destination::of(&uri)) {
            (Ok(from), Ok(to)) => (from, to),
            (_, Err(reason)) | (Err(reason), _) => return Err(refused(reason)),
        };
        if from.tls && !to.tls {
            return Err(refused("it goes from https to http"));
        }
        let mut headers = self.headers.clone();
        for name in &DROPPED_AT_EACH_HOP {
            headers.remove(name);
        }
        let elsewhere = from != to;
        if elsewhere {
            headers = across_origins(headers);
        }
        Ok(Some(Self {
            method,
            uri,
            headers,
            elsewhere,
        }))
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// Where a `location` leads from a URL (RFC 3986, section 5); nothing if one of
/// them is malformed.
fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let base = base.to_string();
    let base = Reference::parse(base.as_str()).ok()?;
    let target = UriRef::parse(location).ok()?.resolve_against(&base).ok()?;
    target.as_str().parse().ok()
}

fn across_origins(headers: HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for name in &KEPT_ACROSS_ORIGINS {
        for value in headers.get_all(name) {
            kept.append(name, value.clone());
        }
    }
    kept
}

fn shown(uri: &Uri) -> String {
    Destination::of(uri).map_or_else(|_| "the host".into(), |to| to.to_string())
}
