//! What came back.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde::de::DeserializeOwned;

use super::HttpError;

/// A response, read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// A response for a test: `Response::new(200).with_body("…")`.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with another body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// For example 200.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status is 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// All headers, in order.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The first header of that name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// `Retry-After` in seconds; a date is not read, as an action without a
    /// clock would not know what to do with it.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?
            .trim()
            .parse()
            .ok()
            .map(Duration::from_secs)
    }

    /// The body.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.body
    }

    /// The body as text.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn text(&self) -> Result<&str, HttpError> {
        core::str::from_utf8(&self.body).map_err(|e| HttpError::InvalidResponse(e.to_string()))
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    /// When it is not JSON of that type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        serde_json::from_slice(&self.body).map_err(|e| HttpError::InvalidResponse(e.to_string()))
    }

    /// The response itself if its status is below 400.
    ///
    /// # Errors
    /// Else [`HttpError::Status`], retryable for 408, 425, 429 and 5xx other
    /// than 501, not before `Retry-After`.
    pub fn error_for_status(self) -> Result<Self, HttpError> {
        if self.status < 400 {
            Ok(self)
        } else {
            Err(HttpError::Status {
                status: self.status,
                retry_after: self.retry_after(),
            })
        }
    }
}
