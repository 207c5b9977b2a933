//! The new folder as a git repository, where git is and no other repository has it.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::output;

/// Whether the folder is a repository of its own now.
pub(super) fn begin(folder: &Path) -> bool {
    if is_within_another(folder) {
        return false;
    }
    let begun = Command::new("git")
        .args(["init", "--quiet"])
        .current_dir(folder)
        // Of a hook or another repository's command that we run under.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let why = match begun {
        Ok(status) if status.success() => return true,
        Ok(status) => format!("`git init` ended with {status}"),
        Err(e) => format!("git cannot be run: {e}"),
    };
    output::note(&format!("{} is no git repository: {why}", folder.display()));
    false
}

/// As `cargo new` has it: a folder in a repository becomes part of that.
fn is_within_another(folder: &Path) -> bool {
    let whole = folder.canonicalize();
    let whole = whole.as_deref().unwrap_or(folder);
    let mut above = whole.ancestors().skip(1);
    above.any(|folder| folder.join(".git").exists())
}
