//! Large values by content hash. What one step writes a later one reads: the
//! reference travels in outputs, the bytes do not.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::backend::Draft;
use crate::context::ActionContext;
use crate::error::Result;
use crate::schema::{Schema, Shape};

/// A reference to a blob, for inputs and outputs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Blob {
    /// `sha256:` and 64 hex digits.
    pub digest: String,
    /// Bytes.
    pub size: u64,
}

impl Schema for Blob {
    fn shape() -> &'static Shape {
        &Shape::Json(
            r#"{"type":"object","description":"A blob.","required":["digest","size"],"properties":{"digest":{"type":"string","pattern":"^sha256:[0-9a-f]{64}$"},"size":{"type":"integer","minimum":0}}}"#,
        )
    }
}

/// The blobs of the tenant.
#[derive(Debug, Clone, Copy)]
pub struct Blobs<'a> {
    ctx: &'a ActionContext,
}

/// What is asked for at once, bytes.
const PART: u32 = 1 << 20;

impl<'a> Blobs<'a> {
    pub(crate) const fn new(ctx: &'a ActionContext) -> Self {
        Self { ctx }
    }

    /// Keeps bytes as a blob.
    ///
    /// # Errors
    /// Permanent, when the call or the tenant has as much as it may have; retryable,
    /// when the store is in trouble.
    pub async fn put(self, bytes: &[u8]) -> Result<Blob> {
        let mut writer = self.writer();
        writer.write(bytes).await?;
        writer.finish().await
    }

    /// Begins a blob that is written in parts.
    #[must_use]
    pub fn writer(self) -> Writer {
        Writer(self.ctx.backend.draft())
    }

    /// All bytes of a blob.
    ///
    /// # Errors
    /// Permanent, when the tenant has no such blob; retryable, when the store is in
    /// trouble.
    pub async fn get(self, blob: &Blob) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let part = self.read(blob, all.len() as u64, PART).await?;
            if part.is_empty() {
                return Ok(all);
            }
            all.extend(part);
        }
    }

    /// So many bytes from an offset on, at most 4 MiB; fewer at the end, none behind it.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn read(self, blob: &Blob, offset: u64, len: u32) -> Result<Vec<u8>> {
        self.ctx.backend.read_blob(&blob.digest, offset, len)
    }

    /// How many bytes the blob of a digest has.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn size(self, digest: &str) -> Result<u64> {
        self.ctx.backend.blob_size(digest)
    }
}

/// A blob that is being written. Without [`finish`](Self::finish) it is no blob.
#[derive(Debug)]
pub struct Writer(Draft);

impl Writer {
    /// Adds to it.
    ///
    /// # Errors
    /// As [`Blobs::put`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        bytes
            .chunks(PART as usize)
            .try_for_each(|part| self.0.write(part))
    }

    /// Its end: it is kept.
    ///
    /// # Errors
    /// As [`Blobs::put`].
    pub async fn finish(self) -> Result<Blob> {
        self.0.finish()
    }
}
