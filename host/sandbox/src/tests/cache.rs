//! Compiled components on disk: found again, and never run unless this node
//! wrote them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nebula_flow::ports::{Prepared, Runner};
use tempfile::TempDir;

use super::guest::{Guest, call, limits, output};
use super::{config, sandbox_with};
use crate::{Sandbox, SandboxConfig};

fn keeping(dir: &Path, key: u8) -> Sandbox {
    sandbox_with(SandboxConfig {
        cache_dir: Some(dir.join("compiled")),
        cache_key: [key; 32],
        ..config()
    })
}

fn files(dir: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.path().join("compiled")).expect("the folder is there");
    entries.map(|e| e.expect("an entry").path()).collect()
}

/// A component whose description costs fuel that a second start would not pay.
fn guest() -> Guest {
    Guest::number("(i64.const 11)")
}

async fn prepare(sandbox: &Sandbox) -> Prepared {
    let component = guest().build();
    let prepared = sandbox.prepare(&component).await.expect("prepared");
    assert_eq!(output(&sandbox.run(call(&component, limits())).await), 11);
    prepared
}

#[tokio::test]
async fn what_was_compiled_once_is_loaded_the_next_time() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = prepare(&keeping(dir.path(), 1)).await;
    let [file] = &files(&dir)[..] else {
        panic!("one file: {:?}", files(&dir))
    };
    assert_eq!(
        fs::metadata(file).expect("metadata").permissions().mode() & 0o777,
        0o600
    );
    let written = fs::metadata(file)
        .expect("metadata")
        .modified()
        .expect("a time");
    let second = prepare(&keeping(dir.path(), 1)).await;
    assert_eq!(first, second);
    let later = fs::metadata(file)
        .expect("metadata")
        .modified()
        .expect("a time");
    assert_eq!(written, later, "it was not compiled again");
}

#[tokio::test]
async fn whatever_is_changed_in_a_file_it_is_compiled_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let expected = prepare(&keeping(dir.path(), 1)).await;
    let file = files(&dir).remove(0);
    let good = fs::read(&file).expect("reads");
    let flips = [0, 16, 48, 60, 200, good.len() / 2, good.len() - 1];
    let mut cases: Vec<Vec<u8>> = flips
        .into_iter()
        .map(|at| {
            let mut bad = good.clone();
            bad[at] ^= 1;
            bad
        })
        .collect();
    cases.extend([
        good[..good.len() - 1].to_vec(),
        good[..40].to_vec(),
        vec![],
        [&good[..], b"x"].concat(),
    ]);
    for bad in cases {
        fs::write(&file, &bad).expect("writes");
        assert_eq!(prepare(&keeping(dir.path(), 1)).await, expected);
        assert_ne!(fs::read(&file).expect("reads"), bad, "it was written anew");
    }
}

#[tokio::test]
async fn a_file_of_another_node_or_another_component_is_not_taken() {
    let dir = tempfile::tempdir().expect("a folder");
    prepare(&keeping(dir.path(), 1)).await;
    let file = files(&dir).remove(0);
    let ours = fs::read(&file).expect("reads");
    prepare(&keeping(dir.path(), 2)).await;
    assert_ne!(
        fs::read(&file).expect("reads"),
        ours,
        "another key wrote it anew"
    );

    // The good file of one component under the name of another.
    let other = Guest::number("(i64.const 12)").build();
    let name = file.file_name().expect("a name").to_str().expect("text");
    let theirs = file.with_file_name(name.replacen(
        &guest().build().digest().hex(),
        &other.digest().hex(),
        1,
    ));
    fs::write(&theirs, &ours).expect("writes");
    let sandbox = keeping(dir.path(), 1);
    assert_eq!(output(&sandbox.run(call(&other, limits())).await), 12);
}

#[tokio::test]
async fn a_file_that_others_may_write_is_not_mapped() {
    let dir = tempfile::tempdir().expect("a folder");
    prepare(&keeping(dir.path(), 1)).await;
    let file = files(&dir).remove(0);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o622)).expect("its mode changes");
    prepare(&keeping(dir.path(), 1)).await;
    let mode = fs::metadata(&file).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it was written anew");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_costs_nothing_but_time() {
    let dir = tempfile::tempdir().expect("a folder");
    let sandbox = keeping(dir.path(), 1);
    fs::remove_dir_all(dir.path()).expect("removes");
    prepare(&sandbox).await;
}

#[tokio::test]
async fn more_components_than_are_kept_ready_still_run() {
    let sandbox = sandbox_with(SandboxConfig {
        max_loaded: 2,
        ..config()
    });
    for round in 0..2 {
        for n in 0..4 {
            let component = Guest::number(&format!("(i64.const {n})")).build();
            assert_eq!(
                output(&sandbox.run(call(&component, limits())).await),
                n,
                "round {round}"
            );
        }
    }
}
