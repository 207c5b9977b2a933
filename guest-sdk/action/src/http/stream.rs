//! Bodies in parts: an answer as it comes, and a body as it is made.

use alloc::string::String;
use alloc::vec::Vec;

use super::{HttpError, Response};
use crate::backend::{Incoming, Outgoing};
use crate::context::ActionContext;

/// A response whose body is read as it comes.
#[derive(Debug)]
pub struct ResponseStream {
    pub(super) head: Response,
    pub(super) body: Incoming,
    /// Bytes that may still come, of those that may come at all.
    pub(super) left: usize,
    pub(super) limit: usize,
}

impl ResponseStream {
    /// For example 200.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.head.status()
    }

    /// Whether the status is 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.head.is_success()
    }

    /// All headers, in order.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        self.head.headers()
    }

    /// The first header of that name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The response itself if its status is below 400.
    ///
    /// # Errors
    /// As of [`Response::error_for_status`].
    pub fn error_for_status(mut self) -> Result<Self, HttpError> {
        self.head = self.head.error_for_status()?;
        Ok(self)
    }

    /// The next part of the body; none at its end.
    ///
    /// # Errors
    /// When there is no next part, or the body is larger than it may be.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, HttpError> {
        let Some(part) = self.body.chunk().await? else {
            return Ok(None);
        };
        match self.left.checked_sub(part.len()) {
            Some(left) => self.left = left,
            None => return Err(HttpError::TooLarge { limit: self.limit }),
        }
        Ok(Some(part))
    }
}

/// A request whose body is sent as it is made.
#[derive(Debug)]
pub struct Upload<'a> {
    pub(super) ctx: &'a ActionContext,
    pub(super) outgoing: Outgoing,
    pub(super) max_body: usize,
}

impl Upload<'_> {
    /// Sends the next part. A server may answer before it has read everything, and read
    /// no more: [`finish`](Self::finish) gives that answer.
    ///
    /// # Errors
    /// When it is not taken.
    pub async fn write(&mut self, part: &[u8]) -> Result<(), HttpError> {
        self.outgoing.write(part).await
    }

    /// The end of the body; reads the whole response.
    ///
    /// # Errors
    /// When there is no complete response.
    pub async fn finish(self) -> Result<Response, HttpError> {
        self.ctx.backend.finish(self.outgoing, self.max_body).await
    }
}
