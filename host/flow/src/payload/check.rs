//! Whether bytes are a payload, found without building the value: what a guest
//! gives may be a few million tiny items.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{MAX_DEPTH, MAX_PAYLOAD, MAX_VALUES, PayloadError};

/// Refuses what [`decode`](super::decode) would refuse.
///
/// # Errors
/// The same ones.
pub fn check(bytes: &[u8]) -> Result<(), PayloadError> {
    if bytes.len() > MAX_PAYLOAD {
        return Err(PayloadError::TooLarge {
            size: bytes.len(),
            limit: MAX_PAYLOAD,
        });
    }
    let mut reader = rmp_serde::Deserializer::new(bytes);
    reader.set_max_depth(MAX_DEPTH);
    let mut left = MAX_VALUES;
    let read = Checked { left: &mut left }.deserialize(&mut reader);
    read.map_err(|error| match left {
        0 => PayloadError::TooMany { limit: MAX_VALUES },
        _ => PayloadError::reading(error),
    })?;
    if reader.get_ref().is_empty() {
        Ok(())
    } else {
        Err(PayloadError::Malformed("bytes follow the value".into()))
    }
}

/// A value that is looked at and not kept.
struct Checked<'a> {
    /// How many more there may be.
    left: &'a mut usize,
}

/// The key of a map: text.
struct Key;

impl<'de> DeserializeSeed<'de> for Checked<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if *self.left == 0 {
            return Err(D::Error::custom("too many values"));
        }
        *self.left -= 1;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-like value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let left = self.left;
        while items.next_element_seed(Checked { left })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let left = self.left;
        while entries.next_key_seed(Key)?.is_some() {
            entries.next_value_seed(Checked { left })?;
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Key {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Key {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key that is text")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{decode, encode};
    use super::*;

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

    #[test]
    fn a_value_of_too_many_values_is_refused_on_every_way() {
        let list = |items: usize| json!(vec![0_u8; items]);
        let most = encode(&list(MAX_VALUES - 1)).expect("the list itself is one");
        assert_eq!(check(&most), Ok(()));
        assert_eq!(decode(&most), Ok(list(MAX_VALUES - 1)));

        let many = Err(PayloadError::TooMany { limit: MAX_VALUES });
        let value = list(MAX_VALUES);
        assert_eq!(encode(&value).map(drop), many);
        let bytes = rmp_serde::to_vec(&value).expect("encodes");
        assert_eq!(check(&bytes), many);
        assert_eq!(decode(&bytes).map(drop), many);
    }
}
