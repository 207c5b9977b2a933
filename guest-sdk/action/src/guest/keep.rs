//! Blobs and states through the host.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::Backend;
use super::bindings::nebula::action::{blobs, state};
use crate::blob::Blob;
use crate::error::{ActionError, Result};

/// A blob that is being written.
#[derive(Debug)]
pub struct Draft(blobs::Writer);

impl Draft {
    pub(crate) fn write(&mut self, part: &[u8]) -> Result<()> {
        self.0.write(part).map_err(no_blob)
    }

    pub(crate) fn finish(self) -> Result<Blob> {
        let blobs::Blob { digest, size } = blobs::Writer::finish(self.0).map_err(no_blob)?;
        Ok(Blob { digest, size })
    }
}

impl Backend {
    pub(crate) fn draft(&self) -> Draft {
        Draft(blobs::Writer::new())
    }

    pub(crate) fn read_blob(&self, digest: &str, offset: u64, len: u32) -> Result<Vec<u8>> {
        blobs::read(digest, offset, len).map_err(no_blob)
    }

    pub(crate) fn blob_size(&self, digest: &str) -> Result<u64> {
        blobs::size(digest).map_err(no_blob)
    }

    pub(crate) fn state_of(&self, key: Option<&str>) -> Result<(Vec<u8>, u64)> {
        let state::Versioned { value, version } = state::get(key).map_err(no_state)?;
        Ok((value, version))
    }

    pub(crate) fn set_state(&self, key: Option<&str>, value: Vec<u8>, version: u64) -> Result<u64> {
        state::set(key, &value, version).map_err(no_state)
    }
}

fn no_blob(error: blobs::BlobError) -> ActionError {
    match error {
        blobs::BlobError::Unknown(digest) => {
            ActionError::Permanent(["no blob `", &digest, "` is kept"].concat())
        }
        blobs::BlobError::Full(why) => ActionError::Permanent(why),
        blobs::BlobError::Unavailable(why) => ActionError::retryable(why),
    }
}

fn no_state(error: state::StateError) -> ActionError {
    match error {
        state::StateError::Conflict(version) => {
            ActionError::retryable(["the state has version ", &version.to_string()].concat())
        }
        state::StateError::Refused(why) => ActionError::Permanent(why),
        state::StateError::Unavailable(why) => ActionError::retryable(why),
    }
}
