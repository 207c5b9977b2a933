//! Executions per second over HTTP, each waited for, everything on disk; then the
//! same once a million have ended.

use std::time::{Duration, Instant};

use bytes::Bytes;
use nebula_tests::client::Connection;
use nebula_tests::postgres::Server;
use serde_json::{Value, json};

use crate::node::{Home, Node, effectful};
use crate::print;
use crate::stats::{Samples, show};

const WARM_UP: Duration = Duration::from_secs(1);
/// A rate is the median of so many windows.
const WINDOWS: u32 = 5;
const WINDOW: Duration = Duration::from_secs(2);
const HEAD: &str = "| actions | effects | connections | executions/s | p50 | p99 | processor | written |\n|---|---|---|---|---|---|---|---|";
/// A node is compared with itself after so many executions.
const MANY: usize = 1_000_000;

/// What runs: a chain of so many actions, with effects or without.
#[derive(Clone, Copy)]
struct Chain {
    actions: usize,
    effects: bool,
}

const CHAINS: [Chain; 4] = [
    Chain {
        actions: 1,
        effects: false,
    },
    Chain {
        actions: 1,
        effects: true,
    },
    Chain {
        actions: 10,
        effects: false,
    },
    Chain {
        actions: 10,
        effects: true,
    },
];

/// On SQLite.
pub(crate) async fn sqlite() -> Result<(), crate::Error> {
    let node = Home::new()?.with(&effectful()?).start().await?;
    print("\nOn SQLite:\n");
    table(&node).await?;
    print(&format!(
        "\nResident memory under load: {:.0} MiB",
        node.resident()?
    ));
    node.kill();
    Ok(())
}

/// On a PostgreSQL server of its own on the same machine.
pub(crate) async fn postgres() -> Result<(), crate::Error> {
    let server = tokio::task::spawn_blocking(|| Server::start(&[])).await?;
    let store = server.url("postgres", "");
    let node = Home::new()?.on(store).with(&effectful()?).start().await?;
    print("\nOn PostgreSQL, on the same machine (processor and disk of the node alone):\n");
    table(&node).await?;
    node.kill();
    tokio::task::spawn_blocking(move || drop(server)).await?;
    Ok(())
}

async fn table(node: &Node) -> Result<(), crate::Error> {
    print(HEAD);
    for chain in CHAINS {
        deploy(&node.address, chain).await?;
        for connections in [1, 64] {
            let measured = measure(node, chain, connections).await?;
            print(&measured.row(chain, connections));
        }
    }
    Ok(())
}

/// One pure step, before and after a million executions.
pub(crate) async fn finished() -> Result<(), crate::Error> {
    let node = Home::new()?.start().await?;
    let chain = CHAINS[0];
    deploy(&node.address, chain).await?;
    print("\nAfter a million executions that have ended:\n");
    print(HEAD);
    print(&measure(&node, chain, 64).await?.row(chain, 64));
    let mut done = 0;
    while done < MANY {
        done += load(&node.address, chain, 64, Duration::from_secs(20))
            .await?
            .len();
    }
    print(&measure(&node, chain, 64).await?.row(chain, 64));
    print(&measure(&node, chain, 1).await?.row(chain, 1));
    print(&format!(
        "\nResident memory then: {:.0} MiB",
        node.resident()?
    ));
    node.kill();
    Ok(())
}

struct Measured {
    ends: Vec<(Instant, Duration)>,
    begin: Instant,
    processor: Duration,
    written: f64,
}

impl Measured {
    fn row(&self, chain: Chain, connections: usize) -> String {
        let mut rates: Vec<f64> = (0..WINDOWS).map(|n| self.rate(n)).collect();
        rates.sort_by(f64::total_cmp);
        let (low, median, high) = (rates[0], rates[rates.len() / 2], rates[rates.len() - 1]);
        let mut samples = Samples::default();
        self.ends.iter().for_each(|(_, took)| samples.add(*took));
        #[expect(clippy::cast_precision_loss, reason = "for display")]
        let count = self.ends.len() as f64;
        format!(
            "| {} | {} | {connections} | {median:.0} ({low:.0}–{high:.0}) | {} | {} | {} | {:.1} KiB |",
            chain.actions,
            if chain.effects { "yes" } else { "no" },
            show(samples.quantile(0.5)),
            show(samples.quantile(0.99)),
            show(self.processor.as_secs_f64() * 1e6 / count),
            self.written / count / 1024.0,
        )
    }

    /// Of one window.
    fn rate(&self, window: u32) -> f64 {
        let from = self.begin + WINDOW * window;
        let within = |at: Instant| at >= from && at < from + WINDOW;
        let count = self.ends.iter().filter(|(at, _)| within(*at)).count();
        #[expect(clippy::cast_precision_loss, reason = "for display")]
        let count = count as f64;
        count / WINDOW.as_secs_f64()
    }
}

async fn measure(node: &Node, chain: Chain, connections: usize) -> Result<Measured, crate::Error> {
    load(&node.address, chain, connections, WARM_UP).await?;
    let (processor, written) = (node.processor()?, node.written()?);
    let begin = Instant::now();
    let ends = load(&node.address, chain, connections, WINDOW * WINDOWS).await?;
    Ok(Measured {
        ends,
        begin,
        processor: node.processor()? - processor,
        written: node.written()? - written,
    })
}

/// Starts executions and waits for each, on so many connections, for so long: when
/// each ended, and how long it took.
async fn load(
    address: &str,
    chain: Chain,
    connections: usize,
    time: Duration,
) -> Result<Vec<(Instant, Duration)>, crate::Error> {
    let end = Instant::now() + time;
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let mut connection = Connection::open(address).await?;
        let path = format!("/api/v1/workflows/{}/execute?wait=true", name(chain));
        tasks.push(tokio::spawn(async move {
            let body = Bytes::from_static(br#"{"city": "Cairo", "temp": 28.4}"#);
            let mut ends = Vec::new();
            while Instant::now() < end {
                let begin = Instant::now();
                let answer = connection.post(&path, body.clone()).await?;
                if answer["status"] != "succeeded" {
                    return Err(format!("not succeeded: {answer}").into());
                }
                ends.push((Instant::now(), begin.elapsed()));
            }
            Ok::<_, crate::Error>(ends)
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await??);
    }
    Ok(all)
}

fn name(chain: Chain) -> String {
    let kind = if chain.effects { "effects" } else { "pure" };
    format!("{kind}-{}", chain.actions)
}

async fn deploy(address: &str, chain: Chain) -> Result<(), crate::Error> {
    let mut connection = Connection::open(address).await?;
    let body = definition(chain).to_string();
    connection.post("/api/v1/workflows", body.into()).await?;
    Ok(())
}

/// A chain, each with the result of the one before.
fn definition(chain: Chain) -> Value {
    let action = if chain.effects {
        "bench.effectful"
    } else {
        "condition.check"
    };
    let nodes: serde_json::Map<String, Value> = (0..chain.actions)
        .map(|n| (format!("n{n}"), json!({ "action": action })))
        .collect();
    let connections: Vec<Value> = (1..chain.actions)
        .map(|n| json!({ "from": format!("n{}", n - 1), "to": format!("n{n}") }))
        .collect();
    json!({ "apiVersion": "nebula/v1", "kind": "Workflow", "name": name(chain), "nodes": nodes, "connections": connections })
}
