//! Bodies as bytes: MessagePack maps by field name, so that fields can be
//! added; events with a checksum, so that a flipped bit is noticed instead of read.

use bytes::Bytes;
use nebula_flow::event::Recorded;
use nebula_flow::id::ExecutionId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::rows::EventRow;
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
fn checksum(execution: ExecutionId, version: u64, at: u64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&execution.as_u128().to_be_bytes());
    hasher.update(&version.to_be_bytes());
    hasher.update(&at.to_be_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// An event as a row.
pub(crate) fn encode_event(
    execution: ExecutionId,
    recorded: &Recorded,
) -> Result<EventRow, Trouble> {
    let body = encode(&recorded.event)?;
    let checksum = checksum(execution, recorded.version, recorded.at.as_millis(), &body);
    Ok(EventRow {
        version: recorded.version,
        at: recorded.at,
        body,
        checksum,
    })
}

/// An event of a row that has this version, if it has.
pub(crate) fn decode_event(
    execution: ExecutionId,
    version: u64,
    row: &EventRow,
) -> Result<Recorded, Trouble> {
    let what = || format!("event {version} of {execution}");
    if row.version != version {
        return Err(Trouble::Damaged(format!("{} is missing", what())));
    }
    if checksum(execution, version, row.at.as_millis(), &row.body) != row.checksum {
        return Err(Trouble::Damaged(format!(
            "{} does not match its checksum",
            what()
        )));
    }
    Ok(Recorded {
        version,
        at: row.at,
        event: decode(&row.body, what)?,
    })
}
