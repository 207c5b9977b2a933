//! Each limit, met by a component of its own, on both allocations; the message
//! names the limit and its value.

use std::time::{Duration, Instant};

use nebula_flow::event::FailureKind;
use nebula_flow::ports::{Limits, Report, Runner};

use super::guest::{Guest, call, limits, output};
use super::{assert_failure, config, failure, run, sandbox, sandbox_with};
use crate::{Allocation, SandboxConfig};

const LOOP: &str = "(loop $for_ever (br $for_ever)) unreachable";
const SLEEP_FOR_EVER: &str = "(call $block (call $timer (i64.const 9000000000000000))) unreachable";

async fn run_on_both(guest: &Guest, limits: Limits) -> Vec<Report> {
    let component = guest.build();
    let mut reports = Vec::new();
    for allocation in [Allocation::Pooled, Allocation::OnDemand] {
        let sandbox = sandbox_with(SandboxConfig {
            allocation,
            ..config()
        });
        reports.push(sandbox.run(call(&component, limits)).await);
    }
    reports
}

/// A guest that makes its calls effectful, so that it has the machine's clock.
fn effectful(execute: &str) -> Guest {
    Guest::new(execute).with(
        "(func (export \"never\") (call $credential (i32.const 0) (i32.const 0) (i32.const 0)))",
    )
}

#[tokio::test]
async fn an_endless_loop_ends_when_its_fuel_does() {
    for report in run_on_both(
        &Guest::new(LOOP),
        Limits {
            fuel: 10_000_000,
            ..limits()
        },
    )
    .await
    {
        assert_failure(
            &report,
            FailureKind::FuelExhausted,
            "fuel exhausted after 10,000,000",
        );
        assert_eq!(report.usage.fuel, 10_000_000);
    }
}

#[tokio::test]
async fn a_loop_that_fuel_does_not_stop_ends_at_its_deadline() {
    let endless = Limits {
        fuel: u64::MAX,
        timeout: Duration::from_millis(200),
        ..limits()
    };
    // Blocks and drops are free; only the branch costs fuel.
    let nothing = "(drop (i32.const 0)) nop ".repeat(1_000);
    for body in [
        LOOP.to_owned(),
        format!("(loop $for_ever (block {nothing}) (br $for_ever)) unreachable"),
    ] {
        for report in run_on_both(&Guest::new(body), endless).await {
            assert_failure(&report, FailureKind::TimedOut, "deadline 200 ms passed");
        }
    }
}

#[tokio::test]
async fn one_long_instruction_sequence_meets_the_deadline_between_its_parts() {
    // A fill of 32 MiB for each turn: much time for each instruction.
    let guest = Guest::new(
        "(drop (memory.grow (i32.const 512)))
         (loop $for_ever (memory.fill (i32.const 65536) (i32.const 1) (i32.const 33000000)) (br $for_ever))
         unreachable",
    );
    let endless = Limits {
        fuel: u64::MAX,
        timeout: Duration::from_millis(200),
        ..limits()
    };
    for report in run_on_both(&guest, endless).await {
        assert_failure(&report, FailureKind::TimedOut, "deadline 200 ms passed");
    }
}

#[tokio::test]
async fn a_memory_bomb_is_told_which_limit_it_met() {
    let bomb = Guest::new(
        "(loop $more (br_if $more (i32.ne (i32.const -1) (memory.grow (i32.const 16))))) unreachable",
    );
    for report in run_on_both(&bomb, limits()).await {
        assert_failure(
            &report,
            FailureKind::MemoryLimit,
            "memory limit 64 MiB reached",
        );
        assert_eq!(
            report.usage.memory_bytes,
            (64 << 20) - 15 * 65_536,
            "the last growth that fitted"
        );
    }
}

#[tokio::test]
async fn a_memory_that_begins_too_large_is_refused_at_once() {
    let guest = Guest {
        pages: 1_000,
        ..Guest::number("(i64.const 1)")
    };
    let small = Limits {
        memory_bytes: 16 << 20,
        ..limits()
    };
    let reports = run_on_both(&guest, small).await;
    // It cannot even describe itself.
    for report in reports {
        assert_failure(
            &report,
            FailureKind::Component,
            "the component cannot describe itself: memory limit 32 MiB reached",
        );
    }
    let guest = Guest {
        pages: 400,
        ..Guest::number("(i64.const 1)")
    };
    for report in run_on_both(&guest, small).await {
        assert_failure(
            &report,
            FailureKind::MemoryLimit,
            "memory limit 16 MiB reached",
        );
    }
}

#[tokio::test]
async fn a_guest_that_copes_with_refused_memory_keeps_its_answer() {
    let guest = Guest::number("(i64.extend_i32_s (memory.grow (i32.const 60000)))");
    for report in run_on_both(&guest, limits()).await {
        assert_eq!(output(&report), u64::MAX, "grow said -1");
    }
}

#[tokio::test]
async fn a_table_bomb_is_told_which_limit_it_met() {
    let bomb = Guest::new(
        "(loop $more
            (drop (table.grow $one (ref.null func) (i32.const 1000)))
            (br_if $more (i32.ne (i32.const -1) (table.grow $two (ref.null func) (i32.const 1000)))))
         unreachable",
    )
    .with("(table $one 0 funcref) (table $two 0 funcref)");
    for report in run_on_both(&bomb, limits()).await {
        assert_failure(
            &report,
            FailureKind::MemoryLimit,
            "table limit 100,000 elements reached",
        );
    }
}

#[tokio::test]
async fn too_many_memories_tables_or_instances_are_refused() {
    let many = |field: &str, n: usize| {
        let text = format!(
            r#"(component (core module $m {field}) {}
                (instance $i) (export "nebula:action/actions@0.1.0" (instance $i)))"#,
            "(core instance (instantiate $m))".repeat(n)
        );
        let bytes = wat::parse_str(text).expect("parses");
        nebula_flow::Verified::vouch(
            nebula_flow::Component::new(bytes),
            nebula_flow::component::Origin::Local,
        )
    };
    let sandbox = sandbox();
    for (field, n) in [("(memory 1)", 9), ("(table 1 funcref)", 17), ("", 33)] {
        let failure = sandbox.prepare(&many(field, n)).await.expect_err("refused");
        assert_eq!(
            failure.kind,
            FailureKind::Component,
            "{field}: {}",
            failure.message
        );
        assert!(
            failure.message.contains("exceeds"),
            "{field}: {}",
            failure.message
        );
    }
}

#[tokio::test]
async fn a_sleeper_ends_at_its_deadline() {
    let short = Limits {
        timeout: Duration::from_millis(100),
        ..limits()
    };
    for report in run_on_both(&effectful(SLEEP_FOR_EVER), short).await {
        assert_failure(&report, FailureKind::TimedOut, "deadline 100 ms passed");
    }
}

#[tokio::test]
async fn deep_recursion_traps_and_harms_nobody() {
    let guest = Guest::new("(call $deeper (i64.const 0)) unreachable")
        .with("(func $deeper (param i64) (call $deeper (i64.add (local.get 0) (i64.const 1))) (drop (i64.load (i32.wrap_i64 (local.get 0)))))");
    for report in run_on_both(&guest, limits()).await {
        assert_failure(
            &report,
            FailureKind::Trapped,
            "the guest trapped: wasm trap: call stack exhausted",
        );
    }
}

#[tokio::test]
async fn recursion_in_data_is_refused() {
    // 4,000 arrays, each in the one before.
    let guest = Guest::new(
        "(memory.fill (i32.const 16384) (i32.const 0x91) (i32.const 4000))
         (i32.store8 (i32.const 20384) (i32.const 0xc0))
         (call $bytes (i32.const 16384) (i32.const 4001))",
    );
    let report = run(&sandbox(), &guest).await;
    assert_failure(
        &report,
        FailureKind::InvalidOutput,
        "the action's output cannot be used: the value nests too deep; at most 128 levels are allowed",
    );
}

#[tokio::test]
async fn a_result_over_its_cap_is_refused() {
    let sandbox = sandbox();
    let sized = |len: usize| {
        Guest::new(format!(
            "(drop (memory.grow (i32.const 200)))
             (i32.store8 (i32.const 65536) (i32.const 0xdb))
             (call $bytes (i32.const 65536) (i32.const {len}))"
        ))
    };
    let report = run(&sandbox, &sized((4 << 20) + 1)).await;
    assert_failure(
        &report,
        FailureKind::InvalidOutput,
        "the action's output cannot be used: the value has 4194305 bytes; at most 4194304 are allowed",
    );
    let report = run(&sandbox, &sized(8 << 20)).await;
    assert_failure(
        &report,
        FailureKind::InvalidOutput,
        "the action gave more than 4 MiB at once",
    );
}

#[tokio::test]
async fn a_lying_result_is_refused() {
    let sandbox = sandbox();
    for (at, len) in [(0, -1), (65_000, 10_000), (-1, 1)] {
        let report = run(
            &sandbox,
            &Guest::new(format!("(call $bytes (i32.const {at}) (i32.const {len}))")),
        )
        .await;
        assert_eq!(
            failure(&report).kind,
            FailureKind::InvalidOutput,
            "{at} {len}: {}",
            failure(&report).message
        );
    }
    // A result at an address that is not there, and a case that does not exist.
    let report = run(&sandbox, &Guest::new("(i32.const -16)")).await;
    assert_eq!(failure(&report).kind, FailureKind::InvalidOutput);
    let report = run(
        &sandbox,
        &Guest::new("(i32.store8 (i32.const 2048) (i32.const 9)) (i32.const 2048)"),
    )
    .await;
    assert_eq!(failure(&report).kind, FailureKind::InvalidOutput);
}

#[tokio::test]
async fn an_input_over_its_cap_never_reaches_the_guest() {
    let component = Guest::number("(i64.const 1)").build();
    let mut large = call(&component, limits());
    large.input = vec![0xc0; (4 << 20) + 1].into();
    let report = sandbox().run(large).await;
    assert_failure(
        &report,
        FailureKind::InvalidInput,
        "the input cannot be used: the value has 4194305 bytes; at most 4194304 are allowed",
    );
    assert_eq!(report.usage.fuel, 0);
    let mut deep = call(&component, limits());
    deep.input = [vec![0x91; 10_000], vec![0xc0]].concat().into();
    let report = sandbox().run(deep).await;
    assert_failure(
        &report,
        FailureKind::InvalidInput,
        "the input cannot be used: the value nests too deep; at most 128 levels are allowed",
    );
}

#[tokio::test]
async fn leaked_handles_and_long_polls_are_refused() {
    let sandbox = sandbox();
    let leak = Guest::new("(loop $more (drop (call $timer (i64.const 0))) (br $more)) unreachable");
    let report = run(&sandbox, &leak).await;
    assert_failure(
        &report,
        FailureKind::MemoryLimit,
        "limit of 1,024 handles reached",
    );
    // The same timer 2,000 times in one list.
    let flood = Guest::new(
        "(local.set $b (call $timer (i64.const 0)))
         (loop $fill
            (i32.store (i32.add (i32.const 16384) (i32.shl (local.get $a) (i32.const 2))) (local.get $b))
            (br_if $fill (i32.lt_u (local.tee $a (i32.add (local.get $a) (i32.const 1))) (i32.const 2000))))
         (call $poll (i32.const 16384) (i32.const 2000) (i32.const 3072))
         unreachable",
    );
    let report = run(&sandbox, &flood).await;
    assert_failure(
        &report,
        FailureKind::MemoryLimit,
        "limit of 1,024 handles reached",
    );
    let random = Guest::new("(call $random_bytes (i64.const 65537) (i32.const 3072)) unreachable");
    let report = run(&sandbox, &random).await;
    assert!(
        failure(&report).message.contains("at most 65,536"),
        "{report:?}"
    );
}

#[tokio::test]
async fn work_during_instantiation_is_held_to_the_same_limits() {
    let guest =
        Guest::number("(i64.const 1)").with(&format!("(func $begin {LOOP}) (start $begin)"));
    let failure = sandbox()
        .prepare(&guest.build())
        .await
        .expect_err("refused");
    assert_eq!(failure.kind, FailureKind::Component);
    assert_eq!(
        failure.message,
        "the component cannot describe itself: fuel exhausted after 100,000,000"
    );
}

#[tokio::test]
async fn a_description_is_held_to_its_own_limits() {
    let sandbox = sandbox();
    let guest = Guest {
        describe: LOOP.into(),
        ..Guest::number("(i64.const 1)")
    };
    let failure = sandbox.prepare(&guest.build()).await.expect_err("refused");
    assert_eq!(
        failure.message,
        "the component cannot describe itself: fuel exhausted after 100,000,000"
    );
    // Its clock is virtual: it cannot sleep its time away either.
    let guest = Guest {
        describe: SLEEP_FOR_EVER.replace("unreachable", ""),
        ..Guest::number("(i64.const 1)")
    };
    assert!(sandbox.prepare(&guest.build()).await.is_ok());
    let guest = Guest {
        describe: "(call $identity (i32.const 3072))".into(),
        ..Guest::number("(i64.const 1)")
    };
    let failure = sandbox.prepare(&guest.build()).await.expect_err("refused");
    assert!(
        failure.message.contains("`context.identity` is not there"),
        "{}",
        failure.message
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_go_on_while_offenders_run() {
    let sandbox = sandbox();
    let offenders = [
        Guest::new(LOOP),
        effectful(SLEEP_FOR_EVER),
        Guest::new("(loop $more (drop (memory.grow (i32.const 1))) (br $more)) unreachable"),
    ];
    let mut running = Vec::new();
    for guest in offenders {
        let (sandbox, component) = (sandbox.clone(), guest.build());
        let endless = Limits {
            fuel: u64::MAX,
            timeout: Duration::from_secs(2),
            ..limits()
        };
        running.push(tokio::spawn(async move {
            sandbox.run(call(&component, endless)).await
        }));
    }
    let neighbour = Guest::number("(i64.const 7)").build();
    let mut served = 0;
    while !running.iter().all(tokio::task::JoinHandle::is_finished) {
        assert_eq!(output(&sandbox.run(call(&neighbour, limits())).await), 7);
        served += 1;
        tokio::task::yield_now().await;
    }
    assert!(
        served > 100,
        "only {served} calls of the neighbour were served in two seconds"
    );
    for offender in running {
        assert_eq!(
            failure(&offender.await.expect("joins")).kind,
            FailureKind::TimedOut
        );
    }
}

#[tokio::test]
async fn calls_beyond_the_pool_wait_for_their_turn() {
    let sandbox = sandbox_with(SandboxConfig {
        max_concurrent_calls: 2,
        ..config()
    });
    let component =
        effectful("(call $block (call $timer (i64.const 1000000))) (call $number (i64.const 3))")
            .build();
    let calls = (0..40).map(|_| sandbox.run(call(&component, limits())));
    for report in futures_util::future::join_all(calls).await {
        assert_eq!(output(&report), 3);
    }
}

#[tokio::test]
async fn a_dropped_call_stops_its_guest_and_gives_its_slot_back() {
    let sandbox = sandbox_with(SandboxConfig {
        max_concurrent_calls: 1,
        ..config()
    });
    for guest in [effectful(SLEEP_FOR_EVER), Guest::new(LOOP)] {
        let component = guest.build();
        sandbox.prepare(&component).await.expect("prepared");
        let endless = Limits {
            fuel: u64::MAX,
            timeout: Duration::from_secs(3_600),
            ..limits()
        };
        let cut = tokio::time::timeout(
            Duration::from_millis(50),
            sandbox.run(call(&component, endless)),
        )
        .await;
        assert!(cut.is_err(), "the call was still running");
        let began = Instant::now();
        assert_eq!(
            output(&run(&sandbox, &Guest::number("(i64.const 9)")).await),
            9
        );
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}
