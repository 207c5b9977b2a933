//! `nebula action bench`: what a call of an action costs in the real sandbox.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nebula_sandbox::nebula_flow::ports::Report;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::super::Context;
use super::call::{CallArgs, Ready};
use super::{limits, report};
use crate::error::{Error, Exit, Result};
use crate::output::{self, Format, Paint, Style};

/// Calls before any is measured: the first ones find nothing in the processor's
/// caches.
const WARM_UP: u64 = 10;
/// No more are measured.
const MOST: usize = 1_000_000;

/// Measure an action in the real sandbox: calls a second, time, fuel, memory
#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    call: CallArgs,
    /// How long it is called: 3 (seconds), 500ms, 1m
    #[arg(long = "for", value_name = "TIME", default_value = "3s", value_parser = limits::timeout)]
    time: Duration,
    /// How many calls run at once
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    concurrency: u32,
}

/// What one call cost.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// From when it was asked for to its report, microseconds.
    time_us: u64,
    fuel: u64,
    memory_bytes: u64,
}

pub(super) async fn run(context: &Context, bench: &Bench) -> Result<ExitCode> {
    let ready = Arc::new(bench.call.ready(None, false).await?);
    let mut number = 0;
    while number < WARM_UP {
        succeeded(&ready, ready.call(number).await?, number)?;
        number += 1;
    }
    let began = Instant::now();
    let costs = bench.measure(&ready, number, began + bench.time).await?;
    let elapsed = began.elapsed();
    let mut answer = json!({
        "calls": costs.len(),
        "elapsed_us": micros(elapsed),
        "concurrency": bench.concurrency,
        "calls_per_second": rate(costs.len(), elapsed),
        "time_us": spread(&costs, |cost| cost.time_us),
        "fuel": spread(&costs, |cost| cost.fuel),
        "memory_bytes": spread(&costs, |cost| cost.memory_bytes),
        // The host's code; that of the guest always is.
        "optimised": !cfg!(debug_assertions),
    });
    report::add_action(&mut answer, &ready.action, &ready.prepared, &ready.limits);
    show(context.format, &answer)?;
    Ok(ExitCode::SUCCESS)
}

impl Bench {
    /// Calls until the time is over, and a last time by each of those that call.
    async fn measure(&self, ready: &Arc<Ready>, first: u64, until: Instant) -> Result<Vec<Cost>> {
        let mut lanes = JoinSet::new();
        let most = MOST / self.concurrency as usize;
        for lane in 0..u64::from(self.concurrency) {
            // Each call is one of an execution of its own.
            let numbers = (first + lane..).step_by(self.concurrency as usize);
            lanes.spawn(call_until(Arc::clone(ready), numbers.take(most), until));
        }
        let mut costs = Vec::new();
        while let Some(lane) = lanes.join_next().await {
            let ended = lane.map_err(|e| Error::node(format!("the calls were cut off: {e}")))?;
            costs.append(&mut ended?);
        }
        Ok(costs)
    }
}

async fn call_until(
    ready: Arc<Ready>,
    numbers: impl Iterator<Item = u64>,
    until: Instant,
) -> Result<Vec<Cost>> {
    let mut costs = Vec::new();
    for number in numbers {
        let began = Instant::now();
        let called = ready.call(number).await?;
        let time_us = micros(began.elapsed());
        let usage = called.usage;
        succeeded(&ready, called, number)?;
        costs.push(Cost {
            time_us,
            fuel: usage.fuel,
            memory_bytes: usage.memory_bytes,
        });
        if Instant::now() >= until {
            break;
        }
    }
    Ok(costs)
}

/// A failure is no figure: it ends the measurement.
fn succeeded(ready: &Ready, called: Report, number: u64) -> Result<()> {
    let failed = |kind: &str, message: &str| {
        let call = number + 1;
        Err(
            Error::refused(format!("call {call} failed ({kind}): {message}"))
                .with_exit(Exit::Failed)
                .hint("`nebula action test` with the same options shows more of it"),
        )
    };
    if let Err(failure) = called.result {
        return failed(failure.kind.name(), &failure.message);
    }
    match ready.http.trouble() {
        Some(trouble) => failed("unmatched_request", &trouble),
        None => Ok(()),
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A second, to three digits.
fn rate(calls: usize, elapsed: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most a million calls")]
    let rate = calls as f64 / elapsed.as_secs_f64();
    (rate * 1e3).round() / 1e3
}

/// The least, the middle, the 99th of a hundred, and the most.
fn spread(costs: &[Cost], of: impl Fn(&Cost) -> u64) -> Value {
    let mut all: Vec<u64> = costs.iter().map(of).collect();
    all.sort_unstable();
    // The nearest rank, so that each figure is one that was measured.
    let at = |percent: usize| {
        let rank = (all.len() * percent).div_ceil(100).max(1);
        all.get(rank - 1).copied().unwrap_or_default()
    };
    json!({ "min": at(0), "p50": at(50), "p99": at(99), "max": at(100) })
}

fn show(format: Format, answer: &Value) -> Result<()> {
    match format {
        Format::Name => return output::line(answer["action"].as_str().unwrap_or_default()),
        format if !format.is_for_people() => return output::value(format, answer),
        _ => {}
    }
    let style = Style::stdout();
    let number = |pointer: &str| answer.pointer(pointer).and_then(Value::as_u64);
    let number = |pointer: &str| number(pointer).unwrap_or_default();
    let name = format!(
        "{} {} ({})",
        answer["action"].as_str().unwrap_or_default(),
        answer["version"].as_str().unwrap_or_default(),
        answer["effect"].as_str().unwrap_or_default()
    );
    output::line(&style.paint(Paint::Bold, &name))?;
    let at_once = match number("/concurrency") {
        1 => "one after the other".to_owned(),
        n => format!("{n} at once"),
    };
    let rate = answer["calls_per_second"].as_f64().unwrap_or_default();
    output::line(&format!(
        "{:12} {rate:.1} a second: {} in {}, {at_once}",
        "calls",
        output::count(number("/calls")),
        output::micros(number("/elapsed_us")),
    ))?;
    for (name, key, shown) in [
        ("time", "time_us", output::micros as fn(u64) -> String),
        ("fuel", "fuel", output::count),
        ("peak memory", "memory_bytes", output::bytes),
    ] {
        let at = |figure: &str| shown(number(&format!("/{key}/{figure}")));
        output::line(&format!(
            "{name:12} p50 {}, p99 {}, from {} to {}",
            at("p50"),
            at("p99"),
            at("min"),
            at("max")
        ))?;
    }
    if answer["optimised"] == false {
        output::note(
            "this `nebula` was built without optimisation: times are those of a slower host",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_nearest_rank() {
        let costs: Vec<Cost> = (1..=200)
            .map(|n| Cost {
                time_us: n,
                fuel: 7,
                memory_bytes: 0,
            })
            .collect();
        assert_eq!(
            spread(&costs, |cost| cost.time_us),
            json!({ "min": 1, "p50": 100, "p99": 198, "max": 200 })
        );
        assert_eq!(spread(&costs[..1], |cost| cost.time_us)["p99"], 1);
        let at = rate(10, Duration::from_secs(4));
        assert!((at - 2.5).abs() < f64::EPSILON, "{at}");
    }
}
