//! A registry that says the truth, but where it is told to do otherwise.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) authorization: Option<String>,
    pub(super) range: Option<String>,
}

/// What it does.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Answers with this status, these lines of the head, and this body.
    Answer(u16, String, Bytes),
    /// Says that so many bytes come, sends these, and closes.
    Breaks(u64, Bytes),
    /// Says that this comes, and sends bytes without an end.
    Endless(String),
    /// Sends a byte now and then, without an end.
    Drips,
    /// Takes the request and says nothing.
    Hangs,
    /// Closes at once.
    Closes,
}

type Twist = dyn Fn(&Asked, usize) -> Option<Act> + Send + Sync;

#[derive(Default)]
struct Shared {
    truth: Mutex<HashMap<String, (String, Bytes)>>,
    twist: Mutex<Option<Arc<Twist>>>,
    asked: Mutex<Vec<Asked>>,
    sent: AtomicU64,
}

/// The registry; it ends with the value.
pub(super) struct Liar {
    pub(super) address: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Liar {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self {
            address,
            shared,
            task,
        }
    }

    /// What it has at a path.
    pub(super) fn has(&self, path: &str, kind: &str, bytes: impl Into<Bytes>) {
        let mut truth = self.shared.truth.lock().unwrap();
        truth.insert(path.to_owned(), (kind.to_owned(), bytes.into()));
    }

    /// All that it has.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths: Vec<_> = self.shared.truth.lock().unwrap().keys().cloned().collect();
        paths.sort();
        paths
    }

    /// Where it does otherwise; the twist is told how often the path was asked for
    /// before.
    pub(super) fn twist(
        &self,
        twist: impl Fn(&Asked, usize) -> Option<Act> + Send + Sync + 'static,
    ) {
        *self.shared.twist.lock().unwrap() = Some(Arc::new(twist));
        self.shared.asked.lock().unwrap().clear();
        self.shared.sent.store(0, Ordering::Relaxed);
    }

    /// What was asked since the last twist.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Bytes that it got rid of since then.
    pub(super) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> Option<()> {
    let asked = head(&mut stream).await?;
    let before = {
        let mut all = shared.asked.lock().unwrap();
        let before = all.iter().filter(|other| other.path == asked.path).count();
        all.push(asked.clone());
        before
    };
    let twist = shared.twist.lock().unwrap().clone();
    let act = twist.and_then(|twist| twist(&asked, before));
    let truth = shared.truth.lock().unwrap().get(&asked.path).cloned();
    let act = act.unwrap_or_else(|| match truth {
        Some((kind, bytes)) => Act::Answer(200, format!("content-type: {kind}\r\n"), bytes),
        None => Act::Answer(404, String::new(), Bytes::new()),
    });
    let mut send = async |bytes: &[u8]| {
        stream.write_all(bytes).await.ok()?;
        shared.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Some(())
    };
    match act {
        Act::Answer(status, lines, body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} x\r\n{lines}content-length: {length}\r\nconnection: close\r\n\r\n"
            );
            send(head.as_bytes()).await?;
            send(&body).await
        }
        Act::Breaks(length, body) => {
            let head = format!("HTTP/1.1 200 x\r\ncontent-length: {length}\r\n\r\n");
            send(head.as_bytes()).await?;
            send(&body).await
        }
        Act::Endless(kind) => {
            let head = format!("HTTP/1.1 200 x\r\ncontent-type: {kind}\r\n\r\n");
            send(head.as_bytes()).await?;
            let body = vec![b' '; 64 << 10];
            loop {
                send(&body).await?;
            }
        }
        Act::Drips => {
            send(b"HTTP/1.1 200 x\r\ncontent-length: 1000000\r\n\r\n").await?;
            loop {
                send(b" ").await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Act::Hangs => std::future::pending().await,
        Act::Closes => None,
    }
}

async fn head(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8(bytes).ok()?;
    let mut lines = text.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Some(Asked {
        path,
        authorization: headers.get("authorization").cloned(),
        range: headers.get("range").cloned(),
    })
}
