//! What a call is told of itself while it runs.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nebula_flow::event::FailureKind;
use nebula_flow::ports::{Call, Outcome, Resumption, Runner, Wake, Woken};
use nebula_flow::{Timestamp, json, payload};

use super::guest::{Guest, call, limits, output};
use super::sandbox;

/// Makes a guest effectful: it asks for the credential `key`, and forgets it.
const EFFECT: &str = "(call $credential (i32.const 512) (i32.const 3) (i32.const 3072))";

/// Asks until it is cancelled, with a heartbeat each time.
const UNTIL_CANCELLED: &str = "(loop $again
    (call $beat)
    (br_if $again (i32.eqz (call $cancelled))))
    (call $number (i64.const 1))";

fn of(guest: &Guest) -> Call {
    call(&guest.build(), limits())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_hears_of_a_cancel_while_it_computes() {
    let sandbox = sandbox();
    let call = of(&Guest::new(format!("{EFFECT} {UNTIL_CANCELLED}")));
    let pulse = Arc::clone(&call.pulse);
    assert!(!pulse.listens());
    let running = tokio::spawn(async move { sandbox.run(call).await });
    while pulse.beats() < 10 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(pulse.listens() && !running.is_finished());
    pulse.cancel();
    let report = tokio::time::timeout(Duration::from_secs(20), running).await;
    assert_eq!(output(&report.expect("it ends").expect("no panic")), 1);
}

#[tokio::test]
async fn a_pure_guest_never_hears_of_one() {
    let guest = Guest::number("(i64.extend_i32_u (call $cancelled))");
    let call = of(&guest);
    call.pulse.cancel();
    assert_eq!(output(&sandbox().run(call).await), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_waits_for_the_host_does_not_listen() {
    let sandbox = sandbox();
    // Asks once, then waits for ten seconds.
    let call = of(&Guest::new(format!(
        "{EFFECT} (drop (call $cancelled)) (call $block (call $timer (i64.const 10000000000)))
         (call $number (i64.const 0))"
    )));
    let pulse = Arc::clone(&call.pulse);
    let running = tokio::spawn(async move { sandbox.run(call).await });
    tokio::time::timeout(Duration::from_secs(20), async {
        while pulse.beats() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // It has asked, or is about to.
        tokio::time::sleep(Duration::from_millis(300)).await;
    })
    .await
    .expect("it begins");
    assert!(!pulse.listens());
    running.abort();
}

/// An answer that wants another call: `wait` (3) of this kind of wake, with a state.
fn waits(kind: u32, fields: &str) -> Guest {
    Guest::new(format!(
        "(i64.store (i32.const 2048) (i64.const 0))
         (i32.store8 (i32.const 2056) (i32.const 3))
         (i32.store8 (i32.const 2064) (i32.const {kind}))
         {fields}
         (i32.store8 (i32.const 1024) (i32.const 7))
         (i32.store (i32.const 2096) (i32.const 1024))
         (i32.store (i32.const 2100) (i32.const 1))
         (i32.const 2048)"
    ))
}

async fn answer(guest: &Guest) -> Result<Outcome, nebula_flow::event::Failure> {
    sandbox().run(of(guest)).await.result
}

#[tokio::test]
async fn a_guest_says_what_it_waits_for() {
    let state = Bytes::from_static(&[7]);
    let at = waits(1, "(i64.store (i32.const 2072) (i64.const 1234))");
    let expected = Wake::At(Timestamp::from_millis(1_234));
    assert_eq!(
        answer(&at).await,
        Ok(Outcome::Wait(expected, state.clone()))
    );
    let after = waits(0, "(i64.store (i32.const 2072) (i64.const 1500))");
    let expected = Wake::After(Duration::from_millis(1_500));
    assert_eq!(
        answer(&after).await,
        Ok(Outcome::Wait(expected, state.clone()))
    );
    // The text `key` lies at 512, a space behind it.
    let signal = |len: u32| {
        waits(
            2,
            &format!(
                "(i32.store (i32.const 2072) (i32.const 512))
                 (i32.store (i32.const 2076) (i32.const {len}))
                 (i32.store8 (i32.const 2080) (i32.const 1))
                 (i64.store (i32.const 2088) (i64.const 60000))"
            ),
        )
    };
    let expected = Wake::Signal(
        "key".parse().expect("a name"),
        Some(Duration::from_secs(60)),
    );
    assert_eq!(answer(&signal(3)).await, Ok(Outcome::Wait(expected, state)));
    let refused = answer(&signal(4)).await.expect_err("no name");
    assert_eq!(refused.kind, FailureKind::InvalidOutput);
    assert!(refused.message.contains("`key `"), "{refused}");
}

#[tokio::test]
async fn a_state_over_its_limit_is_refused() {
    let continues = |len: u32| {
        Guest::new(format!(
            "(i64.store (i32.const 2048) (i64.const 0))
             (i32.store8 (i32.const 2056) (i32.const 4))
             (i32.store8 (i32.const 65536) (i32.const 0xdb))
             (i32.store (i32.const 65537) (i32.const {}))
             (i32.store (i32.const 2064) (i32.const 65536))
             (i32.store (i32.const 2068) (i32.const {len}))
             (i32.const 2048)",
            (len - 5).swap_bytes()
        ))
    };
    let largest = Guest {
        pages: 8,
        ..continues(256 << 10)
    };
    assert!(
        matches!(answer(&largest).await, Ok(Outcome::Continue(state)) if state.len() == 256 << 10)
    );
    let larger = Guest {
        pages: 8,
        ..continues((256 << 10) + 1)
    };
    let refused = answer(&larger).await.expect_err("too large");
    assert!(refused.message.contains("at most 256 KiB"), "{refused}");
}

#[tokio::test]
async fn an_iteration_begins_with_the_state_and_what_woke_it() {
    // Whether there is one, the case of `woken`, and the length of the state.
    let guest = Guest::new(
        "(call $resumed (i32.const 3072))
         (call $number (i64.add (i64.add
            (i64.mul (i64.const 10000) (i64.load8_u (i32.const 3072)))
            (i64.mul (i64.const 100) (i64.load8_u (i32.const 3084))))
            (i64.load32_u (i32.const 3080))))",
    );
    let sandbox = sandbox();
    let began = |woken| Resumption {
        state: payload::encode(&json!("abc")).expect("encodes"),
        woken,
    };
    let says = payload::encode(&json!("yes")).expect("encodes");
    for (resumption, expected) in [
        (None, 0),
        (Some(began(Woken::Continued)), 10_004),
        (Some(began(Woken::Time)), 10_104),
        (Some(began(Woken::Signal(says))), 10_204),
        (Some(began(Woken::TimedOut)), 10_304),
    ] {
        let call = Call {
            resumption,
            ..of(&guest)
        };
        assert_eq!(output(&sandbox.run(call).await), expected);
    }
}
