//! Values as they travel. A payload is MessagePack bytes; a large one is kept
//! as a blob and the log holds its digest.

mod check;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::check::check;
use crate::id::Digest;

/// The largest input or output of a step, in bytes of MessagePack.
pub const MAX_PAYLOAD: usize = 4 * 1024 * 1024;

/// Values over this many bytes are kept as blobs.
pub const MAX_INLINE: usize = 64 * 1024;

/// How deep a value may nest.
pub const MAX_DEPTH: usize = 128;

/// How many values a value may consist of, itself, items and members counted;
/// each takes 32 bytes of memory and more, however short it is as MessagePack.
pub const MAX_VALUES: usize = 1_000_000;

/// A value in the log: its MessagePack bytes, or where they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// The bytes themselves, at most [`MAX_INLINE`].
    Inline(#[serde(with = "raw")] Bytes),
    /// The digest of the bytes and how many they are.
    Blob {
        /// By which the records know the blob.
        digest: Digest,
        /// Bytes.
        size: u64,
    },
}

/// Bytes that are not a payload, or a value that may not be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Over the cap.
    #[error("the value has {size} bytes; at most {limit} are allowed")]
    TooLarge {
        /// Bytes that it has.
        size: usize,
        /// Bytes that are allowed.
        limit: usize,
    },
    /// It nests too deep.
    #[error("the value nests too deep; at most {limit} levels are allowed")]
    TooDeep {
        /// Levels that are allowed.
        limit: usize,
    },
    /// It has too many items and members.
    #[error("the value consists of too many values; at most {limit} are allowed")]
    TooMany {
        /// Values that are allowed.
        limit: usize,
    },
    /// Not MessagePack, or a MessagePack that no JSON value corresponds to.
    #[error("the bytes are not a MessagePack value: {0}")]
    Malformed(String),
}

impl PayloadError {
    /// Why MessagePack that nests at most [`MAX_DEPTH`] could not be read.
    fn reading(error: rmp_serde::decode::Error) -> Self {
        match error {
            rmp_serde::decode::Error::DepthLimitExceeded => Self::TooDeep { limit: MAX_DEPTH },
            other => Self::Malformed(other.to_string()),
        }
    }
}

impl Payload {
    /// The payload of `null`.
    #[must_use]
    pub fn null() -> Self {
        Self::Inline(Bytes::from_static(&[0xc0]))
    }
}

/// Encodes a value as MessagePack.
///
/// # Errors
/// When it is over [`MAX_PAYLOAD`] or [`MAX_VALUES`].
pub fn encode(value: &Value) -> Result<Bytes, PayloadError> {
    let bytes =
        rmp_serde::to_vec_named(value).map_err(|e| PayloadError::Malformed(e.to_string()))?;
    if bytes.len() > MAX_PAYLOAD {
        return Err(PayloadError::TooLarge {
            size: bytes.len(),
            limit: MAX_PAYLOAD,
        });
    }
    if may_have_too_many(&bytes) {
        check(&bytes)?;
    }
    Ok(bytes.into())
}

/// Decodes MessagePack that a guest or a store gave; depth, size and the number of
/// values are capped.
///
/// # Errors
/// When it is over [`MAX_PAYLOAD`], nests deeper than [`MAX_DEPTH`], consists of
/// more than [`MAX_VALUES`], has trailing bytes or is no JSON-like value.
pub fn decode(bytes: &[u8]) -> Result<Value, PayloadError> {
    if bytes.len() > MAX_PAYLOAD {
        return Err(PayloadError::TooLarge {
            size: bytes.len(),
            limit: MAX_PAYLOAD,
        });
    }
    if may_have_too_many(bytes) {
        check(bytes)?;
    }
    let mut reader = rmp_serde::Deserializer::new(bytes);
    reader.set_max_depth(MAX_DEPTH);
    let value = Value::deserialize(&mut reader).map_err(PayloadError::reading)?;
    if reader.get_ref().is_empty() {
        Ok(value)
    } else {
        Err(PayloadError::Malformed("bytes follow the value".into()))
    }
}

/// A value takes a byte at least.
fn may_have_too_many(bytes: &[u8]) -> bool {
    bytes.len() > MAX_VALUES
}

mod raw {
    use bytes::Bytes;
    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Bytes, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Bytes;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, v: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes::copy_from_slice(v))
            }
            fn visit_byte_buf<E: de::Error>(self, v: Vec<u8>) -> Result<Bytes, E> {
                Ok(v.into())
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Bytes, A::Error> {
                let mut out = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    out.push(byte);
                }
                Ok(out.into())
            }
        }
        d.deserialize_byte_buf(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_read_back() {
        let value = json!({"a": [1, -2, 3.5, null, true], "b": {"c": "é"}, "big": u64::MAX});
        assert_eq!(
            decode(&encode(&value).expect("encodes")).expect("decodes"),
            value
        );
    }

    #[test]
    fn hostile_bytes_are_refused() {
        assert!(decode(&[]).is_err());
        assert!(decode(&[0xc0, 0xc0]).is_err(), "trailing bytes");
        assert_eq!(
            decode(&[0x91; 100_000]),
            Err(PayloadError::TooDeep { limit: MAX_DEPTH }),
            "arrays in arrays for ever"
        );
        assert!(
            decode(&[0xdd, 0xff, 0xff, 0xff, 0xff]).is_err(),
            "an array that claims 4 billion items"
        );
        assert!(matches!(
            decode(&vec![0; MAX_PAYLOAD + 1]),
            Err(PayloadError::TooLarge { .. })
        ));
    }

    #[test]
    fn a_payload_in_the_log_reads_back() {
        let payload = Payload::Inline(Bytes::from_static(b"\x93\x01\x02\x03"));
        let bytes = rmp_serde::to_vec_named(&payload).expect("encodes");
        assert_eq!(
            rmp_serde::from_slice::<Payload>(&bytes).expect("decodes"),
            payload
        );
    }
}
