//! What the host does for a guest is paid in fuel, and counted as CPU time.

use std::time::Duration;

use nebula_flow::event::FailureKind;
use nebula_flow::ports::{Limits, Report, Runner};

use super::guest::{Guest, call, limits, output};
use super::{assert_failure, failure, sandbox};
use crate::charge::{HASHED_BYTE, HOST_CALL, POLL_ENTRY, RANDOM_BYTE, TEXT_BYTE};

async fn fuel(execute: &str) -> u64 {
    let guest = Guest::new(format!("{execute} (call $number (i64.const 0))"));
    let report = sandbox().run(call(&guest.build(), limits())).await;
    assert_eq!(output(&report), 0);
    report.usage.fuel
}

/// What the code costs beyond what any call does.
async fn cost(execute: &str) -> u64 {
    fuel(execute).await - fuel("").await
}

fn assert_about(cost: u64, price: u64) {
    // A few instructions come with each call.
    assert!((price..price + 200).contains(&cost), "{cost}, not {price}");
}

#[tokio::test]
async fn every_host_call_has_its_price() {
    assert_about(cost("(drop (call $mono_now))").await, HOST_CALL);
    assert_about(
        cost("(drop (call $mono_now)) (drop (call $mono_now))").await,
        2 * HOST_CALL,
    );
    assert_about(cost("(drop (call $random))").await, HOST_CALL);
    assert_about(cost("(call $wall_now (i32.const 3072))").await, HOST_CALL);
    assert_about(
        cost("(call $insecure_seed (i32.const 3072))").await,
        HOST_CALL,
    );
    assert_about(cost("(drop (call $stdout))").await, HOST_CALL);
    assert_about(cost("(call $deadline (i32.const 3072))").await, HOST_CALL);
    // A stream of WASI's own, and the fields of a request.
    let print = "(call $print (local.get $a) (i32.const 541) (i32.const 6) (i32.const 3072))";
    let with = |n: usize| format!("(local.set $a (call $stdout)) {}", print.repeat(n));
    assert_about(cost(&with(3)).await - cost(&with(2)).await, HOST_CALL);
    assert_about(cost("(drop (call $fields))").await, HOST_CALL);
    // Dropping a handle is the host's work too.
    let dropped = cost("(call $drop_poll (call $timer (i64.const 0)))").await;
    assert_about(dropped, 2 * HOST_CALL);
}

#[tokio::test]
async fn what_grows_with_its_arguments_is_paid_by_size() {
    let log = |len: u64| format!("(call $log (i32.const 2) (i32.const 40000) (i32.const {len}))");
    let more = cost(&log(20_000)).await - cost(&log(10_000)).await;
    assert_eq!(more, 10_000 * TEXT_BYTE);
    let key = |len: u64| {
        format!("(call $idempotency_key (i32.const 40000) (i32.const {len}) (i32.const 3072))")
    };
    let more = cost(&key(20_000)).await - cost(&key(10_000)).await;
    assert_eq!(more, 10_000 * HASHED_BYTE);
    let random = |len: u64| format!("(call $random_bytes (i64.const {len}) (i32.const 3072))");
    let more = cost(&random(2_000)).await - cost(&random(1_000)).await;
    assert_about(more, 1_000 * RANDOM_BYTE);
    // The same timer so many times in one list.
    let poll = |n: u64| {
        format!(
            "(local.set $b (call $timer (i64.const 0)))
             (loop $fill
                (i32.store (i32.add (i32.const 16384) (i32.shl (local.get $a) (i32.const 2))) (local.get $b))
                (br_if $fill (i32.lt_u (local.tee $a (i32.add (local.get $a) (i32.const 1))) (i32.const 600))))
             (call $poll (i32.const 16384) (i32.const {n}) (i32.const 3072))"
        )
    };
    let more = cost(&poll(600)).await - cost(&poll(500)).await;
    assert_about(more, 100 * POLL_ENTRY);
}

#[tokio::test]
async fn pages_and_elements_are_paid_for_whether_given_or_refused() {
    let grow = |pages: u64| format!("(drop (memory.grow (i32.const {pages})))");
    assert_eq!(cost(&grow(100)).await - cost(&grow(10)).await, 90 * 255);
    assert!(cost(&grow(0)).await >= 255);
    let few = Limits {
        fuel: 10_000_000,
        ..limits()
    };
    let refused =
        Guest::new("(loop $more (drop (memory.grow (i32.const 2000))) (br $more)) unreachable");
    let report = sandbox().run(call(&refused.build(), few)).await;
    assert_failure(
        &report,
        FailureKind::FuelExhausted,
        "fuel exhausted after 10,000,000",
    );
}

async fn flood(code: &str) -> Report {
    let guest = Guest::new(format!("(loop $more {code} (br $more)) unreachable"));
    let few = Limits {
        fuel: 10_000_000,
        ..limits()
    };
    sandbox().run(call(&guest.build(), few)).await
}

#[tokio::test]
async fn a_flood_of_host_calls_ends_when_its_fuel_does() {
    for code in [
        "(drop (call $mono_now))",
        "(drop (call $random))",
        "(call $log (i32.const 2) (i32.const 541) (i32.const 0))",
        "(call $drop_poll (call $timer (i64.const 0)))",
        "(call $random_bytes (i64.const 1) (i32.const 3072))",
    ] {
        let report = flood(code).await;
        assert_failure(
            &report,
            FailureKind::FuelExhausted,
            "fuel exhausted after 10,000,000",
        );
        assert_eq!(report.usage.fuel, 10_000_000);
    }
}

#[tokio::test]
async fn the_same_call_costs_the_same_fuel_each_time() {
    let code = "(call $log (i32.const 2) (i32.const 541) (i32.const 5))
        (call $random_bytes (i64.const 3000) (i32.const 3072))
        (call $block (call $timer (i64.const 5)))";
    let first = fuel(code).await;
    for _ in 0..20 {
        assert_eq!(fuel(code).await, first);
    }
}

#[tokio::test]
async fn cpu_time_is_reported_and_is_not_wall_time() {
    let endless = Limits {
        fuel: u64::MAX,
        timeout: Duration::from_millis(200),
        ..limits()
    };
    let sandbox = sandbox();
    let busy = Guest::new("(loop $more (drop (call $mono_now)) (br $more)) unreachable").build();
    sandbox.prepare(&busy).await.expect("prepared");
    let report = sandbox.run(call(&busy, endless)).await;
    assert_eq!(failure(&report).kind, FailureKind::TimedOut);
    assert!(report.usage.cpu_us > 0 && report.usage.cpu_us <= report.usage.duration_us);
    let sleeper = Guest::new(
        "(call $block (call $timer (i64.const 9000000000000000))) unreachable",
    )
    .with("(func (export \"never\") (call $credential (i32.const 0) (i32.const 0) (i32.const 0)))")
    .build();
    sandbox.prepare(&sleeper).await.expect("prepared");
    let report = sandbox.run(call(&sleeper, endless)).await;
    assert!(report.usage.cpu_us < 100_000 && report.usage.duration_us >= 200_000);
}
