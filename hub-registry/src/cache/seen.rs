//! The highest serial that was seen of each signed index, so that an older one
//! is noticed later.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};

use super::{Cache, CacheError};

/// Beside the layout's own files.
const FILE: &str = "indexes.json";
/// Bytes of it: thousands of registries.
const MAX_FILE: u64 = 1 << 20;

impl Cache {
    /// The highest serial that was seen of this registry's index.
    ///
    /// # Errors
    /// When the system refuses, or the file is something else.
    pub fn seen(&self, source: &str) -> Result<Option<u64>, CacheError> {
        Ok(self.all_seen()?.get(source).copied())
    }

    /// Notes a serial. Once it returns, that is on disk.
    ///
    /// # Errors
    /// When the system refuses, or the file is something else.
    pub fn saw(&self, source: &str, serial: u64) -> Result<(), CacheError> {
        let _lock = self.lock_file(true).map_err(|error| self.failed(error))?;
        let mut all = self.all_seen()?;
        if all.get(source).is_some_and(|seen| *seen >= serial) {
            return Ok(());
        }
        all.insert(source.to_owned(), serial);
        let text = serde_json::to_vec(&all).map_err(|error| self.failed(error.into()))?;
        self.replace(&self.folder.join(FILE), &text)
            .map_err(|error| self.failed(error))
    }

    fn all_seen(&self) -> Result<BTreeMap<String, u64>, CacheError> {
        let file = match fs::File::open(self.folder.join(FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(self.failed(error)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_FILE)
            .read_to_end(&mut bytes)
            .map_err(|error| self.failed(error))?;
        serde_json::from_slice(&bytes).map_err(|error| CacheError::NotACache {
            folder: self.folder.clone(),
            reason: format!("its `{FILE}` does not read: {error}"),
        })
    }
}
