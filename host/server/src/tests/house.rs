//! A node with actions of our own, and a client for it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use nebula_egress::Ledger;
use nebula_engine::{EngineConfig, SystemClock};
use nebula_flow::component::{Effect, Origin};
use nebula_flow::definition::Retention;
use nebula_flow::event::{Failure, FailureKind, Usage};
use nebula_flow::ports::{
    Call, Components, Limits, Outcome, Prepared, Records, Report, ResolveError, ResolvedAction,
    Runner,
};
use nebula_flow::{
    ActionId, ActionMetadata, Component, Digest, TenantId, Value, Verified, json, payload,
};
use nebula_storage::{Sqlite, StoreUrl};
use semver::{Version, VersionReq};

use crate::config::Config;
use crate::metrics::Metrics;
use crate::node::{Door, Parts, Server};
use crate::packages::Packages;
use crate::running::Running;
use crate::sealed::SealedRecords;

/// A running node on a folder of its own.
pub(super) struct House {
    pub(super) running: Running,
    pub(super) folder: tempfile::TempDir,
    pub(super) panics: Arc<AtomicBool>,
    /// What its actions reached.
    pub(super) ledger: Arc<Ledger>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: http::HeaderMap,
    pub(super) bytes: Bytes,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| {
            panic!(
                "{e}: {} {}",
                self.status,
                String::from_utf8_lossy(&self.bytes)
            )
        })
    }

    /// The JSON of an answer with this status.
    pub(super) fn expect(&self, status: u16) -> Value {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}",
            String::from_utf8_lossy(&self.bytes)
        );
        if self.bytes.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// The code of a problem, after checking that it is one.
    pub(super) fn problem(&self, status: u16) -> String {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        for field in ["type", "title", "detail", "hint"] {
            assert!(
                problem[field].as_str().is_some_and(|t| !t.is_empty()),
                "{field}: {problem}"
            );
        }
        problem["code"].as_str().expect("a code").to_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |v| v.to_str().expect("text"))
    }
}

impl House {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::with(Config::dev(folder.path()).with_port(0), folder).await
    }

    pub(super) async fn with(config: Config, folder: tempfile::TempDir) -> Self {
        let panics = Arc::new(AtomicBool::new(false));
        let engine = engine(folder.path(), Arc::clone(&panics));
        let door = Door::bind(&config).await.expect("binds");
        let ledger = Arc::<Ledger>::default();
        let runner = Arc::clone(&engine.runner);
        let packages = Packages::open(&config, runner).expect("opens");
        let store = nebula_storage::open(&StoreUrl::Memory)
            .await
            .expect("opens");
        let parts = Parts {
            engine,
            packages: Arc::new(packages),
            metrics: Metrics::new(),
            ledger: Arc::clone(&ledger),
            lost: store.lost,
            lock: None,
        };
        let running = Server::new(config, door, parts)
            .expect("is put together")
            .spawn();
        Self {
            running,
            folder,
            panics,
            ledger,
        }
    }

    /// Looks at an execution until it has this status.
    pub(super) async fn until(&self, id: &str, status: &str) -> Value {
        for _ in 0..2_000 {
            let execution = self.get(&format!("/executions/{id}")).await.expect(200);
            if execution["status"] == status {
                return execution;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{id} is not {status}")
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path), "").await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = self
            .request(Method::POST, path)
            .header("content-type", "application/json");
        self.send(request, body.to_string()).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Answer {
        let request = self
            .request(Method::PUT, path)
            .header("content-type", "application/json");
        self.send(request, body.to_string()).await
    }

    pub(super) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path), "").await
    }

    pub(super) fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let uri = if ["/api", "/metrics", "/hooks/"]
            .iter()
            .any(|p| path.starts_with(p))
        {
            path.to_owned()
        } else {
            format!("/api/v1{path}")
        };
        Request::builder()
            .method(method)
            .uri(uri)
            .header("host", self.running.address().to_string())
    }

    pub(super) async fn send(
        &self,
        request: http::request::Builder,
        body: impl Into<Bytes>,
    ) -> Answer {
        let response = self.open(request, body).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            bytes,
        }
    }

    /// The answer's head; its body is still to come.
    pub(super) async fn open(
        &self,
        request: http::request::Builder,
        body: impl Into<Bytes>,
    ) -> http::Response<Incoming> {
        let request = request.body(Full::new(body.into())).expect("a request");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(self.connect().await))
                .await
                .expect("shakes hands");
        tokio::spawn(connection);
        sender.send_request(request).await.expect("an answer")
    }

    pub(super) async fn connect(&self) -> tokio::net::TcpStream {
        #[expect(clippy::disallowed_methods, reason = "a test speaks to its own node")]
        tokio::net::TcpStream::connect(self.running.address())
            .await
            .expect("connects")
    }

    /// Deploys a workflow of one node.
    pub(super) async fn deploy(&self, name: &str, action: &str) -> Value {
        let answer = self.post("/workflows", &workflow(name, action)).await;
        answer.expect(201)
    }
}

/// A workflow of one node.
pub(super) fn workflow(name: &str, action: &str) -> Value {
    json!({
        "apiVersion": "nebula/v1", "kind": "Workflow", "name": name,
        "nodes": {"only": {"action": action}},
        "output": "${ $nodes.only.result }",
    })
}

fn engine(folder: &Path, panics: Arc<AtomicBool>) -> EngineConfig {
    let store = Sqlite::open(folder).expect("opens");
    let records: Arc<dyn Records> = Arc::new(SealedRecords::new(Arc::new(store.clone()), &[3; 32]));
    EngineConfig {
        log: Arc::new(store),
        records,
        runner: Arc::new(Functions),
        components: Arc::new(Shelf { panics }),
        clock: Arc::new(SystemClock),
        limits: Limits::default(),
        owner: "test".into(),
        max_active: 64,
        retention: Retention::default(),
    }
}

/// Runs our actions.
struct Functions;

#[async_trait]
impl Runner for Functions {
    async fn prepare(&self, _: &Verified<Component>) -> Result<Prepared, Failure> {
        Err(Failure::new(
            FailureKind::Component,
            "the shelf has metadata of its own",
        ))
    }

    async fn run(&self, call: Call) -> Report {
        let input = call.input.clone();
        let result = match call.action.as_str() {
            "test.fail" => Err(Failure::new(FailureKind::Permanent, "it cannot be done")),
            "test.block" => std::future::pending().await,
            _ => Ok(Outcome::Success(call.input)),
        };
        let usage = Usage {
            fuel: 7,
            memory_bytes: 65_536,
            duration_us: 12,
            cpu_us: 9,
        };
        let mut lines = vec![("info".into(), "hello".into())];
        let rows = |input: &Value| input["rows"].as_f64();
        if let Some(rows) = payload::decode(&input).ok().as_ref().and_then(rows) {
            let line = Report::metric_line("rows", rows).expect("a figure");
            lines.push((Report::METRIC.into(), line));
        }
        Report {
            result,
            usage,
            lines,
        }
    }
}

/// Has our actions.
struct Shelf {
    panics: Arc<AtomicBool>,
}

/// With the hosts that they ask for.
const ACTIONS: [(&str, Effect, &[&str]); 3] = [
    ("test.block", Effect::Effectful, &[]),
    ("test.echo", Effect::Pure, &[]),
    ("test.fail", Effect::Pure, &["asked.example"]),
];

fn component() -> Component {
    Component::new(&b"our actions"[..])
}

#[async_trait]
impl Components for Shelf {
    async fn resolve(
        &self,
        tenant: &TenantId,
        action: &ActionId,
        _: &VersionReq,
    ) -> Result<ResolvedAction, ResolveError> {
        let unknown = || ResolveError::UnknownAction {
            action: action.clone(),
            similar: None,
        };
        self.actions(tenant)
            .await?
            .remove(action)
            .ok_or_else(unknown)
    }

    async fn component(
        &self,
        _: &TenantId,
        digest: Digest,
    ) -> Result<Verified<Component>, ResolveError> {
        let component = component();
        if component.digest() != digest {
            return Err(ResolveError::UnknownComponent(digest));
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "nothing runs it: the actions are functions"
        )]
        Ok(Verified::vouch(component, Origin::Embedded))
    }

    async fn actions(
        &self,
        _: &TenantId,
    ) -> Result<BTreeMap<ActionId, ResolvedAction>, ResolveError> {
        assert!(!self.panics.load(Ordering::Relaxed), "a test wants a panic");
        Ok(ACTIONS
            .iter()
            .map(|(id, effect, asks)| {
                let id = ActionId::new(id).expect("an id");
                let metadata = ActionMetadata {
                    id: id.clone(),
                    name: format!("The {id}"),
                    version: Version::new(1, 2, 3),
                    description: "Does what a test needs.".into(),
                    category: "tests".into(),
                    input_schema: json!(true),
                    output_schema: json!(true),
                    credentials: Vec::new(),
                    hosts: asks.iter().map(ToString::to_string).collect(),
                };
                let action = ResolvedAction {
                    digest: component().digest(),
                    effect: *effect,
                    metadata: Arc::new(metadata),
                    origin: Origin::Embedded,
                };
                (id, action)
            })
            .collect())
    }
}
