//! A server on loopback, on a free port.

use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::error::{Error, Result};

/// The largest request body that is read: a little over what a guest can send.
const MAX_BODY: usize = 16 << 20;

/// The server, for as long as this lives.
pub(super) struct Server {
    address: SocketAddr,
    task: tokio::task::AbortHandle,
}

impl Server {
    /// Answers requests by a function; `whose` it is stands in errors.
    pub(super) async fn start<F, R>(whose: &str, answer: F) -> Result<Self>
    where
        F: Fn(Request<Bytes>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let cannot = |e: std::io::Error| {
            Error::node(format!(
                "the server of {whose} cannot listen on loopback: {e}"
            ))
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let task = tokio::spawn(serve(listener, answer)).abort_handle();
        Ok(Self { address, task })
    }

    /// Where a grant leads to it.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<F, R>(listener: TcpListener, answer: F)
where
    F: Fn(Request<Bytes>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        let answer = answer.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer.clone();
            async move {
                let request = whole(request).await;
                let answering = answer(request);
                Ok::<_, Infallible>(answering.await)
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        // A guest may hang up at any time.
        tokio::spawn(async move {
            let _ = connection.await;
        });
    }
}

/// With its body. One that breaks off is as good as none: the guest hung up.
async fn whole(request: Request<Incoming>) -> Request<Bytes> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    Request::from_parts(head, body)
}

/// The host that the guest asked.
pub(super) fn host(headers: &HeaderMap) -> String {
    header(headers, HOST.as_str()).unwrap_or_default()
}

/// A header as text.
pub(super) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let found = headers.get(name).and_then(|v| v.to_str().ok());
    found.map(str::to_owned)
}
