//! What is asked, built step by step.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde::Serialize;

use super::{HttpError, Response, url};
use crate::context::ActionContext;

/// As large as a payload may be, with room for the text form.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// A request, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Upper case, e.g. `GET`.
    pub method: String,
    /// Absolute, `http` or `https`.
    pub url: String,
    /// In order; names as they were given.
    pub headers: Vec<(String, String)>,
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
    error: Option<HttpError>,
}

impl<'a> RequestBuilder<'a> {
    pub(super) fn new(ctx: &'a ActionContext, mut method: String, url: String) -> Self {
        method.make_ascii_uppercase();
        let request = Request {
            method,
            url,
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
            max_body: MAX_BODY,
        };
        Self {
            ctx,
            request,
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

    /// Sends it and reads the whole response. A status is no error; see
    /// [`Response::error_for_status`].
    ///
    /// # Errors
    /// When there is no complete response.
    pub async fn send(self) -> Result<Response, HttpError> {
        match self.error {
            Some(error) => Err(error),
            None => self.ctx.backend.send(self.request).await,
        }
    }

    fn has_header(&self, name: &str) -> bool {
        self.request
            .headers
            .iter()
            .any(|(n, _)| n.eq_ignore_ascii_case(name))
    }
}
