//! A folder of key pairs: `NAME.pub`, and `NAME.key` of mode 0600, encrypted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::public::MAX_PEM;
use super::{KeyError, PublicKey, SigningKey, is_name};

/// A folder of key pairs, each under the name that its owner gave it.
#[derive(Debug, Clone)]
pub struct KeyStore {
    folder: PathBuf,
}

/// A key pair that is kept.
#[derive(Debug, Clone)]
pub struct KeptKey {
    /// The name that its owner gave it.
    pub name: String,
    /// Its public half.
    pub public: PublicKey,
}

/// Why a key pair is not kept or not given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Not the name of a key.
    #[error(
        "`{0}` cannot name a key: write words of a-z and 0-9, joined by `-`, at most 63 characters"
    )]
    Name(String),
    /// The name is taken.
    #[error("there is a key `{0}` already, which stays as it is; choose another name")]
    Exists(String),
    /// There is none of this name.
    #[error(
        "there is no key `{name}` in {folder}; `nebula hub key list` shows those that are there"
    )]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// Where it was looked for.
        folder: String,
    },
    /// Others may read the private half.
    #[error(
        "{file} may be read by others (mode {mode:o}): run chmod 600 {file}; if others may have read it, revoke the key"
    )]
    Mode {
        /// The file.
        file: String,
        /// Its mode.
        mode: u32,
    },
    /// The system refuses.
    #[error("{file} cannot be {what}: {error}")]
    File {
        /// The file or folder.
        file: String,
        /// `read` or `written`.
        what: &'static str,
        /// In the system's words.
        error: io::Error,
    },
    /// What is there is not a key.
    #[error("{file}: {error}")]
    Key {
        /// The file, or the key's name.
        file: String,
        /// What is wrong with it.
        error: KeyError,
    },
}

impl KeyStore {
    /// The key pairs in a folder, which need not be there yet.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Where they are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All of them, in the order of their names.
    ///
    /// # Errors
    /// When the folder cannot be read, or something in it is not a key.
    pub fn list(&self) -> Result<Vec<KeptKey>, StoreError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(&self.folder, "read", error)),
        };
        let mut keys = Vec::new();
        for entry in entries {
            let path = entry
                .map_err(|error| failed(&self.folder, "read", error))?
                .path();
            let name = path.file_stem().and_then(|stem| stem.to_str());
            if let Some(name) = name
                && path.extension().is_some_and(|extension| extension == "pub")
                && is_name(name)
            {
                keys.push(self.kept(name)?);
            }
        }
        keys.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(keys)
    }

    /// The public half of one.
    ///
    /// # Errors
    /// When there is none of this name, or it cannot be read.
    pub fn kept(&self, name: &str) -> Result<KeptKey, StoreError> {
        let path = self.path(name, "pub")?;
        let text = self.read(name, &path)?;
        let public = PublicKey::from_pem(&text).map_err(|error| wrong(&path, error))?;
        Ok(KeptKey {
            name: name.to_owned(),
            public,
        })
    }

    /// The private half of one, as it is kept: PEM, encrypted.
    ///
    /// # Errors
    /// When there is none of this name, others may read it, or it cannot be read.
    pub fn encrypted(&self, name: &str) -> Result<String, StoreError> {
        let path = self.path(name, "key")?;
        if let Ok(metadata) = fs::metadata(&path) {
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                let file = path.display().to_string();
                return Err(StoreError::Mode { file, mode });
            }
        }
        self.read(name, &path)
    }

    /// Opens one.
    ///
    /// # Errors
    /// When there is none of this name, others may read it, or the passphrase is
    /// wrong.
    pub fn open(&self, name: &str, passphrase: Option<&str>) -> Result<SigningKey, StoreError> {
        let pem = self.encrypted(name)?;
        let opened = SigningKey::from_pem(&pem, passphrase);
        opened.map_err(|error| StoreError::Key {
            file: format!("key `{name}`"),
            error,
        })
    }

    /// Whether a key may be kept under this name.
    ///
    /// # Errors
    /// When it is no name, or is taken.
    pub fn free(&self, name: &str) -> Result<(), StoreError> {
        let (private, public) = (self.path(name, "key")?, self.path(name, "pub")?);
        if private.exists() || public.exists() {
            return Err(StoreError::Exists(name.to_owned()));
        }
        Ok(())
    }

    /// Keeps a key pair, its private half encrypted with the passphrase. Either
    /// both files are there afterwards or, under that name, no key that counts.
    ///
    /// # Errors
    /// When the name is taken or none, the passphrase is empty, or the folder
    /// cannot be written.
    pub fn keep(
        &self,
        name: &str,
        key: &SigningKey,
        passphrase: &str,
    ) -> Result<KeptKey, StoreError> {
        self.free(name)?;
        let (private, public) = (self.path(name, "key")?, self.path(name, "pub")?);
        let encrypted = key
            .to_encrypted_pem(passphrase)
            .map_err(|error| wrong(&private, error))?;
        let mut folder = fs::DirBuilder::new();
        folder.recursive(true).mode(0o700);
        folder
            .create(&self.folder)
            .map_err(|error| failed(&self.folder, "written", error))?;
        // The public half last, since it is what makes a key count.
        self.write(name, &private, 0o600, &encrypted)?;
        self.write(name, &public, 0o644, &key.public().to_pem())?;
        self.kept(name)
    }

    fn path(&self, name: &str, extension: &str) -> Result<PathBuf, StoreError> {
        if !is_name(name) {
            return Err(StoreError::Name(name.chars().take(63).collect()));
        }
        Ok(self.folder.join(format!("{name}.{extension}")))
    }

    fn read(&self, name: &str, path: &Path) -> Result<String, StoreError> {
        let mut text = String::new();
        let read = File::open(path).and_then(|file| {
            // One more than a key may have, so that a longer file is refused.
            file.take(MAX_PEM as u64 + 1).read_to_string(&mut text)
        });
        match read {
            Ok(_) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::Unknown {
                name: name.to_owned(),
                folder: self.folder.display().to_string(),
            }),
            Err(error) => Err(failed(path, "read", error)),
        }
    }

    /// Writes a file that is not there yet: whole, or not at all.
    fn write(&self, name: &str, path: &Path, mode: u32, text: &str) -> Result<(), StoreError> {
        let unfinished = path.with_added_extension(format!("{}.tmp", std::process::id()));
        let written = (|| {
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create(true)
                .truncate(true)
                .mode(mode)
                .open(&unfinished)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            // Unlike a rename, a link does not replace what is there.
            fs::hard_link(&unfinished, path)
        })();
        // If it cannot be removed, it is a file that nobody reads.
        let _ = fs::remove_file(&unfinished);
        written.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => StoreError::Exists(name.to_owned()),
            _ => failed(path, "written", error),
        })
    }
}

fn failed(path: &Path, what: &'static str, error: io::Error) -> StoreError {
    let file = path.display().to_string();
    StoreError::File { file, what, error }
}

fn wrong(path: &Path, error: KeyError) -> StoreError {
    let file = path.display().to_string();
    StoreError::Key { file, error }
}
