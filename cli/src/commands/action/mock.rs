//! `--mock-http FILE`: a small server on loopback that answers as the file
//! says. Granted hosts lead to it (`--at`), so that the requests of the action
//! take their real way through the egress.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use nebula_sandbox::nebula_flow::ActionMetadata;
use nebula_sandbox::nebula_flow::grant::Grant;
use nebula_testing::http::{Asked, Rule};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::error::{Error, Result};

/// The largest request body that is read: a little over what a guest can send.
const MAX_BODY: usize = 16 << 20;

/// The server, for as long as this lives.
pub(super) struct Mock {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: tokio::task::AbortHandle,
}

struct Shared {
    file: String,
    rules: Vec<Rule>,
    seen: Mutex<Vec<Seen>>,
}

/// A request that came, without its headers: they may carry a secret.
#[derive(Debug, Clone)]
struct Seen {
    method: String,
    url: String,
    rule: Option<usize>,
    status: u16,
}

impl Mock {
    /// Reads the file and listens on a free port.
    pub(super) async fn start(file: &str, text: &[u8]) -> Result<Self> {
        let rules = nebula_testing::http::read(file, text).map_err(|e| {
            Error::refused(e.to_string())
                .hint("it is a list of `request` and `response`; see docs/cli.md, Mocked HTTP")
        })?;
        let cannot = |e: std::io::Error| {
            Error::node(format!(
                "the server of {file} cannot listen on loopback: {e}"
            ))
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let shared = Arc::new(Shared {
            file: file.to_owned(),
            rules,
            seen: Mutex::default(),
        });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self {
            address,
            shared,
            server,
        })
    }

    /// Grants that lead here: the hosts of the file, and those that the action
    /// asks for and nobody allowed, so that a request too many is noticed.
    pub(super) fn grants(&self, action: &ActionMetadata, allowed: &[Grant]) -> Vec<Grant> {
        let mut hosts: Vec<&str> = self.shared.rules.iter().map(Rule::host).collect();
        hosts.extend(
            action
                .hosts
                .iter()
                .map(String::as_str)
                .filter(|h| *h != "*"),
        );
        hosts.retain(|host| !allowed.iter().any(|grant| grant.host == *host));
        hosts.sort_unstable();
        hosts.dedup();
        hosts
            .into_iter()
            .map(|host| Grant {
                action: action.id.clone(),
                host: host.to_owned(),
                at: Some(format!("http://{}", self.address)),
                methods: Vec::new(),
                schemes: Vec::new(),
            })
            .collect()
    }

    /// What was asked and which responses nobody asked for; then, if something
    /// was asked that the file does not answer, the failure that says so.
    pub(super) fn report(&self) -> (Value, Option<Value>) {
        let seen = self.shared.seen();
        let requests: Vec<Value> = seen
            .iter()
            .map(
                |s| json!({ "method": s.method, "url": s.url, "status": s.status, "rule": s.rule }),
            )
            .collect();
        let unused: Vec<String> = self
            .shared
            .rules
            .iter()
            .enumerate()
            .filter(|(i, _)| !seen.iter().any(|s| s.rule == Some(*i)))
            .map(|(_, rule)| rule.to_string())
            .collect();
        let unmatched: Vec<String> = seen
            .iter()
            .filter(|s| s.rule.is_none())
            .map(|s| format!("{} {}", s.method, s.url))
            .collect();
        let failure = (!unmatched.is_empty()).then(|| {
            let message = format!(
                "{} has no response for: {}",
                self.shared.file,
                unmatched.join(", ")
            );
            json!({ "kind": "unmatched_request", "message": message })
        });
        (json!({ "requests": requests, "unused": unused }), failure)
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        // Nothing panics while it is held, and each state of the list is a good one.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first response that matches and is not used up.
    fn choose(&self, asked: &Asked<'_>) -> Option<(usize, &Rule)> {
        let mut seen = self.seen();
        let found = self.rules.iter().enumerate().find(|(i, rule)| {
            let used = seen.iter().filter(|s| s.rule == Some(*i)).count();
            rule.matches(asked) && rule.times().is_none_or(|times| used < times as usize)
        });
        seen.push(Seen {
            method: asked.method.to_owned(),
            url: format!("{}{}", asked.host, asked.path),
            rule: found.map(|(i, _)| i),
            status: found.map_or(StatusCode::NOT_IMPLEMENTED.as_u16(), |(_, rule)| {
                rule.status()
            }),
        });
        found
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => Bytes::new(),
        };
        let header = |name: &str| {
            let found = head.headers.get(name).and_then(|v| v.to_str().ok());
            found.map(str::to_owned)
        };
        let host = header(HOST.as_str()).unwrap_or_default();
        let chosen = self.choose(&Asked {
            method: head.method.as_str(),
            host: &host,
            path: head.uri.path_and_query().map_or("/", |p| p.as_str()),
            header: &header,
            body: &body,
        });
        let Some((_, rule)) = chosen else {
            let text = format!("{} has no response for this request", self.file);
            let mut response = Response::new(Full::from(text));
            *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
            return response;
        };
        tokio::time::sleep(rule.delay()).await;
        response(rule)
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| {
            let shared = Arc::clone(&shared);
            async move { Ok::<_, Infallible>(shared.answer(request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        // A guest may hang up at any time.
        tokio::spawn(async move {
            let _ = connection.await;
        });
    }
}

/// The response of a rule; what it is made of was checked when it was read.
fn response(rule: &Rule) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(rule.body()));
    *response.status_mut() = StatusCode::from_u16(rule.status()).unwrap_or_default();
    for (name, value) in rule.headers() {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
