//! Blobs: kept once, and had by each repository into which they were pushed.

use std::fs::File;
use std::io;
use std::path::Path;

use super::super::content::ContentDigest;
use super::super::name::RepositoryName;
use super::{Store, disk};

/// Content that can be read.
pub(in crate::serve) struct Blob {
    pub(in crate::serve) file: File,
    /// Bytes.
    pub(in crate::serve) size: u64,
}

/// What became of a deletion.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::serve) enum Deleted {
    Done,
    Absent,
    /// A manifest of the repository needs it.
    Needed(ContentDigest),
    /// A tag that may not be moved points to it.
    Fixed(String),
}

impl Store {
    /// A blob of a repository. Whoever asks for it may be about to refer to it,
    /// so it counts as needed now.
    pub(in crate::serve) fn blob(
        &self,
        name: &RepositoryName,
        digest: &ContentDigest,
    ) -> io::Result<Option<Blob>> {
        if !disk::touch(&self.link_path(name, digest), self.now())? {
            return Ok(None);
        }
        self.content(digest)
    }

    /// Content by its digest, whoever has it.
    pub(super) fn content(&self, digest: &ContentDigest) -> io::Result<Option<Blob>> {
        let Some(file) = disk::found(File::open(self.blob_path(digest)))? else {
            return Ok(None);
        };
        let size = file.metadata()?.len();
        Ok(Some(Blob { file, size }))
    }

    /// Bytes of a blob that a repository has.
    pub(super) fn blob_size(
        &self,
        name: &RepositoryName,
        digest: &ContentDigest,
    ) -> io::Result<Option<u64>> {
        if !self.link_path(name, digest).exists() {
            return Ok(None);
        }
        let metadata = disk::found(std::fs::metadata(self.blob_path(digest)))?;
        Ok(metadata.map(|metadata| metadata.len()))
    }

    /// Takes a durable file whose digest was checked as a blob of a repository.
    pub(super) fn take_blob(
        &self,
        name: &RepositoryName,
        digest: &ContentDigest,
        file: &Path,
    ) -> io::Result<()> {
        let _alone = self.alone_with(name);
        let _kept = self.keep_all();
        let path = self.blob_path(digest);
        if disk::touch(&path, self.now())? {
            std::fs::remove_file(file)?;
        } else {
            disk::place(file, &path)?;
            disk::touch(&path, self.now())?;
        }
        self.link(name, digest)
    }

    /// Gives a repository a blob that another one has; whether it could.
    pub(in crate::serve) fn mount(
        &self,
        name: &RepositoryName,
        digest: &ContentDigest,
        from: Option<&RepositoryName>,
    ) -> io::Result<bool> {
        let _alone = self.alone_with(name);
        let _kept = self.keep_all();
        if from.is_some_and(|from| !self.link_path(from, digest).exists()) {
            return Ok(false);
        }
        if !disk::touch(&self.blob_path(digest), self.now())? {
            return Ok(false);
        }
        self.link(name, digest)?;
        Ok(true)
    }

    /// Notes that a repository has a blob. The content is kept meanwhile.
    fn link(&self, name: &RepositoryName, digest: &ContentDigest) -> io::Result<()> {
        let path = self.link_path(name, digest);
        if !disk::touch(&path, self.now())? {
            disk::write(&self.temp(), &path, b"")?;
            disk::touch(&path, self.now())?;
        }
        Ok(())
    }

    /// Takes a blob from a repository; its content goes with the next sweep, if
    /// no other repository has it.
    pub(in crate::serve) fn delete_blob(
        &self,
        name: &RepositoryName,
        digest: &ContentDigest,
    ) -> io::Result<Deleted> {
        let _alone = self.alone_with(name);
        let path = self.link_path(name, digest);
        if !path.exists() {
            return Ok(Deleted::Absent);
        }
        for entry in self.entries(name)? {
            if entry.blobs.iter().any(|needed| needed.digest == *digest) {
                return Ok(Deleted::Needed(entry.descriptor.digest));
            }
        }
        Ok(match disk::remove(&path)? {
            true => Deleted::Done,
            false => Deleted::Absent,
        })
    }
}
