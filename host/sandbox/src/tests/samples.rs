//! Where a call burns its fuel.

use nebula_flow::ports::{Limits, Report, Runner};

use super::guest::{Guest, call, limits, output};
use super::{config, sandbox_with};
use crate::{Profile, Sandbox, SandboxConfig};

/// `$rounds` goes round by itself, `$calls` calls in each round, `$deep` calls itself.
const MODULE: &str = "
    (func $rounds (param $n i32)
        (loop $again (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func $step (param $n i32) (result i32)
        (i32.xor (i32.mul (local.get $n) (i32.const 7)) (i32.const 3)))
    (func $calls (param $n i32)
        (loop $again
            (drop (call $step (local.get $n)))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func $deep (param $n i32)
        (if (local.get $n) (then (call $deep (i32.sub (local.get $n) (i32.const 1))))))";

fn profiling() -> Sandbox {
    sandbox_with(SandboxConfig {
        profiles: true,
        ..config()
    })
}

fn guest(code: &str) -> Guest {
    Guest::new(format!("{code} (call $number (i64.const 42))")).with(MODULE)
}

fn total(profile: &Profile) -> u64 {
    profile.stacks.iter().map(|(_, fuel)| fuel).sum()
}

/// What a function burned itself.
fn burned(profile: &Profile, function: &str) -> u64 {
    let stacks = profile.stacks.iter();
    let own = stacks.filter(|(stack, _)| stack.last().is_some_and(|last| last == function));
    own.map(|(_, fuel)| fuel).sum()
}

#[tokio::test]
async fn every_unit_belongs_to_the_function_that_burned_it() {
    let guest = guest("(call $rounds (i32.const 9000)) (call $calls (i32.const 1000))");
    let call = call(&guest.build(), limits());
    let sandbox = profiling();
    let (report, profile) = sandbox.profile(call.clone()).await;
    assert_eq!(output(&report), 42);
    assert_eq!(total(&profile), report.usage.fuel, "{profile:?}");
    // Five instructions a round; four a step, and one for each entry.
    let rounds = burned(&profile, "rounds");
    assert!((45_000..46_000).contains(&rounds), "{profile:?}");
    let steps = burned(&profile, "step");
    assert!((4_000..12_000).contains(&steps), "{profile:?}");
    assert!(rounds + steps < report.usage.fuel, "{profile:?}");

    let again = sandbox.profile(call.clone()).await;
    assert_eq!(again.1, profile);
    let plain = sandbox.run(call).await;
    assert_eq!(output(&plain), 42);
    assert_eq!(plain.usage.fuel, report.usage.fuel);
    assert_eq!(plain.usage.memory_bytes, report.usage.memory_bytes);
}

#[tokio::test]
async fn where_only_some_stacks_are_looked_at_shares_stay_right() {
    let guest = guest("(call $calls (i32.const 300000)) (call $rounds (i32.const 600000))");
    let (report, profile) = profiling().profile(call(&guest.build(), limits())).await;
    let fuel = report.usage.fuel;
    let error = total(&profile).abs_diff(fuel);
    assert!(error < fuel / 20, "{} of {fuel}", total(&profile));
    // Long rounds are never passed by, however rarely a stack is looked at.
    let rounds = burned(&profile, "rounds");
    assert!((2_990_000..3_010_000).contains(&rounds), "{profile:?}");
}

#[tokio::test]
async fn deep_stacks_are_seen_from_their_root_on() {
    let guest = guest("(call $deep (i32.const 150))");
    let (_, profile) = profiling().profile(call(&guest.build(), limits())).await;
    let deepest = profile.stacks.iter().max_by_key(|(stack, _)| stack.len());
    let (deepest, _) = deepest.expect("stacks");
    assert_eq!(deepest.len(), 152, "{deepest:?}");
    assert!(deepest[1..].iter().all(|function| function == "deep"));
}

#[tokio::test]
async fn a_call_that_meets_a_limit_is_profiled_to_its_end() {
    let guest = guest("(loop $for_ever (call $rounds (i32.const 1000)) (br $for_ever))");
    let sandbox = profiling();
    let short = Limits {
        fuel: 20_000_000,
        ..limits()
    };
    let call = call(&guest.build(), short);
    let (report, profile) = sandbox.profile(call.clone()).await;
    let plain = sandbox.run(call).await;
    let message = |report: &Report| super::failure(report).message.clone();
    assert_eq!(message(&report), message(&plain));
    let fuel = report.usage.fuel;
    assert!(burned(&profile, "rounds") > fuel / 10 * 9, "{fuel}");
}
