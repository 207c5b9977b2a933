//! Large executions: a map of ten thousand items, a history of a hundred thousand
//! events.

use std::time::{Duration, Instant};

use nebula_flow::Timestamp;
use nebula_tests::client::Connection;
use serde_json::{Value, json};

use crate::node::Home;
use crate::print;
use crate::stats::{Samples, show};

const ITEMS: usize = 10_000;
const ROUNDS: usize = 7;
/// Two events each.
const STEPS: usize = 50_000;
/// A step's time is that of so many together: an event's time has milliseconds.
const TOGETHER: usize = 1_000;

pub(crate) async fn run() -> Result<(), crate::Error> {
    let node = Home::new()?.start().await?;
    let mut connection = Connection::open(&node.address).await?;
    for (name, concurrency) in [("wide", 64), ("one-by-one", 1)] {
        let document = json!({
            "apiVersion": "nebula/v1", "kind": "Workflow", "name": name,
            "nodes": { "all": {
                "map": "${ $input }", "concurrency": concurrency,
                "each": { "action": "condition.check", "input": { "n": "${ $item }" } },
            } },
            "output": "${ $nodes.all.result[0] }",
        });
        connection
            .post("/api/v1/workflows", document.to_string().into())
            .await?;
    }
    let list = |count: usize| Value::from((0..count).collect::<Vec<_>>()).to_string();
    let mut wide = Samples::default();
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let path = "/api/v1/workflows/wide/execute?wait=600s";
        let answer = connection.post(path, list(ITEMS).into()).await?;
        if answer["status"] != "succeeded" {
            return Err(format!("not succeeded: {answer}").into());
        }
        wide.add(begin.elapsed());
    }
    print("\n| figure | value |\n|---|---|");
    print(&format!(
        "| `map` over 10,000 items of a pure action | {} |",
        wide.spread()
    ));

    let path = "/api/v1/workflows/one-by-one/execute?wait=600s";
    let answer = connection.post(path, list(STEPS).into()).await?;
    let id = answer["id"].as_str().ok_or("no id")?.to_owned();
    let first = at(&mut connection, &id, 20).await?;
    let later = at(&mut connection, &id, 20 + 2 * TOGETHER).await?;
    let before_last = at(&mut connection, &id, 2 * (STEPS - TOGETHER)).await?;
    let last = at(&mut connection, &id, 2 * STEPS).await?;
    let (begun, ended) = (later - first, last - before_last);
    print(&format!(
        "| a step after 10 and after {} events of its execution, each the mean of {TOGETHER} | {}, {}: {:.2} × |",
        2 * STEPS,
        show(begun.as_secs_f64() * 1e6 / 1e3),
        show(ended.as_secs_f64() * 1e6 / 1e3),
        ended.as_secs_f64() / begun.as_secs_f64()
    ));
    node.kill();
    Ok(())
}

/// When an event was decided.
async fn at(
    connection: &mut Connection,
    id: &str,
    version: usize,
) -> Result<Duration, crate::Error> {
    let path = format!(
        "/api/v1/executions/{id}/events?limit=1&cursor={}",
        version - 1
    );
    let page = connection.get(&path).await?;
    let at = page["items"][0]["at"].as_str().ok_or("no such event")?;
    let at: Timestamp = at.parse()?;
    Ok(Duration::from_millis(at.as_millis()))
}
