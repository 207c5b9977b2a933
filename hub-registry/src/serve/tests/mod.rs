//! The registry through its door, on loopback.

mod access;
mod crash;
mod discovery;
mod hostile;
mod management;
mod pull;
mod push;
mod races;
mod sweep;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use nebula_flow::Timestamp;
use nebula_flow::ports::Clock;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

use super::content::{Algorithm, ContentDigest};
use super::tokens::{Allowed, NewToken, Tokens};
use super::{Registry, RegistryConfig};

pub(super) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// A repository that tests push to.
pub(super) const REPO: &str = "acme/weather";

/// The time of day, and as much later as a test says.
#[derive(Default)]
pub(super) struct TestClock(AtomicU64);

impl TestClock {
    pub(super) fn forward(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).expect("fits");
        self.0.fetch_add(by, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for TestClock {
    #[expect(clippy::disallowed_methods, reason = "files have the time of day")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let millis = since.expect("after 1970").as_millis();
        let millis = u64::try_from(millis).expect("fits");
        Timestamp::from_millis(millis + self.0.load(Ordering::SeqCst))
    }

    async fn until(&self, at: Timestamp) {
        tokio::time::sleep(at.since(self.now())).await;
    }
}

/// A registry that serves, and who asks it.
pub(super) struct Hub {
    pub(super) address: SocketAddr,
    pub(super) registry: Registry,
    pub(super) clock: Arc<TestClock>,
    pub(super) folder: Arc<TempDir>,
    /// Sent with each request, unless it is empty.
    pub(super) token: String,
    serving: JoinHandle<()>,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("text"))
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The code of its first error, in the specification's shape.
    pub(super) fn code(&self) -> String {
        let body = self.json();
        assert!(body["errors"][0]["message"].is_string(), "{body}");
        body["errors"][0]["code"].as_str().expect("a code").into()
    }

    /// Fails the test unless this was answered.
    #[track_caller]
    pub(super) fn is(self, status: u16) -> Self {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{:?} {:?}",
            self.headers,
            self.body
        );
        self
    }
}

impl Hub {
    pub(super) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With other settings than the usual ones.
    pub(super) async fn with(change: impl FnOnce(&mut RegistryConfig)) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        Self::on(folder, change).await
    }

    pub(super) async fn on(folder: Arc<TempDir>, change: impl FnOnce(&mut RegistryConfig)) -> Self {
        let clock = Arc::new(TestClock::default());
        let mut config = RegistryConfig::new(folder.path());
        change(&mut config);
        let registry = Registry::open(config, Arc::clone(&clock) as _).expect("opens");
        let token = Tokens::of(folder.path(), Arc::clone(&clock) as _)
            .local()
            .expect("a token");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("an address");
        let router = registry.router();
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serves");
        });
        Self {
            address,
            registry,
            clock,
            folder,
            token: token.to_string(),
            serving,
        }
    }

    /// Stops it as a crash would, and opens the folder again.
    pub(super) async fn restart(self, change: impl FnOnce(&mut RegistryConfig)) -> Self {
        let folder = Arc::clone(&self.folder);
        self.stop().await;
        Self::on(folder, change).await
    }

    /// Stops it as a crash would. What was in flight lets go of the folder.
    pub(super) async fn stop(self) {
        let folder = Arc::clone(&self.folder);
        drop(self);
        let lock = std::fs::File::open(folder.path().join("lock")).expect("a lock");
        for _ in 0..500 {
            if lock.try_lock().is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the folder is still held");
    }

    /// The tokens of its folder, as a command finds them.
    pub(super) fn tokens(&self) -> Tokens {
        Tokens::of(self.folder.path(), Arc::clone(&self.clock) as _)
    }

    /// A token with which this is allowed.
    pub(super) fn token(&self, allowed: Allowed, namespaces: &[&str]) -> String {
        let new = NewToken {
            name: "test".into(),
            allowed,
            namespaces: namespaces.iter().map(ToString::to_string).collect(),
            lifetime: None,
        };
        self.tokens().create(new).expect("made").1.to_string()
    }

    pub(super) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reply {
        let request = self.request(method, path, headers, body.into());
        send(self.address, request).await.expect("answered")
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, &[], Body::empty()).await
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Request<Body> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string());
        if !self.token.is_empty() && !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body).expect("a request")
    }

    /// Begins an upload; where it is.
    pub(super) async fn begin(&self, name: &str) -> String {
        let path = format!("/v2/{name}/blobs/uploads/");
        let reply = self
            .call("POST", &path, &[("content-length", "0")], "")
            .await
            .is(202);
        reply.header("location").to_owned()
    }

    /// Pushes a blob at once.
    pub(super) async fn push_blob(&self, name: &str, content: &[u8]) -> ContentDigest {
        let digest = sha256(content);
        let path = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        self.call("POST", &path, &[], content.to_vec())
            .await
            .is(201);
        digest
    }

    pub(super) async fn put_manifest(&self, name: &str, at: &str, manifest: &Value) -> Reply {
        let media_type = manifest["mediaType"].as_str().unwrap_or(IMAGE).to_owned();
        let path = format!("/v2/{name}/manifests/{at}");
        let headers = [("content-type", media_type.as_str())];
        self.call("PUT", &path, &headers, manifest.to_string())
            .await
    }

    /// Pushes an image with one layer of this content; its manifest's digest.
    pub(super) async fn push_image(&self, name: &str, tag: &str, content: &[u8]) -> ContentDigest {
        self.push_blob(name, b"{}").await;
        self.push_blob(name, content).await;
        let manifest = image(content);
        self.put_manifest(name, tag, &manifest).await.is(201);
        sha256(manifest.to_string().as_bytes())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One request on a connection of its own.
pub(super) async fn send(address: SocketAddr, request: Request<Body>) -> Result<Reply, String> {
    let socket = TcpSocket::new_v4().map_err(|e| e.to_string())?;
    let stream = socket.connect(address).await.map_err(|e| e.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| e.to_string())?;
    let connection = tokio::spawn(connection);
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|e| e.to_string())?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
        Ok(Reply {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    };
    let answer = answer.await;
    connection.abort();
    answer
}

pub(super) fn sha256(content: &[u8]) -> ContentDigest {
    ContentDigest::of(Algorithm::Sha256, content)
}

/// Says where content is.
pub(super) fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": sha256(content), "size": content.len() })
}

/// A component's manifest, with the config `{}` and one layer.
pub(super) fn image(content: &[u8]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": descriptor("application/vnd.wasm.config.v0+json", b"{}"),
        "layers": [descriptor("application/wasm", content)],
    })
}

/// An index over these manifests.
pub(super) fn index(manifests: &[&Value]) -> Value {
    let entries: Vec<_> = manifests
        .iter()
        .map(|manifest| descriptor(IMAGE, manifest.to_string().as_bytes()))
        .collect();
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries })
}
