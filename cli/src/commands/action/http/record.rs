//! `--record FILE`: requests go on to where they were allowed to go, and what comes
//! back is kept, without the secrets of the call in it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use nebula_sandbox::Redactor;
use nebula_sandbox::nebula_egress::{Caller, Egress, HostRule, Policy, Timeouts};
use nebula_sandbox::nebula_flow::grant::{Capabilities, Grant};
use nebula_sandbox::nebula_flow::{ActionMetadata, TenantId};
use serde_json::{Value, json};

use super::Heard;
use super::cassette::{self, Exchange};
use super::server::{self, Server};
use crate::error::{Error, Result};

/// The recorder, for as long as this lives.
pub(in super::super) struct Recorder {
    file: PathBuf,
    shared: Arc<Shared>,
    server: Server,
}

struct Shared {
    egress: Egress,
    policy: Policy,
    timeout: Duration,
    redactor: Redactor,
    /// In the order in which they were asked.
    asked: Mutex<Vec<Asked>>,
}

/// A request, and what became of it.
enum Asked {
    /// Nothing yet.
    Pending(String),
    Answered(Exchange),
    Failed(String),
}

impl Recorder {
    /// Listens on a free port. Requests go on to what these capabilities allow.
    pub(in super::super) async fn start(
        file: &Path,
        action: &ActionMetadata,
        capabilities: &Capabilities,
        timeout: Duration,
    ) -> Result<Self> {
        let caller = Caller {
            tenant: TenantId::default_tenant().to_string(),
            action: action.id.to_string(),
            asks: action.hosts.clone(),
        };
        let mut policy = Policy {
            caller,
            ..Policy::default()
        };
        for grant in &capabilities.hosts {
            policy.rules.push(rule(grant)?);
        }
        let shared = Arc::new(Shared {
            egress: Egress::default(),
            policy,
            timeout,
            redactor: Redactor::new(capabilities),
            asked: Mutex::default(),
        });
        let answering = Arc::clone(&shared);
        let server = Server::start(&file.display().to_string(), move |request| {
            let shared = Arc::clone(&answering);
            async move { shared.answer(request).await }
        })
        .await?;
        Ok(Self {
            file: file.to_owned(),
            shared,
            server,
        })
    }

    /// The same hosts by the same schemes, which lead here.
    pub(super) fn grants(&self, allowed: Vec<Grant>) -> Vec<Grant> {
        let here = |grant: Grant| Grant {
            schemes: rule(&grant).map_or_else(|_| Vec::new(), |rule| rule.schemes()),
            at: Some(self.server.url()),
            ..grant
        };
        allowed.into_iter().map(here).collect()
    }

    /// What was asked; and what cannot be recorded.
    pub(super) fn heard(&self) -> Heard {
        let mut asked = self.shared.asked();
        let mut problems = Vec::new();
        let mut requests = Vec::new();
        for one in asked.iter() {
            match one {
                Asked::Answered(exchange) => {
                    requests.push(json!({
                        "method": exchange.method, "url": exchange.place(),
                        "status": exchange.status, "recorded": true,
                    }));
                    problems.extend(exchange.problem());
                }
                Asked::Pending(what) => problems.push(format!("{what} was not answered in time")),
                Asked::Failed(why) => problems.push(why.clone()),
            }
        }
        if asked.is_empty() {
            problems.push("the action asked nothing".to_owned());
        }
        if problems.is_empty() {
            let exchanges = asked.drain(..).filter_map(|one| match one {
                Asked::Answered(exchange) => Some(exchange),
                _ => None,
            });
            let exchanges: Vec<Exchange> = exchanges.collect();
            problems.extend(cassette::write(&self.file, &exchanges).err());
        }
        let failure = (!problems.is_empty()).then(|| {
            let file = self.file.display();
            let message = format!("{file} was not written: {}", problems.join("; "));
            json!({ "kind": "not_recorded", "message": message })
        });
        let mut http = json!({ "requests": requests });
        if failure.is_none() {
            http["recorded"] = Value::from(self.file.display().to_string());
        }
        Heard { http, failure }
    }
}

/// A grant, as the egress reads it.
fn rule(grant: &Grant) -> Result<HostRule> {
    let rule = HostRule::new(
        &grant.host,
        &grant.schemes,
        &grant.methods,
        grant.at.as_deref(),
    );
    rule.map_err(|e| Error::refused(e.to_string()))
}

impl Shared {
    fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        // Nothing panics while it is held, and each state of the list is a good one.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Bytes>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |p| p.as_str());
        // The grant lets only this scheme pass, or says by which one it leads on.
        let url = format!("https://{}{path}", server::host(&head.headers));
        let what = format!("{} {url}", head.method);
        let index = {
            let mut asked = self.asked();
            asked.push(Asked::Pending(what.clone()));
            asked.len() - 1
        };
        let mut onward = Request::new(Full::new(body.clone()));
        *onward.method_mut() = head.method.clone();
        *onward.headers_mut() = head.headers;
        // The egress writes them anew.
        for name in [CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING] {
            onward.headers_mut().remove(name);
        }
        let sent = match url.parse() {
            Ok(uri) => {
                *onward.uri_mut() = uri;
                self.send(onward).await
            }
            Err(_) => Err("its address cannot be read".to_owned()),
        };
        let (became, response) = match sent {
            Ok((status, headers, bytes)) => {
                let exchange = Exchange {
                    method: head.method.to_string(),
                    url: self.text(&url),
                    body: self.covered(&body),
                    status: status.as_u16(),
                    headers: self.headers(&headers),
                    answer: self.covered(&bytes),
                };
                let mut response = Response::new(Full::new(bytes));
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                (Asked::Answered(exchange), response)
            }
            Err(why) => {
                let why = self.text(&format!("{what}: {why}"));
                let mut response = Response::new(Full::from(why.clone()));
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                (Asked::Failed(why), response)
            }
        };
        if let Some(one) = self.asked().get_mut(index) {
            *one = became;
        }
        response
    }

    /// Status, headers and body of the answer, or why there is none.
    async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> std::result::Result<(StatusCode, HeaderMap, Bytes), String> {
        let timeouts = Timeouts::within(self.timeout);
        let sent = self.egress.send(&self.policy, request, timeouts).await;
        let (head, body) = sent.map_err(|e| e.to_string())?.into_parts();
        let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
        let mut headers = head.headers;
        headers.remove(CONTENT_LENGTH);
        Ok((head.status, headers, body))
    }

    fn headers(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let text = |value: &http::HeaderValue| value.to_str().ok().map(|text| self.text(text));
        let each = headers.iter();
        each.filter_map(|(name, value)| Some((name.to_string(), text(value)?)))
            .collect()
    }

    fn covered(&self, bytes: &[u8]) -> Vec<u8> {
        let mut covered = bytes.to_vec();
        self.redactor.cover(&mut covered);
        covered
    }

    fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.covered(text.as_bytes())).into_owned()
    }
}
