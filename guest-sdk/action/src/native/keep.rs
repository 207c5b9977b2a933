//! Blobs and states in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Backend;
use crate::blob::Blob;
use crate::context::ActionContext;
use crate::error::{ActionError, Result};
use crate::wire;

/// The blobs and states that calls keep. A clone has the same blobs, for good, and
/// states of its own: what a call sets is undone by going on with the clone from before.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    blobs: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    states: BTreeMap<Place, (Vec<u8>, u64)>,
}

/// Whose a state is, within a workflow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Of one node.
    Node { workflow: String, node: String },
    /// Of a key, for all actions of one publisher.
    Key {
        workflow: String,
        publisher: String,
        key: String,
    },
}

impl Kept {
    /// The bytes of a blob, if it is kept.
    #[must_use]
    pub fn blob(&self, blob: &Blob) -> Option<Vec<u8>> {
        let blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.get(&blob.digest).cloned()
    }

    /// What a node of a workflow has kept; none if it has not.
    ///
    /// # Errors
    /// When it is not of this type.
    pub fn state<T: DeserializeOwned>(&self, workflow: &str, node: &str) -> Result<Option<T>> {
        let place = Place::Node {
            workflow: workflow.to_owned(),
            node: node.to_owned(),
        };
        let found = self.states.get(&place);
        found.map(|(value, _)| Ok(wire::decode(value)?)).transpose()
    }
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
        let mut state = self.backend.state();
        let place = state.place(None);
        state.kept.states.insert(place, (value, 1));
        drop(state);
        self
    }

    /// With what earlier calls have kept.
    #[must_use]
    pub fn with_kept(self, kept: Kept) -> Self {
        self.backend.state().kept = kept;
        self
    }

    /// What is kept by now.
    #[must_use]
    pub fn kept(&self) -> Kept {
        self.backend.state().kept.clone()
    }
}

impl super::State {
    fn place(&self, key: Option<&str>) -> Place {
        let workflow = self.identity.workflow.clone();
        match key {
            None => Place::Node {
                workflow,
                node: self.identity.node.clone(),
            },
            Some(key) => Place::Key {
                workflow,
                publisher: self.publisher.clone(),
                key: key.to_owned(),
            },
        }
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
        let state = self.state();
        let kept = state.kept.states.get(&state.place(key)).cloned();
        Ok(kept.unwrap_or((vec![0xc0], 0)))
    }

    pub(crate) fn set_state(&self, key: Option<&str>, value: Vec<u8>, version: u64) -> Result<u64> {
        let (_, actual) = self.state_of(key)?;
        if actual != version {
            return Err(ActionError::retryable(format!(
                "the state has version {actual}"
            )));
        }
        let mut state = self.state();
        let place = state.place(key);
        state.kept.states.insert(place, (value, version + 1));
        Ok(version + 1)
    }
}
