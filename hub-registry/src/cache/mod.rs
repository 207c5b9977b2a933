//! The local cache: an OCI image layout on disk, by digest, shared safely by
//! several processes. `oras` and others read it as it stands.
//!
//! What is in it was compared with its digest before it got its name; nothing
//! in it is trusted for being there. `index.json` is changed under a lock, by
//! writing a new file beside it and renaming that.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use bytes::Bytes;
use nebula_flow::Digest;
use serde_json::json;

use crate::artifact::{Descriptor, ImageIndex};

mod keep;
mod seen;
mod sink;

#[cfg(test)]
mod tests;

pub use keep::{Collected, Inspected};
pub use sink::BlobSink;

const LAYOUT: &str = "oci-layout";
const INDEX: &str = "index.json";
const LOCK: &str = "lock";
const BLOBS: &str = "blobs/sha256";
const FRESH: &str = "fresh";
/// Bytes of `index.json`.
const MAX_INDEX: u64 = 64 << 20;

/// The cache of one folder.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The system refuses.
    #[error("the cache in {} cannot be used: {error}", folder.display())]
    Io {
        /// Where it is.
        folder: PathBuf,
        /// In the system's words.
        error: io::Error,
    },
    /// The folder is something else.
    #[error(
        "{} is not a cache: {reason}; name another folder, or remove it", folder.display()
    )]
    NotACache {
        /// Where it should be.
        folder: PathBuf,
        /// What is there.
        reason: String,
    },
    /// Bytes that are not what their name says.
    #[error(
        "what was pulled for {expected} has the digest {actual} and {size} bytes; nothing of it was kept"
    )]
    Altered {
        /// As it was asked for.
        expected: Digest,
        /// Of what came.
        actual: Digest,
        /// Bytes that came.
        size: u64,
    },
}

/// Held while blobs are written and named; the collector waits for it.
pub struct Using {
    _lock: File,
}

impl Cache {
    /// Opens the cache of a folder, and makes it if it is absent.
    ///
    /// # Errors
    /// When it cannot be made, or the folder holds something else.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, CacheError> {
        let cache = Self {
            folder: folder.into(),
        };
        cache.prepare().map_err(|error| cache.failed(error))?;
        let layout = cache.folder.join(LAYOUT);
        let text = fs::read_to_string(&layout).map_err(|error| cache.failed(error))?;
        let parsed: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        if parsed["imageLayoutVersion"] != "1.0.0" {
            return Err(CacheError::NotACache {
                folder: cache.folder,
                reason: "its `oci-layout` is of another version".into(),
            });
        }
        Ok(cache)
    }

    fn prepare(&self) -> io::Result<()> {
        // As all of a data folder: its owner's alone.
        let mut private = fs::DirBuilder::new();
        private.recursive(true).mode(0o700);
        private.create(self.folder.join(BLOBS))?;
        private.create(self.folder.join(FRESH))?;
        let layout = self.folder.join(LAYOUT);
        if !layout.exists() {
            let text = json!({ "imageLayoutVersion": "1.0.0" }).to_string();
            self.replace(&layout, text.as_bytes())?;
        }
        let index = self.folder.join(INDEX);
        if !index.exists() {
            let _lock = self.lock_file(true)?;
            if !index.exists() {
                let empty = serde_json::to_vec(&ImageIndex::new(Vec::new()))?;
                self.replace(&index, &empty)?;
            }
        }
        Ok(())
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps the collector away for as long as the answer lives.
    ///
    /// # Errors
    /// When the lock cannot be had.
    pub fn using(&self) -> Result<Using, CacheError> {
        let lock = self.lock_file(false).map_err(|error| self.failed(error))?;
        Ok(Using { _lock: lock })
    }

    fn lock_file(&self, alone: bool) -> io::Result<File> {
        let name = if alone { INDEX } else { "use" };
        let path = self.folder.join(format!("{LOCK}.{name}"));
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)?;
        if alone {
            file.lock()?;
        } else {
            file.lock_shared()?;
        }
        Ok(file)
    }

    fn blob_path(&self, digest: Digest) -> PathBuf {
        self.folder.join(BLOBS).join(digest.hex())
    }

    /// Whether it has the blob of this digest.
    #[must_use]
    pub fn has(&self, digest: Digest) -> bool {
        self.blob_path(digest).is_file()
    }

    /// A blob, if it is here and is what its name says; one that is not is
    /// taken out.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn blob(&self, digest: Digest, limit: u64) -> Result<Option<Bytes>, CacheError> {
        let path = self.blob_path(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| self.failed(error))?;
        if bytes.len() as u64 > limit || Digest::of(&bytes) != digest {
            tracing::warn!(%digest, "a blob of the cache is not what it was; it is taken out");
            let _ = fs::remove_file(&path);
            return Ok(None);
        }
        Ok(Some(bytes.into()))
    }

    /// Keeps bytes under their digest. Once it returns they are on disk.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, CacheError> {
        let digest = Digest::of(bytes);
        if !self.has(digest) {
            let mut sink = self.sink()?;
            crate::oci::Sink::write(&mut sink, bytes).map_err(|error| self.failed(error))?;
            sink.keep(digest, bytes.len() as u64)?;
        }
        Ok(digest)
    }

    /// A place for a blob that comes in parts.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn sink(&self) -> Result<BlobSink, CacheError> {
        BlobSink::new(self.clone()).map_err(|error| self.failed(error))
    }

    /// The manifests that are named, and what refers to them.
    ///
    /// # Errors
    /// When the index does not read.
    pub fn index(&self) -> Result<Vec<Descriptor>, CacheError> {
        let file = File::open(self.folder.join(INDEX)).map_err(|error| self.failed(error))?;
        let mut bytes = Vec::new();
        file.take(MAX_INDEX)
            .read_to_end(&mut bytes)
            .map_err(|error| self.failed(error))?;
        let index: ImageIndex =
            serde_json::from_slice(&bytes).map_err(|error| CacheError::NotACache {
                folder: self.folder.clone(),
                reason: format!("its `{INDEX}` does not read: {error}"),
            })?;
        Ok(index.manifests)
    }

    /// Changes which manifests are named. Of two processes at once the second
    /// sees what the first has written.
    ///
    /// # Errors
    /// When the index cannot be read or written.
    pub fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<Descriptor>) -> T,
    ) -> Result<T, CacheError> {
        let _lock = self.lock_file(true).map_err(|error| self.failed(error))?;
        let mut manifests = self.index()?;
        let result = change(&mut manifests);
        let text = serde_json::to_vec(&ImageIndex::new(manifests))
            .map_err(|error| self.failed(error.into()))?;
        let path = self.folder.join(INDEX);
        self.replace(&path, &text)
            .map_err(|error| self.failed(error))?;
        Ok(result)
    }

    /// Writes a file beside, and renames it: whoever reads sees one or the other.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut fresh = tempfile::NamedTempFile::new_in(self.folder.join(FRESH))?;
        fresh.write_all(bytes)?;
        fresh.as_file().sync_all()?;
        fresh.persist(path).map_err(|error| error.error)?;
        File::open(&self.folder)?.sync_all()
    }

    fn failed(&self, error: io::Error) -> CacheError {
        CacheError::Io {
            folder: self.folder.clone(),
            error,
        }
    }

    /// The digests that have a file.
    fn blobs(&self) -> io::Result<Vec<(Digest, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.folder.join(BLOBS))? {
            let entry = entry?;
            let name = format!("sha256:{}", entry.file_name().to_string_lossy());
            if let Ok(digest) = Digest::from_str(&name) {
                found.push((digest, entry.path()));
            }
        }
        Ok(found)
    }
}
