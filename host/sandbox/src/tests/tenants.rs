//! Tenants beside each other: slots, turns and memory.

use std::time::Duration;

use nebula_flow::TenantId;
use nebula_flow::event::FailureKind;
use nebula_flow::ports::{Call, Limits, Runner};

use super::guest::{Guest, call, limits, output};
use super::{config, failure, sandbox_with};
use crate::SandboxConfig;

/// Grows by 40 MiB, then sleeps on the machine's clock.
fn holder() -> Guest {
    Guest::new("(drop (memory.grow (i32.const 640))) (call $block (call $timer (i64.const 9000000000000000))) unreachable")
        .with("(func (export \"never\") (call $credential (i32.const 0) (i32.const 0) (i32.const 0)))")
}

fn of(tenant: &str, guest: &Guest, timeout: Duration) -> Call {
    let limits = Limits {
        timeout,
        ..limits()
    };
    Call {
        tenant: TenantId::new(tenant).expect("a name"),
        ..call(&guest.build(), limits)
    }
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_memory_of_a_tenants_calls_is_summed_and_others_have_their_own() {
    let sandbox = sandbox_with(SandboxConfig {
        tenant_memory_bytes: 64 << 20,
        ..config()
    });
    // The guest would cope with a refusal of its own limit; this one it never sees.
    let wants = Guest::number("(i64.extend_i32_s (memory.grow (i32.const 640)))");
    let held = {
        let (sandbox, call) = (sandbox.clone(), of("a", &holder(), LONG));
        tokio::spawn(async move { sandbox.run(call).await })
    };
    let report = loop {
        let report = sandbox.run(of("a", &wants, LONG)).await;
        if report.result.is_err() {
            break report;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(failure(&report).kind, FailureKind::Host);
    assert_eq!(
        failure(&report).message,
        "the calls of this tenant have all of their 64 MiB of memory together; this one runs when others have ended"
    );
    assert_eq!(output(&sandbox.run(of("b", &wants, LONG)).await), 1);
    held.abort();
    assert!(held.await.is_err());
    assert_eq!(output(&sandbox.run(of("a", &wants, LONG)).await), 1);
}

#[tokio::test]
async fn a_tenant_that_fills_its_slots_leaves_the_others_theirs() {
    let sandbox = sandbox_with(SandboxConfig {
        max_concurrent_calls: 4,
        max_calls_per_tenant: 2,
        ..config()
    });
    let greedy: Vec<_> = (0..6)
        .map(|_| {
            let (sandbox, call) = (sandbox.clone(), of("greedy", &holder(), LONG));
            tokio::spawn(async move { sandbox.run(call).await })
        })
        .collect();
    let quick = Guest::number("(i64.const 5)");
    for _ in 0..50 {
        assert_eq!(output(&sandbox.run(of("modest", &quick, LONG)).await), 5);
    }
    for call in greedy {
        call.abort();
    }
}

#[tokio::test]
async fn a_call_that_gets_no_slot_is_the_hosts_trouble() {
    let sandbox = sandbox_with(SandboxConfig {
        max_concurrent_calls: 1,
        ..config()
    });
    let quick = Guest::number("(i64.const 5)");
    sandbox.prepare(&quick.build()).await.expect("prepared");
    let held = {
        let (sandbox, call) = (sandbox.clone(), of("a", &holder(), LONG));
        tokio::spawn(async move { sandbox.run(call).await })
    };
    let report = loop {
        let report = sandbox
            .run(of("a", &quick, Duration::from_millis(200)))
            .await;
        if report.result.is_err() {
            break report;
        }
        // A call that need not wait for anything lets nobody else run.
        tokio::task::yield_now().await;
    };
    assert_eq!(failure(&report).kind, FailureKind::Host);
    assert!(
        failure(&report).message.ends_with("was free for 450 ms"),
        "{}",
        failure(&report).message
    );
    held.abort();
}
