//! Executions that wait: what a million of them cost, how late timers are, and how
//! soon a node works again after `kill -9`.

use std::time::{Duration, Instant};

use bytes::Bytes;
use nebula_engine::SystemClock;
use nebula_flow::Timestamp;
use nebula_flow::ports::Clock;
use nebula_tests::client::Connection;
use serde_json::{Value, json};

use crate::node::{Home, Node, effectful};
use crate::print;
use crate::stats::{Samples, show};

const MILLION: usize = 1_000_000;
const CONNECTIONS: usize = 64;

pub(crate) async fn run() -> Result<(), crate::Error> {
    print("\n| figure | value |\n|---|---|");
    timers().await?;
    recovery().await?;
    million().await
}

async fn million() -> Result<(), crate::Error> {
    let node = Home::new()?.start().await?;
    deploy(&node, "patient", &json!({ "wait": { "signal": "go" } })).await?;
    let before = node.resident()?;
    start(&node.address, "patient", &Value::Null, MILLION).await?;
    settle(&node, "patient", "waiting", MILLION).await?;
    let with = node.resident()?;
    let home = node.kill();
    let begin = Instant::now();
    let node = home.start().await?;
    let answered = begin.elapsed();
    once(&node, "patient").await?;
    let accepted = begin.elapsed();
    // A signal to one of them shows that it is there.
    let mut connection = Connection::open(&node.address).await?;
    let page = connection
        .get("/api/v1/executions?limit=1&status=waiting")
        .await?;
    let id = page["items"][0]["id"]
        .as_str()
        .ok_or("nobody waits")?
        .to_owned();
    let signal = format!("/api/v1/executions/{id}/signals/go");
    connection.post(&signal, Bytes::from_static(b"1")).await?;
    until(&mut connection, &id, "succeeded").await?;
    print(&format!(
        "| resident memory before a million waiting executions, with them, after a restart | {before:.0} MiB, {with:.0} MiB, {:.0} MiB |",
        node.resident()?
    ));
    print(&format!(
        "| restart with them: first answer, first execution accepted | {}, {} |",
        show(answered.as_secs_f64() * 1e6),
        show(accepted.as_secs_f64() * 1e6)
    ));
    node.kill();
    Ok(())
}

/// How late what waits for an instant goes on, and when ten thousand have.
async fn timers() -> Result<(), crate::Error> {
    let node = Home::new()?.start().await?;
    deploy(
        &node,
        "timer",
        &json!({ "wait": { "until": "${ $input }" } }),
    )
    .await?;
    // A thousand due within one second, each answered when its end is on disk.
    let first = SystemClock.now().plus(Duration::from_secs(4));
    let mut tasks = Vec::new();
    for n in 0..1_000_u64 {
        let due = first.plus(Duration::from_millis(n));
        let mut connection = Connection::open(&node.address).await?;
        tasks.push(tokio::spawn(async move {
            let body = instant(due).to_string();
            let path = "/api/v1/workflows/timer/execute?wait=true";
            let answer = connection.post(path, body.into()).await?;
            if answer["status"] != "succeeded" {
                return Err(format!("not succeeded: {answer}").into());
            }
            Ok::<_, crate::Error>(SystemClock.now().since(due))
        }));
    }
    let mut late = Samples::default();
    for task in tasks {
        late.add(task.await??);
    }
    print(&format!(
        "| a wait for an instant, from the instant to the answer that it is over, 1,000 due in one second | p50 {}, p99 {} |",
        show(late.quantile(0.5)),
        show(late.quantile(0.99))
    ));
    let due = SystemClock.now().plus(Duration::from_secs(10));
    start(&node.address, "timer", &instant(due), 10_000).await?;
    if SystemClock.now() > due {
        return Err("the machine is too slow: they were due before all had started".into());
    }
    tokio::time::sleep(due.since(SystemClock.now())).await;
    settle(&node, "timer", "succeeded", 11_000).await?;
    let all = SystemClock.now().since(due);
    print(&format!(
        "| 10,000 waits that are due at once, until all are over | {} |",
        show(all.as_secs_f64() * 1e6)
    ));
    node.kill();
    Ok(())
}

/// From the start of a node on what `kill -9` left, ten thousand executions in
/// flight, to the first one that it accepts.
async fn recovery() -> Result<(), crate::Error> {
    let node = Home::new()?.with(&effectful()?).start().await?;
    // Actions and short waits in turn, so that none has ended before all have begun.
    let step = |n: usize| match n % 2 {
        0 => json!({ "action": "bench.effectful", "input": {} }),
        _ => json!({ "wait": { "for": "1s" } }),
    };
    let chain: serde_json::Map<String, Value> =
        (0..50).map(|n| (format!("n{n}"), step(n))).collect();
    let connections: Vec<Value> = (1..50)
        .map(|n| json!({ "from": format!("n{}", n - 1), "to": format!("n{n}") }))
        .collect();
    let document = json!({
        "apiVersion": "nebula/v1", "kind": "Workflow", "name": "long", "nodes": chain, "connections": connections,
    });
    let mut connection = Connection::open(&node.address).await?;
    connection
        .post("/api/v1/workflows", document.to_string().into())
        .await?;
    start(&node.address, "long", &json!({}), 12_000).await?;
    // The first one was idle for so long that the node has closed it.
    let mut connection = Connection::open(&node.address).await?;
    let done = count(&mut connection, "long", "succeeded").await?;
    let home = node.kill();
    let begin = Instant::now();
    let node = home.start().await?;
    once(&node, "long").await?;
    let accepted = begin.elapsed();
    settle(&node, "long", "succeeded", 12_001).await?;
    print(&format!(
        "| after `kill -9` with {} executions in flight: start to first accepted, to all ended | {}, {} |",
        12_000 - done,
        show(accepted.as_secs_f64() * 1e6),
        show(begin.elapsed().as_secs_f64() * 1e6)
    ));
    node.kill();
    Ok(())
}

fn instant(at: Timestamp) -> Value {
    at.to_string().into()
}

async fn deploy(node: &Node, name: &str, step: &Value) -> Result<(), crate::Error> {
    let document = json!({
        "apiVersion": "nebula/v1", "kind": "Workflow", "name": name, "nodes": { "only": step },
    });
    let mut connection = Connection::open(&node.address).await?;
    connection
        .post("/api/v1/workflows", document.to_string().into())
        .await?;
    Ok(())
}

/// Starts so many executions, and waits for no end.
async fn start(
    address: &str,
    workflow: &str,
    input: &Value,
    count: usize,
) -> Result<(), crate::Error> {
    let mut tasks = Vec::new();
    for n in 0..CONNECTIONS {
        let share = count / CONNECTIONS + usize::from(n < count % CONNECTIONS);
        let mut connection = Connection::open(address).await?;
        let path = format!("/api/v1/workflows/{workflow}/execute");
        let body = Bytes::from(input.to_string());
        tasks.push(tokio::spawn(async move {
            for _ in 0..share {
                connection.post(&path, body.clone()).await?;
            }
            Ok::<_, crate::Error>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

async fn once(node: &Node, workflow: &str) -> Result<(), crate::Error> {
    start(&node.address, workflow, &json!({}), 1).await
}

/// Waits until so many executions of a workflow have a status.
async fn settle(
    node: &Node,
    workflow: &str,
    status: &str,
    wanted: usize,
) -> Result<(), crate::Error> {
    let mut connection = Connection::open(&node.address).await?;
    // Nothing is left to do once no execution is queued or runs.
    let busy: &[&str] = if status == "waiting" {
        &["queued", "running"]
    } else {
        &["queued", "running", "waiting"]
    };
    loop {
        let mut left = 0;
        for status in busy {
            let path = format!("/api/v1/executions?limit=1&workflow={workflow}&status={status}");
            let page = connection.get(&path).await?;
            left += page["items"].as_array().map_or(0, Vec::len);
        }
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if wanted <= 20_000 {
        let found = count(&mut connection, workflow, status).await?;
        if found != wanted {
            return Err(
                format!("{found} of {wanted} executions of {workflow} are {status}").into(),
            );
        }
    }
    Ok(())
}

/// How many executions of a workflow have a status.
async fn count(
    connection: &mut Connection,
    workflow: &str,
    status: &str,
) -> Result<usize, crate::Error> {
    let base = format!("/api/v1/executions?limit=200&workflow={workflow}&status={status}");
    let (mut all, mut path) = (0, base.clone());
    loop {
        let page = connection.get(&path).await?;
        all += page["items"].as_array().map_or(0, Vec::len);
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("{base}&cursor={cursor}"),
            None => return Ok(all),
        }
    }
}

async fn until(connection: &mut Connection, id: &str, status: &str) -> Result<(), crate::Error> {
    for _ in 0..1_000 {
        let execution = connection.get(&format!("/api/v1/executions/{id}")).await?;
        if execution["status"] == status {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(format!("{id} is not {status}").into())
}
