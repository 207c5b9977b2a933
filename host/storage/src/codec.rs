//! Bodies as bytes: MessagePack maps by field name, so that fields can be
//! added, and a checksum, so that a flipped bit is noticed instead of read.

use bytes::Bytes;
use nebula_flow::id::ExecutionId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::trouble::Trouble;

/// How deep a body may nest. Payloads are opaque bytes within it, so events
/// stay far below.
const MAX_DEPTH: usize = 64;

/// Encodes a body.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Bytes, Trouble> {
    rmp_serde::to_vec_named(value)
        .map(Bytes::from)
        .map_err(|e| Trouble::Damaged(format!("a value cannot be encoded: {e}")))
}

/// Decodes a body; `what` names it should it be damaged.
pub(crate) fn decode<T: DeserializeOwned>(
    bytes: &[u8],
    what: impl FnOnce() -> String,
) -> Result<T, Trouble> {
    let mut reader = rmp_serde::Deserializer::new(bytes);
    reader.set_max_depth(MAX_DEPTH);
    match T::deserialize(&mut reader) {
        Ok(value) if reader.get_ref().is_empty() => Ok(value),
        Ok(_) => Err(Trouble::Damaged(format!(
            "{}: bytes follow the value",
            what()
        ))),
        Err(e) => Err(Trouble::Damaged(format!("{}: {e}", what()))),
    }
}

/// The checksum of an event: over its place as well as its body, so that a row
/// that got into another's place is noticed too.
pub(crate) fn checksum(execution: ExecutionId, version: u64, at: u64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&execution.as_u128().to_be_bytes());
    hasher.update(&version.to_be_bytes());
    hasher.update(&at.to_be_bytes());
    hasher.update(body);
    hasher.finalize()
}
