//! Keys of maps, which JSON wants as text.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;

use serde::Serializer as _;
use serde::ser::{self, Serialize};

use super::encode::{Done, EncodeError, Encoder};

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
