//! `nebula.lock`: what was installed, so that the same is installed again.

use std::io::Write as _;
use std::path::Path;

use nebula_flow::Digest;
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::key::KeyId;
use crate::package::PackageName;

/// The file's name.
pub const FILE: &str = "nebula.lock";

const MAX_LOCK: u64 = 4 << 20;
const VERSION: u32 = 1;
const HEAD: &str = "# What `nebula hub install` installed here; it changes this file itself.\n";

/// What was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    /// By name, then version.
    #[serde(default, rename = "package", skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<Locked>,
}

/// One version of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// Which package.
    pub name: PackageName,
    /// Which version.
    pub version: Version,
    /// Its top manifest.
    pub digest: Digest,
    /// The key that signed it; none for what is not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether a person asked for it, and in what range; else something else did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<semver::VersionReq>,
}

/// Why a lock cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The system refuses.
    #[error("{path} cannot be used: {error}")]
    Io {
        /// Which file.
        path: String,
        /// In the system's words.
        error: std::io::Error,
    },
    /// It is something else.
    #[error("{path} does not read: {reason}; put it back from version control, or remove it")]
    Unreadable {
        /// Which file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

impl Default for Lock {
    fn default() -> Self {
        Self {
            version: VERSION,
            packages: Vec::new(),
        }
    }
}

impl Lock {
    /// Reads a lock, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, or is something else.
    pub fn read(path: &Path) -> Result<Option<Self>, LockError> {
        use std::io::Read as _;
        let io = |error| LockError::Io {
            path: path.display().to_string(),
            error,
        };
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        let mut text = String::new();
        file.take(MAX_LOCK).read_to_string(&mut text).map_err(io)?;
        let unreadable = |reason: String| LockError::Unreadable {
            path: path.display().to_string(),
            reason,
        };
        let lock: Self =
            toml_edit::de::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        if lock.version != VERSION {
            return Err(unreadable(format!(
                "it is of version {}, and this program reads version {VERSION}",
                lock.version
            )));
        }
        for locked in &lock.packages {
            if let Some(key) = &locked.key {
                let parsed: Result<KeyId, _> = key.parse();
                parsed.map_err(|error| unreadable(error.to_string()))?;
            }
        }
        Ok(Some(lock))
    }

    /// Puts a new file in place of the old one: whoever reads sees one or the
    /// other.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), LockError> {
        let io = |error| LockError::Io {
            path: path.display().to_string(),
            error,
        };
        let text = toml_edit::ser::to_string_pretty(self)
            .map_err(|error| io(std::io::Error::other(error)))?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let written = || {
            let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
            fresh.write_all(HEAD.as_bytes())?;
            fresh.write_all(text.as_bytes())?;
            fresh.as_file().sync_all()?;
            fresh.persist(path).map_err(|error| error.error)
        };
        written().map(drop).map_err(io)
    }

    /// Puts a version in place of the other ones of its package.
    pub fn put(&mut self, locked: Locked) {
        self.packages.retain(|other| other.name != locked.name);
        self.packages.push(locked);
        self.packages
            .sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
    }

    /// Takes a package out; whether it was there.
    pub fn remove(&mut self, name: &PackageName) -> bool {
        let before = self.packages.len();
        self.packages.retain(|other| other.name != *name);
        self.packages.len() != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_reads_as_it_was_written_and_the_same_content_is_the_same_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(Lock::read(&path).unwrap(), None);
        let mut lock = Lock::default();
        for name in ["b/two", "a/one"] {
            lock.put(Locked {
                name: name.parse().unwrap(),
                version: Version::new(1, 2, 3),
                digest: Digest::of(name.as_bytes()),
                key: Some(format!("sha256:{}", "0a".repeat(32))),
                wanted: Some("^1".parse().unwrap()),
            });
        }
        lock.write(&path).unwrap();
        assert_eq!(Lock::read(&path).unwrap(), Some(lock.clone()));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.find("a/one") < text.find("b/two"), "{text}");
        lock.write(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert!(lock.remove(&"a/one".parse().unwrap()));
        assert!(!lock.remove(&"a/one".parse().unwrap()));
    }

    #[test]
    fn a_lock_that_is_something_else_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for text in ["version = 2", "package = 1", "version = 1\nextra = 1", "{}"] {
            std::fs::write(&path, text).unwrap();
            let error = Lock::read(&path).unwrap_err().to_string();
            assert!(error.contains("nebula.lock"), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
