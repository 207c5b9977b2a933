//! Executions per second over HTTP, each waited for, everything on disk.

use std::time::{Duration, Instant};

use bytes::Bytes;
use nebula_tests::client::Connection;
use serde_json::{Value, json};

use crate::node::Node;
use crate::print;
use crate::stats::{Samples, show};

const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(5);

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
