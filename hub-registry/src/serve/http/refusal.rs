//! Answers to requests that are not granted, in the shape that the
//! specification gives errors.

use std::io;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{
    ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use serde_json::{Value, json};

use super::super::content::InvalidDigest;
use super::super::name::InvalidName;
use super::super::tokens::TokenError;

/// An error of the specification: its status, code and words.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Vec<Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

pub(super) type Answer = Result<Response, Refusal>;

/// The challenge: a token as the password of any user.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"Nebula hub\"");
/// Seconds after which there may be room for another upload.
const LATER: HeaderValue = HeaderValue::from_static("10");

impl Refusal {
    /// A refusal with a code of the specification's table.
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// One error for each of these.
    pub(super) fn details(mut self, details: Vec<Value>) -> Self {
        self.details = details;
        self
    }

    /// With another header.
    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn at(self, location: &str) -> Self {
        match HeaderValue::try_from(location) {
            Ok(location) => self.header(LOCATION, location),
            Err(_) => self,
        }
    }

    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message)
            .header(WWW_AUTHENTICATE, CHALLENGE)
    }

    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "DENIED", message)
    }

    pub(super) fn unsupported(message: impl Into<String>, allow: &'static str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
            .header(ALLOW, HeaderValue::from_static(allow))
    }

    pub(super) fn busy(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", message)
            .header(RETRY_AFTER, LATER)
    }

    pub(super) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(super) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    fn trouble(status: StatusCode, message: &str) -> Self {
        // The specification's table has no code for what is no client's fault.
        Self::new(status, "UNKNOWN", message)
    }
}

impl From<io::Error> for Refusal {
    /// Paths stay in the log.
    fn from(error: io::Error) -> Self {
        tracing::error!(%error, "the hub's folder cannot be used");
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::trouble(
                StatusCode::INSUFFICIENT_STORAGE,
                "the hub has no space left; nothing was changed: make room on its disk, then push again",
            ),
            _ => Self::trouble(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the hub cannot use its folder; its log says more",
            ),
        }
    }
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        tracing::error!(%error, "the hub's tokens cannot be used");
        Self::trouble(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the hub cannot read its tokens; its log says more",
        )
    }
}

impl From<tokio::task::JoinError> for Refusal {
    fn from(error: tokio::task::JoinError) -> Self {
        tracing::error!(%error, "the hub made a mistake");
        Self::trouble(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the hub made a mistake; its log says more",
        )
    }
}

impl From<InvalidDigest> for Refusal {
    fn from(error: InvalidDigest) -> Self {
        Self::invalid("DIGEST_INVALID", format!("that is no digest: {error}"))
    }
}

impl From<InvalidName> for Refusal {
    fn from(error: InvalidName) -> Self {
        let code = match error {
            InvalidName::Repository => "NAME_INVALID",
            InvalidName::Tag => "MANIFEST_INVALID",
        };
        Self::invalid(code, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = |detail: Value| {
            let mut error = json!({ "code": self.code, "message": self.message });
            if !detail.is_null() {
                error["detail"] = detail;
            }
            error
        };
        let errors: Vec<Value> = if self.details.is_empty() {
            vec![error(Value::Null)]
        } else {
            self.details.into_iter().map(error).collect()
        };
        let mut response = Response::new(Body::from(json!({ "errors": errors }).to_string()));
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers);
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }
}
