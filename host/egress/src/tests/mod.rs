//! Behaviour through the public door, at real listeners on loopback that count
//! who comes.

mod agreement;
mod bodies;
mod credentials;
mod destinations;
mod headers;
mod internal;
mod mutual;
mod redirects;
mod secrets;
mod tls;
mod tokens;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::{
    Caller, Egress, EgressConfig, EgressError, HostRule, Policy, Resolver, ResponseBody,
    SecretRule, Timeouts,
};

/// Far longer than any of these tests should take.
const PATIENCE: Duration = Duration::from_secs(30);

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// What a station does with a request that it has read.
#[derive(Clone, Copy)]
enum Behaviour {
    /// Writes this and hangs up.
    Answer(&'static str),
    /// Writes this and then nothing, without hanging up.
    Stall(&'static str),
    /// A chunked body without an end, in pieces of so many bytes.
    Endless(usize),
}

/// A server on loopback that counts connections and keeps what it read.
struct Station {
    address: SocketAddr,
    accepts: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
    /// Told each time that a client is gone while the station still has to say something.
    gone: Arc<Notify>,
}

impl Station {
    async fn start(behaviour: Behaviour) -> Self {
        Self::bind(TcpListener::bind("127.0.0.1:0").await.unwrap(), behaviour)
    }

    fn bind(listener: TcpListener, behaviour: Behaviour) -> Self {
        let station = Self {
            address: listener.local_addr().unwrap(),
            accepts: Arc::default(),
            requests: Arc::default(),
            gone: Arc::default(),
        };
        let (accepts, requests, gone) = (
            station.accepts.clone(),
            station.requests.clone(),
            station.gone.clone(),
        );
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepts.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, behaviour, requests.clone(), gone.clone()));
            }
        });
        station
    }

    fn accepts(&self) -> usize {
        self.accepts.load(Ordering::SeqCst)
    }

    /// The one request that arrived, lower case.
    fn request(&self) -> String {
        let requests = self.requests.lock().unwrap();
        assert_eq!(requests.len(), 1);
        requests[0].clone()
    }

    /// A rule that grants `host` at this station, for both schemes.
    fn grant(&self, host: &str) -> HostRule {
        HostRule::new(host, &[], &[], Some(&format!("http://{}", self.address))).unwrap()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    behaviour: Behaviour,
    requests: Arc<Mutex<Vec<String>>>,
    gone: Arc<Notify>,
) {
    let Some(request) = read_request(&mut stream).await else {
        return;
    };
    requests.lock().unwrap().push(request);
    match behaviour {
        Behaviour::Answer(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Behaviour::Stall(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let mut rest = [0; 64];
            while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {}
            gone.notify_one();
        }
        Behaviour::Endless(piece) => {
            let chunk = format!("{piece:x}\r\n{}\r\n", "x".repeat(piece));
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            if stream.write_all(head.as_bytes()).await.is_ok() {
                while stream.write_all(chunk.as_bytes()).await.is_ok() {}
            }
            gone.notify_one();
        }
    }
}

/// The head and, by its length or chunks, the body.
async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut text = Vec::new();
    loop {
        let read = String::from_utf8_lossy(&text).to_ascii_lowercase();
        if let Some((head, body)) = read.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length = length.map_or(0, |length| length.parse().unwrap());
            let chunked = head.contains("transfer-encoding: chunked");
            if (chunked && body.ends_with("0\r\n\r\n")) || (!chunked && body.len() >= length) {
                return Some(String::from_utf8_lossy(&text).into_owned());
            }
        }
        if stream.read_buf(&mut text).await.ok()? == 0 {
            return None;
        }
    }
}

/// An egress whose resolver gives these addresses for every name and counts
/// how often it is asked.
fn egress_resolving(addresses: &[&str]) -> (Egress, Arc<AtomicUsize>) {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
    let lookups = Arc::new(AtomicUsize::new(0));
    let count = lookups.clone();
    let resolver = Resolver::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        let addresses = addresses.clone();
        async { Ok(addresses) }
    });
    (
        Egress::new(EgressConfig {
            resolver,
            ..EgressConfig::default()
        }),
        lookups,
    )
}

fn egress() -> Egress {
    egress_resolving(&["127.0.0.1", "::1"]).0
}

/// What an action that asks for every host may do by these rules.
fn allow(rules: impl IntoIterator<Item = HostRule>) -> Policy {
    Policy {
        caller: Caller {
            tenant: "default".into(),
            action: "test.run".into(),
            asks: vec!["*".into()],
        },
        rules: rules.into_iter().collect(),
        ..Policy::default()
    }
}

fn both() -> [String; 2] {
    ["http".to_owned(), "https".to_owned()]
}

/// A rule for both schemes, without an operator's address.
fn plain_rule(host: &str) -> HostRule {
    HostRule::new(host, &both(), &[], None).unwrap()
}

/// How often something is tried: seldom in each run, often in a long one
/// (`make long`).
fn times(normal: usize, long: usize) -> usize {
    if std::env::var_os("NEBULA_LONG").is_some() {
        long
    } else {
        normal
    }
}

fn get(url: &str) -> Request<Empty<Bytes>> {
    Request::get(url).body(Empty::new()).unwrap()
}

async fn send(
    egress: &Egress,
    policy: &Policy,
    request: Request<Empty<Bytes>>,
) -> Result<Response<ResponseBody>, EgressError> {
    egress
        .send(policy, request, Timeouts::within(PATIENCE))
        .await
}

async fn text(response: Response<ResponseBody>) -> Result<String, EgressError> {
    let bytes = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A body of these pieces, whose length nobody knows beforehand.
struct Pieces(VecDeque<Bytes>);

impl Pieces {
    fn new(pieces: impl IntoIterator<Item = &'static str>) -> Self {
        Self(
            pieces
                .into_iter()
                .map(|piece| Bytes::from_static(piece.as_bytes()))
                .collect(),
        )
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

fn secret(hosts: &[&str]) -> SecretRule {
    SecretRule {
        placeholder: "nebula-secret-7f3a".into(),
        credential: "hunter2".into(),
        hosts: hosts.iter().map(ToString::to_string).collect(),
    }
}
