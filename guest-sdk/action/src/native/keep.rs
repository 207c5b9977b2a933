//! Blobs and states in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::Backend;
use crate::blob::Blob;
use crate::context::ActionContext;
use crate::error::{ActionError, Result};
use crate::wire;

/// What a test context keeps.
#[derive(Debug, Default)]
pub(super) struct Kept {
    blobs: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    states: BTreeMap<Option<String>, (Vec<u8>, u64)>,
}

/// A blob that is being written.
#[derive(Debug)]
pub struct Draft {
    blobs: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    bytes: Vec<u8>,
}

impl Draft {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the draft in the sandbox has the same methods"
    )]
    pub(crate) fn write(&mut self, part: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "the draft in the sandbox has the same methods"
    )]
    pub(crate) fn finish(self) -> Result<Blob> {
        // No SHA-256, which a test has no need of: equal for equal bytes.
        let digest = format!("sha256:{}", super::fingerprint(&self.bytes));
        let size = self.bytes.len() as u64;
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.insert(digest.clone(), self.bytes);
        Ok(Blob { digest, size })
    }
}

impl ActionContext {
    /// With a value that the action has kept for its node.
    ///
    /// # Panics
    /// When the value cannot be encoded.
    #[must_use]
    pub fn with_state(self, value: &impl Serialize) -> Self {
        let value = wire::encode(value).unwrap_or_else(|e| panic!("the state: {e}"));
        self.backend.state().kept.states.insert(None, (value, 1));
        self
    }
}

impl Backend {
    pub(crate) fn draft(&self) -> Draft {
        Draft {
            blobs: self.state().kept.blobs.clone(),
            bytes: Vec::new(),
        }
    }

    pub(crate) fn read_blob(&self, digest: &str, offset: u64, len: u32) -> Result<Vec<u8>> {
        self.blob(digest, |bytes| {
            let begin = usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            let end = begin.saturating_add(len as usize).min(bytes.len());
            bytes[begin..end].to_vec()
        })
    }

    pub(crate) fn blob_size(&self, digest: &str) -> Result<u64> {
        self.blob(digest, |bytes| bytes.len() as u64)
    }

    fn blob<T>(&self, digest: &str, see: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let blobs = self.state().kept.blobs.clone();
        let blobs = blobs.lock().unwrap_or_else(PoisonError::into_inner);
        match blobs.get(digest) {
            Some(bytes) => Ok(see(bytes)),
            None => Err(ActionError::permanent(format!(
                "no blob `{digest}` is kept"
            ))),
        }
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "the backend in the sandbox has the same methods"
    )]
    pub(crate) fn state_of(&self, key: Option<&str>) -> Result<(Vec<u8>, u64)> {
        let key = key.map(str::to_owned);
        let state = self.state().kept.states.get(&key).cloned();
        Ok(state.unwrap_or((vec![0xc0], 0)))
    }

    pub(crate) fn set_state(&self, key: Option<&str>, value: Vec<u8>, version: u64) -> Result<u64> {
        let (_, actual) = self.state_of(key)?;
        if actual != version {
            return Err(ActionError::retryable(format!(
                "the state has version {actual}"
            )));
        }
        let key = key.map(str::to_owned);
        let states = &mut self.state().kept.states;
        states.insert(key, (value, version + 1));
        Ok(version + 1)
    }
}
