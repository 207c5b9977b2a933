//! Rows as JSON.

use core::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nebula_sdk::prelude::*;
use nebula_sdk::{Map, serde};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A row: its columns in their order.
#[derive(Debug)]
pub(crate) struct Row(Map<String, Value>);

/// Rows as an output has them.
pub(crate) fn plain(rows: Vec<Row>) -> Vec<Value> {
    rows.into_iter().map(|row| Value::Object(row.0)).collect()
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match d.deserialize_any(Cell)? {
            Value::Object(row) => Ok(Self(row)),
            _ => Err(D::Error::custom("a row is an object")),
        }
    }
}

/// A value, whose bytes become base64.
struct Cell;

/// The same within a list or an object.
struct Inner(Value);

impl<'de> Deserialize<'de> for Inner {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Cell).map(Inner)
    }
}

impl<'de> Visitor<'de> for Cell {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_bytes<E>(self, v: &[u8]) -> Result<Value, E> {
        Ok(STANDARD.encode(v).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Inner(value)) = seq.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, Inner(value))) = access.next_entry::<String, Inner>()? {
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
