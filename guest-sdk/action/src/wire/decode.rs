//! MessagePack to serde values.

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Unexpected, Visitor};

use super::error::{DecodeError, Segment};
use super::key::Key;

/// How deep a value may nest; the host allows the same.
const MAX_DEPTH: u32 = 128;

/// Decodes one MessagePack value.
///
/// # Errors
/// When the bytes are no MessagePack, nest too deep, go on after the value, or
/// are not a value of the type; the message begins with the place.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut decoder = Decoder {
        bytes,
        depth: MAX_DEPTH,
    };
    let value = T::deserialize(&mut decoder)?;
    if decoder.bytes.is_empty() {
        Ok(value)
    } else {
        Err(DecodeError::new("bytes follow the value"))
    }
}

struct Decoder<'a> {
    bytes: &'a [u8],
    /// How much deeper it may go.
    depth: u32,
}

/// One value's marker and what it holds; lists and maps only their length.
enum Token<'a> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    List(usize),
    Map(usize),
}

impl<'a> Decoder<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self
            .bytes
            .split_at_checked(len)
            .ok_or_else(|| DecodeError::new("the value ends early"))?;
        self.bytes = rest;
        Ok(head)
    }

    /// The next `N` bytes as a big-endian number.
    fn number<const N: usize>(&mut self) -> Result<u64, DecodeError> {
        Ok(self
            .take(N)?
            .iter()
            .fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    fn text(&mut self, len: u64) -> Result<Token<'a>, DecodeError> {
        let bytes = self.take(len as usize)?;
        core::str::from_utf8(bytes)
            .map(Token::Text)
            .map_err(|_| DecodeError::new("a text is not UTF-8"))
    }

    fn blob(&mut self, len: u64) -> Result<Token<'a>, DecodeError> {
        self.take(len as usize).map(Token::Bytes)
    }

    fn token(&mut self) -> Result<Token<'a>, DecodeError> {
        let marker = self.take(1)?[0];
        Ok(match marker {
            0x00..=0x7f => Token::Unsigned(marker.into()),
            0xe0..=0xff => Token::Signed((marker as i8).into()),
            0x80..=0x8f => Token::Map((marker & 0x0f).into()),
            0x90..=0x9f => Token::List((marker & 0x0f).into()),
            0xa0..=0xbf => self.text((marker & 0x1f).into())?,
            0xc0 => Token::Nil,
            0xc2 | 0xc3 => Token::Bool(marker == 0xc3),
            0xc4 => self.number::<1>().and_then(|n| self.blob(n))?,
            0xc5 => self.number::<2>().and_then(|n| self.blob(n))?,
            0xc6 => self.number::<4>().and_then(|n| self.blob(n))?,
            0xca => Token::Float(f32::from_bits(self.number::<4>()? as u32).into()),
            0xcb => Token::Float(f64::from_bits(self.number::<8>()?)),
            0xcc => Token::Unsigned(self.number::<1>()?),
            0xcd => Token::Unsigned(self.number::<2>()?),
            0xce => Token::Unsigned(self.number::<4>()?),
            0xcf => Token::Unsigned(self.number::<8>()?),
            0xd0 => Token::Signed((self.number::<1>()? as i8).into()),
            0xd1 => Token::Signed((self.number::<2>()? as i16).into()),
            0xd2 => Token::Signed((self.number::<4>()? as i32).into()),
            0xd3 => Token::Signed(self.number::<8>()? as i64),
            0xd9 => self.number::<1>().and_then(|n| self.text(n))?,
            0xda => self.number::<2>().and_then(|n| self.text(n))?,
            0xdb => self.number::<4>().and_then(|n| self.text(n))?,
            0xdc => Token::List(self.number::<2>()? as usize),
            0xdd => Token::List(self.number::<4>()? as usize),
            0xde => Token::Map(self.number::<2>()? as usize),
            0xdf => Token::Map(self.number::<4>()? as usize),
            _ => return Err(DecodeError::new("a MessagePack extension is no JSON value")),
        })
    }

    fn nested<T>(
        &mut self,
        left: usize,
        visit: impl FnOnce(&mut Items<'_, 'a>) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        self.depth = self
            .depth
            .checked_sub(1)
            .ok_or_else(|| DecodeError::new("the value nests too deep"))?;
        let mut items = Items {
            decoder: self,
            left,
            index: 0,
            key: None,
        };
        let value = visit(&mut items)?;
        if items.left > 0 {
            return Err(DecodeError::new("the list has more items than expected"));
        }
        self.depth += 1;
        Ok(value)
    }

    fn visit<V: Visitor<'a>>(
        &mut self,
        token: Token<'a>,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match token {
            Token::Nil => visitor.visit_unit(),
            Token::Bool(v) => visitor.visit_bool(v),
            Token::Unsigned(v) => visitor.visit_u64(v),
            Token::Signed(v) => visitor.visit_i64(v),
            Token::Float(v) => visitor.visit_f64(v),
            Token::Text(v) => visitor.visit_borrowed_str(v),
            Token::Bytes(v) => visitor.visit_borrowed_bytes(v),
            Token::List(n) => self.nested(n, |items| visitor.visit_seq(items)),
            Token::Map(n) => self.nested(n, |items| visitor.visit_map(items)),
        }
    }

    /// An integer, also one that is written as a float (as jq does).
    fn integer<V: Visitor<'a>>(&mut self, visitor: V) -> Result<V::Value, DecodeError> {
        // Every whole number up to here is exact in a float.
        const EXACT: f64 = (1_u64 << 53) as f64;
        match self.token()? {
            Token::Float(v) if v.abs() <= EXACT && v as i64 as f64 == v => {
                visitor.visit_i64(v as i64)
            }
            token => self.visit(token, visitor),
        }
    }
}

macro_rules! forward {
    ($to:ident: $($name:ident)*) => {
        $(fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> { self.$to(visitor) })*
    };
}

impl<'de> de::Deserializer<'de> for &mut Decoder<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let token = self.token()?;
        self.visit(token, visitor)
    }

    forward! { integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
    deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 }
    forward! { deserialize_any: deserialize_bool deserialize_f32 deserialize_f64 deserialize_char
    deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_unit
    deserialize_seq deserialize_map deserialize_identifier deserialize_ignored_any }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.bytes.first() == Some(&0xc0) {
            self.take(1)?;
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.token()? {
            Token::Text(variant) => visitor.visit_enum(variant.into_deserializer()),
            Token::Map(1) => {
                let Token::Text(variant) = self.token()? else {
                    return Err(DecodeError::new("a map's key is not text"));
                };
                self.nested(0, |items| {
                    visitor.visit_enum(Variant {
                        decoder: items.decoder,
                        name: variant,
                    })
                })
                .map_err(|e| e.within(Segment::Field(variant.into())))
            }
            _ => Err(de::Error::invalid_type(
                Unexpected::Other("another value"),
                &name,
            )),
        }
    }
}

/// The items of a list, or the entries of a map.
struct Items<'d, 'de> {
    decoder: &'d mut Decoder<'de>,
    left: usize,
    index: usize,
    key: Option<&'de str>,
}

impl<'de> de::SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        let index = self.index;
        self.index += 1;
        seed.deserialize(&mut *self.decoder)
            .map(Some)
            .map_err(|e| e.within(Segment::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        // Every item has a byte at least: a lying length reserves nothing.
        Some(self.left.min(self.decoder.bytes.len()))
    }
}

impl<'de> de::MapAccess<'de> for &mut Items<'_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        let Token::Text(key) = self.decoder.token()? else {
            return Err(DecodeError::new("a map's key is not text"));
        };
        self.key = Some(key);
        seed.deserialize(Key(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DecodeError> {
        let key = self.key.take();
        seed.deserialize(&mut *self.decoder)
            .map_err(|e| e.within(Segment::Field(key.unwrap_or_default().into())))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.min(self.decoder.bytes.len()))
    }
}

/// A variant with content.
struct Variant<'d, 'de> {
    decoder: &'d mut Decoder<'de>,
    name: &'de str,
}

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), DecodeError> {
        Ok((seed.deserialize(Key(self.name))?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        de::Deserialize::deserialize(self.decoder)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, DecodeError> {
        seed.deserialize(self.decoder)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        de::Deserializer::deserialize_any(self.decoder, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        de::Deserializer::deserialize_any(self.decoder, visitor)
    }
}
