//! What each part of the sandbox's profile costs a call: an engine with nothing
//! but the pool first, then one part more at a time, the sandbox itself last.
//! Each figure is the median of calls in fresh stores, in blocks that take
//! turns, so that whatever else the machine does meets all alike.

use std::time::{Duration, Instant};

use nebula_flow::payload;
use nebula_flow::ports::Runner;
use nebula_sandbox::{Sandbox, SandboxConfig};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use wasmtime::component::{Component, Linker};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    StoreLimits, StoreLimitsBuilder, UpdateDeadline, WasmFeatures,
};

use crate::calls::{call, pack};
use crate::print;
use crate::stats::Samples;

mod cell {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package nebula:bench;
            world cell {
                export nebula:action/actions@0.1.0;
            }
        ",
        world: "nebula:bench/cell",
        exports: { default: async },
    });
}

/// How often each has its turn.
const BLOCKS: usize = 40;
/// More than a call takes.
const FUEL: u64 = 10_000_000_000;
/// As many calls at once as the sandbox allows.
const CALLS: u32 = 64;

/// Each with all before it.
const PARTS: [&str; 8] = [
    "pooled instances, memories reset by `pagemap_scan`",
    "and fuel",
    "and epochs",
    "and NaN canonicalisation",
    "and a limiter of memories and tables",
    "and a hook at each crossing",
    "and a time-out",
    "and the thread's CPU clock, read twice a poll",
];

/// No engine here has one.
const NEED_A_COLLECTOR: WasmFeatures = WasmFeatures::GC
    .union(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::FUNCTION_REFERENCES);

/// A component that was linked, its engine, and the last part that is on.
type Work = (cell::CellPre<StoreLimits>, Engine, usize);

/// Prints a table for a short call and a busy one.
pub(crate) async fn run() -> Result<(), crate::Error> {
    let short = json!({ "city": "Cairo", "temp": 28.4, "tags": ["a", "b"] });
    let busy = json!({ "data": "x".repeat(64 << 10) });
    let short = measure("condition", "condition.check", &short, 500).await?;
    let busy = measure("crypto", "crypto.hash", &busy, 20).await?;
    print(
        "\n| part | a short call (`condition.check`) | a busy one (`crypto.hash` of 64 KiB) |\n|---|---|---|",
    );
    let names = PARTS
        .iter()
        .chain(&["the sandbox: slots, clock, chance, log, report"]);
    for ((name, mut short), mut busy) in names.zip(short).zip(busy) {
        print(&format!(
            "| {name} | {} | {} |",
            short.spread(),
            busy.spread()
        ));
    }
    Ok(())
}

/// Samples for each number of parts, and for the sandbox.
async fn measure(
    name: &str,
    action: &str,
    input: &Value,
    calls: usize,
) -> Result<Vec<Samples>, crate::Error> {
    let component = pack(name)?;
    let works: Vec<Work> = (0..PARTS.len())
        .map(|on| prepare(component.bytes(), on))
        .collect::<Result<_, _>>()?;
    let sandbox = Sandbox::new(SandboxConfig::default(), std::sync::Arc::default())?;
    let whole = call(&component, action, input)?;
    let bytes = payload::encode(input)?.to_vec();
    let mut samples: Vec<Samples> = (0..=PARTS.len()).map(|_| Samples::default()).collect();
    for block in 0..=BLOCKS {
        for (work, samples) in works.iter().zip(&mut samples) {
            for _ in 0..calls {
                let begin = Instant::now();
                once(work, action, &bytes).await?;
                // The first block warms the pool up.
                if block > 0 {
                    samples.add(begin.elapsed());
                }
            }
        }
        for _ in 0..calls {
            let call = whole.clone();
            let begin = Instant::now();
            sandbox.run(call).await.result?;
            if block > 0 {
                samples[PARTS.len()].add(begin.elapsed());
            }
        }
    }
    Ok(samples)
}

fn prepare(component: &[u8], on: usize) -> Result<Work, crate::Error> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(CALLS)
        .max_unused_warm_slots(CALLS)
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(32 << 10);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .wasm_features(NEED_A_COLLECTOR, false)
        .generate_address_map(false)
        .native_unwind_info(false)
        .consume_fuel(on >= 1)
        .epoch_interruption(on >= 2)
        .cranelift_nan_canonicalization(on >= 3);
    let engine = Engine::new(&config)?;
    let component = Component::new(&engine, component)?;
    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_traps(&component)?;
    let pre = cell::CellPre::new(linker.instantiate_pre(&component)?)?;
    Ok((pre, engine, on))
}

/// A call with so many parts.
async fn once((pre, engine, on): &Work, action: &str, input: &Vec<u8>) -> Result<(), crate::Error> {
    let began = Instant::now();
    let mut store = Store::new(engine, StoreLimitsBuilder::new().build());
    if *on >= 1 {
        store.set_fuel(FUEL)?;
        store.fuel_async_yield_interval(Some(1_000_000))?;
    }
    if *on >= 2 {
        store.set_epoch_deadline(1);
        let end = began + Duration::from_secs(10);
        store.epoch_deadline_callback(move |_| {
            Ok(if Instant::now() >= end {
                UpdateDeadline::Interrupt
            } else {
                UpdateDeadline::Yield(1)
            })
        });
    }
    if *on >= 4 {
        store.limiter(|limits| limits);
    }
    if *on >= 5 {
        store.call_hook(|_, _| Ok(()));
    }
    let work = async {
        let instance = pre.instantiate_async(&mut store).await?;
        let actions = instance.nebula_action_actions();
        actions.call_execute(&mut store, action, input).await
    };
    let answer = if *on >= 7 {
        let before = clock_gettime(ClockId::ThreadCPUTime);
        let answer = tokio::time::timeout(Duration::from_secs(10), work).await?;
        let after = clock_gettime(ClockId::ThreadCPUTime);
        std::hint::black_box((before, after));
        answer
    } else if *on >= 6 {
        tokio::time::timeout(Duration::from_secs(10), work).await?
    } else {
        work.await
    };
    answer?.map_err(|e| format!("{action}: {e:?}"))?;
    Ok(())
}
