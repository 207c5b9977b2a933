//! The import `blobs`.

use bytes::BytesMut;
use nebula_flow::Digest;
use nebula_flow::blob::{self, CHUNK, Writer};
use wasmtime::component::Resource;

use crate::bindings::nebula::action::blobs::{self, Blob, BlobError};
use crate::charge::{HASHED_BYTE, TEXT_BYTE};
use crate::limits::{BLOB_READ, BLOBS_AT_ONCE, bytes};
use crate::state::State;

/// So much is held back until more comes: a secret that arrives in parts is covered
/// as a whole.
const HELD_BACK: usize = 64 << 10;

/// A blob that a guest writes.
#[expect(unreachable_pub, reason = "the generated bindings name it anew")]
pub struct Draft {
    writer: Writer,
    /// Not covered yet.
    held: BytesMut,
}

impl From<blob::BlobError> for BlobError {
    fn from(error: blob::BlobError) -> Self {
        match error {
            blob::BlobError::Unknown(digest) => Self::Unknown(digest.to_string()),
            full @ blob::BlobError::Full { .. } => Self::Full(full.to_string()),
            blob::BlobError::Records(error) => Self::Unavailable(error.to_string()),
        }
    }
}

fn digest(text: &str) -> Result<Digest, BlobError> {
    text.parse()
        .map_err(|_| BlobError::Unknown(crate::lines::cut(text, 200).to_owned()))
}

impl blobs::Host for State {
    async fn size(&mut self, of: String) -> wasmtime::Result<Result<u64, BlobError>> {
        self.charge_each(TEXT_BYTE, of.len());
        let Some(keeper) = self.keeper.clone() else {
            return Ok(Err(nothing_kept()));
        };
        let digest = match digest(&of) {
            Ok(digest) => digest,
            Err(unknown) => return Ok(Err(unknown)),
        };
        let size = blob::size(&*keeper.records, &keeper.tenant, digest);
        Ok(size.await.map_err(BlobError::from))
    }

    async fn read(
        &mut self,
        of: String,
        offset: u64,
        len: u32,
    ) -> wasmtime::Result<Result<Vec<u8>, BlobError>> {
        self.charge_each(TEXT_BYTE, of.len());
        let Some(keeper) = self.keeper.clone() else {
            return Ok(Err(nothing_kept()));
        };
        let digest = match digest(&of) {
            Ok(digest) => digest,
            Err(unknown) => return Ok(Err(unknown)),
        };
        let len = BLOB_READ.min(usize::try_from(len).unwrap_or(usize::MAX));
        let read = blob::read(&*keeper.records, &keeper.tenant, digest, offset, len).await;
        Ok(match read {
            Ok(read) => {
                self.charge_each(TEXT_BYTE, read.len());
                Ok(read.into())
            }
            Err(error) => Err(error.into()),
        })
    }
}

impl blobs::HostWriter for State {
    fn new(&mut self) -> wasmtime::Result<Resource<Draft>> {
        self.drafts += 1;
        let (tenant, limit) = match &self.keeper {
            Some(keeper) => (keeper.tenant.clone(), self.blobs.tenant),
            None => (nebula_flow::TenantId::default_tenant(), 0),
        };
        let draft = Draft {
            writer: Writer::new(tenant, limit),
            held: BytesMut::new(),
        };
        Ok(self.table.push(draft)?)
    }

    async fn write(
        &mut self,
        draft: Resource<Draft>,
        part: Vec<u8>,
    ) -> wasmtime::Result<Result<(), BlobError>> {
        self.charge_each(2 * HASHED_BYTE, part.len());
        let Some(keeper) = self.keeper.clone() else {
            return Ok(Err(nothing_kept()));
        };
        if self.drafts > BLOBS_AT_ONCE {
            let message = format!("a call writes at most {BLOBS_AT_ONCE} blobs at once");
            return Ok(Err(BlobError::Full(message)));
        }
        self.blobs.written = self.blobs.written.saturating_add(part.len() as u64);
        if self.blobs.written > self.blobs.call {
            let most = bytes(self.blobs.call);
            let message = format!("a call writes at most {most} of blobs");
            return Ok(Err(BlobError::Full(message)));
        }
        let Draft { writer, held } = self.table.get_mut(&draft)?;
        held.extend_from_slice(&part);
        while held.len() >= CHUNK + HELD_BACK {
            self.redactor.cover(held);
            let chunk = held.split_to(CHUNK);
            if let Err(error) = writer.write(&*keeper.records, &chunk).await {
                return Ok(Err(error.into()));
            }
        }
        Ok(Ok(()))
    }

    async fn finish(
        &mut self,
        draft: Resource<Draft>,
    ) -> wasmtime::Result<Result<Blob, BlobError>> {
        let Draft {
            mut writer,
            mut held,
        } = self.table.delete(draft)?;
        self.drafts = self.drafts.saturating_sub(1);
        let Some(keeper) = self.keeper.clone() else {
            return Ok(Err(nothing_kept()));
        };
        self.redactor.cover(&mut held);
        let written = async {
            writer.write(&*keeper.records, &held).await?;
            writer.finish(&*keeper.records).await
        };
        Ok(match written.await {
            Ok(blob) => Ok(Blob {
                digest: blob.digest.to_string(),
                size: blob.size,
            }),
            Err(error) => Err(error.into()),
        })
    }

    fn drop(&mut self, draft: Resource<Draft>) -> wasmtime::Result<()> {
        self.table.delete(draft)?;
        self.drafts = self.drafts.saturating_sub(1);
        Ok(())
    }
}

/// A host without records: a test's, say.
fn nothing_kept() -> BlobError {
    BlobError::Unavailable("this host keeps no blobs".into())
}
