//! What is asked, built step by step.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde::Serialize;

use super::{HttpError, Multipart, Response, ResponseStream, Upload, url};
use crate::context::ActionContext;

/// As large as a payload may be, with room for the text form.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// Before a request is tried again for the first time.
const FIRST_DELAY: Duration = Duration::from_millis(200);

/// Before it is tried again at all.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// A request, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Upper case, e.g. `GET`.
    pub method: String,
    /// Absolute, `http` or `https`.
    pub url: String,
    /// In order; names as they were given.
    pub headers: Vec<(String, String)>,
    /// The credentials that the host adds, by the name that the action's code uses.
    pub credentials: Vec<String>,
    /// The bytes sent.
    pub body: Vec<u8>,
    /// For the connection, the first byte and between bytes, each; the host
    /// clamps it to what is left of the call.
    pub timeout: Option<Duration>,
    /// The largest response body that is read, bytes.
    pub max_body: usize,
}

/// Builds a [`Request`]. What is wrong with it is said by [`send`](Self::send).
#[derive(Debug)]
pub struct RequestBuilder<'a> {
    ctx: &'a ActionContext,
    request: Request,
    /// How often it may be tried again.
    retries: u32,
    error: Option<HttpError>,
}

impl<'a> RequestBuilder<'a> {
    pub(super) fn new(ctx: &'a ActionContext, mut method: String, url: String) -> Self {
        method.make_ascii_uppercase();
        let request = Request {
            method,
            url,
            headers: Vec::new(),
            credentials: Vec::new(),
            body: Vec::new(),
            timeout: None,
            max_body: MAX_BODY,
        };
        Self {
            ctx,
            request,
            retries: 0,
            error: None,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a parameter to the address, percent-encoded.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl AsRef<str>) -> Self {
        url::add_parameter(&mut self.request.url, name, value.as_ref());
        self
    }

    /// Sends `Authorization: Bearer <token>`; the token may be a credential.
    #[must_use]
    pub fn bearer(self, token: impl AsRef<str>) -> Self {
        let value = ["Bearer ", token.as_ref()].concat();
        self.header("authorization", value)
    }

    /// Has the host add a credential as its kind says: in a header, or as the certificate
    /// of the connection. A text is sent as a bearer token. Where a redirect leads to
    /// another server, it gets none.
    #[must_use]
    pub fn credential(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if let Err(error) = self.ctx.backend.credential(&name) {
            self.error = Some(HttpError::Denied(error.to_string()));
        }
        self.request.credentials.push(name);
        self
    }

    /// Sends a value as JSON.
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.request.body = body,
            Err(e) => self.error = Some(HttpError::InvalidRequest(e.to_string())),
        }
        if self.has_header("content-type") {
            self
        } else {
            self.header("content-type", "application/json")
        }
    }

    /// Sends fields as a form does (`application/x-www-form-urlencoded`).
    #[must_use]
    pub fn form<N: AsRef<str>, V: AsRef<str>>(
        mut self,
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.request.body = url::form(fields).into_bytes();
        if self.has_header("content-type") {
            self
        } else {
            self.header("content-type", "application/x-www-form-urlencoded")
        }
    }

    /// Sends fields and files as a form does (`multipart/form-data`).
    #[must_use]
    pub fn multipart(mut self, form: Multipart) -> Self {
        match form.encode() {
            Ok((media_type, body)) => {
                self.request.body = body;
                self.header("content-type", media_type)
            }
            Err(error) => {
                self.error = Some(error);
                self
            }
        }
    }

    /// Sends bytes or text.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request.body = body.into();
        self
    }

    /// Sends an `Idempotency-Key` that is equal on every attempt of the step,
    /// so that a server that knows such keys does the operation only once.
    /// Each operation of an action needs a name of its own.
    #[must_use]
    pub fn idempotent(self, operation: &str) -> Self {
        let key = self.ctx.idempotency_key(operation);
        self.header("idempotency-key", key)
    }

    /// How long to wait for the connection, for the first byte and between
    /// bytes, each.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.request.timeout = Some(timeout);
        self
    }

    /// The largest response body that is read, in bytes; 8 MiB if not given.
    #[must_use]
    pub const fn max_body(mut self, bytes: usize) -> Self {
        self.request.max_body = bytes;
        self
    }

    /// Has [`send`](Self::send) try again up to so many times where no answer came in
    /// time, the connection broke, or the answer is 429, 502, 503 or 504: after
    /// `Retry-After`, or 200 ms and twice as long each time, but never after more than
    /// ten seconds. Only what does no harm twice is tried again: GET, HEAD, OPTIONS, PUT,
    /// DELETE, and what is [`idempotent`](Self::idempotent). Longer waits are the node's
    /// business: its `retry`.
    #[must_use]
    pub const fn retries(mut self, times: u32) -> Self {
        self.retries = times;
        self
    }

    /// Sends it and reads the whole response. A status is no error; see
    /// [`Response::error_for_status`].
    ///
    /// # Errors
    /// When there is no complete response.
    pub async fn send(self) -> Result<Response, HttpError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.retries == 0 || !self.may_be_repeated() {
            return self.ctx.backend.send(self.request).await;
        }
        let mut delay = FIRST_DELAY;
        for _ in 0..self.retries {
            let answer = self.ctx.backend.send(self.request.clone()).await;
            let asked = match &answer {
                Ok(response) if matches!(response.status(), 429 | 502 | 503 | 504) => {
                    response.retry_after()
                }
                Err(error) if error.is_retryable() => None,
                _ => return answer,
            };
            let wait = asked.unwrap_or(delay);
            if wait > LONGEST_DELAY {
                return answer;
            }
            self.ctx.backend.sleep(wait).await;
            delay = delay.saturating_mul(2);
        }
        self.ctx.backend.send(self.request).await
    }

    /// Sends it and gives the response as soon as its head is there; its body is read in
    /// parts. Nothing is tried again.
    ///
    /// # Errors
    /// When there is no response.
    pub async fn stream(self) -> Result<ResponseStream, HttpError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let limit = self.request.max_body;
        let (head, body) = self.ctx.backend.open(self.request).await?;
        Ok(ResponseStream {
            head,
            body,
            left: limit,
            limit,
        })
    }

    /// Begins to send it; its body is written in parts, behind what was given as its body.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub async fn upload(self) -> Result<Upload<'a>, HttpError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let max_body = self.request.max_body;
        let mut request = self.request;
        let first = core::mem::take(&mut request.body);
        let mut upload = Upload {
            ctx: self.ctx,
            outgoing: self.ctx.backend.upload(request)?,
            max_body,
        };
        if !first.is_empty() {
            upload.write(&first).await?;
        }
        Ok(upload)
    }

    fn may_be_repeated(&self) -> bool {
        let harmless = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"];
        harmless.contains(&self.request.method.as_str()) || self.has_header("idempotency-key")
    }

    fn has_header(&self, name: &str) -> bool {
        self.request
            .headers
            .iter()
            .any(|(n, _)| n.eq_ignore_ascii_case(name))
    }
}
