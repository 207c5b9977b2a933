//! Keys of maps, which JSON wants as text.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;

use serde::Serializer as _;
use serde::de::{self, IntoDeserializer, Visitor};
use serde::ser::{self, Serialize};

use super::encode::{Done, EncodeError, Encoder};
use super::error::DecodeError;

/// A map's key: text, or what is written as text.
pub(super) struct KeyEncoder<'a> {
    pub(super) out: &'a mut Vec<u8>,
}

impl KeyEncoder<'_> {
    fn show(self, key: impl fmt::Display) -> Done {
        self.serialize_str(&key.to_string())
    }
}

fn bad_key<T>() -> Result<T, EncodeError> {
    Err(EncodeError(
        "a map's key must be text, a number or a bool".into(),
    ))
}

impl ser::Serializer for KeyEncoder<'_> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = ser::Impossible<(), EncodeError>;
    type SerializeTuple = ser::Impossible<(), EncodeError>;
    type SerializeTupleStruct = ser::Impossible<(), EncodeError>;
    type SerializeTupleVariant = ser::Impossible<(), EncodeError>;
    type SerializeMap = ser::Impossible<(), EncodeError>;
    type SerializeStruct = ser::Impossible<(), EncodeError>;
    type SerializeStructVariant = ser::Impossible<(), EncodeError>;

    fn serialize_str(self, v: &str) -> Done {
        Encoder { out: self.out }.serialize_str(v)
    }
    fn serialize_bool(self, v: bool) -> Done {
        self.serialize_str(if v { "true" } else { "false" })
    }
    fn serialize_i8(self, v: i8) -> Done {
        self.show(v)
    }
    fn serialize_i16(self, v: i16) -> Done {
        self.show(v)
    }
    fn serialize_i32(self, v: i32) -> Done {
        self.show(v)
    }
    fn serialize_i64(self, v: i64) -> Done {
        self.show(v)
    }
    fn serialize_u8(self, v: u8) -> Done {
        self.show(v)
    }
    fn serialize_u16(self, v: u16) -> Done {
        self.show(v)
    }
    fn serialize_u32(self, v: u32) -> Done {
        self.show(v)
    }
    fn serialize_u64(self, v: u64) -> Done {
        self.show(v)
    }
    fn serialize_f32(self, _: f32) -> Done {
        bad_key()
    }
    fn serialize_f64(self, _: f64) -> Done {
        bad_key()
    }
    fn serialize_char(self, v: char) -> Done {
        self.show(v)
    }
    fn serialize_bytes(self, _: &[u8]) -> Done {
        bad_key()
    }
    fn serialize_none(self) -> Done {
        bad_key()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Done {
        bad_key()
    }
    fn serialize_unit_struct(self, _: &'static str) -> Done {
        bad_key()
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        self.serialize_str(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Done {
        bad_key()
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, EncodeError> {
        bad_key()
    }
    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, EncodeError> {
        bad_key()
    }
    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, EncodeError> {
        bad_key()
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, EncodeError> {
        bad_key()
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, EncodeError> {
        bad_key()
    }
    fn serialize_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStruct, EncodeError> {
        bad_key()
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, EncodeError> {
        bad_key()
    }
}

/// A map's key: text, read as a number where the type's keys are numbers.
pub(super) struct Key<'de>(pub(super) &'de str);

macro_rules! parsed {
    ($($name:ident $visit:ident)*) => {
        $(fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            match self.0.parse() {
                Ok(number) => visitor.$visit(number),
                Err(_) => visitor.visit_borrowed_str(self.0),
            }
        })*
    };
}

impl<'de> de::Deserializer<'de> for Key<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_borrowed_str(self.0)
    }

    parsed! {
        deserialize_bool visit_bool
        deserialize_i8 visit_i64 deserialize_i16 visit_i64 deserialize_i32 visit_i64 deserialize_i64 visit_i64
        deserialize_u8 visit_u64 deserialize_u16 visit_u64 deserialize_u32 visit_u64 deserialize_u64 visit_u64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    serde::forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}
