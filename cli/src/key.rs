//! The key that is sent to a node: from `NEBULA_API_KEY`, or from a file that
//! nobody else may read; never from an argument, which every process sees.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::{Error, Result};

/// The variable that has a key.
const VARIABLE: &str = "NEBULA_API_KEY";

/// The key, if there is one. A file that is named goes above the variable.
pub(crate) fn read(file: Option<&Path>) -> Result<Option<String>> {
    let text = match file {
        Some(file) => Some(from_file(file)?),
        None => std::env::var(VARIABLE).ok().filter(|key| !key.is_empty()),
    };
    let Some(text) = text else { return Ok(None) };
    let key = text.trim();
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::refused("what was given as a key is not one").hint(
            "a key is one line, nebula.<tenant>.<id>.<secret>, as `nebula key create` prints it",
        ));
    }
    Ok(Some(key.to_owned()))
}

fn from_file(path: &Path) -> Result<String> {
    let refuse = |e: std::io::Error| {
        Error::refused(format!(
            "the key file {} cannot be read: {e}",
            path.display()
        ))
    };
    let mode = std::fs::metadata(path)
        .map_err(refuse)?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o077 != 0 {
        let path = path.display();
        return Err(Error::refused(format!(
            "the key file {path} may be read by others (mode {mode:o})"
        ))
        .hint(format!(
            "run chmod 600 {path}; if others may have read it, revoke the key"
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
        let key = read(Some(&path)).expect("reads");
        assert_eq!(key.as_deref(), Some("nebula.default.id.secret"));
        write("nebula.default.id.secret\n", 0o640);
        assert!(read(Some(&path)).is_err_and(|e| e.to_string().contains("640")));
        for text in ["", "\n", "two\nlines", "ä"] {
            write(text, 0o600);
            assert!(read(Some(&path)).is_err(), "{text}");
        }
        std::fs::remove_dir_all(&folder).expect("removes");
        assert!(
            read(Some(&path)).is_err(),
            "a file that is named must be there"
        );
    }
}
