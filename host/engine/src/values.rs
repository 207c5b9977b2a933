//! Payloads on their way between the log, the blobs and the guests.

use bytes::{BufMut, Bytes, BytesMut};
use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::payload::{self, MAX_INLINE, MAX_PAYLOAD, PayloadError};
use nebula_flow::ports::RecordError;
use nebula_flow::{Payload, Value};

use crate::chance::Backoff;
use crate::config::Core;

/// The MessagePack bytes of a payload; a blob is fetched, for as long as that
/// takes while the records are not available.
pub(crate) async fn bytes(core: &Core, payload: &Payload) -> Result<Bytes, Failure> {
    let digest = match payload {
        Payload::Inline(bytes) => return Ok(bytes.clone()),
        Payload::Blob { digest, .. } => *digest,
    };
    let mut backoff = Backoff::new();
    loop {
        match core.records.blob(digest).await {
            Ok(Some(bytes)) => return Ok(bytes),
            Ok(None) => {
                return Err(Failure::new(
                    FailureKind::Host,
                    format!("blob {digest} is missing"),
                ));
            }
            Err(error @ RecordError::Unavailable(_)) => {
                tracing::warn!(%digest, %error, "a blob cannot be read; trying again");
                backoff.pause(&*core.clock).await;
            }
            Err(error) => return Err(Failure::new(FailureKind::Host, error.to_string())),
        }
    }
}

/// Makes a payload: small bytes stay inline, larger ones are kept as a blob
/// first, and those over the cap are refused.
pub(crate) async fn payload(core: &Core, bytes: Bytes) -> Result<Payload, Failure> {
    if bytes.len() > MAX_PAYLOAD {
        return Err(too_large(bytes.len()));
    }
    if bytes.len() <= MAX_INLINE {
        return Ok(Payload::Inline(bytes));
    }
    let size = bytes.len() as u64;
    let mut backoff = Backoff::new();
    loop {
        match core.records.put_blob(bytes.clone()).await {
            Ok(digest) => return Ok(Payload::Blob { digest, size }),
            Err(error @ RecordError::Unavailable(_)) => {
                tracing::warn!(%error, "a blob cannot be kept; trying again");
                backoff.pause(&*core.clock).await;
            }
            Err(error) => return Err(Failure::new(FailureKind::Host, error.to_string())),
        }
    }
}

pub(crate) fn too_large(size: usize) -> Failure {
    let error = PayloadError::TooLarge {
        size,
        limit: MAX_PAYLOAD,
    };
    Failure::new(FailureKind::InvalidOutput, error.to_string())
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Value, Failure> {
    payload::decode(bytes).map_err(|e| Failure::new(FailureKind::InvalidOutput, e.to_string()))
}

pub(crate) fn encode(value: &Value) -> Result<Bytes, Failure> {
    payload::encode(value).map_err(|e| Failure::new(FailureKind::InvalidOutput, e.to_string()))
}

/// The MessagePack of a list whose items are MessagePack already.
pub(crate) fn list(items: &[Bytes]) -> Result<Bytes, Failure> {
    let mut out = sized(items.iter().map(Bytes::len).sum())?;
    header(&mut out, items.len(), 0x90, 0xdc);
    for item in items {
        out.extend_from_slice(item);
    }
    Ok(out.freeze())
}

/// The MessagePack of an object whose values are MessagePack already.
pub(crate) fn object(entries: &[(&str, Bytes)]) -> Result<Bytes, Failure> {
    let mut out = sized(
        entries
            .iter()
            .map(|(key, value)| key.len() + 5 + value.len())
            .sum(),
    )?;
    header(&mut out, entries.len(), 0x80, 0xde);
    for (key, value) in entries {
        out.extend_from_slice(&encode(&Value::from(*key))?);
        out.extend_from_slice(value);
    }
    Ok(out.freeze())
}

fn sized(content: usize) -> Result<BytesMut, Failure> {
    if content > MAX_PAYLOAD {
        Err(too_large(content))
    } else {
        Ok(BytesMut::with_capacity(content + 5))
    }
}

/// The header of a MessagePack array or map: `fix` holds up to 15 in its low
/// bits, `wide` is followed by 16 bits and the byte after `wide` by 32.
fn header(out: &mut BytesMut, count: usize, fix: u8, wide: u8) {
    if let (true, Ok(count)) = (count < 16, u8::try_from(count)) {
        out.put_u8(fix | count);
    } else if let Ok(count) = u16::try_from(count) {
        out.put_u8(wide);
        out.put_u16(count);
    } else {
        out.put_u8(wide + 1);
        // `sized` bounds the content, and every item has a byte at least.
        out.put_u32(u32::try_from(count).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nebula_flow::json;

    #[test]
    fn lists_and_objects_put_together_from_bytes_decode_to_their_values() {
        for count in [0, 1, 15, 16, 70_000] {
            let values: Vec<Value> = (0..count).map(Value::from).collect();
            let items: Vec<Bytes> = values.iter().map(|v| encode(v).expect("small")).collect();
            assert_eq!(
                decode(&list(&items).expect("fits")).expect("decodes"),
                Value::from(values)
            );
        }
        let one = encode(&json!([1, null])).expect("small");
        let object =
            object(&[("a", one), ("größe", encode(&json!("x")).expect("small"))]).expect("fits");
        assert_eq!(
            decode(&object).expect("decodes"),
            json!({"a": [1, null], "größe": "x"})
        );
    }

    #[test]
    fn a_list_over_the_cap_is_refused_before_it_is_built() {
        let half = Bytes::from(vec![0; MAX_PAYLOAD / 2 + 1]);
        let failure = list(&[half.clone(), half]).expect_err("too large");
        assert_eq!(failure.kind, FailureKind::InvalidOutput);
    }
}
