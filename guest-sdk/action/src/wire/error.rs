//! Why bytes are not a value of a type, and where.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::de::{self, Unexpected};

/// Bytes that are not a value of the type, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    message: String,
    /// From the innermost place outwards.
    place: Vec<Segment>,
}

/// A step on the way to the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Field(String),
    Index(usize),
}

impl DecodeError {
    pub(super) fn new(message: &str) -> Self {
        Self {
            message: message.into(),
            place: Vec::new(),
        }
    }

    pub(super) fn unlike(
        what: &str,
        unexpected: Unexpected<'_>,
        expected: &dyn de::Expected,
    ) -> Self {
        let found = Found(unexpected);
        Self::new(&format!("invalid {what}: {found}, expected {expected}"))
    }

    pub(super) fn within(mut self, segment: Segment) -> Self {
        self.place.push(segment);
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, segment) in self.place.iter().rev().enumerate() {
            match segment {
                Segment::Field(name) if n == 0 => f.write_str(name)?,
                Segment::Field(name) => {
                    f.write_str(".")?;
                    f.write_str(name)?;
                }
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        if !self.place.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

impl core::error::Error for DecodeError {}

/// What there is, as serde says it, but without the digits of a fraction: they
/// would bring the code that writes them into every component.
struct Found<'a>(Unexpected<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Bool(v) => write!(f, "boolean `{v}`"),
            Unexpected::Unsigned(v) => write!(f, "integer `{v}`"),
            Unexpected::Signed(v) => write!(f, "integer `{v}`"),
            Unexpected::Str(v) => write!(f, "string \"{v}\""),
            Unexpected::Float(_) => f.write_str("floating point"),
            Unexpected::Bytes(_) => f.write_str("byte array"),
            Unexpected::Unit | Unexpected::Option => f.write_str("null"),
            Unexpected::Seq => f.write_str("sequence"),
            Unexpected::Map => f.write_str("map"),
            Unexpected::Other(other) => f.write_str(other),
            _ => f.write_str("another value"),
        }
    }
}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            message: message.to_string(),
            place: Vec::new(),
        }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::unlike("type", unexpected, expected)
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::unlike("value", unexpected, expected)
    }
}
