//! `trust.toml` itself, which several processes may change: each takes the lock,
//! reads, and puts a whole new file in its place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{Policy, TrustError};

/// Bytes of a policy: some thousand keys.
const MAX_FILE: u64 = 1 << 20;

/// The file in which a policy is kept.
#[derive(Debug, Clone)]
pub struct TrustFile {
    path: PathBuf,
}

impl TrustFile {
    /// The policy in this file, which need not be there yet.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The policy of the node with this data folder.
    #[must_use]
    pub fn of_node(data: &Path) -> Self {
        Self::at(data.join("trust.toml"))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says now; the default if there is no file.
    ///
    /// # Errors
    /// When it cannot be read or is no policy.
    pub fn policy(&self) -> Result<Policy, TrustError> {
        Policy::parse(&self.read()?, &self.name())
    }

    /// Changes it: `change` gets its text and its name, and gives the new text.
    /// Whoever changes it meanwhile waits. If it fails, the file is as it was.
    ///
    /// # Errors
    /// What `change` refuses, or when the file cannot be read or written.
    pub fn change(
        &self,
        change: impl FnOnce(&str, &str) -> Result<String, TrustError>,
    ) -> Result<Policy, TrustError> {
        let failed = |error| self.failed("written", error);
        if let Some(folder) = self.path.parent() {
            // As a node makes its data folder.
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder.create(folder).map_err(failed)?;
        }
        let lock = self.beside("lock");
        let lock = options(&lock).map_err(failed)?;
        // Until it is closed.
        lock.lock().map_err(failed)?;
        let text = change(&self.read()?, &self.name())?;
        let policy = Policy::parse(&text, &self.name())?;
        let unfinished = self.beside("new");
        let written = options(&unfinished).and_then(|mut file| {
            file.set_len(0)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&unfinished, &self.path)
        });
        written.map_err(failed)?;
        Ok(policy)
    }

    fn read(&self) -> Result<String, TrustError> {
        let mut text = String::new();
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(text),
            Err(error) => return Err(self.failed("read", error)),
        };
        let read = file.take(MAX_FILE + 1).read_to_string(&mut text);
        read.map_err(|error| self.failed("read", error))?;
        if text.len() as u64 > MAX_FILE {
            let error = io::Error::other(format!("it has more than {MAX_FILE} bytes"));
            return Err(self.failed("read", error));
        }
        Ok(text)
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn beside(&self, extension: &str) -> PathBuf {
        self.path.with_added_extension(extension)
    }

    fn failed(&self, what: &'static str, error: io::Error) -> TrustError {
        let file = self.name();
        TrustError::File { file, what, error }
    }
}

/// Only the operator may say who is trusted.
fn options(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}
