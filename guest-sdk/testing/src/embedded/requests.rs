//! What answers the requests of components: the HTTP mock and the stand-ins of their
//! harness, behind a server on loopback. The hosts that an action asks for are granted
//! there, so that requests take their real way through the egress.

use std::any::Any;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use nebula_action::http::{HttpError, Request, Response};
use nebula_flow::ActionMetadata;
use nebula_flow::grant::Grant;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, spawn_blocking};

use crate::http::HttpMock;
use crate::resource::MockResourceManager;

/// The largest request body that is read: a little over what a guest can send.
const MAX_BODY: usize = 16 << 20;

/// The server, for as long as this lives.
pub(super) struct Requests {
    answering: Arc<Answering>,
    url: String,
    task: AbortHandle,
}

struct Answering {
    http: HttpMock,
    resources: MockResourceManager,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    requests: Vec<Request>,
    /// What a route or a stand-in panicked with.
    panic: Option<Box<dyn Any + Send>>,
}

impl Requests {
    /// Listens on a free port, on the runtime of the sandbox.
    pub(super) async fn start(
        http: HttpMock,
        resources: MockResourceManager,
    ) -> Result<Self, String> {
        let cannot =
            |e: std::io::Error| format!("what answers requests cannot listen on loopback: {e}");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let answering = Arc::new(Answering {
            http,
            resources,
            heard: Mutex::default(),
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&answering))).abort_handle();
        Ok(Self {
            answering,
            url: format!("http://{address}"),
            task,
        })
    }

    /// The hosts that an action asks for, all of them here. Of one that asks for every
    /// host, those that the mock names.
    pub(super) fn grants(&self, action: &ActionMetadata) -> Vec<Grant> {
        let (any, mut hosts): (Vec<&str>, Vec<&str>) = action
            .hosts
            .iter()
            .map(String::as_str)
            .partition(|host| *host == "*");
        if !any.is_empty() {
            hosts.extend(self.answering.http.hosts());
        }
        let mut hosts: Vec<String> = hosts.into_iter().map(str::to_ascii_lowercase).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let grant = |host| Grant {
            action: action.id.clone(),
            host,
            schemes: Vec::new(),
            at: Some(self.url.clone()),
            methods: Vec::new(),
        };
        hosts.into_iter().map(grant).collect()
    }

    /// What was asked so far, in order.
    pub(super) fn heard(&self) -> Vec<Request> {
        self.answering.heard().requests.clone()
    }

    /// What a route or a stand-in panicked with.
    pub(super) fn panic(&self) -> Option<Box<dyn Any + Send>> {
        self.answering.heard().panic.take()
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, answering: Arc<Answering>) {
    while let Ok((stream, _)) = listener.accept().await {
        let answering = Arc::clone(&answering);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let answering = Arc::clone(&answering);
            async move { answering.answer(request).await }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        // It ends without an answer where there is none, and a guest may hang up.
        tokio::spawn(async move {
            let _ = connection.await;
        });
    }
}

impl Answering {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer; an error hangs up, so that the guest sees no response either.
    async fn answer(
        self: Arc<Self>,
        asked: hyper::Request<Incoming>,
    ) -> Result<hyper::Response<Full<Bytes>>, String> {
        let request = read(asked).await?;
        let answering = Arc::clone(&self);
        // Closures take the time that they take.
        let answered = spawn_blocking(move || answering.choose(request)).await;
        match answered {
            Ok(answered) => written(&answered.map_err(|e| e.to_string())?),
            Err(error) => {
                if let Ok(panic) = error.try_into_panic() {
                    self.heard().panic = Some(panic);
                }
                Err("what answers the request has panicked".into())
            }
        }
    }

    fn choose(&self, request: Request) -> Result<Response, HttpError> {
        self.heard().requests.push(request.clone());
        let answer = self.resources.answer(&request);
        answer.unwrap_or_else(|| self.http.answer(&request))
    }
}

/// The request as a native action would have sent it.
async fn read(asked: hyper::Request<Incoming>) -> Result<Request, String> {
    let (head, body) = asked.into_parts();
    let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let host = head.headers.get(HOST).map(text).unwrap_or_default();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let headers = head.headers.iter().filter(|(name, _)| **name != HOST);
    let body = Limited::new(body, MAX_BODY).collect().await;
    Ok(Request {
        method: head.method.as_str().to_owned(),
        url: format!("https://{host}{path}"),
        headers: headers
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        // The host has added them.
        credentials: Vec::new(),
        body: body.map_err(|e| e.to_string())?.to_bytes().to_vec(),
        timeout: None,
        // The guest's own limit is the guest's to keep.
        max_body: usize::MAX,
    })
}

fn written(response: &Response) -> Result<hyper::Response<Full<Bytes>>, String> {
    let mut written = hyper::Response::builder().status(response.status());
    let headers = response.headers().iter();
    // A recorded answer may have been sent in another form.
    let own = headers.filter(|(name, _)| {
        ![CONTENT_LENGTH, TRANSFER_ENCODING]
            .iter()
            .any(|framing| name.eq_ignore_ascii_case(framing.as_str()))
    });
    for (name, value) in own {
        written = written.header(name, value);
    }
    let body = Bytes::copy_from_slice(response.bytes());
    written.body(Full::new(body)).map_err(|e| e.to_string())
}
