//! A pure call is a function of its step: its time and its chance are its own.

use nebula_flow::Timestamp;
use nebula_flow::id::{NodeId, StepKey};
use nebula_flow::ports::{Call, Runner};

use super::guest::{Guest, call, limits, output};
use super::sandbox;

/// Random bytes, the insecure seed and both clocks, folded into one number.
const OBSERVE: &str = "
    (call $random_bytes (i64.const 8) (i32.const 3072))
    (call $insecure_seed (i32.const 3080))
    (call $wall_now (i32.const 3096))
    (call $number (i64.xor (i64.xor (call $random) (i64.load (i32.load (i32.const 3072))))
        (i64.xor (i64.xor (i64.load (i32.const 3080)) (i64.mul (i64.load (i32.const 3088)) (i64.const 31)))
            (i64.xor (i64.mul (i64.load (i32.const 3096)) (i64.const 1000003)) (call $mono_now)))))";

fn observer() -> Call {
    call(&Guest::new(OBSERVE).build(), limits())
}

#[tokio::test]
async fn every_attempt_of_a_step_sees_the_same() {
    let sandbox = sandbox();
    let first = observer();
    let mut second = first.clone();
    second.identity.attempt = 5;
    second.identity.restarts = 2;
    let (a, b) = (sandbox.run(first).await, sandbox.run(second).await);
    assert_eq!(output(&a), output(&b));
    assert_eq!(a.usage.fuel, b.usage.fuel);
}

#[tokio::test]
async fn another_step_or_another_time_sees_something_else() {
    let sandbox = sandbox();
    let mut seen = vec![output(&sandbox.run(observer()).await)];
    let mut other = observer();
    other.identity.step = StepKey::root(NodeId::new("m").expect("an id"));
    seen.push(output(&sandbox.run(other).await));
    let mut other = observer();
    other.identity.step = other.identity.step.item(1);
    seen.push(output(&sandbox.run(other).await));
    let mut other = observer();
    other.ready_at = Timestamp::from_millis(1_700_000_001_000);
    seen.push(output(&sandbox.run(other).await));
    for (i, value) in seen.iter().enumerate() {
        assert!(!seen[..i].contains(value), "{seen:?}");
    }
}

#[tokio::test]
async fn its_clock_begins_when_the_step_was_ready_and_moves_by_sleeping_only() {
    let sandbox = sandbox();
    let run =
        async |code: &str| output(&sandbox.run(call(&Guest::new(code).build(), limits())).await);
    let wall = "(call $wall_now (i32.const 3072)) (call $number (i64.load (i32.const 3072)))";
    assert_eq!(run(wall).await, 1_700_000_000);
    // An hour by `block`, then an hour by `poll` beside a timer of a day.
    let block = "(call $block (call $timer (i64.const 3600000000000)))";
    let poll = "(i32.store (i32.const 16384) (call $timer (i64.const 86400000000000)))
        (i32.store (i32.const 16388) (call $timer (i64.const 3600000000000)))
        (call $poll (i32.const 16384) (i32.const 2) (i32.const 3072))";
    assert_eq!(run(&format!("{block} {poll} {wall}")).await, 1_700_007_200);
    assert_eq!(
        run(&format!("{block} {block} (call $number (call $mono_now))")).await,
        7_200_000_000_000_u64
    );
    // The poll names the timer that was due: the second.
    let which = "(call $number (i64.load32_u (i32.load (i32.const 3072))))";
    assert_eq!(run(&format!("{poll} {which}")).await, 1);
    // Asking whether a timer is due does not move the clock.
    assert_eq!(
        run("(call $number (i64.extend_i32_u (call $ready (call $timer (i64.const 1)))))").await,
        0
    );
    // Two centuries pass in no time.
    let long = "(call $block (call $timer (i64.const 6311520000000000000)))";
    assert_eq!(
        run(&format!("{long} {wall}")).await,
        1_700_000_000_u64 + 6_311_520_000
    );
}

#[tokio::test]
async fn its_context_tells_nothing_that_differs_between_attempts() {
    let sandbox = sandbox();
    let deadline = Guest::new(
        "(call $deadline (i32.const 3072)) (call $number (i64.load8_u (i32.const 3072)))",
    );
    assert_eq!(
        output(&sandbox.run(call(&deadline.build(), limits())).await),
        0,
        "no deadline"
    );
    let attempt = Guest::new(
        "(call $identity (i32.const 3072)) (call $number (i64.load32_u (i32.const 3108)))",
    );
    let mut third = call(&attempt.build(), limits());
    third.identity.attempt = 3;
    assert_eq!(output(&sandbox.run(third).await), 1);
}

#[tokio::test]
async fn nans_are_canonical() {
    // 0/0 has its sign set on x86 and not on arm; what the guest sees is one.
    let guest = Guest::number(
        "(i64.reinterpret_f64 (f64.div (f64.load (i32.const 16384)) (f64.load (i32.const 16384))))",
    );
    let report = sandbox().run(call(&guest.build(), limits())).await;
    assert_eq!(output(&report), 0x7ff8_0000_0000_0000_u64);
}

#[tokio::test]
async fn its_idempotency_key_is_the_step_s() {
    let guest = Guest::new(
        "(call $idempotency_key (i32.const 541) (i32.const 5) (i32.const 3072))
         (call $number (i64.load (i32.load (i32.const 3072))))",
    );
    let one = call(&guest.build(), limits());
    let key = one.identity.idempotency_key("hello");
    let first: [u8; 8] = key.as_bytes()[..8].try_into().expect("64 digits");
    assert_eq!(output(&sandbox().run(one).await), u64::from_le_bytes(first));
}
