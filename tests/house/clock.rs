//! A machine whose clock jumps, by `libfaketime`: nothing is early, nothing is
//! lost, and what needs no clock goes on.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nebula_flow::Timestamp;
use serde_json::Value;

use crate::cli::{Cli, RunningNode};
use crate::waits::{events, start, until};

const WAITS: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: waits
nodes:
  pause: { wait: { for: 40m } }
  rest: { wait: { for: 2h } }
"#;

const QUICK: &str = r#"
apiVersion: nebula/v1
kind: Workflow
name: quick
nodes:
  a: { action: condition.check, input: { n: 1 } }
  pause: { wait: { for: 50ms } }
  b: { action: condition.check, input: { n: 2 } }
connections:
  - { from: a, to: pause }
  - { from: pause, to: b }
"#;

/// `libfaketime`, where its Debian package puts it.
fn library() -> Option<PathBuf> {
    let libraries = fs::read_dir("/usr/lib").ok()?.flatten();
    libraries
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.is_file())
}

/// A node whose clock is set by a file.
struct Warped {
    cli: Cli,
    clock: PathBuf,
    library: PathBuf,
}

impl Warped {
    fn node(&self) -> RunningNode {
        let mut command = self.cli.command();
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.clock)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        RunningNode::start(command, "0")
    }

    /// The node's clock is off by so much from now on.
    fn set(&self, offset: &str) {
        let new = self.clock.with_extension("new");
        fs::write(&new, offset).expect("writable");
        fs::rename(&new, &self.clock).expect("one folder");
    }
}

fn at(event: &Value) -> Timestamp {
    let at = event["at"].as_str().expect("an instant");
    at.parse().expect("an instant")
}

#[test]
fn a_clock_that_jumps_makes_nothing_early_and_loses_nothing() {
    let Some(library) = library() else {
        assert!(
            std::env::var_os("NEBULA_LONG").is_none(),
            "libfaketime is missing: install Debian's package `libfaketime`"
        );
        eprintln!("NOT RUN: libfaketime is missing (Debian's package `libfaketime`)");
        return;
    };
    let cli = Cli::new();
    for (name, text) in [("waits.yaml", WAITS), ("quick.yaml", QUICK)] {
        let file = cli.file(name, text);
        let deployed = cli.run(&["workflow", "deploy", &file]);
        assert_eq!(deployed.code, 0, "{deployed:?}");
    }
    let clock = cli.folder().join("clock");
    let warped = Warped {
        cli,
        clock,
        library,
    };
    warped.set("+0");
    let node = warped.node();
    let cli = &warped.cli;
    let waits = start(cli, "waits");
    until(cli, &waits, |e| e["status"] == "waiting");

    // An hour on: the wait of 40 minutes is over, which is seen within ten seconds.
    warped.set("+3600");
    let jumped = Instant::now();
    until(cli, &waits, |e| e["nodes"][0]["status"] == "succeeded");
    assert!(jumped.elapsed() < Duration::from_secs(12));
    let quick = start(cli, "quick");
    until(cli, &quick, |e| e["status"] == "succeeded");

    // Back again, and further: what needs no clock goes on, through a crash too, and the
    // other wait is not over.
    warped.set("-3600");
    let before = start(cli, "quick");
    until(cli, &before, |e| e["status"] == "succeeded");
    node.kill();
    let node = warped.node();
    let after = start(cli, "quick");
    until(cli, &after, |e| e["status"] == "succeeded");
    let seen = cli.json(&["execution", "get", &waits]);
    assert_eq!(seen["nodes"][1]["status"], "waiting", "{seen}");

    warped.set("+7300");
    until(cli, &waits, |e| e["status"] == "succeeded");
    let history = events(cli, &waits);
    let times: Vec<_> = history.iter().map(at).collect();
    assert!(times.is_sorted(), "{history:?}");
    let of = |step: &str, kind: &str| {
        let found = history
            .iter()
            .find(|e| e["type"] == kind && e["step"] == step);
        at(found.unwrap_or_else(|| panic!("{kind} of {step} in {history:?}")))
    };
    for (step, minutes) in [("pause", 40), ("rest", 120)] {
        let waited = of(step, "step_succeeded").since(of(step, "wait_started"));
        assert!(
            waited >= Duration::from_secs(60 * minutes),
            "{step}: {waited:?}"
        );
    }
    node.kill();
}
