//! Values: from a guest's parameters, and to its rows.

use std::fmt;

use nebula_sandbox::resources::ResourceError;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Number, Value};

use super::statement::MAX_PARAMETERS;

/// How deep a parameter may nest; payloads may as well.
const MAX_DEPTH: usize = 128;

/// A value of a row, or of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Bool(bool),
    Integer(i64),
    /// One that is too large for `Integer`.
    Unsigned(u64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// A list or a map.
    Json(Value),
}

impl Cell {
    /// A whole number.
    pub(super) fn whole(v: u64) -> Self {
        i64::try_from(v).map_or(Self::Unsigned(v), Self::Integer)
    }

    /// What it is, for people.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) | Self::Unsigned(_) => "a whole number",
            Self::Real(_) => "a number",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::Json(_) => "a list or a map",
        }
    }
}

/// The values of a statement: a list in MessagePack.
pub(super) fn parameters(bytes: &[u8]) -> Result<Vec<Cell>, ResourceError> {
    let mut decoder = rmp_serde::Deserializer::from_read_ref(bytes);
    decoder.set_max_depth(MAX_DEPTH);
    let cells = Vec::<Cell>::deserialize(&mut decoder);
    let cells = cells.map_err(|e| {
        ResourceError::Refused(format!("the parameters are no list of values: {e}"))
    })?;
    if cells.len() > MAX_PARAMETERS {
        let has = cells.len();
        return Err(ResourceError::Limit(format!(
            "the statement has {has} values; at most {MAX_PARAMETERS} are allowed"
        )));
    }
    Ok(cells)
}

/// A row: a map from column to value.
pub(super) struct Row<'a> {
    pub(super) columns: &'a [String],
    pub(super) cells: &'a [Cell],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.columns.len()))?;
        for (column, cell) in self.columns.iter().zip(self.cells) {
            map.serialize_entry(column, cell)?;
        }
        map.end()
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => s.serialize_unit(),
            Self::Bool(v) => s.serialize_bool(*v),
            Self::Integer(v) => s.serialize_i64(*v),
            Self::Unsigned(v) => s.serialize_u64(*v),
            Self::Real(v) => s.serialize_f64(*v),
            Self::Text(v) => s.serialize_str(v),
            Self::Bytes(v) => s.serialize_bytes(v),
            Self::Json(v) => v.serialize(s),
        }
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Read)
    }
}

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Cell, E> {
        Ok(Cell::Null)
    }

    fn visit_none<E>(self) -> Result<Cell, E> {
        Ok(Cell::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Cell, E> {
        Ok(Cell::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Cell, E> {
        Ok(Cell::Integer(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Cell, E> {
        Ok(Cell::whole(v))
    }

    fn visit_f32<E>(self, v: f32) -> Result<Cell, E> {
        Ok(Cell::Real(v.into()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Cell, E> {
        Ok(Cell::Real(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Cell, E> {
        Ok(Cell::Text(v.to_owned()))
    }

    fn visit_bytes<E>(self, v: &[u8]) -> Result<Cell, E> {
        Ok(Cell::Bytes(v.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Cell, A::Error> {
        let mut list = Vec::new();
        while let Some(cell) = seq.next_element::<Cell>()? {
            list.push(json(cell).map_err(A::Error::custom)?);
        }
        Ok(Cell::Json(Value::Array(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Cell, A::Error> {
        let mut map = Map::new();
        while let Some((key, cell)) = access.next_entry::<String, Cell>()? {
            map.insert(key, json(cell).map_err(A::Error::custom)?);
        }
        Ok(Cell::Json(Value::Object(map)))
    }
}

/// The value as JSON has it.
pub(super) fn json(cell: Cell) -> Result<Value, &'static str> {
    Ok(match cell {
        Cell::Null => Value::Null,
        Cell::Bool(v) => Value::Bool(v),
        Cell::Integer(v) => Value::from(v),
        Cell::Unsigned(v) => Value::from(v),
        Cell::Real(v) => Number::from_f64(v).map_or(Value::Null, Value::Number),
        Cell::Text(v) => Value::String(v),
        Cell::Bytes(_) => return Err("there are no bytes in JSON"),
        Cell::Json(v) => v,
    })
}
