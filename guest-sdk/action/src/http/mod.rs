//! Requests to the hosts that the action was granted.
//!
//! - `request`: what is asked, built step by step.
//! - `multipart`: forms with files.
//! - `response`: what came back.
//! - `stream`: bodies in parts.
//! - `url`: the parts of an address, and percent-encoding.

use alloc::string::{String, ToString};
use core::fmt;
use core::time::Duration;

use crate::context::ActionContext;
use crate::error::ActionError;

mod multipart;
mod request;
mod response;
mod stream;
pub(crate) mod url;

pub use multipart::Multipart;
pub use request::{Request, RequestBuilder};
pub use response::Response;
pub use stream::{ResponseStream, Upload};

/// Makes requests: `ctx.http().get(url).send().await?`.
#[derive(Debug, Clone, Copy)]
pub struct Http<'a> {
    ctx: &'a ActionContext,
}

impl<'a> Http<'a> {
    pub(crate) const fn new(ctx: &'a ActionContext) -> Self {
        Self { ctx }
    }

    /// A request with any method.
    #[must_use]
    pub fn request(self, method: impl Into<String>, url: impl Into<String>) -> RequestBuilder<'a> {
        RequestBuilder::new(self.ctx, method.into(), url.into())
    }

    /// A GET request.
    #[must_use]
    pub fn get(self, url: impl Into<String>) -> RequestBuilder<'a> {
        self.request("GET", url)
    }

    /// A POST request.
    #[must_use]
    pub fn post(self, url: impl Into<String>) -> RequestBuilder<'a> {
        self.request("POST", url)
    }

    /// A PUT request.
    #[must_use]
    pub fn put(self, url: impl Into<String>) -> RequestBuilder<'a> {
        self.request("PUT", url)
    }

    /// A PATCH request.
    #[must_use]
    pub fn patch(self, url: impl Into<String>) -> RequestBuilder<'a> {
        self.request("PATCH", url)
    }

    /// A DELETE request.
    #[must_use]
    pub fn delete(self, url: impl Into<String>) -> RequestBuilder<'a> {
        self.request("DELETE", url)
    }
}

/// Why a request brought no usable response. With `?` it becomes an
/// [`ActionError`]: retryable if the cause may pass, else permanent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpError {
    /// The request is not one: a bad address, header or body.
    InvalidRequest(String),
    /// The host does not let this action go there.
    Denied(String),
    /// Nothing came in time.
    Timeout(String),
    /// There was no connection, or it broke.
    Connection(String),
    /// The response is larger than [`RequestBuilder::max_body`].
    TooLarge {
        /// Bytes that are allowed.
        limit: usize,
    },
    /// The response is not what it should be.
    InvalidResponse(String),
    /// A status that [`Response::error_for_status`] does not take.
    Status {
        /// For example 503.
        status: u16,
        /// As the server asked by `Retry-After`.
        retry_after: Option<Duration>,
    },
}

impl HttpError {
    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::Connection(_) => true,
            Self::Status { status, .. } => {
                matches!(status, 408 | 425 | 429) || (*status >= 500 && *status != 501)
            }
            _ => false,
        }
    }

    pub(crate) fn to_action_error(&self) -> ActionError {
        let message = self.to_string();
        match self {
            Self::Status { retry_after, .. } if self.is_retryable() => ActionError::Retryable {
                message,
                delay: *retry_after,
            },
            _ if self.is_retryable() => ActionError::retryable(message),
            _ => ActionError::Permanent(message),
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidRequest(why) => write!(f, "the request is invalid: {why}"),
            Self::Denied(why) => write!(f, "the request was refused: {why}"),
            Self::Timeout(why) => write!(f, "the request timed out: {why}"),
            Self::Connection(why) => write!(f, "the connection failed: {why}"),
            Self::TooLarge { limit } => write!(f, "the response has more than {limit} bytes"),
            Self::InvalidResponse(why) => write!(f, "the response is invalid: {why}"),
            Self::Status { status, .. } => write!(f, "the server answered with status {status}"),
        }
    }
}

impl core::error::Error for HttpError {}
