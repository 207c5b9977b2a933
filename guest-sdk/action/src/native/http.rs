//! Requests in a unit test: what was prepared answers them, or a function of the test.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;

use super::Backend;
use crate::http::{HttpError, Request, Response, url};

/// Bytes of each part of a body.
const CHUNK: usize = 64 * 1024;

/// What answers a request for which no response was prepared.
#[derive(Clone)]
pub(super) struct Http(pub(super) Arc<Answer>);

pub(super) type Answer = dyn Fn(&Request) -> Result<Response, HttpError> + Send + Sync;

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Http(…)")
    }
}

impl Backend {
    pub(crate) fn send(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<Response, HttpError>> + use<> {
        std::future::ready(self.answer(request))
    }

    pub(crate) fn open(
        &self,
        request: Request,
    ) -> impl Future<Output = Result<(Response, Incoming), HttpError>> + use<> {
        let answer = self.answer(request).map(|mut head| {
            let body = std::mem::take(&mut head.body);
            (
                head,
                Incoming(body.chunks(CHUNK).map(<[u8]>::to_vec).collect()),
            )
        });
        std::future::ready(answer)
    }

    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the backend in the sandbox has the same methods"
    )]
    pub(crate) fn upload(&self, request: Request) -> Result<Outgoing, HttpError> {
        Ok(Outgoing(request))
    }

    pub(crate) fn finish(
        &self,
        Outgoing(request): Outgoing,
        max_body: usize,
    ) -> impl Future<Output = Result<Response, HttpError>> + use<> {
        self.send(Request {
            max_body,
            ..request
        })
    }

    /// The request with what the host adds.
    fn completed(&self, mut request: Request) -> Result<Request, HttpError> {
        let state = self.state();
        for name in &request.credentials {
            // That it is there was said when it was named.
            let Some(Ok(credential)) = state.credentials.get(name) else {
                continue;
            };
            let Some((header, value)) = credential.header() else {
                continue;
            };
            let mut given = request.headers.iter();
            if given.any(|(name, _)| name.eq_ignore_ascii_case(&header)) {
                return Err(HttpError::Denied(format!(
                    "credential `{name}` sets `{header}`, as the request does; leave one out"
                )));
            }
            request.headers.push((header, value));
        }
        Ok(request)
    }

    fn answer(&self, request: Request) -> Result<Response, HttpError> {
        let request = self.completed(request)?;
        if url::split(&request.url).is_none() {
            return Err(HttpError::InvalidRequest(format!(
                "`{}` is not an http address",
                request.url
            )));
        }
        let mut state = self.state();
        let key = (request.method.clone(), request.url.clone());
        let max = request.max_body;
        let http = state.http.clone();
        state.requests.push(request.clone());
        let answer = match state.responses.get_mut(&key) {
            Some(queue) if queue.len() > 1 => queue.pop_front(),
            Some(queue) => queue.front().cloned(),
            None => None,
        };
        drop(state);
        match answer.or_else(|| http.map(|Http(answer)| answer(&request))) {
            Some(Ok(response)) if response.body.len() > max => {
                Err(HttpError::TooLarge { limit: max })
            }
            Some(answer) => answer,
            None => Err(HttpError::Denied(format!(
                "the test context has no response for {} {}",
                key.0, key.1
            ))),
        }
    }
}

/// The body of a response, in parts.
#[derive(Debug)]
pub struct Incoming(VecDeque<Vec<u8>>);

impl Incoming {
    pub(crate) fn chunk(
        &mut self,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, HttpError>> + use<> {
        std::future::ready(Ok(self.0.pop_front()))
    }
}

/// A request whose body is being made.
#[derive(Debug)]
pub struct Outgoing(Request);

impl Outgoing {
    pub(crate) fn write(
        &mut self,
        part: &[u8],
    ) -> impl Future<Output = Result<(), HttpError>> + use<> {
        self.0.body.extend_from_slice(part);
        std::future::ready(Ok(()))
    }
}
