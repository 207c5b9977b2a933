//! How large components are: what is loaded, compiled and kept for each.

use std::path::PathBuf;
use std::process::Command;

use nebula_flow::component::Effect;
use nebula_flow::ports::Runner;
use serde_json::Value;

/// Of a small component, bytes: what a Rust component without any SDK has.
const SMALL: u64 = 61_440;

/// Builds a guest as its author does, and gives its component.
pub(crate) fn build(guest: &str) -> PathBuf {
    let folder = crate::root().join("tests/guests").join(guest);
    let output = Command::new(env!("CARGO"))
        .args(["build", "--release", "--target", "wasm32-wasip2"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(&folder)
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{guest} does not build: {said}");
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let files = messages.flat_map(|line| {
        let message: Value = serde_json::from_slice(line).unwrap_or_default();
        message["filenames"].as_array().cloned().unwrap_or_default()
    });
    let mut components = files.filter(|file| file.as_str().is_some_and(|f| f.ends_with(".wasm")));
    let component = components.next_back().expect("a component");
    component.as_str().expect("a text").into()
}

#[tokio::test]
async fn a_small_action_is_a_small_component() {
    let file = build("custom-action");
    let size = std::fs::metadata(&file).expect("readable").len();
    println!("custom-action: {size} bytes");
    for (pack, component) in nebula_server::PACKS {
        println!("{pack}: {} bytes", component.len());
    }
    assert!(size <= SMALL, "{} has {size} bytes", file.display());

    // It has nothing from the host but what the action itself uses.
    let component = nebula_hub::local(&file).expect("a component");
    let prepared = crate::packs::sandbox()
        .prepare(&component)
        .await
        .expect("prepares");
    assert_eq!(prepared.effect, Effect::Pure);
    assert!(
        prepared
            .imports
            .iter()
            .all(|import| import.starts_with("nebula:action/")),
        "{:?}",
        prepared.imports
    );
}
