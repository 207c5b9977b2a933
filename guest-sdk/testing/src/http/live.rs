//! The requests of native actions while they are recorded. They go where the action's
//! hosts let them: its code is the author's own, in the author's own process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use nebula_action::http::{HttpError, Request, Response};
use nebula_egress::{Caller, HostRule, Policy};
use nebula_flow::redact::Redactor;

use super::recording::Recording;
use super::rule;

/// Of a request that says nothing of it.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A file that is being recorded.
pub(super) struct Live {
    pub(super) file: PathBuf,
    recording: Recording,
}

impl Live {
    pub(super) fn new(file: PathBuf) -> Self {
        Self {
            file,
            recording: Recording::default(),
        }
    }

    /// Lets a request go out; `at` says where hosts really are.
    pub(super) fn answer(
        &self,
        request: &Request,
        at: &BTreeMap<String, String>,
    ) -> Result<Response, HttpError> {
        let invalid = |why: String| HttpError::InvalidRequest(why);
        let policy = policy(request, at).map_err(invalid)?;
        let sent = outgoing(request).map_err(invalid)?;
        let timeout = request.timeout.unwrap_or(TIMEOUT);
        // The test may be asynchronous itself, and native actions ask in turn.
        let answered = std::thread::scope(|scope| {
            let sending = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(|e| e.to_string())?;
                runtime.block_on(self.recording.send(&policy, timeout, sent))
            });
            sending
                .join()
                .unwrap_or_else(|_| Err("it was cut off".into()))
        });
        let answered = answered.map_err(|why| {
            let hint = "a host at another address is told by `recorded_at`";
            HttpError::Connection(format!("{why} ({hint})"))
        })?;
        let (head, body) = answered.into_parts();
        if body.len() > request.max_body {
            let limit = request.max_body;
            return Err(HttpError::TooLarge { limit });
        }
        let mut response = Response::new(head.status.as_u16()).with_body(body.to_vec());
        for (name, value) in &head.headers {
            if let Ok(value) = value.to_str() {
                response = response.with_header(name.as_str(), value);
            }
        }
        Ok(response)
    }

    /// Writes what was asked so far, if anything was.
    pub(super) fn write(&self, secrets: impl IntoIterator<Item = String>) -> Result<(), String> {
        if self.recording.is_empty() {
            return Ok(());
        }
        self.recording.write(&self.file, &Redactor::of(secrets))
    }
}

/// One that lets this request pass: whether the action asks for its host was seen before.
fn policy(request: &Request, at: &BTreeMap<String, String>) -> Result<Policy, String> {
    let (host, _) = rule::split(&request.url).ok_or_else(|| "it has no host".to_owned())?;
    let scheme = request.url.split("://").next().unwrap_or_default();
    let at = at.get(&host).map(String::as_str);
    let rule = HostRule::new(&host, &[scheme.to_owned()], &[], at).map_err(|e| e.to_string())?;
    Ok(Policy {
        caller: Caller {
            tenant: "default".into(),
            action: "test".into(),
            asks: vec!["*".into()],
        },
        rules: vec![rule],
        ..Policy::default()
    })
}

fn outgoing(request: &Request) -> Result<http::Request<Bytes>, String> {
    let mut sent = http::Request::builder()
        .method(request.method.as_str())
        .uri(request.url.as_str());
    for (name, value) in &request.headers {
        sent = sent.header(name.as_str(), value.as_str());
    }
    sent.body(Bytes::from(request.body.clone()))
        .map_err(|e| e.to_string())
}
