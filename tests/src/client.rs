//! A kept HTTP connection to a node, as the programs use it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;

/// What keeps an answer away.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A kept connection to a node.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: Arc<str>,
}

impl Connection {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn open(address: &str) -> Result<Self, Error> {
        #[expect(clippy::disallowed_methods, reason = "a node of ours, on loopback")]
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: address.into(),
        })
    }

    /// Whether the connection is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// GET, as JSON.
    ///
    /// # Errors
    /// When the connection breaks or the answer is no success.
    pub async fn get(&mut self, path: &str) -> Result<Value, Error> {
        successful(self.send(Method::GET, path, &[], Bytes::new()).await?)
    }

    /// POST of JSON, as JSON.
    ///
    /// # Errors
    /// When the connection breaks or the answer is no success.
    pub async fn post(&mut self, path: &str, body: Bytes) -> Result<Value, Error> {
        successful(self.send(Method::POST, path, &[], body).await?)
    }

    /// Follows a stream of server-sent events until it ends, breaks or has taken
    /// this long, and gives their data.
    ///
    /// # Errors
    /// When no stream begins.
    pub async fn follow(mut self, path: &str, time: Duration) -> Result<Vec<Value>, Error> {
        let request = Request::get(path)
            .header("host", &*self.host)
            .header("accept", "text/event-stream");
        self.sender.ready().await?;
        let request = request.body(Full::new(Bytes::new()))?;
        let response = self.sender.send_request(request).await?;
        if !response.status().is_success() {
            return Err(response.status().to_string().into());
        }
        let mut body = response.into_body();
        let mut text = Vec::new();
        let read = async {
            while let Some(Ok(frame)) = body.frame().await {
                text.extend(frame.data_ref().into_iter().flatten());
            }
        };
        let _ = tokio::time::timeout(time, read).await;
        // What stands behind the last line's end may have been cut.
        let whole = text.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        let text = String::from_utf8_lossy(&text[..whole]);
        let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
        data.map(|data| Ok(serde_json::from_str(data)?)).collect()
    }

    /// Any request, its body JSON if it has one.
    ///
    /// # Errors
    /// When the connection breaks or the answer is no JSON.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<(StatusCode, Value), Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &*self.host);
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await?;
        let response = self
            .sender
            .send_request(request.body(Full::new(body))?)
            .await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        let value = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes)?
        };
        Ok((status, value))
    }
}

fn successful((status, value): (StatusCode, Value)) -> Result<Value, Error> {
    if status.is_success() {
        Ok(value)
    } else {
        Err(format!("{status}: {value}").into())
    }
}
