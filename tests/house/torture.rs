//! A short torture of a node; `make long` and `make torture` have longer ones.

use std::process::Command;

use crate::cli;

/// Runs the program on a folder where no node has to compile the packs.
fn torture(arguments: &[&str]) {
    cli::binary();
    let folder = tempfile::tempdir().expect("a temporary folder");
    cli::warmed(&folder.path().join("data"));
    let output = Command::new(env!("CARGO_BIN_EXE_torture"))
        .arg("--folder")
        .arg(folder.path())
        .args(arguments)
        .output()
        .expect("torture runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn long() -> bool {
    std::env::var_os("NEBULA_LONG").is_some()
}

#[test]
fn nothing_is_lost_whenever_the_node_is_killed_stopped_or_frozen() {
    torture(&[
        "--seconds",
        if long() { "600" } else { "15" },
        "--seed",
        "1",
    ]);
}

#[test]
fn nothing_is_lost_by_nodes_that_share_a_database_which_suffers_too() {
    let seconds = if long() { "600" } else { "20" };
    torture(&[
        "--store",
        "postgres",
        "--nodes",
        "2",
        "--seconds",
        seconds,
        "--seed",
        "2",
    ]);
}

#[test]
fn nothing_is_lost_if_the_node_aborts_at_any_commit_edge() {
    torture(&[if long() { "--pairs" } else { "--edges" }, "--seed", "1"]);
}

#[test]
fn planted_bugs_are_seen_for_what_they_are() {
    let few = "effect-before-commit,message-twice,wake-lost";
    torture(&["--planted", if long() { "all" } else { few }, "--seed", "1"]);
}
