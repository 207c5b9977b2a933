//! Nodes by name: their addresses and keys, kept in a file of mode 0600 in the
//! user's configuration folder.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::{folders, key};

/// The file's name in the configuration folder.
const FILE: &str = "nebula/contexts.json";

/// All of them, and the one in use.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contexts {
    /// The one that commands go to if nothing else is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// By name.
    #[serde(default)]
    pub(crate) contexts: BTreeMap<String, Kept>,
}

/// One of them: what `--server` and its like would say. It has no `Debug`,
/// since it may have a key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    /// The node's address.
    pub(crate) server: String,
    /// The key itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) api_key: Option<String>,
    /// A file with the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Certificates that the node's own may lead to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
}

impl Contexts {
    /// As they are kept; none if there is no file.
    pub(crate) fn read() -> Result<Self> {
        match file() {
            Ok(file) => Self::from_file(&file),
            // Nowhere to keep any.
            Err(_) => Ok(Self::default()),
        }
    }

    /// Changes what is kept. Of two commands at once the second sees what the
    /// first has written; whoever reads meanwhile sees one or the other.
    pub(crate) fn change<T>(change: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let file = file()?;
        let refuse = |e: std::io::Error| {
            Error::refused(format!(
                "contexts cannot be kept in {}: {e}",
                file.display()
            ))
        };
        let folder = file.parent().unwrap_or(Path::new("/"));
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(folder).map_err(refuse)?;
        let lock = File::open(folder).map_err(refuse)?;
        lock.lock().map_err(refuse)?;
        let mut contexts = Self::from_file(&file)?;
        let result = change(&mut contexts)?;
        contexts.write(&file).map_err(refuse)?;
        Ok(result)
    }

    /// The context of this name.
    pub(crate) fn get(&self, name: &str) -> Result<&Kept> {
        self.contexts.get(name).ok_or_else(|| {
            let error = Error::refused(format!("there is no context `{name}`"));
            match self.closest(name) {
                Some(close) => error.hint(format!("did you mean `{close}`?")),
                None => {
                    error.hint("`nebula context list` shows them, `nebula context add` keeps one")
                }
            }
        })
    }

    fn closest(&self, name: &str) -> Option<&str> {
        let known = self.contexts.keys().map(String::as_str);
        known
            .map(|known| (strsim::damerau_levenshtein(name, known), known))
            .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
            .min()
            .map(|(_, known)| known)
    }

    fn from_file(file: &Path) -> Result<Self> {
        if !file.exists() {
            return Ok(Self::default());
        }
        let text = key::read_private("the file with the contexts", file)?;
        // An excerpt in the message could have a key in it.
        serde_json::from_str(&text).map_err(|e| {
            let (file, line) = (file.display(), e.line());
            Error::refused(format!(
                "{file} cannot be used: line {line} is not as it should be"
            ))
            .hint("mend it, or remove it and add the contexts again")
        })
    }

    fn write(&self, file: &Path) -> std::io::Result<()> {
        let new = file.with_extension("json.new");
        // What a crash left may have another mode.
        let _ = std::fs::remove_file(&new);
        let mut options = OpenOptions::new();
        let mut out = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        out.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        out.write_all(b"\n")?;
        out.sync_all()?;
        std::fs::rename(&new, file)
    }
}

fn file() -> Result<PathBuf> {
    folders::of_user("XDG_CONFIG_HOME", ".config")
        .map(|folder| folder.join(FILE))
        .ok_or_else(|| {
            Error::refused("there is no place for contexts: HOME is not set")
                .hint("set XDG_CONFIG_HOME to a folder")
        })
}

/// Whether a context may be called so.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && name.len() <= 64 && name.bytes().all(good) {
        return Ok(());
    }
    Err(Error::refused(format!(
        "`{}` cannot be a context's name",
        name.escape_debug()
    ))
    .hint("up to 64 of a-z, A-Z, 0-9, `-`, `_` and `.`, beginning with a letter or a digit"))
}
