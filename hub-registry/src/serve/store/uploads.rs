//! Uploads in progress. What has come so far is a file, so that a client can go
//! on after a lost connection, and after a restart of the hub too.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::super::content::{Algorithm, ContentDigest, Hasher};
use super::super::name::RepositoryName;
use super::{Store, disk};

/// Bytes that are read at a time to hash what is on the disk already.
const REHASH: usize = 256 * 1024;

/// The uploads that this process has been asked for.
#[derive(Default)]
pub(super) struct Uploads(Mutex<HashMap<PathBuf, Arc<AsyncMutex<Upload>>>>);

/// One upload, in the hands of one request.
pub(in crate::serve) type Held = OwnedMutexGuard<Upload>;

/// A blob on its way in.
pub(in crate::serve) struct Upload {
    path: PathBuf,
    file: File,
    /// Bytes that have come.
    offset: u64,
    /// Of all bytes that have come; absent if some came before this process.
    hasher: Option<Hasher>,
    /// It became a blob, or was given up.
    over: bool,
}

/// What became of an upload.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::serve) enum Finished {
    Done,
    /// The bytes have this digest, not the one that was named.
    Differs(ContentDigest),
}

impl Uploads {
    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Arc<AsyncMutex<Upload>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upload {
    /// Bytes that have come.
    pub(in crate::serve) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether it became a blob or was given up meanwhile.
    pub(in crate::serve) const fn is_over(&self) -> bool {
        self.over
    }

    /// Names the algorithm, so that bytes are hashed as they come.
    pub(in crate::serve) fn expect(&mut self, algorithm: Algorithm) {
        if self.offset == 0 {
            self.hasher = Some(algorithm.hasher());
        }
    }

    /// The next bytes.
    pub(in crate::serve) fn append(&mut self, parts: &[Bytes]) -> io::Result<()> {
        for part in parts {
            if let Err(error) = self.file.write_all(part) {
                // Some of it may be there: as much as before is kept.
                self.file.set_len(self.offset)?;
                self.file.seek(SeekFrom::Start(self.offset))?;
                return Err(error);
            }
            self.offset += part.len() as u64;
            if let Some(hasher) = &mut self.hasher {
                hasher.update(part);
            }
        }
        Ok(())
    }

    /// The digest of all bytes, by hashing those again that are not hashed yet.
    fn digest(&mut self, algorithm: Algorithm) -> io::Result<ContentDigest> {
        if let Some(hasher) = self
            .hasher
            .take_if(|hasher| hasher.algorithm() == algorithm)
        {
            return Ok(hasher.finish());
        }
        let mut hasher = algorithm.hasher();
        let mut buffer = vec![0; REHASH];
        self.file.seek(SeekFrom::Start(0))?;
        loop {
            match self.file.read(&mut buffer)? {
                0 => return Ok(hasher.finish()),
                read => hasher.update(&buffer[..read]),
            }
        }
    }
}

impl Store {
    /// How many uploads are in progress.
    pub(in crate::serve) fn uploads_in_progress(&self) -> usize {
        self.uploads.lock().len()
    }

    /// Begins an upload: the session's id, and the upload in the caller's hands.
    pub(in crate::serve) fn begin_upload(
        &self,
        name: &RepositoryName,
    ) -> io::Result<(String, Held)> {
        let session = uuid(&disk::fresh_name()?);
        let path = self.upload_path(name, &session);
        if let Some(folder) = path.parent() {
            disk::make_folder(folder)?;
        }
        let mut uploads = self.uploads.lock();
        let file = disk::create(&path)?;
        let upload = Upload {
            path: path.clone(),
            file,
            offset: 0,
            hasher: Some(Algorithm::Sha256.hasher()),
            over: false,
        };
        let upload = Arc::new(AsyncMutex::new(upload));
        let held = Arc::clone(&upload).try_lock_owned();
        let held = held.map_err(|_| io::Error::other("a new upload is held already"))?;
        uploads.insert(path, upload);
        Ok((session, held))
    }

    /// The upload of a session, if there is one. Another request may have it.
    pub(in crate::serve) fn upload(
        &self,
        name: &RepositoryName,
        session: &str,
    ) -> io::Result<Option<Arc<AsyncMutex<Upload>>>> {
        if !is_uuid(session) {
            return Ok(None);
        }
        let path = self.upload_path(name, session);
        let mut uploads = self.uploads.lock();
        if let Some(upload) = uploads.get(&path) {
            return Ok(Some(Arc::clone(upload)));
        }
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        let Some(mut file) = disk::found(opened)? else {
            return Ok(None);
        };
        let offset = file.seek(SeekFrom::End(0))?;
        let upload = Arc::new(AsyncMutex::new(Upload {
            path: path.clone(),
            file,
            offset,
            hasher: None,
            over: false,
        }));
        uploads.insert(path, Arc::clone(&upload));
        Ok(Some(upload))
    }

    /// Ends an upload: its bytes become a blob if they have this digest, and are
    /// gone otherwise, since no more bytes could mend them.
    pub(in crate::serve) fn finish_upload(
        &self,
        name: &RepositoryName,
        mut upload: Held,
        digest: &ContentDigest,
    ) -> io::Result<Finished> {
        let actual = upload.digest(digest.algorithm())?;
        if actual != *digest {
            self.give_up(upload)?;
            return Ok(Finished::Differs(actual));
        }
        upload.file.sync_all()?;
        self.take_blob(name, digest, &upload.path)?;
        self.forget(&mut upload);
        Ok(Finished::Done)
    }

    /// Ends an upload without a blob.
    pub(in crate::serve) fn give_up(&self, mut upload: Held) -> io::Result<()> {
        self.forget(&mut upload);
        disk::remove(&upload.path).map(drop)
    }

    fn forget(&self, upload: &mut Upload) {
        upload.over = true;
        self.uploads.lock().remove(&upload.path);
    }

    /// Ends the upload at a path if no request has it; whether it is ended.
    pub(super) fn expire_upload(&self, path: &PathBuf) -> io::Result<bool> {
        let mut uploads = self.uploads.lock();
        if let Some(upload) = uploads.get(path) {
            let Ok(mut upload) = upload.try_lock() else {
                return Ok(false);
            };
            upload.over = true;
            drop(upload);
            uploads.remove(path);
        }
        disk::remove(path)
    }
}

/// Random hexadecimal digits in the shape of a UUID of version 4 (RFC 9562).
fn uuid(hex: &str) -> String {
    let variant = match hex.as_bytes()[16] % 4 {
        0 => '8',
        1 => '9',
        2 => 'a',
        _ => 'b',
    };
    let (time, mid, low) = (&hex[..8], &hex[8..12], &hex[13..16]);
    format!(
        "{time}-{mid}-4{low}-{variant}{}-{}",
        &hex[17..20],
        &hex[20..]
    )
}

/// Whether it has that shape, and so is safe as a file's name.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_a_uuid_of_version_4() {
        let session = uuid(&disk::fresh_name().expect("chance"));
        assert!(is_uuid(&session), "{session}");
        assert_eq!(session.as_bytes()[14], b'4');
        assert!(matches!(session.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
        assert!(!is_uuid("../../../../../../../../../etc/passwd"));
    }
}
