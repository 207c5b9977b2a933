//! The node's own key: 32 random bytes in a 0600 file of the data folder. The
//! keys for credentials and for the compiled cache are derived from it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nebula_flow::Digest;
use zeroize::Zeroizing;

/// The file's name in the data folder.
const FILE: &str = "node.key";

/// The keys of a node.
pub(crate) struct Keys {
    master: Zeroizing<[u8; 32]>,
}

/// Why a node has no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read or made.
    #[error("the key file {} cannot be used: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Others may read it.
    #[error("the key file {} may be read by others (mode {mode:o}): run chmod 600 on it, and consider its credentials known", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is not 32 bytes.
    #[error("the key file {} is damaged: put the original back, or remove it and set all credentials again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

impl Keys {
    /// Reads the key of a data folder, or makes it.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, KeyError> {
        let path = data_dir.join(FILE);
        let master = match File::open(&path) {
            Ok(file) => read(file, &path)?,
            Err(error) if error.kind() == ErrorKind::NotFound => make(data_dir, &path)?,
            Err(error) => return Err(KeyError::Io { path, error }),
        };
        Ok(Self { master })
    }

    /// For credentials at rest.
    pub(crate) fn credentials(&self) -> Zeroizing<[u8; 32]> {
        self.derive("nebula/credentials/1")
    }

    /// For the MAC of compiled components.
    pub(crate) fn compiled(&self) -> Zeroizing<[u8; 32]> {
        self.derive("nebula/compiled/1")
    }

    // The input has a fixed length and the master key is uniform, so that one
    // hash with a label in front is a sound derivation.
    fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let mut input = Zeroizing::new(Vec::with_capacity(label.len() + 33));
        input.extend_from_slice(label.as_bytes());
        input.push(0);
        input.extend_from_slice(&*self.master);
        Zeroizing::new(*Digest::of(&input).as_bytes())
    }
}

/// Makes a folder that only its owner may enter, if it is absent.
pub(crate) fn make_private_dir(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

fn read(mut file: File, path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let io = |error| KeyError::Io {
        path: path.into(),
        error,
    };
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Open {
            path: path.into(),
            mode,
        });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(33));
    Read::by_ref(&mut file)
        .take(33)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    match <[u8; 32]>::try_from(bytes.as_slice()) {
        Ok(key) => Ok(Zeroizing::new(key)),
        Err(_) => Err(KeyError::Damaged { path: path.into() }),
    }
}

fn make(data_dir: &Path, path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let io = |error| KeyError::Io {
        path: path.into(),
        error,
    };
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key).map_err(|e| io(std::io::Error::other(e.to_string())))?;
    // Written beside it and renamed, so that a crash leaves no short key.
    let fresh = data_dir.join("node.key.new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .map_err(io)?;
    file.write_all(&*key)
        .and_then(|()| file.sync_all())
        .map_err(io)?;
    std::fs::rename(&fresh, path).map_err(io)?;
    File::open(data_dir)
        .and_then(|dir| dir.sync_all())
        .map_err(io)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_private_and_kept() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = Keys::open(dir.path()).expect("makes it");
        let mode = std::fs::metadata(dir.path().join(FILE))
            .expect("is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = Keys::open(dir.path()).expect("reads it");
        assert_eq!(*first.credentials(), *again.credentials());
        assert_ne!(*first.credentials(), *first.compiled());
    }

    #[test]
    fn a_key_that_others_may_read_or_that_is_short_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(FILE);
        std::fs::write(&path, [7; 32]).expect("writes");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("sets");
        assert!(matches!(
            Keys::open(dir.path()),
            Err(KeyError::Open { mode: 0o644, .. })
        ));
        std::fs::write(&path, [7; 31]).expect("writes");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("sets");
        assert!(matches!(
            Keys::open(dir.path()),
            Err(KeyError::Damaged { .. })
        ));
    }
}
