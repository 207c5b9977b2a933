//! `--record FILE`: requests go on to where they were allowed to go, and what comes
//! back is kept, without the secrets of the call in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use nebula_sandbox::nebula_egress::{Caller, HostRule, Policy};
use nebula_sandbox::nebula_flow::grant::{Capabilities, Grant};
use nebula_sandbox::nebula_flow::redact::Redactor;
use nebula_sandbox::nebula_flow::{ActionMetadata, TenantId};
use nebula_testing::http::Recording;
use serde_json::{Value, json};

use super::Heard;
use super::server::{self, Server};
use crate::error::{Error, Result};

/// The recorder, for as long as this lives.
pub(in super::super) struct Recorder {
    file: PathBuf,
    shared: Arc<Shared>,
    server: Server,
}

struct Shared {
    recording: Recording,
    policy: Policy,
    timeout: Duration,
    redactor: Redactor,
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
            recording: Recording::default(),
            policy,
            timeout,
            redactor: Redactor::new(capabilities),
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
        let Shared {
            recording,
            redactor,
            ..
        } = &*self.shared;
        let exchanges = recording.exchanges(redactor).into_iter();
        let requests: Vec<Value> = exchanges
            .map(|exchange| {
                json!({
                    "method": exchange.method, "url": exchange.place(),
                    "status": exchange.status, "recorded": true,
                })
            })
            .collect();
        let mut http = json!({ "requests": requests });
        let file = self.file.display();
        let failure = match recording.write(&self.file, redactor) {
            Ok(()) => {
                http["recorded"] = Value::from(file.to_string());
                None
            }
            Err(why) => {
                let message = format!("{file} was not written: {why}");
                Some(json!({ "kind": "not_recorded", "message": message }))
            }
        };
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
    async fn answer(&self, mut request: Request<Bytes>) -> Response<Full<Bytes>> {
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        // The grant lets only this scheme pass, or says by which one it leads on.
        let url = format!("https://{}{path}", server::host(request.headers()));
        let answered = match url.parse() {
            Ok(uri) => {
                *request.uri_mut() = uri;
                let recording = &self.recording;
                recording.send(&self.policy, self.timeout, request).await
            }
            Err(_) => Err(format!("{url} cannot be read")),
        };
        match answered {
            Ok(response) => response.map(Full::new),
            Err(why) => {
                let mut why = why.into_bytes();
                self.redactor.cover(&mut why);
                let mut response = Response::new(Full::from(why));
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }
        }
    }
}
