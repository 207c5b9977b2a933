//! Executions per second over HTTP, each waited for, everything on disk.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use crate::node::Node;
use crate::print;
use crate::stats::{Samples, show};

const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(5);

/// A kept connection to a node.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: &str) -> Result<Self, crate::Error> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the node under measurement, on loopback"
        )]
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: address.to_owned(),
        })
    }

    /// GET, as JSON.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Value, crate::Error> {
        self.send(Request::get(path), Bytes::new()).await
    }

    /// POST of JSON, as JSON.
    async fn post(&mut self, path: &str, body: Bytes) -> Result<Value, crate::Error> {
        self.send(
            Request::post(path).header("content-type", "application/json"),
            body,
        )
        .await
    }

    async fn send(
        &mut self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Value, crate::Error> {
        let request = request.header("host", &self.host).body(Full::new(body))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&bytes)).into());
        }
        Ok(serde_json::from_slice(&bytes)?)
    }
}

pub(crate) async fn run(node: &Node) -> Result<(), crate::Error> {
    let mut connection = Connection::open(&node.address).await?;
    print("\n| actions | connections | executions/s | p50 | p99 |\n|---|---|---|---|---|");
    for actions in [1, 10] {
        let name = format!("chain-{actions}");
        let body = definition(&name, actions).to_string();
        connection.post("/api/v1/workflows", body.into()).await?;
        for connections in [1, 64] {
            measure(&node.address, &name, connections, WARM_UP).await?;
            let begin = Instant::now();
            let mut samples = measure(&node.address, &name, connections, MEASURED).await?;
            let taken = begin.elapsed().as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "for display")]
            let rate = samples.len() as f64 / taken;
            let (p50, p99) = (show(samples.quantile(0.5)), show(samples.quantile(0.99)));
            print(&format!(
                "| {actions} | {connections} | {rate:.0} | {p50} | {p99} |"
            ));
        }
    }
    print(&format!(
        "\nResident memory under load: {:.0} MiB",
        node.resident()?
    ));
    Ok(())
}

async fn measure(
    address: &str,
    workflow: &str,
    connections: usize,
    time: Duration,
) -> Result<Samples, crate::Error> {
    let end = Instant::now() + time;
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let mut connection = Connection::open(address).await?;
        let path = format!("/api/v1/workflows/{workflow}/execute?wait=true");
        tasks.push(tokio::spawn(async move {
            let body = Bytes::from_static(br#"{"city": "Cairo", "temp": 28.4}"#);
            let mut samples = Samples::default();
            while Instant::now() < end {
                let begin = Instant::now();
                let answer = connection.post(&path, body.clone()).await?;
                if answer["status"] != "succeeded" {
                    return Err(format!("not succeeded: {answer}").into());
                }
                samples.add(begin.elapsed());
            }
            Ok::<_, crate::Error>(samples)
        }));
    }
    let mut all = Samples::default();
    for task in tasks {
        all.merge(task.await??);
    }
    Ok(all)
}

/// A chain of `condition.check`, each with the result of the one before.
fn definition(name: &str, actions: usize) -> Value {
    let nodes: serde_json::Map<String, Value> = (0..actions)
        .map(|n| (format!("n{n}"), json!({ "action": "condition.check" })))
        .collect();
    let connections: Vec<Value> = (1..actions)
        .map(|n| json!({ "from": format!("n{}", n - 1), "to": format!("n{n}") }))
        .collect();
    json!({ "apiVersion": "nebula/v1", "kind": "Workflow", "name": name, "nodes": nodes, "connections": connections })
}
