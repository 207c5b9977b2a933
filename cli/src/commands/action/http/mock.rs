//! `--mock-http FILE`: answers as the file says.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use nebula_sandbox::nebula_flow::ActionMetadata;
use nebula_sandbox::nebula_flow::grant::Grant;
use nebula_testing::http::{Asked, Rule};
use serde_json::{Value, json};

use super::Heard;
use super::server::{self, Server};
use crate::error::{Error, Result};

/// The mock, for as long as this lives.
pub(in super::super) struct Mock {
    shared: Arc<Shared>,
    server: Server,
}

struct Shared {
    file: String,
    rules: Vec<Rule>,
    seen: Mutex<Vec<Seen>>,
    /// Whether something was asked that no rule answers.
    missed: AtomicBool,
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
    pub(in super::super) async fn start(file: &str, text: &[u8]) -> Result<Self> {
        let rules = nebula_testing::http::read(file, text).map_err(|e| {
            Error::refused(e.to_string())
                .hint("it is a list of `request` and `response`; see docs/cli.md, Mocked HTTP")
        })?;
        let shared = Arc::new(Shared {
            file: file.to_owned(),
            rules,
            seen: Mutex::default(),
            missed: AtomicBool::new(false),
        });
        let answering = Arc::clone(&shared);
        let server = Server::start(file, move |request| {
            let shared = Arc::clone(&answering);
            async move { shared.answer(request).await }
        })
        .await?;
        Ok(Self { shared, server })
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
                at: Some(self.server.url()),
                methods: Vec::new(),
                schemes: Vec::new(),
            })
            .collect()
    }

    /// What was asked and the file does not answer.
    pub(super) fn trouble(&self) -> Option<String> {
        self.shared.trouble()
    }

    /// What was asked and which responses nobody asked for; then, if something
    /// was asked that the file does not answer, the failure that says so.
    pub(super) fn heard(&self) -> Heard {
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
        drop(seen);
        let trouble = self.trouble();
        let failure =
            trouble.map(|message| json!({ "kind": "unmatched_request", "message": message }));
        Heard {
            http: json!({ "requests": requests, "unused": unused }),
            failure,
        }
    }
}

impl Shared {
    /// Names what the file has no response for.
    fn trouble(&self) -> Option<String> {
        if !self.missed.load(Ordering::Relaxed) {
            return None;
        }
        let seen = self.seen();
        let unmatched = seen.iter().filter(|s| s.rule.is_none());
        let unmatched: Vec<_> = unmatched
            .map(|s| format!("{} {}", s.method, s.url))
            .collect();
        let file = &self.file;
        Some(format!(
            "{file} has no response for: {}",
            unmatched.join(", ")
        ))
    }

    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        // Nothing panics while it is held, and each state of the list is a good one.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first response that matches and is not used up.
    fn choose(&self, asked: &Asked<'_>) -> Option<(usize, &Rule)> {
        let mut seen = self.seen();
        let found = self.rules.iter().enumerate().find(|(i, rule)| {
            let used = || seen.iter().filter(|s| s.rule == Some(*i)).count();
            rule.matches(asked) && rule.times().is_none_or(|times| used() < times as usize)
        });
        if found.is_none() {
            self.missed.store(true, Ordering::Relaxed);
        }
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

    async fn answer(&self, request: Request<Bytes>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let header = |name: &str| server::header(&head.headers, name);
        let host = server::host(&head.headers);
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
