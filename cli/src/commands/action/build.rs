//! Builds an author's crate into a component.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::process::Command;

use crate::error::{Error, Result};

/// The profile of a build whose functions keep their names.
const NAMED: &str = "named";

/// The component of a path: a `.wasm` file as it is, a crate's folder built.
pub(in crate::commands) async fn component(path: &Path) -> Result<PathBuf> {
    made(path, &["--release"]).await
}

/// The same, built with the names of its functions: as for its release otherwise, and
/// beside that in the target folder, so that neither build undoes the other.
pub(super) async fn named_component(path: &Path) -> Result<PathBuf> {
    let settings = ["inherits='release'", "strip='none'"];
    let settings = settings.map(|setting| format!("profile.{NAMED}.{setting}"));
    let mut arguments = vec!["--profile", NAMED];
    for setting in &settings {
        arguments.extend(["--config", setting.as_str()]);
    }
    made(path, &arguments).await
}

async fn made(path: &Path, profile: &[&str]) -> Result<PathBuf> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    if !path.join("Cargo.toml").is_file() {
        return Err(Error::refused(format!(
            "`{}` is neither a component nor a crate",
            path.display()
        ))
        .hint("give a .wasm file, or a folder with a Cargo.toml"));
    }
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .arg("build")
        .args(profile)
        .args(["--target", "wasm32-wasip2"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(path)
        .stderr(std::process::Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|e| {
            Error::refused(format!("cargo cannot be run: {e}")).hint("install Rust with rustup")
        })?;
    if !output.status.success() {
        return Err(
            Error::refused(format!("`{}` does not build", path.display()))
                .hint("if the target is missing: rustup target add wasm32-wasip2"),
        );
    }
    artifact(&output.stdout, path)
}

/// The one `.wasm` among cargo's messages that comes from the crate itself.
fn artifact(messages: &[u8], path: &Path) -> Result<PathBuf> {
    let manifest = path.join("Cargo.toml").canonicalize().ok();
    let mut found = None;
    for line in messages.split(|b| *b == b'\n') {
        let Ok(message) = serde_json::from_slice::<Value>(line) else {
            continue;
        };
        let of_crate = message
            .get("manifest_path")
            .and_then(Value::as_str)
            .map(PathBuf::from)
            == manifest;
        let files = message.get("filenames").and_then(Value::as_array);
        let wasm = files
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .find(|f| f.ends_with(".wasm"));
        if let (true, Some(file)) = (of_crate, wasm) {
            found = Some(PathBuf::from(file));
        }
    }
    found.ok_or_else(|| {
        Error::refused(format!(
            "`{}` builds, and gives no component",
            path.display()
        ))
        .hint("its Cargo.toml needs [lib] crate-type = [\"cdylib\"]")
    })
}
