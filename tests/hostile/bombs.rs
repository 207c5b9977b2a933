//! Files that are dear to compile, or no components at all. They pass no check
//! of the hub, or the compiling process copes with them, or it is stopped; the
//! node that asked serves its neighbours meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nebula_flow::component::{Component, Origin, Verified};
use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::ports::{Prepared, Runner};
use nebula_sandbox::{Compiler, Sandbox, SandboxConfig};

use crate::arena::{self, Arena, on_two_workers};
use crate::guest::{self, Guest};
use crate::long;

/// How a component begins.
const COMPONENT: &[u8; 8] = b"\0asm\x0d\0\x01\0";

/// A component of ours whose module has these fields besides.
fn bomb(fields: &str) -> Vec<u8> {
    Guest::number("(i64.const 3)").with(fields).bytes()
}

fn vouched(bytes: Vec<u8>) -> Verified<Component> {
    Verified::vouch(Component::new(bytes), Origin::Local)
}

/// What the hub says of a file.
pub(crate) fn hub(bytes: &[u8]) -> Result<(), String> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("writes");
    match nebula_hub::local(file.path()) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Has a bomb compiled while a neighbour is served, and gives what came of it.
fn compiled(bytes: Vec<u8>) -> Result<Prepared, Failure> {
    on_two_workers(async move {
        let arena = Arena::open().await;
        let neighbour = Guest::number("(i64.const 7)").build();
        arena.sandbox.prepare(&neighbour).await.expect("prepared");
        let sandbox = arena.sandbox.clone();
        let bomb = tokio::spawn(async move { sandbox.prepare(&vouched(bytes)).await });
        let mut slowest = Duration::ZERO;
        while !bomb.is_finished() {
            let began = Instant::now();
            let call = arena::of("neighbour", &neighbour, guest::limits());
            assert_eq!(guest::output(&arena.sandbox.run(call).await), 7);
            slowest = slowest.max(began.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The compiler is another process: nobody waits for it.
        assert!(slowest < Duration::from_secs(5), "{slowest:?}");
        bomb.await.expect("joins")
    })
}

/// It compiles within the limits, or a limit that is named stops it.
fn assert_harmless(bytes: Vec<u8>) {
    if let Err(failure) = compiled(bytes) {
        assert_eq!(failure.kind, FailureKind::Component, "{failure:?}");
        let message = &failure.message;
        assert!(
            message.contains("compile limit") || message.contains("cannot be compiled"),
            "{failure:?}"
        );
    }
}

#[test]
fn many_empty_loops_in_one_function() {
    let loops = if long() { 20_000 } else { 4_000 };
    let body = "(loop) ".repeat(loops);
    assert_harmless(bomb(&format!("(func {body})")));
}

#[test]
fn loops_within_each_other() {
    let deep = if long() { 11_000 } else { 2_000 };
    let (open, close) = ("loop ".repeat(deep), "end ".repeat(deep));
    assert_harmless(bomb(&format!("(func {open} {close})")));
}

#[test]
fn a_function_of_seven_mib() {
    let body = "(drop (i64.const 0x7fffffffffffffff)) ".repeat(7 * 1_024 * 1_024 / 12);
    let bytes = bomb(&format!("(func {body})"));
    let refused = hub(&bytes).expect_err("refused");
    assert!(refused.contains("bytes in one function"), "{refused}");
    if long() {
        assert_harmless(bytes);
    }
}

#[test]
fn what_a_limit_of_the_compiling_process_stops_is_named_and_not_compiled_again() {
    // A million calls in one function: more than 1 GiB, within seconds.
    assert_stopped(
        bomb(&format!("(func $f {})", "call $f ".repeat(1_000_000))),
        "the component met a compile limit: 1 GiB of memory",
    );
    if long() {
        // Loops beside each other cost the compiler their square.
        assert_stopped(
            bomb(&format!("(func {})", "(loop) ".repeat(100_000))),
            "the component met a compile limit: 20 s CPU",
        );
    }
}

fn assert_stopped(bytes: Vec<u8>, message: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let component = vouched(bytes);
    let refused = |compiler| {
        on_two_workers(async {
            let config = SandboxConfig {
                cache_dir: Some(folder.path().to_owned()),
                compiler: Some(compiler),
                ..SandboxConfig::default()
            };
            let sandbox = Sandbox::new(config, Arc::default()).expect("a sandbox");
            sandbox.prepare(&component).await.expect_err("refused")
        })
    };
    let failure = refused(arena::compiler());
    assert_eq!(failure.kind, FailureKind::Component);
    assert_eq!(failure.message, message);
    // A node that starts again asks no compiler: this one would be no help.
    let none = Compiler {
        program: "/nonexistent/compiler".into(),
        args: Vec::new(),
    };
    assert_eq!(refused(none), failure);
}

#[test]
fn a_million_types() {
    let mut module = wasm_types(1_000_000);
    let mut bytes = COMPONENT.to_vec();
    section(&mut bytes, 1, &mut module);
    let refused = hub(&bytes).expect_err("refused");
    assert!(refused.contains("1000000 types"), "{refused}");
}

/// A module of so many types of functions that take and give nothing.
fn wasm_types(count: u32) -> Vec<u8> {
    let mut types = Vec::new();
    number(&mut types, count);
    for _ in 0..count {
        types.extend([0x60, 0, 0]);
    }
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(&mut module, 1, &mut types);
    module
}

fn section(into: &mut Vec<u8>, id: u8, content: &mut Vec<u8>) {
    into.push(id);
    number(into, u32::try_from(content.len()).expect("small"));
    into.append(content);
}

/// LEB128.
fn number(into: &mut Vec<u8>, mut n: u32) {
    while n >= 0x80 {
        into.push(n.to_le_bytes()[0] | 0x80);
        n >>= 7;
    }
    into.push(n.to_le_bytes()[0]);
}

#[test]
fn many_locals_and_a_table_of_branches() {
    let locals = "(local i64)".repeat(if long() { 49_000 } else { 5_000 });
    assert_harmless(bomb(&format!("(func {locals})")));
    let cases = "0 ".repeat(if long() { 100_000 } else { 10_000 });
    assert_harmless(bomb(&format!(
        "(func (block (br_table {cases} (i32.const 1))))"
    )));
}

#[test]
fn many_functions_and_segments() {
    let many = if long() { 90_000 } else { 5_000 };
    assert_harmless(bomb(&"(func)".repeat(many)));
    assert_harmless(bomb(&"(data \"\")".repeat(many / 2)));
}

#[test]
fn many_instances_and_components_within_each_other() {
    let text = |inner: &str| {
        let text = format!(
            r#"(component {inner} (instance $i) (export "nebula:action/actions@0.1.0" (instance $i)))"#
        );
        wat::parse_str(text).expect("parses")
    };
    let instances = "(core instance (instantiate $m))".repeat(10_000);
    let refused = hub(&text(&format!("(core module $m) {instances}"))).expect_err("refused");
    assert!(refused.contains("10000 instances"), "{refused}");
    let mut nested = Vec::new();
    for _ in 0..100 {
        let mut outer = COMPONENT.to_vec();
        section(&mut outer, 4, &mut nested);
        nested = outer;
    }
    let refused = hub(&nested).expect_err("refused");
    assert!(
        refused.contains("components within each other"),
        "{refused}"
    );
    // As many as the hub lets pass are more than a store may have.
    let memories = "(core instance (instantiate $m))".repeat(50);
    let failure = compiled(text(&format!("(core module $m (memory 1000)) {memories}")));
    let failure = failure.expect_err("refused");
    assert_eq!(failure.kind, FailureKind::Component, "{failure:?}");
    assert!(
        failure
            .message
            .contains("exceeds the configured maximum of 32"),
        "{failure:?}"
    );
}

#[test]
fn what_is_no_component_is_refused_by_the_hub_and_by_the_sandbox() {
    let whole = Guest::number("(i64.const 3)").bytes();
    let noise = noise(b"random", 100_000);
    let mut cases = vec![
        Vec::new(),
        b"#!/bin/sh\nrm -rf /\n".to_vec(),
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0".to_vec(),
        wat::parse_str("(module (func))").expect("parses"),
        wasm_types(10),
        noise,
    ];
    cases.extend((1..20).map(|part| whole[..whole.len() * part / 20].to_vec()));
    on_two_workers(async {
        let sandbox = arena::sandbox(SandboxConfig::default());
        for bytes in cases {
            assert!(hub(&bytes).is_err());
            let failure = sandbox.prepare(&vouched(bytes)).await.expect_err("refused");
            assert_eq!(failure.kind, FailureKind::Component, "{failure:?}");
        }
    });
}

/// The beginning of a component and noise.
fn noise(seed: &[u8], len: usize) -> Vec<u8> {
    let mut bytes = COMPONENT.to_vec();
    let mut state = nebula_flow::Digest::of(seed);
    while bytes.len() < len {
        bytes.extend_from_slice(state.as_bytes());
        state = nebula_flow::Digest::of(state.as_bytes());
    }
    bytes
}

#[test]
fn real_components_with_flipped_bytes_are_refused_or_run_cleanly() {
    let whole = Guest::new(
        "(call $log (i32.const 2) (i32.const 541) (i32.const 5))
         (call $random_bytes (i64.const 100) (i32.const 3072))
         (call $number (call $mono_now))",
    )
    .bytes();
    let rounds = if long() { 20_000 } else { 300 };
    on_two_workers(async {
        // Compiled here: a child for each would take longer than what it guards.
        let config = SandboxConfig {
            max_loaded: 8,
            ..SandboxConfig::default()
        };
        let sandbox = Sandbox::new(config, Arc::default()).expect("a sandbox");
        let (mut refused, mut ran) = (0, 0);
        for round in 0..rounds {
            let chance = nebula_flow::Digest::of(format!("flip {round}").as_bytes());
            let mut bytes = whole.clone();
            for flip in chance.as_bytes()[..12].chunks(4) {
                let at = u32::from_le_bytes([flip[0], flip[1], flip[2], 0]) as usize;
                let at = at % bytes.len();
                bytes[at] = bytes[at].wrapping_add(flip[3] | 1);
            }
            if hub(&bytes).is_err() {
                refused += 1;
                continue;
            }
            let component = vouched(bytes);
            let limits = nebula_flow::ports::Limits {
                fuel: arena::FUEL,
                ..guest::limits()
            };
            let report = sandbox.run(arena::of("flipped", &component, limits)).await;
            match report.result {
                Ok(_) => ran += 1,
                Err(failure) if failure.kind == FailureKind::Component => refused += 1,
                Err(failure) => {
                    assert_ne!(failure.kind, FailureKind::Host, "{failure:?}");
                    ran += 1;
                }
            }
        }
        assert!(refused > 0 && ran > 0, "{refused} refused, {ran} ran");
    });
}
