//! The compiling process, seen from its parent: what each end of it means, and
//! what is remembered. The real one compiles in the hostile suite.

use std::path::Path;

use nebula_flow::component::{Component, Verified};
use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::ports::Runner;

use super::guest::{Guest, call, limits, output};
use super::{config, sandbox_with};
use crate::{Compiler, Sandbox, SandboxConfig};

fn script(script: &str) -> Compiler {
    Compiler {
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
    }
}

fn keeping(dir: &Path, compiler: Option<Compiler>) -> Sandbox {
    sandbox_with(SandboxConfig {
        cache_dir: Some(dir.join("compiled")),
        cache_key: [3; 32],
        compiler,
        ..config()
    })
}

async fn refusal(sandbox: &Sandbox, component: &Verified<Component>) -> Failure {
    sandbox.prepare(component).await.expect_err("refused")
}

#[tokio::test]
async fn what_the_limits_stop_is_refused_and_stays_refused() {
    let component = Guest::number("(i64.const 1)").build();
    let ends = [
        (
            "cat >/dev/null; kill -XCPU $$",
            "the component met a compile limit: 20 s CPU",
        ),
        (
            "cat >/dev/null; echo memory allocation of 99 bytes failed >&2; kill -ABRT $$",
            "the component met a compile limit: 1 GiB of memory",
        ),
        (
            "cat >/dev/null; echo wasm: no such thing >&2; exit 10",
            "the component cannot be compiled: wasm: no such thing",
        ),
        (
            "cat >/dev/null; echo thread main panicked >&2; exit 101",
            "the compiler fails on the component: thread main panicked",
        ),
    ];
    for (end, message) in ends {
        let dir = tempfile::tempdir().expect("a folder");
        let failure = refusal(&keeping(dir.path(), Some(script(end))), &component).await;
        assert_eq!(
            (failure.kind, failure.message.as_str()),
            (FailureKind::Component, message)
        );
        // A later start does not ask the compiler again, whatever it would say now.
        let later = keeping(dir.path(), None);
        assert_eq!(refusal(&later, &component).await, failure);
        // Nor does it believe a file that this node did not write.
        for file in std::fs::read_dir(dir.path().join("compiled")).expect("the folder") {
            let path = file.expect("an entry").path();
            let mut bytes = std::fs::read(&path).expect("reads");
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            std::fs::write(&path, bytes).expect("writes");
        }
        let again = keeping(dir.path(), None);
        assert_eq!(output(&again.run(call(&component, limits())).await), 1);
    }
}

#[tokio::test]
async fn what_happens_to_the_process_from_outside_is_not_held_against_the_component() {
    let component = Guest::number("(i64.const 1)").build();
    let nowhere = Compiler {
        program: "/nonexistent/compiler".into(),
        args: vec![],
    };
    for compiler in [
        script("cat >/dev/null; kill -KILL $$"),
        script("kill -TERM $$"),
        script("exit 1"),
        script("cat >/dev/null; echo this is no machine code"),
        nowhere,
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let failure = refusal(&keeping(dir.path(), Some(compiler)), &component).await;
        assert_eq!(failure.kind, FailureKind::Host, "{}", failure.message);
        let later = keeping(dir.path(), None);
        assert_eq!(output(&later.run(call(&component, limits())).await), 1);
    }
}

#[tokio::test]
async fn a_component_that_cannot_describe_itself_is_not_compiled_again() {
    let guest = Guest {
        describe: "unreachable".into(),
        ..Guest::number("(i64.const 1)")
    };
    let component = guest.build();
    let dir = tempfile::tempdir().expect("a folder");
    let failure = refusal(&keeping(dir.path(), None), &component).await;
    assert!(
        failure
            .message
            .starts_with("the component cannot describe itself"),
        "{failure:?}"
    );
    let asked = script("exit 1");
    let later = refusal(&keeping(dir.path(), Some(asked)), &component).await;
    assert_eq!(later, failure);
}

#[tokio::test]
async fn a_caller_that_waits_no_longer_does_not_make_the_next_compile_anew() {
    let dir = tempfile::tempdir().expect("a folder");
    let counted = dir.path().join("starts");
    let slow = format!(
        "echo start >>{}; cat >/dev/null; sleep 0.5; exit 10",
        counted.display()
    );
    let sandbox = keeping(dir.path(), Some(script(&slow)));
    let component = Guest::number("(i64.const 1)").build();
    let soon = std::time::Duration::from_millis(100);
    let given_up = tokio::time::timeout(soon, sandbox.prepare(&component)).await;
    assert!(given_up.is_err());
    refusal(&sandbox, &component).await;
    let starts = std::fs::read_to_string(&counted).expect("the script ran");
    assert_eq!(starts.lines().count(), 1);
}
