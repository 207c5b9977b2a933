//! The node's API over HTTP/1.1.

use std::path::Path;

use bytes::{Buf, Bytes};
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::connect::Way;
use crate::error::{Error, Result};

/// A node's address.
#[derive(Clone)]
pub(crate) struct Client {
    way: Way,
    key: Option<HeaderValue>,
}

/// What is sent besides method and path.
#[derive(Debug, Default)]
pub(crate) struct Body {
    /// The media type; none for an empty body.
    pub(crate) content_type: Option<&'static str>,
    /// The bytes.
    pub(crate) bytes: Bytes,
    /// Further headers.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The file the body came from, for positions in errors.
    pub(crate) file: Option<String>,
}

impl Body {
    /// A JSON body.
    pub(crate) fn json(value: &Value) -> Self {
        Self {
            content_type: Some("application/json"),
            bytes: value.to_string().into(),
            ..Self::default()
        }
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Client {
    /// A node at this address; `roots` are those of its certificate, if they
    /// are not the system's.
    pub(crate) fn new(address: &str, roots: Option<&Path>) -> Result<Self> {
        Ok(Self {
            way: Way::new(address, roots)?,
            key: None,
        })
    }

    /// Sends this key with each request; never where others could read it.
    pub(crate) fn with_key(mut self, key: Option<String>) -> Result<Self> {
        let Some(key) = key else { return Ok(self) };
        if self.way.is_open() {
            let authority = &self.way.authority;
            return Err(Error::refused(format!(
                "the key would travel to {authority} in the clear"
            ))
            .hint("address the node as https://…, or take the key away"));
        }
        let mut value = HeaderValue::try_from(format!("Bearer {key}"))
            .map_err(|_| Error::refused("what was given as a key is not one"))?;
        value.set_sensitive(true);
        self.key = Some(value);
        Ok(self)
    }

    /// GET, as JSON.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, Body::default()).await
    }

    /// Any method, as JSON; `null` for an empty answer. A refusal is an error.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Body) -> Result<Value> {
        let file = body.file.clone();
        let response = self.send(method, path, body).await?;
        let status = response.status();
        let bytes = response
            .into_body()
            .collect()
            .await
            .map_err(|e| self.lost(&e))?
            .to_bytes();
        if status.is_success() {
            return if bytes.is_empty() {
                Ok(Value::Null)
            } else {
                parse(&bytes)
            };
        }
        Err(Error::from_problem(
            status.as_u16(),
            &parse(&bytes).unwrap_or_default(),
            file.as_deref(),
        ))
    }

    /// A server-sent event stream, from the beginning or after an event's id;
    /// empty when nothing follows that event.
    pub(crate) async fn events_after(&self, path: &str, last: Option<&str>) -> Result<Events> {
        let body = match last {
            Some(last) => Body::default().header("last-event-id", last),
            None => Body::default(),
        };
        self.stream(Method::GET, path, body).await
    }

    /// What a request is answered with as a stream of server-sent events. A refusal is
    /// an error.
    pub(crate) async fn stream(&self, method: Method, path: &str, body: Body) -> Result<Events> {
        let body = body.header("accept", "text/event-stream");
        let response = self.send(method, path, body).await?;
        let status = response.status();
        if !matches!(status, StatusCode::OK | StatusCode::NO_CONTENT) {
            let bytes = response
                .into_body()
                .collect()
                .await
                .map_err(|e| self.lost(&e))?
                .to_bytes();
            return Err(Error::from_problem(
                status.as_u16(),
                &parse(&bytes).unwrap_or_default(),
                None,
            ));
        }
        Ok(Events {
            body: response.into_body(),
            buffer: Vec::new(),
        })
    }

    async fn send(&self, method: Method, path: &str, body: Body) -> Result<Response<Incoming>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.way.authority);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key);
        }
        if let Some(content_type) = body.content_type {
            request = request.header("content-type", content_type);
        }
        for (name, value) in body.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::new(body.bytes))
            .map_err(|e| Error::refused(format!("the request cannot be made: {e}")))?;
        let stream = self.way.connect().await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| self.lost(&e))?;
        tokio::spawn(connection);
        sender
            .send_request(request)
            .await
            .map_err(|e| self.lost(&e))
    }

    fn lost(&self, error: &dyn std::fmt::Display) -> Error {
        Error::node(format!(
            "the connection to {} was lost: {error}",
            self.way.authority
        ))
    }
}

fn parse(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes)
        .map_err(|e| Error::node(format!("the node's answer is not JSON: {e}")))
}

/// A stream of server-sent events.
pub(crate) struct Events {
    body: Incoming,
    buffer: Vec<u8>,
}

/// One event.
pub(crate) struct Event {
    /// Its `id:` line, for resuming.
    pub(crate) id: Option<String>,
    /// Its `event:` line.
    pub(crate) kind: Option<String>,
    /// Its `data:`, JSON.
    pub(crate) data: Value,
}

impl Events {
    /// The next event; `None` once the node has said all.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|w| w == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if let Some(event) = read(&String::from_utf8_lossy(&block)) {
                    return Ok(Some(event));
                }
                continue;
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(mut data) = frame.into_data() {
                        self.buffer
                            .extend_from_slice(&data.copy_to_bytes(data.remaining()));
                    }
                }
                Some(Err(e)) => return Err(Error::node(format!("the event stream was cut: {e}"))),
            }
        }
    }
}

fn read(block: &str) -> Option<Event> {
    let (mut id, mut kind) = (None, None);
    let mut data = String::new();
    for line in block.lines() {
        if let Some(value) = line.strip_prefix("id:") {
            id = Some(value.trim().to_owned());
        } else if let Some(value) = line.strip_prefix("event:") {
            kind = Some(value.trim().to_owned());
        } else if let Some(value) = line.strip_prefix("data:") {
            data.push_str(value.trim_start());
        }
    }
    serde_json::from_str(&data)
        .ok()
        .map(|data| Event { id, kind, data })
}
