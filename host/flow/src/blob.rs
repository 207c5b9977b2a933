//! Blobs of actions: large values by content hash. Each belongs to a tenant, is
//! kept in chunks, and is read as a whole or in part. The log holds no more of it
//! than its reference, which travels in outputs.

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::id::{Digest, Hasher, TenantId};
use crate::ports::{Expect, Kind, RecordError, Records};

/// What of a blob is kept at once, bytes; only its last chunk is shorter.
pub const CHUNK: usize = 1 << 20;

/// The record that says how much a tenant has; no digest is named so.
const USED: &str = "used";

/// How often a record is changed anew because someone else was faster.
const TRIES: u32 = 100;

/// A reference to a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// How many they are.
    pub size: u64,
}

/// Why there is no blob.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BlobError {
    /// The tenant has none of this digest.
    #[error("no blob {0} is kept here")]
    Unknown(Digest),
    /// The tenant has as much as it may have.
    #[error("the blobs of this tenant may have {limit} bytes together, and {used} are used")]
    Full {
        /// Bytes that it may have.
        limit: u64,
        /// Bytes that it has.
        used: u64,
    },
    /// Trouble of the records.
    #[error(transparent)]
    Records(#[from] RecordError),
}

/// What is kept of a blob beside its chunks.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    size: u64,
    chunks: Vec<Digest>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Used {
    bytes: u64,
}

/// A blob that is being written. Without [`finish`](Self::finish) it is no blob.
#[derive(Debug)]
pub struct Writer {
    tenant: TenantId,
    limit: u64,
    buffer: BytesMut,
    chunks: Vec<Digest>,
    size: u64,
    hasher: Hasher,
}

impl Writer {
    /// Begins a blob of a tenant whose blobs may have so many bytes together.
    #[must_use]
    pub fn new(tenant: TenantId, limit: u64) -> Self {
        Self {
            tenant,
            limit,
            buffer: BytesMut::new(),
            chunks: Vec::new(),
            size: 0,
            hasher: Hasher::default(),
        }
    }

    /// Bytes so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds to it.
    ///
    /// # Errors
    /// When the tenant has as much as it may have; trouble of the records.
    pub async fn write(&mut self, records: &dyn Records, bytes: &[u8]) -> Result<(), BlobError> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        while self.buffer.len() >= CHUNK {
            let chunk = self.buffer.split_to(CHUNK).freeze();
            self.keep(records, chunk).await?;
        }
        Ok(())
    }

    /// Its end. Once it returns, the blob is on disk.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn finish(mut self, records: &dyn Records) -> Result<Blob, BlobError> {
        if !self.buffer.is_empty() {
            let rest = self.buffer.split().freeze();
            self.keep(records, rest).await?;
        }
        let (digest, size) = (self.hasher.finish(), self.size);
        let chunks = self.chunks;
        // What has no end goes after a while; this is to stay.
        for chunk in &chunks {
            if !records.pin_blob(*chunk).await? {
                let message = format!("chunk {chunk} of blob {digest} is gone");
                return Err(RecordError::Damaged(message).into());
            }
        }
        let (key, value) = (digest.hex(), write(&Kept { size, chunks })?);
        let made = records.put(Kind::Blob, &self.tenant, &key, value, Expect::Absent);
        match made.await {
            Ok(_) => {}
            // It is there already, and counted.
            Err(RecordError::Conflict { .. }) => {
                add(records, &self.tenant, |used| Ok(used.saturating_sub(size))).await?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Blob { digest, size })
    }

    async fn keep(&mut self, records: &dyn Records, chunk: Bytes) -> Result<(), BlobError> {
        let (limit, more) = (self.limit, chunk.len() as u64);
        let counted = add(records, &self.tenant, |used| {
            let total = used.saturating_add(more);
            (total <= limit)
                .then_some(total)
                .ok_or(BlobError::Full { limit, used })
        });
        counted.await?;
        self.chunks.push(records.put_blob(chunk).await?);
        Ok(())
    }
}

/// How many bytes a blob has.
///
/// # Errors
/// When the tenant has no such blob; trouble of the records.
pub async fn size(
    records: &dyn Records,
    tenant: &TenantId,
    digest: Digest,
) -> Result<u64, BlobError> {
    Ok(kept(records, tenant, digest).await?.size)
}

/// Bytes of a blob from an offset on: so many, or fewer at its end.
///
/// # Errors
/// As [`size`].
pub async fn read(
    records: &dyn Records,
    tenant: &TenantId,
    digest: Digest,
    offset: u64,
    len: usize,
) -> Result<Bytes, BlobError> {
    let kept = kept(records, tenant, digest).await?;
    let begin = offset.min(kept.size);
    let end = begin.saturating_add(len as u64).min(kept.size);
    let mut out = BytesMut::with_capacity(usize::try_from(end - begin).unwrap_or(len));
    let mut at = begin;
    while at < end {
        let (index, within) = (at / CHUNK as u64, at % CHUNK as u64);
        let chunk = usize::try_from(index).ok().and_then(|i| kept.chunks.get(i));
        let chunk = match chunk {
            Some(chunk) => records.blob(*chunk).await?,
            None => None,
        };
        let missing = || RecordError::Damaged(format!("chunk {index} of blob {digest} is missing"));
        let chunk = chunk.ok_or_else(missing)?;
        let within = usize::try_from(within).unwrap_or(usize::MAX);
        let rest = chunk.get(within..).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or_else(missing)?;
        let wanted = usize::try_from(end - at).unwrap_or(usize::MAX);
        let part = &rest[..rest.len().min(wanted)];
        out.extend_from_slice(part);
        at += part.len() as u64;
    }
    Ok(out.freeze())
}

async fn kept(records: &dyn Records, tenant: &TenantId, digest: Digest) -> Result<Kept, BlobError> {
    let found = records.get(Kind::Blob, tenant, &digest.hex()).await?;
    let found = found.ok_or(BlobError::Unknown(digest))?;
    let damaged = |_| RecordError::Damaged(format!("what is kept of blob {digest} cannot be read"));
    Ok(serde_json::from_slice(&found.value).map_err(damaged)?)
}

/// Changes how much a tenant has.
async fn add(
    records: &dyn Records,
    tenant: &TenantId,
    change: impl Fn(u64) -> Result<u64, BlobError>,
) -> Result<(), BlobError> {
    for tried in 1.. {
        let found = records.get(Kind::Blob, tenant, USED).await?;
        let (used, expect) = match &found {
            Some(record) => {
                let damaged = |_| RecordError::Damaged("the use of blobs cannot be read".into());
                let used: Used = serde_json::from_slice(&record.value).map_err(damaged)?;
                (used, Expect::Version(record.version))
            }
            None => (Used::default(), Expect::Absent),
        };
        let bytes = change(used.bytes)?;
        let put = records.put(Kind::Blob, tenant, USED, write(&Used { bytes })?, expect);
        match put.await {
            Err(RecordError::Conflict { .. }) if tried < TRIES => {}
            other => return Ok(other.map(drop)?),
        }
    }
    Ok(())
}

fn write(value: &impl Serialize) -> Result<Bytes, RecordError> {
    let bytes = serde_json::to_vec(value).map(Bytes::from);
    bytes.map_err(|e| RecordError::Damaged(e.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::fakes::{Store, now};

    const LIMIT: u64 = 10 * CHUNK as u64;

    fn tenant() -> TenantId {
        TenantId::default_tenant()
    }

    fn put(store: &Store, bytes: &[u8], step: usize) -> Result<Blob, BlobError> {
        let mut writer = Writer::new(tenant(), LIMIT);
        for part in bytes.chunks(step) {
            now(writer.write(store, part))?;
        }
        now(writer.finish(store))
    }

    fn used(store: &Store) -> u64 {
        let record = now(store.get(Kind::Blob, &tenant(), USED)).unwrap();
        serde_json::from_slice::<Used>(&record.unwrap().value)
            .unwrap()
            .bytes
    }

    #[test]
    fn what_is_written_in_parts_is_read_as_a_whole_and_in_ranges() {
        let store = Store::default();
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 77] {
            let bytes: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            let blob = put(&store, &bytes, 70_001).unwrap();
            assert_eq!((blob.digest, blob.size), (Digest::of(&bytes), len as u64));
            let all = now(read(&store, &tenant(), blob.digest, 0, usize::MAX)).unwrap();
            assert_eq!(all, bytes);
            for (offset, want) in [(0, 5), (len / 2, CHUNK), (len, 1), (len + 9, 1)] {
                let part = now(read(&store, &tenant(), blob.digest, offset as u64, want)).unwrap();
                let (from, to) = (offset.min(len), (offset.min(len) + want).min(len));
                assert_eq!(part, bytes[from..to], "{len}: {want} from {offset}");
            }
        }
    }

    #[test]
    fn a_blob_of_nobody_is_unknown() {
        let store = Store::default();
        let digest = Digest::of(b"secret of another");
        now(store.put_blob(Bytes::from_static(b"secret of another"))).unwrap();
        for found in [
            now(size(&store, &tenant(), digest)).map(|_| ()),
            now(read(&store, &tenant(), digest, 0, 10)).map(|_| ()),
        ] {
            assert!(matches!(found, Err(BlobError::Unknown(d)) if d == digest));
        }
    }

    #[test]
    fn a_tenant_has_no_more_than_it_may_have_and_pays_for_a_blob_once() {
        let store = Store::default();
        let large = vec![7; 4 * CHUNK];
        put(&store, &large, CHUNK).unwrap();
        put(&store, &large, CHUNK).unwrap();
        assert_eq!(used(&store), 4 * CHUNK as u64);
        let other = vec![8; 7 * CHUNK];
        assert!(matches!(
            put(&store, &other, CHUNK),
            Err(BlobError::Full { limit: LIMIT, .. })
        ));
    }
}
