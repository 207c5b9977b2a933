//! Whether bytes are a payload, found without building the value: what a guest
//! gives may be a few million tiny items.

use std::fmt;

use nebula_flow::payload::{MAX_DEPTH, MAX_PAYLOAD, PayloadError};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Refuses what [`nebula_flow::payload::decode`] would refuse.
pub(crate) fn check(bytes: &[u8]) -> Result<(), PayloadError> {
    if bytes.len() > MAX_PAYLOAD {
        return Err(PayloadError::TooLarge {
            size: bytes.len(),
            limit: MAX_PAYLOAD,
        });
    }
    let mut reader = rmp_serde::Deserializer::new(bytes);
    reader.set_max_depth(MAX_DEPTH);
    Checked::deserialize(&mut reader).map_err(PayloadError::reading)?;
    if reader.get_ref().is_empty() {
        Ok(())
    } else {
        Err(PayloadError::Malformed("bytes follow the value".into()))
    }
}

/// A value that was looked at and not kept.
struct Checked;

/// The key of a map: text.
struct Key;

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-like value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_none<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        while entries.next_key::<Key>()?.is_some() {
            entries.next_value::<Self>()?;
        }
        Ok(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl Visitor<'_> for Key {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key that is text")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nebula_flow::json;
    use nebula_flow::payload::{decode, encode};

    #[test]
    fn it_agrees_with_the_decoder() {
        let value = json!({"a": [1, -2, 3.5, null, true], "b": {"c": "é"}, "big": u64::MAX});
        let good = encode(&value).expect("encodes");
        let mut cases: Vec<Vec<u8>> = vec![
            good.to_vec(),
            vec![],
            vec![0xc0],
            vec![0xc0, 0xc0],
            vec![0x91; 100_000],
            vec![0xdd, 0xff, 0xff, 0xff, 0xff],
            vec![0xc4, 1, 7],
            vec![0xd4, 1, 7],
            vec![0xa1, 0xff],
            vec![0x81, 0x01, 0x01],
            vec![0x81, 0xc4, 1, 0x61, 0x01],
            vec![0xca, 0x7f, 0xc0, 0, 0],
            vec![0xc1],
        ];
        cases.extend((0..good.len()).map(|end| good[..end].to_vec()));
        for case in cases {
            assert_eq!(check(&case).is_ok(), decode(&case).is_ok(), "{case:02x?}");
        }
        assert!(matches!(
            check(&vec![0; MAX_PAYLOAD + 1]),
            Err(PayloadError::TooLarge { .. })
        ));
    }
}
