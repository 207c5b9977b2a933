//! The cell from the outside: hostile and well-behaved components through
//! [`Runner`], on both allocations where that matters.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests vouch for the components that they wrote themselves"
)]

mod cache;
mod charges;
mod compile;
mod context;
mod effects;
mod guest;
mod limits;
mod pure;
mod resources;
mod samples;
mod tenants;

use std::sync::Arc;

use nebula_egress::{Egress, EgressConfig};
use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::ports::{Report, Runner};

use crate::{Allocation, Sandbox, SandboxConfig};
use guest::{Guest, call, output};

fn config() -> SandboxConfig {
    SandboxConfig {
        max_concurrent_calls: 8,
        ..SandboxConfig::default()
    }
}

fn sandbox_with(config: SandboxConfig) -> Sandbox {
    Sandbox::new(config, Arc::new(Egress::new(EgressConfig::default()))).expect("a sandbox")
}

fn sandbox() -> Sandbox {
    sandbox_with(config())
}

fn failure(report: &Report) -> &Failure {
    report.result.as_ref().expect_err("the call fails")
}

fn assert_failure(report: &Report, kind: FailureKind, message: &str) {
    let failure = failure(report);
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (kind, message),
        "{:?}",
        report.lines
    );
}

async fn run(sandbox: &Sandbox, guest: &Guest) -> Report {
    sandbox.run(call(&guest.build(), guest::limits())).await
}

#[tokio::test]
async fn a_component_is_described_and_run_on_both_allocations() {
    for allocation in [Allocation::Pooled, Allocation::OnDemand] {
        let sandbox = sandbox_with(SandboxConfig {
            allocation,
            ..config()
        });
        assert_eq!(sandbox.allocation(), allocation);
        let component = Guest::number("(i64.const 42)").build();
        let prepared = sandbox.prepare(&component).await.expect("prepared");
        assert_eq!(prepared.effect, nebula_flow::Effect::Pure);
        assert_eq!(prepared.actions[0].id.as_str(), "test.run");
        assert_eq!(prepared.actions[0].credentials, ["key"]);
        let report = sandbox.run(call(&component, guest::limits())).await;
        assert_eq!(output(&report), 42);
        assert!(
            report.usage.fuel > 0 && report.usage.memory_bytes >= 65_536,
            "{:?}",
            report.usage
        );
    }
}

#[tokio::test]
async fn the_input_reaches_the_guest_and_its_output_comes_back() {
    let guest = Guest::new("(call $bytes (local.get $input) (local.get $input_len))");
    let mut echo = call(&guest.build(), guest::limits());
    let value = nebula_flow::json!({"city": "Zürich", "days": [1, 2, 3]});
    echo.input = nebula_flow::payload::encode(&value).expect("encodes");
    let report = sandbox().run(echo).await;
    assert_eq!(output(&report), value);
}

#[tokio::test]
async fn each_call_begins_with_fresh_state() {
    // Counts in a global and in memory, and says the sum.
    let guest = Guest::number(
        "(block (result i64)
            (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
            (i64.store (i32.const 16384) (i64.add (i64.load (i32.const 16384)) (i64.const 1)))
            (i64.add (global.get $calls) (i64.load (i32.const 16384))))",
    );
    for allocation in [Allocation::Pooled, Allocation::OnDemand] {
        let sandbox = sandbox_with(SandboxConfig {
            allocation,
            ..config()
        });
        for _ in 0..20 {
            assert_eq!(output(&run(&sandbox, &guest).await), 2, "{allocation:?}");
        }
    }
}

#[tokio::test]
async fn guest_errors_keep_their_sort() {
    let sandbox = sandbox();
    let cases = [
        (0, FailureKind::InvalidInput, "hello", None),
        (1, FailureKind::Permanent, "hello", None),
        (2, FailureKind::Retryable, "hello", Some(1_500)),
        (
            3,
            FailureKind::Cancelled,
            "the action stopped because it was cancelled",
            None,
        ),
    ];
    for (case, kind, message, delay) in cases {
        let report = run(
            &sandbox,
            &Guest::new(format!("(call $error (i32.const {case}))")),
        )
        .await;
        assert_failure(&report, kind, message);
        assert_eq!(failure(&report).retry_after_ms, delay);
    }
}

#[tokio::test]
async fn traps_and_exits_are_told_from_guest_errors() {
    let sandbox = sandbox();
    let report = run(&sandbox, &Guest::new("unreachable")).await;
    assert_failure(
        &report,
        FailureKind::Trapped,
        "the guest trapped: wasm trap: wasm `unreachable` instruction executed",
    );
    let report = run(&sandbox, &Guest::new("(i32.load (i32.const -8))")).await;
    assert_failure(
        &report,
        FailureKind::Trapped,
        "the guest trapped: wasm trap: out of bounds memory access",
    );
    for (status, code) in [(0, 0), (1, 1)] {
        let report = run(
            &sandbox,
            &Guest::new(format!("(call $exit (i32.const {status})) unreachable")),
        )
        .await;
        assert_failure(
            &report,
            FailureKind::Trapped,
            &format!("it called exit({code}) instead of answering"),
        );
    }
}

#[tokio::test]
async fn an_action_that_the_component_lacks_is_named() {
    let component = Guest::number("(i64.const 1)").build();
    let mut wrong = call(&component, guest::limits());
    wrong.action = nebula_flow::ActionId::new("test.other").expect("an id");
    let report = sandbox().run(wrong).await;
    assert_failure(
        &report,
        FailureKind::Component,
        "the component has no action `test.other`; it has: test.run",
    );
}

#[tokio::test]
async fn logs_and_outputs_are_kept_in_order() {
    let guest = Guest::new(
        "(call $log (i32.const 2) (i32.const 541) (i32.const 5))
         (call $print (call $stdout) (i32.const 541) (i32.const 6) (i32.const 3072))
         (call $print (call $stderr) (i32.const 541) (i32.const 5) (i32.const 3072))
         (call $number (i64.const 0))",
    );
    let report = run(&sandbox(), &guest).await;
    assert_eq!(output(&report), 0);
    let lines: Vec<(&str, &str)> = report
        .lines
        .iter()
        .map(|(l, m)| (l.as_str(), m.as_str()))
        .collect();
    assert_eq!(
        lines,
        [("info", "hello"), ("stdout", "hello"), ("stderr", "hello")]
    );
}

#[tokio::test]
async fn what_is_measured_is_a_line_and_what_is_no_figure_a_warning() {
    let guest = Guest::new(
        "(call $measure (i32.const 541) (i32.const 5) (f64.const 17))
         (call $measure (i32.const 541) (i32.const 5) (f64.const -1e300))
         (call $measure (i32.const 541) (i32.const 5) (f64.const nan))
         (call $measure (i32.const 541) (i32.const 6) (f64.const 1))
         (call $number (i64.const 0))",
    );
    let report = run(&sandbox(), &guest).await;
    let metrics: Vec<_> = report.metrics().collect();
    assert_eq!(metrics, [("hello", 17.0), ("hello", -1e300)]);
    let lines: Vec<_> = report
        .lines
        .iter()
        .map(|(l, m)| (l.as_str(), m.as_str()))
        .collect();
    assert_eq!(
        lines[..2],
        [("metric", "hello 17"), ("metric", "hello -1e300")]
    );
    for (level, message) in &lines[2..] {
        assert_eq!(*level, "warn");
        assert!(message.starts_with("a metric was dropped"), "{message}");
    }
    assert_eq!(lines.len(), 4);
}

#[tokio::test]
async fn a_flood_of_lines_costs_lines_and_not_the_result() {
    let guest = Guest::new(
        "(local.set $a (i32.const 1000))
         (loop $again
            (call $log (i32.const 2) (i32.const 541) (i32.const 5))
            (br_if $again (local.tee $a (i32.sub (local.get $a) (i32.const 1)))))
         (call $number (i64.const 0))",
    );
    let report = run(&sandbox(), &guest).await;
    assert_eq!(output(&report), 0);
    assert_eq!(report.lines.len(), 257);
    assert!(
        report.lines[256]
            .1
            .starts_with("744 more lines were dropped")
    );
}

#[tokio::test]
async fn what_may_not_run_is_refused_with_the_reason() {
    use nebula_flow::component::{Component, Origin, Verified};
    let sandbox = sandbox();
    let refuse = async |bytes: Vec<u8>| {
        let component = Verified::vouch(Component::new(bytes), Origin::Local);
        let failure = sandbox.prepare(&component).await.expect_err("refused");
        assert_eq!(failure.kind, FailureKind::Component);
        failure.message
    };
    let filesystem = Guest::number("(i64.extend_i32_u (call $directories))").bytes();
    assert_eq!(
        refuse(filesystem).await,
        "the component imports `wasi:filesystem/preopens@0.2.6`, which no action may have"
    );
    assert!(
        refuse(b"\0asm\x01\0\0\0".to_vec())
            .await
            .contains("core module")
    );
    assert!(
        refuse(b"garbage".to_vec())
            .await
            .contains("not a WebAssembly component")
    );
    let whole = Guest::number("(i64.const 1)").bytes();
    assert!(!refuse(whole[..whole.len() / 2].to_vec()).await.is_empty());
    // A function whose body does not validate is found when it is compiled.
    let wrong = wat::parse_str(
        r#"(component (core module (func (result i32) (i64.const 1)))
            (instance $i) (export "nebula:action/actions@0.1.0" (instance $i)))"#,
    );
    assert!(
        refuse(wrong.expect("parses"))
            .await
            .contains("cannot be compiled")
    );
    // An export of the right name and the wrong type.
    let empty = wat::parse_str(
        r#"(component (instance $i) (export "nebula:action/actions@0.1.0" (instance $i)))"#,
    );
    assert!(
        refuse(empty.expect("parses"))
            .await
            .contains("does not fit this host")
    );
}

#[tokio::test]
async fn features_that_are_off_are_refused() {
    let sandbox = sandbox();
    for field in [
        "(memory $second 1)",
        "(memory $shared 1 1 shared)",
        "(memory $wide i64 1)",
        "(tag $t)",
        "(table 1 externref)",
        "(type $s (struct (field i32)))",
        "(func (result v128) (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))",
    ] {
        // As the encoder would refuse some of these itself, they stand in a component of their own.
        let text = format!(
            r#"(component (core module {field}) (instance $i) (export "nebula:action/actions@0.1.0" (instance $i)))"#
        );
        let bytes = wat::parse_str(if field.starts_with("(memory $second") {
            text.replace(field, "(memory 1) (memory 1)")
        } else {
            text
        });
        let component = nebula_flow::Verified::vouch(
            nebula_flow::Component::new(bytes.expect("parses")),
            nebula_flow::component::Origin::Local,
        );
        let failure = sandbox.prepare(&component).await.expect_err("refused");
        assert!(
            failure.message.contains("cannot be compiled"),
            "{field}: {}",
            failure.message
        );
    }
}
