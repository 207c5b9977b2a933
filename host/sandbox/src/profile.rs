//! How wasmtime is configured. Each line answers an attack or a figure of the
//! sandbox's profile; the tests read the values back.

use std::num::NonZeroUsize;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OperatorCost, OptLevel,
    PoolingAllocationConfig, Strategy, VariableOperatorCost, WasmBacktraceDetails, WasmFeatures,
};

use crate::limits;

/// The oldest wasmtime whose published advisories are all fixed.
const OLDEST_WASMTIME: (u64, u64, u64) = (48, 0, 8);

/// What of WebAssembly a component may use. All else is off: threads, shared
/// memory, gc, exceptions, 64-bit and multiple memories, relaxed SIMD, custom
/// page sizes, wide arithmetic, and every asynchronous part of the component
/// model.
const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .difference(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

/// Where instances come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// From a pool that is reserved at start: a fresh call in microseconds.
    Pooled,
    /// Mapped for each call: slower, for machines that cannot reserve the pool.
    OnDemand,
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// This binary was built with a wasmtime that has known holes.
    #[error("wasmtime {found} has known security holes: build with 48.0.8 or a later 48.0")]
    OutdatedWasmtime {
        /// What is built in.
        found: String,
    },
    /// wasmtime does not take the profile, or the machine cannot run it.
    #[error("wasmtime cannot start on this machine: {0}")]
    Engine(String),
    /// The folder of compiled components cannot be made.
    #[error("the cache folder {path} cannot be used: {reason}")]
    CacheDir {
        /// Which folder.
        path: String,
        /// As the system says.
        reason: String,
    },
}

impl SandboxError {
    fn engine(error: &wasmtime::Error) -> Self {
        Self::Engine(format!("{error:#}"))
    }
}

/// Refuses a wasmtime with known holes.
pub(crate) fn check_version(version: &str) -> Result<(), SandboxError> {
    let numbers: Vec<u64> = version.split('.').map_while(|n| n.parse().ok()).collect();
    match numbers[..] {
        [major, minor, patch] if (major, minor, patch) >= OLDEST_WASMTIME => Ok(()),
        _ => Err(SandboxError::OutdatedWasmtime {
            found: version.to_owned(),
        }),
    }
}

/// The one engine of a sandbox, and which allocation it could have. Who looks at
/// stacks sees so many frames of one, if any are named.
pub(crate) fn engine(
    wanted: Allocation,
    max_calls: u32,
    frames: Option<NonZeroUsize>,
) -> Result<(Engine, Allocation), SandboxError> {
    if wanted == Allocation::Pooled {
        match Engine::new(&config(Allocation::Pooled, max_calls, frames)) {
            Ok(engine) => {
                tracing::info!(max_calls, "the sandbox has its instance pool");
                return Ok((engine, Allocation::Pooled));
            }
            Err(error) => tracing::warn!(
                max_calls,
                error = format!("{error:#}"),
                "the instance pool cannot be reserved: instances are mapped for each call, which is slower"
            ),
        }
    }
    let config = config(Allocation::OnDemand, max_calls, frames);
    let engine = Engine::new(&config).map_err(|e| SandboxError::engine(&e))?;
    Ok((engine, Allocation::OnDemand))
}

/// The engine of a compiling process: without a pool, all else the same, so that
/// its code fits the engine of a sandbox.
pub(crate) fn compiling_engine() -> Result<Engine, SandboxError> {
    Engine::new(&config(Allocation::OnDemand, 1, None)).map_err(|e| SandboxError::engine(&e))
}

fn config(allocation: Allocation, max_calls: u32, frames: Option<NonZeroUsize>) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        // A pure call must not see which bits this machine puts into a NaN.
        .cranelift_nan_canonicalization(true)
        .consume_fuel(true)
        .operator_cost(costs())
        .epoch_interruption(true)
        .wasm_features(WasmFeatures::all().difference(FEATURES), false)
        .concurrency_support(false)
        .shared_memory(false)
        .max_wasm_stack(limits::WASM_STACK)
        .async_stack_size(limits::ASYNC_STACK)
        // Guests are told which limit they met, not where in their code: without
        // address maps and unwind tables, compiled components load faster.
        .generate_address_map(false)
        .wasm_backtrace_max_frames(frames)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .native_unwind_info(false)
        .memory_init_cow(true);
    match allocation {
        Allocation::Pooled => {
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(max_calls)))
        }
        Allocation::OnDemand => config.allocation_strategy(InstanceAllocationStrategy::OnDemand),
    };
    config
}

/// What the host may do for each element of a table: the page that it lies on is
/// touched for the first time, and a null or a reference written.
const TABLE_ELEMENT: u8 = 32;

/// The fuel of each instruction: one unit, but for those that leave the guest to
/// ask the host for memory, which pay by page and element, given or refused.
fn costs() -> OperatorCost {
    OperatorCost {
        MemoryGrow: u8::MAX,
        TableGrow: u8::MAX,
        variable: VariableOperatorCost {
            memory_grow_per_page: u8::MAX,
            table_grow_per_element: TABLE_ELEMENT,
            table_fill_per_element: TABLE_ELEMENT,
            table_copy_per_element: TABLE_ELEMENT,
            table_init_per_element: TABLE_ELEMENT,
            ..VariableOperatorCost::new()
        },
        ..OperatorCost::new()
    }
}

/// A pool that `max_calls` calls cannot exhaust, whatever their components have.
fn pool(max_calls: u32) -> PoolingAllocationConfig {
    let per_call = |n: usize| max_calls.saturating_mul(u32::try_from(n).unwrap_or(u32::MAX));
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(max_calls)
        .total_core_instances(per_call(limits::INSTANCES))
        .total_memories(per_call(limits::MEMORIES))
        .total_tables(per_call(limits::TABLES))
        .total_stacks(max_calls)
        .total_gc_heaps(0)
        .max_core_instances_per_component(count(limits::INSTANCES))
        .max_memories_per_component(count(limits::MEMORIES))
        .max_tables_per_component(count(limits::TABLES))
        .max_tables_per_module(count(limits::TABLES))
        .table_elements(limits::TABLE_ELEMENTS)
        .max_unused_warm_slots(max_calls.min(64))
        // Without a scan, resetting a memory costs a system call and the next
        // call's page faults; with it, dirty pages are known and few.
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(32 << 10);
    pool
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wasmtime_with_known_holes_is_refused() {
        for old in ["48.0.7", "47.9.9", "36.0.20", "", "48.0", "x.y.z"] {
            assert!(check_version(old).is_err(), "{old}");
        }
        for new in ["48.0.8", "48.0.12", "49.0.0", wasmtime_environ::VERSION] {
            assert!(check_version(new).is_ok(), "{new}");
        }
    }

    #[test]
    fn wasmtime_has_the_parts_without_which_it_may_abort_and_no_others() {
        // GHSA-rc4p-x33f-vpr2 and GHSA-2674-w29h-wqvj: compiled in, switched off.
        let manifest = include_str!("../../../Cargo.toml");
        let line = |name: &str| {
            let begin = format!("{name} = ");
            let line = manifest.lines().find(|line| line.starts_with(&begin));
            line.expect("the workspace names it")
        };
        let wasmtime = line("wasmtime");
        assert!(wasmtime.contains("default-features = false"));
        assert!(wasmtime.contains("\"gc\"") && wasmtime.contains("\"threads\""));
        for off in [
            "component-model-async",
            "winch",
            "parallel-compilation",
            "cache",
        ] {
            assert!(!wasmtime.contains(&format!("\"{off}\"")), "{off}");
        }
        for wasi in ["wasmtime-wasi", "wasmtime-wasi-http"] {
            let only = "default-features = false, features = [\"p2\"] }";
            assert!(line(wasi).ends_with(only), "{wasi}");
        }
    }

    #[test]
    fn the_code_of_a_compiling_process_fits_the_engine_of_a_sandbox() {
        let wat = "(component (core module (memory 1) (func (memory.grow (i32.const 1)) drop)))";
        let component = wat::parse_str(wat).expect("parses");
        let code = compiling_engine()
            .and_then(|engine| {
                let code = engine.precompile_component(&component);
                code.map_err(|e| SandboxError::engine(&e))
            })
            .expect("compiles");
        for allocation in [Allocation::Pooled, Allocation::OnDemand] {
            let (engine, _) = engine(allocation, 4, None).expect("an engine");
            let hash = crate::compiled::settings_hash;
            assert_eq!(hash(&engine), hash(&compiling_engine().expect("an engine")));
            #[expect(unsafe_code, reason = "these are the bytes that wasmtime just gave")]
            // SAFETY: nothing has touched them since.
            let loaded = unsafe { wasmtime::component::Component::deserialize(&engine, &code) };
            loaded.expect("it fits");
        }
    }

    #[test]
    fn both_allocations_hold_the_same_profile() {
        for allocation in [Allocation::Pooled, Allocation::OnDemand] {
            let (engine, got) = engine(allocation, 4, None).expect("an engine");
            let config = &engine;
            assert_eq!(got, allocation);
            assert!(config.get_consume_fuel() && config.get_epoch_interruption());
            assert!(!config.get_concurrency_support() && !config.get_shared_memory());
            assert_eq!(config.get_strategy(), Some(Strategy::Cranelift));
            assert_eq!(config.get_cranelift_nan_canonicalization(), Some(true));
            assert_eq!(config.get_max_wasm_stack(), 512 << 10);
            assert_eq!(config.get_async_stack_size(), 2 << 20);
            let features = config.get_wasm_features();
            assert!(
                features.contains(WasmFeatures::COMPONENT_MODEL | WasmFeatures::REFERENCE_TYPES)
            );
            for off in [
                WasmFeatures::THREADS,
                WasmFeatures::SHARED_EVERYTHING_THREADS,
                WasmFeatures::GC,
                WasmFeatures::GC_TYPES,
                WasmFeatures::EXCEPTIONS,
                WasmFeatures::LEGACY_EXCEPTIONS,
                WasmFeatures::MEMORY64,
                WasmFeatures::MULTI_MEMORY,
                WasmFeatures::RELAXED_SIMD,
                WasmFeatures::CUSTOM_PAGE_SIZES,
                WasmFeatures::WIDE_ARITHMETIC,
                WasmFeatures::STACK_SWITCHING,
                WasmFeatures::FUNCTION_REFERENCES,
                WasmFeatures::CM_ASYNC,
                WasmFeatures::CM_ASYNC_STACKFUL,
                WasmFeatures::CM_MORE_ASYNC_BUILTINS,
                WasmFeatures::CM_THREADING,
                WasmFeatures::CM_ERROR_CONTEXT,
                WasmFeatures::CM_GC,
            ] {
                assert!(!features.intersects(off), "{off:?} is on");
            }
            if let Some(pool) = config.get_pooling_config() {
                assert_eq!(pool.get_pagemap_scan(), Enabled::Auto);
                assert!(pool.get_memory_keep_resident() >= 64 << 10);
                assert_eq!(pool.get_table_elements(), 100_000);
                assert_eq!(pool.get_total_component_instances(), 4);
                assert_eq!(pool.get_total_core_instances(), 4 * 32);
                assert_eq!(pool.get_total_memories(), 4 * 8);
                assert_eq!(pool.get_total_tables(), 4 * 16);
                assert_eq!(pool.get_max_core_instances_per_component(), 32);
                assert_eq!(pool.get_max_memories_per_component(), 8);
                assert_eq!(pool.get_max_tables_per_component(), 16);
            } else {
                assert_eq!(allocation, Allocation::OnDemand);
            }
        }
    }

    #[test]
    fn a_pool_that_cannot_be_reserved_falls_back_to_instances_on_demand() {
        // A million calls with eight memories of 4 GiB each exceed any address space.
        let (_, got) = engine(Allocation::Pooled, 1_000_000, None).expect("an engine");
        assert_eq!(got, Allocation::OnDemand);
    }
}
