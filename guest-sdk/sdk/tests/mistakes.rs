//! The mistakes that authors make most, compiled: each gives one error, at the
//! author's own line, which says what to write. Behind `//~` on a line stands how
//! its error begins.
#![cfg(feature = "workflow")]
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use serde_json::Value;

/// The compiler with the SDK that this test was linked with.
struct Rustc {
    deps: PathBuf,
    sdk: PathBuf,
    out: tempfile::TempDir,
}

impl Rustc {
    /// Features and versions that were built before may lie beside the SDK: the one
    /// that compiles what is right is taken.
    fn new() -> Self {
        let test = std::env::current_exe().unwrap();
        let deps = test.parent().unwrap().to_owned();
        let mut found: Vec<(SystemTime, PathBuf)> = std::fs::read_dir(&deps)
            .unwrap()
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name();
                let name = name.to_str()?;
                let is_sdk = name.starts_with("libnebula_sdk-") && name.ends_with(".rlib");
                let modified = entry.metadata().ok()?.modified().ok()?;
                is_sdk.then(|| (modified, entry.path()))
            })
            .collect();
        found.sort();
        let out = tempfile::tempdir().unwrap();
        let mut rustc = Self {
            deps,
            sdk: PathBuf::new(),
            out,
        };
        let mut said = String::new();
        for (_, sdk) in found.into_iter().rev() {
            rustc.sdk = sdk;
            let output = rustc.compile("right.rs");
            if output.status.success() {
                return rustc;
            }
            said = String::from_utf8_lossy(&output.stderr).into_owned();
        }
        panic!("what is right does not compile: {said}");
    }

    fn compile(&self, file: &str) -> Output {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/mistakes")
            .join(file);
        let mut sdk = std::ffi::OsString::from("nebula_sdk=");
        sdk.push(&self.sdk);
        Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .args(["--edition=2024", "--crate-type=lib", "--emit=metadata"])
            .args(["--error-format=json", "--cap-lints=allow", "-L"])
            .arg(&self.deps)
            .arg("--extern")
            .arg(sdk)
            .arg("--out-dir")
            .arg(self.out.path())
            .env("CARGO_PKG_VERSION", "0.1.0")
            .arg(file)
            .output()
            .unwrap()
    }
}

/// The errors of a compilation, by line.
fn errors(output: &Output) -> BTreeMap<u64, Vec<String>> {
    let mut errors: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    let text = String::from_utf8_lossy(&output.stderr);
    for line in text.lines() {
        let message: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let spans = message["spans"].as_array().unwrap();
        let Some(span) = spans.iter().find(|s| s["is_primary"] == true) else {
            continue;
        };
        if message["level"] != "error" {
            continue;
        }
        let at = span["line_start"].as_u64().unwrap();
        let said = message["message"].as_str().unwrap();
        errors.entry(at).or_default().push(said.to_owned());
    }
    errors
}

/// What each line of a file expects.
fn expected(file: &str) -> BTreeMap<u64, Vec<String>> {
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/mistakes")
            .join(file),
    )
    .unwrap();
    let mut expected: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let said = line.split("//~").skip(1).map(|said| said.trim().to_owned());
        let said: Vec<String> = said.collect();
        if !said.is_empty() {
            expected.insert(number, said);
        }
    }
    expected
}

fn compare(rustc: &Rustc, file: &str) {
    let output = rustc.compile(file);
    assert!(!output.status.success(), "{file} compiles");
    let (errors, expected) = (errors(&output), expected(file));
    let mut wrong = Vec::new();
    for (line, said) in &errors {
        let wanted = expected.get(line).map(Vec::as_slice).unwrap_or_default();
        let fit = said.len() == wanted.len()
            && wanted
                .iter()
                .all(|wanted| said.iter().any(|said| said.starts_with(wanted)));
        if !fit {
            wrong.push(format!(
                "{file}:{line}: {said:#?}, and {wanted:#?} was expected"
            ));
        }
    }
    let missing = expected.keys().filter(|line| !errors.contains_key(line));
    wrong.extend(missing.map(|line| format!("{file}:{line}: no error")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_mistake_gives_one_error_where_it_was_made() {
    let rustc = Rustc::new();
    compare(&rustc, "macros.rs");
    compare(&rustc, "types.rs");
}
