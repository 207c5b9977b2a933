//! A node whose parts fail beneath it: the store's writer, and its own log.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::cli::Cli;
use crate::waits::{asks, start, until};

/// Starts `nebula dev` and waits until it listens.
fn dev(mut command: Command, log: impl Into<Stdio>) -> std::process::Child {
    command.args(["dev", "--port", "0"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .expect("nebula runs");
    let out = child.stdout.take().expect("piped");
    let line = BufReader::new(out).lines().next();
    assert!(line.is_some_and(|line| line.is_ok()), "it listens");
    child
}

#[test]
fn a_node_whose_writer_fails_ends_and_the_next_one_goes_on() {
    let cli = asks();
    let mut command = cli.command();
    command.env("NEBULA_ABORT_AT", "panic@committed.start:2");
    let mut node = dev(command, Stdio::piped());
    let first = start(&cli, "asks");
    let second = cli.run(&["workflow", "execute", "asks"]);
    assert_ne!(second.code, 0, "{second:?}");
    let status = node.wait().expect("it ends");
    let mut log = String::new();
    let mut stderr = node.stderr.take().expect("piped");
    stderr.read_to_string(&mut log).expect("text");
    assert_eq!(status.code(), Some(4), "{log}");
    assert!(log.contains("the store's writer failed"), "{log}");

    // The second was on disk before anybody could be told.
    let node = cli.node();
    let all = cli.json(&["execution", "list"]);
    let ids: Vec<_> = all["items"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|execution| execution["id"].as_str())
        .collect();
    assert_eq!(ids.len(), 2, "{all}");
    assert!(ids.contains(&first.as_str()), "{all}");
    for id in ids {
        let says = r#"{"by": "me"}"#;
        let told = cli.run(&["execution", "signal", id, "approval", "--json", says]);
        assert_eq!(told.code, 0, "{told:?}");
        until(&cli, id, |e| e["status"] == "succeeded");
    }
    node.kill();
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let cli = Cli::new();
    let full = OpenOptions::new().write(true).open("/dev/full");
    let mut command = cli.command();
    command.env("NEBULA_LOG", "trace");
    let mut node = dev(command, full.expect("Linux has it"));
    let file = cli.file(
        "one.yaml",
        "apiVersion: nebula/v1\nkind: Workflow\nname: one\nnodes:\n  a: { action: condition.check, input: { n: 1 } }\n",
    );
    let deployed = cli.run(&["workflow", "deploy", &file]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    for _ in 0..3 {
        let id = start(&cli, "one");
        until(&cli, &id, |e| e["status"] == "succeeded");
    }
    let pid = node.id().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(told.is_ok_and(|status| status.success()));
    assert_eq!(node.wait().expect("it ends").code(), Some(0));
}
