//! What one call leaves for the next: nothing. And pure calls, which give the
//! same bytes however busy the machine is.

use std::sync::Arc;

use nebula_flow::ports::{Outcome, Runner};
use nebula_sandbox::{Allocation, SandboxConfig};

use crate::arena::{self, on_two_workers};
use crate::guest::{self, Guest};
use crate::long;

/// Fills 8 MiB of its memory, its tables, its globals and a deep stack with a
/// canary.
fn marker() -> Guest {
    Guest::new(
        "(drop (memory.grow (i32.const 128)))
         (memory.fill (i32.const 32768) (i32.const 0xc5) (i32.const 8388608))
         (table.fill $marks (i32.const 0) (ref.func $deep) (i32.const 1000))
         (global.set $mark (i64.const 0xc5c5c5c5c5c5c5c5))
         (drop (call $deep (i32.const 2000) (i64.const 0xc5c5c5c5c5c5c5c5) (i64.const 0xc5c5c5c5c5c5c5c5)))
         (call $number (i64.const 1))",
    )
    .with(
        "(table $marks 1000 funcref)
         (elem declare func $deep)
         (global $mark (mut i64) (i64.const 0))
         (func $deep (param $left i32) (param $a i64) (param $b i64) (result i64)
            (local $c i64)
            (local.set $c (i64.xor (local.get $a) (i64.const 0)))
            (if (result i64) (local.get $left)
                (then (i64.add (local.get $c)
                    (call $deep (i32.sub (local.get $left) (i32.const 1)) (local.get $c) (local.get $b))))
                (else (local.get $b))))",
    )
}

/// Counts what is not zero in the memory it was given, in a table, a global and
/// uninitialised locals.
fn reader() -> Guest {
    Guest::new(
        "(drop (memory.grow (i32.const 128)))
         (local.set $a (i32.const 65536))
         (loop $scan
            (local.set $n (i64.add (local.get $n) (i64.extend_i32_u (i64.ne (i64.const 0) (i64.load (local.get $a))))))
            (local.set $a (i32.add (local.get $a) (i32.const 8)))
            (br_if $scan (i32.lt_u (local.get $a) (i32.const 8388608))))
         (local.set $a (i32.const 0))
         (loop $marks
            (local.set $n (i64.add (local.get $n) (i64.extend_i32_u (i32.eqz (ref.is_null (table.get $marks (local.get $a)))))))
            (local.set $a (i32.add (local.get $a) (i32.const 1)))
            (br_if $marks (i32.lt_u (local.get $a) (i32.const 1000))))
         (local.set $n (i64.add (local.get $n) (global.get $mark)))
         (call $number (i64.add (local.get $n) (call $fresh)))",
    )
    .with(
        "(table $marks 1000 funcref)
         (global $mark (mut i64) (i64.const 0))
         (func $fresh (result i64) (local $a i64) (local $b i64) (local $c i64)
            (i64.or (local.get $a) (i64.or (local.get $b) (local.get $c))))",
    )
}

#[test]
fn no_byte_of_a_call_is_there_in_a_later_one() {
    let rounds = if long() { 10_000 } else { 100 };
    on_two_workers(async {
        for allocation in [Allocation::Pooled, Allocation::OnDemand] {
            let sandbox = arena::sandbox(SandboxConfig {
                allocation,
                max_concurrent_calls: 2,
                ..SandboxConfig::default()
            });
            let (marker, reader) = (marker().build(), reader().build());
            for round in 0..rounds {
                let mark = arena::of("one", &marker, guest::limits());
                assert_eq!(guest::output(&sandbox.run(mark).await), 1);
                let read = arena::of("other", &reader, guest::limits());
                let found = guest::output(&sandbox.run(read).await);
                assert_eq!(found, 0, "{allocation:?}, round {round}");
            }
        }
    });
}

/// Answers with random bytes, clock readings before and after a sleep, and the
/// bits of a NaN.
fn pure() -> Guest {
    Guest::new(
        "(i64.store (i32.const 16384) (call $random))
         (i64.store (i32.const 16392) (call $mono_now))
         (call $block (call $timer (i64.const 123456789)))
         (i64.store (i32.const 16400) (call $mono_now))
         (call $insecure_seed (i32.const 16408))
         (f64.store (i32.const 16424) (f64.div (f64.load (i32.const 60000)) (f64.load (i32.const 60000))))
         ;; As text, since a payload has no bytes that JSON cannot have.
         (i32.store8 (i32.const 17000) (i32.const 0xd9))
         (i32.store8 (i32.const 17001) (i32.const 96))
         (loop $write
            (i32.store8 (i32.add (i32.const 17002) (i32.shl (local.get $a) (i32.const 1)))
                (i32.add (i32.const 97) (i32.shr_u (i32.load8_u (i32.add (i32.const 16384) (local.get $a))) (i32.const 4))))
            (i32.store8 (i32.add (i32.const 17003) (i32.shl (local.get $a) (i32.const 1)))
                (i32.add (i32.const 97) (i32.and (i32.load8_u (i32.add (i32.const 16384) (local.get $a))) (i32.const 15))))
            (br_if $write (i32.lt_u (local.tee $a (i32.add (local.get $a) (i32.const 1))) (i32.const 48))))
         (call $bytes (i32.const 17000) (i32.const 98))",
    )
}

#[test]
fn a_pure_action_gives_the_same_bytes_however_busy_the_machine_is() {
    let runs = if long() { 10_000 } else { 1_000 };
    on_two_workers(async {
        let sandbox = arena::sandbox(SandboxConfig {
            max_concurrent_calls: 16,
            ..SandboxConfig::default()
        });
        let pure = pure().build();
        let call = arena::of("pure", &pure, guest::limits());
        let first = sandbox.run(call.clone()).await;
        let Ok(Outcome::Success(first_bytes)) = first.result else {
            panic!("{first:?}");
        };
        let (first_bytes, fuel) = (Arc::new(first_bytes), first.usage.fuel);
        let workers: Vec<_> = (0..8)
            .map(|_| {
                let (sandbox, call, first) =
                    (sandbox.clone(), call.clone(), Arc::clone(&first_bytes));
                tokio::spawn(async move {
                    for _ in 0..runs / 8 {
                        let report = sandbox.run(call.clone()).await;
                        assert_eq!(report.result, Ok(Outcome::Success((*first).clone())));
                        assert_eq!(report.usage.fuel, fuel);
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.expect("the same each time");
        }
    });
}
