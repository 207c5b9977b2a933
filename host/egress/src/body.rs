//! Bodies with caps in bytes, in chunks and in time.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep};

use crate::error::EgressError;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How much of a body may pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cap {
    pub(crate) bytes: u64,
    pub(crate) chunks: u64,
}

/// What has passed of it.
#[derive(Debug)]
struct Meter {
    cap: Cap,
    bytes: u64,
    chunks: u64,
    host: String,
    what: &'static str,
}

impl Meter {
    fn count(&mut self, data: &Bytes) -> Result<(), EgressError> {
        self.bytes = self.bytes.saturating_add(data.len() as u64);
        self.chunks += 1;
        let over = |limit| EgressError::TooLarge {
            host: self.host.clone(),
            what: self.what,
            limit,
        };
        if self.bytes > self.cap.bytes {
            return Err(over(format!("{} bytes", self.cap.bytes)));
        }
        if self.chunks > self.cap.chunks {
            return Err(over(format!("{} chunks", self.cap.chunks)));
        }
        Ok(())
    }
}

// ------------------------------------------------------------ the request --

/// What went wrong with the request's body, for whoever waits for the response.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fault(Arc<Mutex<Option<EgressError>>>);

impl Fault {
    fn set(&self, error: &EgressError) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| error.clone());
    }

    pub(crate) fn get(&self) -> Option<EgressError> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A guest's body on its way out.
pub(crate) struct RequestBody<B> {
    inner: Pin<Box<B>>,
    meter: Meter,
    declared: Option<u64>,
    fault: Fault,
    ended: bool,
}

impl<B: Body<Data = Bytes>> RequestBody<B> {
    /// Refuses at once what is already known to be too long or of another
    /// length than declared.
    pub(crate) fn new(
        inner: B,
        declared: Option<u64>,
        cap: Cap,
        host: String,
        fault: Fault,
    ) -> Result<Self, EgressError> {
        let hint = inner.size_hint();
        let known = hint.exact();
        if declared.unwrap_or(0).max(hint.lower()) > cap.bytes {
            let limit = format!("{} bytes", cap.bytes);
            return Err(EgressError::TooLarge {
                host,
                what: "request body for",
                limit,
            });
        }
        if let (Some(declared), Some(known)) = (declared, known)
            && declared != known
        {
            let reason = format!("`content-length` says {declared} bytes, the body has {known}");
            return Err(EgressError::RequestBody { host, reason });
        }
        let ended = inner.is_end_stream() && declared.unwrap_or(0) == 0;
        let meter = Meter {
            cap,
            bytes: 0,
            chunks: 0,
            host,
            what: "request body for",
        };
        Ok(Self {
            inner: Box::pin(inner),
            meter,
            declared: declared.or(known),
            fault,
            ended,
        })
    }

    fn incomplete(&self, reason: String) -> EgressError {
        EgressError::RequestBody {
            host: self.meter.host.clone(),
            reason,
        }
    }

    fn checked(
        &mut self,
        frame: Option<Result<Frame<Bytes>, BoxError>>,
    ) -> Result<Option<Bytes>, EgressError> {
        let frame = frame
            .transpose()
            .map_err(|error| self.incomplete(error.to_string()))?;
        let declared = self.declared;
        let wrong = |body: &Self, what| {
            let declared = declared.unwrap_or_default();
            Err(body.incomplete(format!(
                "`content-length` says {declared} bytes, the body has {what}"
            )))
        };
        let Some(frame) = frame else {
            return match declared {
                Some(declared) if self.meter.bytes < declared => wrong(self, "less"),
                _ => Ok(None),
            };
        };
        let Ok(data) = frame.into_data() else {
            return Err(self.incomplete("trailers are not allowed".into()));
        };
        self.meter.count(&data)?;
        match declared {
            Some(declared) if self.meter.bytes > declared => wrong(self, "more"),
            _ => Ok(Some(data)),
        }
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame =
            ready!(self.inner.as_mut().poll_frame(cx)).map(|frame| frame.map_err(Into::into));
        let checked = self.checked(frame);
        self.ended = !matches!(checked, Ok(Some(_)));
        if let Err(error) = &checked {
            self.fault.set(error);
        }
        Poll::Ready(checked.map(|data| data.map(Frame::data)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.ended
            || (self.inner.is_end_stream()
                && self
                    .declared
                    .is_none_or(|length| length == self.meter.bytes))
    }

    fn size_hint(&self) -> SizeHint {
        match self.declared {
            Some(length) => SizeHint::with_exact(length.saturating_sub(self.meter.bytes)),
            None => SizeHint::default(),
        }
    }
}

// ----------------------------------------------------------- the response --

/// The task that drives a connection; it ends with whoever holds this.
#[derive(Debug)]
pub(crate) struct Connection(pub(crate) JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How long a body may keep its reader waiting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// For each frame.
    pub(crate) between: Duration,
    /// For all of it.
    pub(crate) deadline: Instant,
    /// What the deadline was when the request began, for the message.
    pub(crate) total: Duration,
}

/// A response's body. Ends with an error once it is over a cap or a time limit;
/// the connection ends with it. Dropping it closes the connection.
#[derive(Debug)]
pub struct ResponseBody {
    incoming: Incoming,
    meter: Meter,
    pace: Pace,
    timer: Pin<Box<Sleep>>,
    waiting: bool,
    ended: bool,
    fault: Fault,
    connection: Option<Connection>,
}

impl ResponseBody {
    pub(crate) fn new(
        incoming: Incoming,
        cap: Cap,
        pace: Pace,
        host: String,
        fault: Fault,
        connection: Connection,
    ) -> Result<Self, EgressError> {
        if incoming.size_hint().lower() > cap.bytes {
            let limit = format!("{} bytes", cap.bytes);
            return Err(EgressError::TooLarge {
                host,
                what: "response body of",
                limit,
            });
        }
        let meter = Meter {
            cap,
            bytes: 0,
            chunks: 0,
            host,
            what: "response body of",
        };
        let timer = Box::pin(tokio::time::sleep_until(pace.deadline));
        let connection = Some(connection);
        Ok(Self {
            incoming,
            meter,
            pace,
            timer,
            waiting: false,
            ended: false,
            fault,
            connection,
        })
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<EgressError> {
        let now = Instant::now();
        if !self.waiting {
            self.waiting = true;
            self.timer
                .as_mut()
                .reset(self.pace.deadline.min(now + self.pace.between));
        }
        ready!(self.timer.as_mut().poll(cx));
        let limit = if now >= self.pace.deadline {
            self.pace.total
        } else {
            self.pace.between
        };
        let host = self.meter.host.clone();
        Poll::Ready(EgressError::Timeout {
            host,
            phase: "send its response body",
            limit,
        })
    }

    fn end(&mut self) {
        self.ended = true;
        self.connection = None;
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        let error = match polled {
            Poll::Pending => ready!(self.wait(cx)),
            Poll::Ready(None) => {
                self.end();
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.waiting = false;
                match frame
                    .data_ref()
                    .map_or(Ok(()), |data| self.meter.count(data))
                {
                    Ok(()) => return Poll::Ready(Some(Ok(frame))),
                    Err(error) => error,
                }
            }
            Poll::Ready(Some(Err(error))) => {
                self.fault.get().unwrap_or_else(|| EgressError::Protocol {
                    host: self.meter.host.clone(),
                    reason: error.to_string(),
                })
            }
        };
        self.end();
        Poll::Ready(Some(Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
