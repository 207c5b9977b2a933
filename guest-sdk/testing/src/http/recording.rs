//! Requests that go out while a test is recorded, through the egress as in a node, and
//! what came back. Nothing of it is shown or written with a secret in it.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, TRANSFER_ENCODING};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use nebula_egress::{Egress, Policy, Timeouts};
use nebula_flow::redact::Redactor;

use super::cassette::{self, Exchange};

/// Sends requests, and remembers what was answered.
#[derive(Default)]
pub struct Recording {
    egress: Egress,
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

impl Recording {
    /// Sends a request whose address is a whole one to where the policy lets it; gives
    /// the response with its body.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn send(
        &self,
        policy: &Policy,
        timeout: Duration,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, String> {
        let (mut head, body) = request.into_parts();
        let (method, url) = (head.method.to_string(), head.uri.to_string());
        let what = format!("{method} {url}");
        let index = {
            let mut asked = self.asked();
            asked.push(Asked::Pending(what.clone()));
            asked.len() - 1
        };
        // The egress writes them anew.
        for name in [CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING] {
            head.headers.remove(name);
        }
        let request = Request::from_parts(head, Full::new(body.clone()));
        let answered = self.answer(policy, timeout, request).await;
        let (became, answered) = match answered {
            Ok(response) => {
                let exchange = Exchange {
                    method,
                    url,
                    body: body.to_vec(),
                    status: response.status().as_u16(),
                    headers: texts(response.headers()),
                    answer: response.body().to_vec(),
                };
                (Asked::Answered(exchange), Ok(response))
            }
            Err(why) => {
                let why = format!("{what}: {why}");
                (Asked::Failed(why.clone()), Err(why))
            }
        };
        if let Some(one) = self.asked().get_mut(index) {
            *one = became;
        }
        answered
    }

    async fn answer(
        &self,
        policy: &Policy,
        timeout: Duration,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, String> {
        let timeouts = Timeouts::within(timeout);
        let sent = self.egress.send(policy, request, timeouts).await;
        let (mut head, body) = sent.map_err(|e| e.to_string())?.into_parts();
        let body = body.collect().await.map_err(|e| e.to_string())?;
        head.headers.remove(CONTENT_LENGTH);
        Ok(Response::from_parts(head, body.to_bytes()))
    }

    /// What was asked and answered so far, without secrets.
    #[must_use]
    pub fn exchanges(&self, redactor: &Redactor) -> Vec<Exchange> {
        let bytes = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            redactor.cover(&mut bytes);
            bytes
        };
        let text = |text: &str| covered(redactor, text);
        let exchange = |one: &Exchange| Exchange {
            method: one.method.clone(),
            url: text(&one.url),
            body: bytes(&one.body),
            status: one.status,
            headers: one
                .headers
                .iter()
                .map(|(n, v)| (n.clone(), text(v)))
                .collect(),
            answer: bytes(&one.answer),
        };
        let asked = self.asked();
        let answered = asked.iter().filter_map(|one| match one {
            Asked::Answered(one) => Some(exchange(one)),
            Asked::Pending(_) | Asked::Failed(_) => None,
        });
        answered.collect()
    }

    /// Writes what was asked and answered so far into a file that `HttpMock::cassette`
    /// reads.
    ///
    /// # Errors
    /// What cannot be recorded; nothing is written then.
    pub fn write(&self, file: &Path, redactor: &Redactor) -> Result<(), String> {
        let exchanges = self.exchanges(redactor);
        let mut problems: Vec<String> = {
            let asked = self.asked();
            let trouble = asked.iter().filter_map(|one| match one {
                Asked::Pending(what) => Some(format!("{what} was not answered in time")),
                Asked::Failed(why) => Some(why.clone()),
                Asked::Answered(_) => None,
            });
            trouble.map(|why| covered(redactor, &why)).collect()
        };
        problems.extend(exchanges.iter().filter_map(Exchange::problem));
        if exchanges.is_empty() && problems.is_empty() {
            problems.push("the action asked nothing".to_owned());
        }
        if problems.is_empty() {
            problems.extend(cassette::write(file, &exchanges).err());
        }
        match problems.as_slice() {
            [] => Ok(()),
            problems => Err(problems.join("; ")),
        }
    }

    /// Whether nothing was asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.asked().is_empty()
    }

    fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        // Nothing panics while it is held, and each state of the list is a good one.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Headers whose values are text.
fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| value.to_str().ok().map(str::to_owned);
    let each = headers.iter();
    each.filter_map(|(name, value)| Some((name.to_string(), text(value)?)))
        .collect()
}

fn covered(redactor: &Redactor, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    redactor.cover(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
