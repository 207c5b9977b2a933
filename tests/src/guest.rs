//! The guests below this crate, built as their authors build them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::client::Error;

/// Builds the crate in a folder, and gives its component.
///
/// # Errors
/// When it does not build.
pub fn build(folder: &Path) -> Result<PathBuf, Error> {
    made(folder, &mut Command::new("cargo"))
}

/// The same, into a target folder that several share, without the network.
///
/// # Errors
/// When it does not build.
pub fn build_into(folder: &Path, target: &Path) -> Result<PathBuf, Error> {
    let mut cargo = Command::new("cargo");
    cargo
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_NET_OFFLINE", "true");
    made(folder, &mut cargo)
}

fn made(folder: &Path, cargo: &mut Command) -> Result<PathBuf, Error> {
    let output = cargo
        .args(["build", "--release", "--target", "wasm32-wasip2"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(folder)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{} does not build: {said}", folder.display()).into());
    }
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let files = messages.flat_map(|line| {
        let message: Value = serde_json::from_slice(line).unwrap_or_default();
        message["filenames"].as_array().cloned().unwrap_or_default()
    });
    let component = files
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .rfind(|file| file.extension().is_some_and(|kind| kind == "wasm"));
    Ok(component.ok_or("it built no component")?)
}
