//! A blob on its way into the cache.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};

use nebula_flow::Digest;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::{BLOBS, Cache, CacheError, FRESH};
use crate::oci::Sink;

/// A blob on its way into the cache: it has no name there until it is whole,
/// and one that is dropped leaves nothing.
pub struct BlobSink {
    cache: Cache,
    file: NamedTempFile,
    hash: Sha256,
    len: u64,
}

impl BlobSink {
    pub(super) fn new(cache: Cache) -> io::Result<Self> {
        Ok(Self {
            file: NamedTempFile::new_in(cache.folder.join(FRESH))?,
            cache,
            hash: Sha256::new(),
            len: 0,
        })
    }

    /// Gives it its name, if it is what was asked for. Once it returns, it is
    /// on disk.
    ///
    /// # Errors
    /// When it is something else, or the system refuses.
    pub fn keep(self, expected: Digest, size: u64) -> Result<(), CacheError> {
        let actual = Digest::from_bytes(self.hash.finalize().into());
        if actual != expected || self.len != size {
            return Err(CacheError::Altered {
                expected,
                actual,
                size: self.len,
            });
        }
        let cache = &self.cache;
        let folder = cache.folder.join(BLOBS);
        let file = self.file;
        let keep = || {
            file.as_file().sync_all()?;
            file.persist(cache.blob_path(expected))
                .map_err(|error| error.error)?;
            File::open(&folder)?.sync_all()
        };
        keep().map_err(|error| cache.failed(error))
    }
}

impl Sink for BlobSink {
    fn len(&self) -> u64 {
        self.len
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.file.as_file_mut().set_len(0)?;
        self.file.rewind()?;
        self.hash = Sha256::new();
        self.len = 0;
        Ok(())
    }
}
