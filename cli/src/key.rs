//! The key that is sent to a node: from `NEBULA_API_KEY`, from a file that
//! nobody else may read, or from a context; never from an argument, which every
//! process sees.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The variable that has a key.
const VARIABLE: &str = "NEBULA_API_KEY";

/// Where a key is. It has no `Debug`, since it may be the key.
#[derive(Clone)]
pub(crate) enum Key {
    /// In a file of mode 0600.
    File(PathBuf),
    /// Here.
    Text(String),
}

impl Key {
    /// The key of the environment, if there is one.
    pub(crate) fn from_variable() -> Option<Self> {
        let key = std::env::var(VARIABLE).ok()?;
        (!key.is_empty()).then_some(Self::Text(key))
    }

    /// The key itself.
    pub(crate) fn read(&self) -> Result<String> {
        let text = match self {
            Self::File(file) => read_private("the key file", file)?,
            Self::Text(text) => text.clone(),
        };
        let key = text.trim();
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::refused("what was given as a key is not one").hint(
                "a key is one line, nebula.<tenant>.<id>.<secret>, as `nebula key create` prints it",
            ));
        }
        Ok(key.to_owned())
    }
}

/// Reads a file with secrets, unless others may read it too.
pub(crate) fn read_private(what: &str, path: &Path) -> Result<String> {
    let shown = path.display();
    let refuse = |e: std::io::Error| Error::refused(format!("{what} {shown} cannot be read: {e}"));
    let metadata = std::fs::metadata(path).map_err(refuse)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Error::refused(format!(
            "{what} {shown} may be read by others (mode {mode:o})"
        ))
        .hint(format!(
            "run chmod 600 {shown}; if others may have read it, revoke the key"
        )));
    }
    std::fs::read_to_string(path).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_that_others_may_read_or_that_has_no_key_is_refused() {
        let folder = std::env::temp_dir().join(format!("nebula-key-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("key");
        let write = |text: &str, mode| {
            std::fs::write(&path, text).expect("writes");
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, mode).expect("sets");
        };
        write("nebula.default.id.secret\n", 0o600);
        let key = Key::File(path.clone());
        assert_eq!(key.read().expect("reads"), "nebula.default.id.secret");
        write("nebula.default.id.secret\n", 0o640);
        assert!(key.read().is_err_and(|e| e.to_string().contains("640")));
        for text in ["", "\n", "two\nlines", "ä"] {
            write(text, 0o600);
            assert!(key.read().is_err(), "{text}");
            assert!(Key::Text(text.into()).read().is_err(), "{text}");
        }
        std::fs::remove_dir_all(&folder).expect("removes");
        assert!(key.read().is_err(), "a file that is named must be there");
    }
}
