//! Serde values to MessagePack.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::ser::{self, Serialize};

use super::key::KeyEncoder;

/// A value that JSON has no place for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeError(pub(super) String);

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for EncodeError {}

impl ser::Error for EncodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Encodes a value as MessagePack.
///
/// # Errors
/// When a map's key is not text or a number, an integer does not fit 64 bits,
/// or the type's own serialization fails.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::with_capacity(128);
    value.serialize(Encoder { out: &mut out })?;
    Ok(out)
}

pub(super) type Done = Result<(), EncodeError>;

pub(super) struct Encoder<'a> {
    pub(super) out: &'a mut Vec<u8>,
}

/// The items of a list or a map, whose header is written first and mended at
/// the end if the length was not known.
pub(super) struct Items<'a> {
    out: &'a mut Vec<u8>,
    count: u32,
    patch: Option<usize>,
}

impl<'a> Encoder<'a> {
    fn text(mut self, text: &str) {
        match text.len() {
            n @ 0..=31 => self.out.push(0xa0 | n as u8),
            n @ 32..=0xff => self.out.extend([0xd9, n as u8]),
            n @ 0x100..=0xffff => self.head(0xda, (n as u16).to_be_bytes()),
            n => self.head(0xdb, (n as u32).to_be_bytes()),
        }
        self.out.extend_from_slice(text.as_bytes());
    }

    fn head<const N: usize>(&mut self, marker: u8, bytes: [u8; N]) {
        self.out.push(marker);
        self.out.extend_from_slice(&bytes);
    }

    fn unsigned(mut self, value: u64) {
        match value {
            0..=0x7f => self.out.push(value as u8),
            0x80..=0xff => self.out.extend([0xcc, value as u8]),
            0x100..=0xffff => self.head(0xcd, (value as u16).to_be_bytes()),
            0x1_0000..=0xffff_ffff => self.head(0xce, (value as u32).to_be_bytes()),
            _ => self.head(0xcf, value.to_be_bytes()),
        }
    }

    fn signed(mut self, value: i64) {
        match value {
            0.. => self.unsigned(value as u64),
            -32..0 => self.out.push(value as u8),
            -0x80..-32 => self.out.extend([0xd0, value as u8]),
            -0x8000..-0x80 => self.head(0xd1, (value as i16).to_be_bytes()),
            -0x8000_0000..-0x8000 => self.head(0xd2, (value as i32).to_be_bytes()),
            _ => self.head(0xd3, value.to_be_bytes()),
        }
    }

    /// `fix` is the marker of up to 15 items, `long` of a 32-bit count.
    fn items(mut self, len: Option<usize>, fix: u8, long: u8) -> Items<'a> {
        let mut patch = None;
        match len {
            Some(n @ 0..=15) => self.out.push(fix | n as u8),
            Some(n @ 16..=0xffff) => self.head(long - 1, (n as u16).to_be_bytes()),
            Some(n) => self.head(long, (n as u32).to_be_bytes()),
            None => {
                patch = Some(self.out.len() + 1);
                self.head(long, [0; 4]);
            }
        }
        Items {
            out: self.out,
            count: 0,
            patch,
        }
    }

    fn list(self, len: Option<usize>) -> Items<'a> {
        self.items(len, 0x90, 0xdd)
    }

    fn map(self, len: Option<usize>) -> Items<'a> {
        self.items(len, 0x80, 0xdf)
    }

    /// An enum's variant with content: `{variant: content}`.
    fn variant(self, variant: &str) -> Encoder<'a> {
        self.out.push(0x81);
        Encoder { out: self.out }.text(variant);
        Encoder { out: self.out }
    }
}

impl Items<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.count += 1;
        value.serialize(Encoder { out: self.out })
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.count += 1;
        key.serialize(KeyEncoder {
            out: &mut *self.out,
        })
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        value.serialize(Encoder { out: self.out })
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Done {
        Encoder { out: self.out }.text(key);
        self.value(value)
    }

    fn finish(self) -> Done {
        if let Some(at) = self.patch {
            self.out[at..at + 4].copy_from_slice(&self.count.to_be_bytes());
        }
        Ok(())
    }
}

impl<'a> ser::Serializer for Encoder<'a> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Items<'a>;
    type SerializeStruct = Items<'a>;
    type SerializeStructVariant = Items<'a>;

    fn serialize_bool(self, v: bool) -> Done {
        self.out.push(0xc2 | u8::from(v));
        Ok(())
    }

    fn serialize_i8(self, v: i8) -> Done {
        self.serialize_i64(v.into())
    }

    fn serialize_i16(self, v: i16) -> Done {
        self.serialize_i64(v.into())
    }

    fn serialize_i32(self, v: i32) -> Done {
        self.serialize_i64(v.into())
    }

    fn serialize_i64(self, v: i64) -> Done {
        self.signed(v);
        Ok(())
    }

    fn serialize_u8(self, v: u8) -> Done {
        self.serialize_u64(v.into())
    }

    fn serialize_u16(self, v: u16) -> Done {
        self.serialize_u64(v.into())
    }

    fn serialize_u32(self, v: u32) -> Done {
        self.serialize_u64(v.into())
    }

    fn serialize_u64(self, v: u64) -> Done {
        self.unsigned(v);
        Ok(())
    }

    fn serialize_f32(self, v: f32) -> Done {
        self.serialize_f64(v.into())
    }

    fn serialize_f64(mut self, v: f64) -> Done {
        // As JSON does: a number that is none is null.
        if v.is_finite() {
            self.head(0xcb, v.to_be_bytes())
        } else {
            self.out.push(0xc0)
        }
        Ok(())
    }

    fn serialize_char(self, v: char) -> Done {
        self.serialize_str(v.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, v: &str) -> Done {
        self.text(v);
        Ok(())
    }

    fn serialize_bytes(self, v: &[u8]) -> Done {
        // As JSON does: bytes are a list of numbers.
        let mut items = self.list(Some(v.len()));
        v.iter().try_for_each(|byte| items.item(byte))
    }

    fn serialize_none(self) -> Done {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        self.out.push(0xc0);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        self.serialize_unit()
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
        variant: &'static str,
        value: &T,
    ) -> Done {
        value.serialize(self.variant(variant))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Items<'a>, EncodeError> {
        Ok(self.list(len))
    }

    fn serialize_tuple(self, len: usize) -> Result<Items<'a>, EncodeError> {
        Ok(self.list(Some(len)))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Items<'a>, EncodeError> {
        Ok(self.list(Some(len)))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Items<'a>, EncodeError> {
        Ok(self.variant(variant).list(Some(len)))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Items<'a>, EncodeError> {
        Ok(self.map(len))
    }

    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Items<'a>, EncodeError> {
        Ok(self.map(Some(len)))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Items<'a>, EncodeError> {
        Ok(self.variant(variant).map(Some(len)))
    }
}

impl ser::SerializeSeq for Items<'_> {
    type Ok = ();
    type Error = EncodeError;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.item(value)
    }
    fn end(self) -> Done {
        self.finish()
    }
}

impl ser::SerializeTuple for Items<'_> {
    type Ok = ();
    type Error = EncodeError;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.item(value)
    }
    fn end(self) -> Done {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for Items<'_> {
    type Ok = ();
    type Error = EncodeError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.item(value)
    }
    fn end(self) -> Done {
        self.finish()
    }
}

impl ser::SerializeTupleVariant for Items<'_> {
    type Ok = ();
    type Error = EncodeError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.item(value)
    }
    fn end(self) -> Done {
        self.finish()
    }
}

impl ser::SerializeMap for Items<'_> {
    type Ok = ();
    type Error = EncodeError;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.key(key)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.value(value)
    }
    fn end(self) -> Done {
        self.finish()
    }
}

impl ser::SerializeStruct for Items<'_> {
    type Ok = ();
    type Error = EncodeError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Done {
        self.field(key, value)
    }
    fn end(self) -> Done {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Items<'_> {
    type Ok = ();
    type Error = EncodeError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Done {
        self.field(key, value)
    }
    fn end(self) -> Done {
        self.finish()
    }
}
