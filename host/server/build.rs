//! Builds the first-party packs as components and writes `packs.rs`, which
//! embeds them: `pub static PACKS: &[(&str, &[u8])]`, name and component.
//!
//! A second cargo builds them for `wasm32-wasip2` in a target folder of its
//! own, since the outer cargo holds the lock of its own one. Nothing that tunes
//! the outer build may reach the inner one: a component must not depend on how
//! its host is built.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

const TARGET: &str = "wasm32-wasip2";
/// Of the workspace: small, without unwinding.
const PROFILE: &str = "guest";
/// What a component is made of, beside the toolchain and the lock file.
const SOURCES: [&str; 5] = ["plugins", "guest-sdk", "wit", "Cargo.lock", "Cargo.toml"];

fn main() {
    if let Err(problem) = build() {
        println!("cargo::error={problem}");
        exit(1);
    }
}

fn build() -> Result<(), String> {
    let out = path("OUT_DIR")?;
    let workspace = path("CARGO_MANIFEST_DIR")?.join("../..");
    let workspace = workspace
        .canonicalize()
        .map_err(|e| format!("no workspace at {}: {e}", workspace.display()))?;
    for source in SOURCES {
        // Relative to this crate: clones that share a target folder must each
        // look at their own sources.
        println!("cargo::rerun-if-changed=../../{source}");
    }
    let packs = packs(&workspace.join("plugins"))?;
    let target = target_folder(&out);
    // Cargo unites the features of what it builds together: packs that have the
    // standard library in them must not bring it to those that do without.
    let (large, small): (Vec<_>, Vec<_>) = packs
        .iter()
        .cloned()
        .partition(|pack| has_std(&workspace.join("plugins").join(pack)));
    compile(&workspace, &target, &small)?;
    compile(&workspace, &target, &large)?;
    let components = target.join(TARGET).join(PROFILE);
    write(&out.join("packs.rs"), &components, &packs)
}

fn path(variable: &str) -> Result<PathBuf, String> {
    env::var_os(variable)
        .map(PathBuf::from)
        .ok_or_else(|| format!("cargo sets no {variable}"))
}

/// The folders below `plugins` that hold a crate, sorted.
fn packs(plugins: &Path) -> Result<Vec<String>, String> {
    let entries =
        fs::read_dir(plugins).map_err(|e| format!("cannot read {}: {e}", plugins.display()))?;
    let mut packs: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    packs.sort();
    Ok(packs)
}

/// Whether a pack's manifest asks for the SDK with the standard library.
fn has_std(pack: &Path) -> bool {
    let manifest = fs::read_to_string(pack.join("Cargo.toml")).unwrap_or_default();
    let sdk = manifest.lines().find(|line| line.starts_with("nebula-sdk"));
    sdk.is_some_and(|line| line.contains("\"std\""))
}

/// One folder for check, clippy, build and test: beside `build` in the outer
/// profile's folder, of which `OUT_DIR` is `build/<crate>/out`.
fn target_folder(out: &Path) -> PathBuf {
    let profile = out
        .ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == "build"));
    profile.and_then(Path::parent).unwrap_or(out).join("packs")
}

fn compile(workspace: &Path, target: &Path, packs: &[String]) -> Result<(), String> {
    if packs.is_empty() {
        // Without a name cargo would build everything.
        return Ok(());
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(tunes_the_outer_build) {
            command.env_remove(&name);
        }
    }
    command
        .current_dir(workspace)
        .args(["build", "--quiet", "--locked"]);
    command
        .args(["--target", TARGET, "--profile", PROFILE])
        .arg("--target-dir")
        .arg(target);
    for pack in packs {
        command.arg("--package").arg(format!("nebula-pack-{pack}"));
    }
    let output = command
        .output()
        .map_err(|e| format!("cannot start cargo for the packs: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines()
        .for_each(|line| println!("cargo::warning={line}"));
    Err(format!(
        "the packs in plugins/ do not build for {TARGET}; is it installed? `rustup target add {TARGET}`"
    ))
}

/// What an outer cargo sets for its own crates, or a user for the outer build.
fn tunes_the_outer_build(name: &str) -> bool {
    const EXACT: [&str; 11] = [
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_MAKEFLAGS",
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_BUILD_RUSTFLAGS",
        "RUSTC",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTDOC",
        "RUSTFLAGS",
    ];
    const PREFIXES: [&str; 9] = [
        "CARGO_CFG_",
        "CARGO_FEATURE_",
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_PROFILE_",
        "CARGO_TARGET_",
        "CARGO_BUILD_RUSTC",
        "CLIPPY_",
        "LLVM_PROFILE_",
    ];
    EXACT.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn write(to: &Path, components: &Path, packs: &[String]) -> Result<(), String> {
    let mut text = String::from(
        "/// The first-party packs: name and component.\npub static PACKS: &[(&str, &[u8])] = &[\n",
    );
    for pack in packs {
        let file = components.join(format!("nebula_pack_{}.wasm", pack.replace('-', "_")));
        if !file.is_file() {
            return Err(format!(
                "the pack {pack} has no component: its crate-type must have `cdylib`"
            ));
        }
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "    ({pack:?}, include_bytes!({:?})),",
            file.display().to_string()
        );
    }
    text.push_str("];\n");
    // Rewritten only when it differs, so that nothing above is compiled again.
    if fs::read_to_string(to).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(to, text).map_err(|e| format!("cannot write {}: {e}", to.display()))
}
