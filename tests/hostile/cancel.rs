//! Calls that are dropped at every await: no slot, no memory of the tenant and
//! no lock stays behind.

use std::task::{Context, Poll, Waker};

use nebula_flow::ports::{Limits, Runner};
use nebula_sandbox::{Allocation, SandboxConfig};

use crate::arena::{self, on_two_workers};
use crate::guest::{self, Guest};
use crate::long;

/// Sleeps and logs, holds 32 MiB, makes way often.
fn victim() -> Guest {
    Guest::new(
        "(drop (memory.grow (i32.const 512)))
         (local.set $n (i64.const 60))
         (loop $again
            (local.set $b (call $timer (i64.const 100000)))
            (call $block (local.get $b))
            (call $drop_poll (local.get $b))
            (call $log (i32.const 2) (i32.const 541) (i32.const 5))
            (local.set $a (i32.const 400000))
            (loop $work (br_if $work (local.tee $a (i32.sub (local.get $a) (i32.const 1)))))
            (br_if $again (i64.ne (i64.const 0) (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))
         (call $number (i64.const 3))",
    )
    .with("(func (export \"never\") (call $credential (i32.const 0) (i32.const 0) (i32.const 0)))")
}

#[test]
fn a_call_may_be_dropped_at_any_await() {
    let most = if long() { 200 } else { 40 };
    on_two_workers(async {
        for allocation in [Allocation::Pooled, Allocation::OnDemand] {
            // One slot and memory for one call: whatever stayed would be missed.
            let sandbox = arena::sandbox(SandboxConfig {
                allocation,
                max_concurrent_calls: 1,
                tenant_memory_bytes: 48 << 20,
                ..SandboxConfig::default()
            });
            let victim = victim().build();
            let healthy = Guest::number("(i64.extend_i32_s (memory.grow (i32.const 640)))").build();
            sandbox.prepare(&victim).await.expect("prepared");
            let call = |component| {
                let limits = Limits {
                    fuel: u64::MAX,
                    ..guest::limits()
                };
                arena::of("only", component, limits)
            };
            for polls in 0..most {
                let mut running = Box::pin(sandbox.run(call(&victim)));
                for _ in 0..polls {
                    let polled = running
                        .as_mut()
                        .poll(&mut Context::from_waker(Waker::noop()));
                    if let Poll::Ready(report) = polled {
                        assert_eq!(guest::output(&report), 3);
                        running = Box::pin(sandbox.run(call(&victim)));
                    }
                    tokio::task::yield_now().await;
                }
                drop(running);
                let report = sandbox.run(call(&healthy)).await;
                assert_eq!(guest::output(&report), 1, "after {polls} polls");
            }
        }
    });
}

#[test]
fn ten_thousand_sleepers_hold_no_thread() {
    let sleepers = if long() { 10_000 } else { 500 };
    on_two_workers(async {
        let sandbox = arena::sandbox(SandboxConfig {
            allocation: Allocation::OnDemand,
            max_concurrent_calls: 20_000,
            max_calls_per_tenant: 20_000,
            tenant_memory_bytes: 1 << 40,
            ..SandboxConfig::default()
        });
        let sleeper = Guest::new("(call $block (call $timer (i64.const -1))) unreachable")
            .with("(func (export \"never\") (call $credential (i32.const 0) (i32.const 0) (i32.const 0)))")
            .build();
        sandbox.prepare(&sleeper).await.expect("prepared");
        let before = crate::machine::Machine::now();
        let asleep: Vec<_> = (0..sleepers)
            .map(|_| {
                let (sandbox, sleeper) = (sandbox.clone(), sleeper.clone());
                tokio::spawn(async move {
                    let call = arena::of("sleeper", &sleeper, guest::limits());
                    sandbox.run(call).await
                })
            })
            .collect();
        let quick = Guest::number("(i64.const 7)").build();
        for _ in 0..50 {
            let report = sandbox
                .run(arena::of("awake", &quick, guest::limits()))
                .await;
            assert_eq!(guest::output(&report), 7);
        }
        let during = crate::machine::Machine::now();
        assert!(
            during.threads <= before.threads + 4,
            "{} threads, {} before",
            during.threads,
            before.threads
        );
        for sleeper in asleep {
            sleeper.abort();
        }
    });
}
