//! Where the real tools are.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The program of this name, if this machine has it.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("nebula/clients"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    variable("NEBULA_CLIENTS")
        .into_iter()
        .chain(cache)
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// The program of this name; else says loudly that the test did not run.
pub(crate) fn or_say(name: &str, test: &str) -> Option<PathBuf> {
    let found = find(name);
    if found.is_none() {
        // Not by a macro, whose output a passing test hides.
        let _ = writeln!(
            std::io::stderr(),
            "\n*** DID NOT RUN: {test}: `{name}` is not on this machine; scripts/clients fetches it ***\n"
        );
    }
    found
}

/// A program's output and whether it ended well, for messages.
pub(crate) struct Ran {
    pub(crate) ok: bool,
    pub(crate) said: String,
}

/// Runs a program in a folder of its own, without this user's settings.
pub(crate) fn run(program: &Path, folder: &Path, arguments: &[&str]) -> Ran {
    let output = std::process::Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env("COSIGN_PASSWORD", "for this test")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran {
        ok: output.status.success(),
        said: format!(
            "{} {arguments:?}\n{}{}",
            program.display(),
            text(&output.stdout),
            text(&output.stderr)
        ),
    }
}
