//! A kept HTTP connection to a node, as the programs use it.

use std::sync::Arc;

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
