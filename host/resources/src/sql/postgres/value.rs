//! Values in PostgreSQL's binary format. What has no place in MessagePack is a text:
//! exact numbers, times, UUIDs; what is not known here is asked for as a text, in the
//! statement (`$1::text::inet`, `address::text`).

use jiff::civil::{Date, DateTime, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{
    PgArgumentBuffer, PgTypeInfo, PgTypeKind, PgValueFormat, PgValueRef, Postgres,
};
use sqlx::{Encode, Type, TypeInfo, ValueRef};

use super::super::cell::{self, Cell};
use super::numeric;

/// The server counts from the beginning of 2000; seconds since 1970.
const EPOCH: i64 = 946_684_800;
/// The version of its binary JSON.
const JSONB: u8 = 1;

/// A value in the format of a parameter's type.
pub(super) struct Bound {
    ty: PgTypeInfo,
    bytes: Option<Vec<u8>>,
}

impl Type<Postgres> for Bound {
    fn type_info() -> PgTypeInfo {
        // The type of a value is its parameter's: see `produces`.
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Bound {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let Some(bytes) = &self.bytes else {
            return Ok(IsNull::Yes);
        };
        buffer.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.ty.clone())
    }
}

/// The value of a parameter of this type.
pub(super) fn bind(cell: &Cell, ty: &PgTypeInfo) -> Result<Bound, String> {
    let bytes = match cell {
        Cell::Null => None,
        cell => Some(encode(cell, ty)?),
    };
    let ty = ty.clone();
    Ok(Bound { ty, bytes })
}

fn encode(cell: &Cell, ty: &PgTypeInfo) -> Result<Vec<u8>, String> {
    if let PgTypeKind::Domain(of) = ty.kind() {
        return encode(cell, of);
    }
    let name = ty.name();
    let unfit = || {
        let kind = cell.kind();
        let hint = match cell {
            Cell::Text(_) => format!(" (write `$n::text::{}`)", name.to_ascii_lowercase()),
            _ => String::new(),
        };
        format!("it is {kind}, and {name} is asked for{hint}")
    };
    Ok(match (name, cell) {
        ("BOOL", Cell::Bool(v)) => vec![u8::from(*v)],
        ("INT2", Cell::Integer(v)) => fitting::<i16>(*v, name)?.to_be_bytes().to_vec(),
        ("INT4", Cell::Integer(v)) => fitting::<i32>(*v, name)?.to_be_bytes().to_vec(),
        ("INT8", Cell::Integer(v)) => v.to_be_bytes().to_vec(),
        ("INT2" | "INT4" | "INT8" | "OID", Cell::Unsigned(v)) => {
            return Err(format!("{v} does not fit into {name}"));
        }
        ("OID", Cell::Integer(v)) => fitting::<u32>(*v, name)?.to_be_bytes().to_vec(),
        ("FLOAT4", Cell::Integer(_) | Cell::Unsigned(_) | Cell::Real(_)) => {
            (real(cell) as f32).to_be_bytes().to_vec()
        }
        ("FLOAT8", Cell::Integer(_) | Cell::Unsigned(_) | Cell::Real(_)) => {
            real(cell).to_be_bytes().to_vec()
        }
        ("NUMERIC", Cell::Integer(v)) => numeric::bytes(&v.to_string()).ok_or_else(unfit)?,
        ("NUMERIC", Cell::Unsigned(v)) => numeric::bytes(&v.to_string()).ok_or_else(unfit)?,
        ("NUMERIC", Cell::Real(v)) => numeric::bytes(&v.to_string()).ok_or_else(unfit)?,
        ("NUMERIC", Cell::Text(v)) => {
            numeric::bytes(v).ok_or_else(|| format!("`{}` is no decimal number", clip(v)))?
        }
        ("TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" | "citext", Cell::Text(v)) => {
            v.as_bytes().to_vec()
        }
        ("BYTEA", Cell::Bytes(v)) => v.clone(),
        ("JSON", cell) => json(cell)?,
        ("JSONB", cell) => [vec![JSONB], json(cell)?].concat(),
        ("UUID", Cell::Text(v)) => uuid(v).ok_or_else(|| format!("`{}` is no UUID", clip(v)))?,
        ("TIMESTAMPTZ" | "TIMESTAMP" | "DATE", Cell::Text(v)) => time(name, v)?,
        (_, Cell::Text(v)) if matches!(ty.kind(), PgTypeKind::Enum(_)) => v.as_bytes().to_vec(),
        _ => return Err(unfit()),
    })
}

fn fitting<T: TryFrom<i64>>(value: i64, name: &str) -> Result<T, String> {
    T::try_from(value).map_err(|_| format!("{value} does not fit into {name}"))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "who binds a whole number to a float wants the nearest one"
)]
const fn real(cell: &Cell) -> f64 {
    match cell {
        Cell::Integer(v) => *v as f64,
        Cell::Unsigned(v) => *v as f64,
        Cell::Real(v) => *v,
        _ => f64::NAN,
    }
}

/// The value as JSON: a text is a JSON string.
fn json(cell: &Cell) -> Result<Vec<u8>, String> {
    let value = cell::json(cell.clone())?;
    Ok(value.to_string().into_bytes())
}

fn clip(text: &str) -> String {
    text.chars().take(60).collect()
}

fn uuid(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|b| *b != b'-').collect();
    let digit = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let pair = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    (digits.len() == 32)
        .then(|| digits.chunks_exact(2).map(pair).collect())
        .flatten()
}

fn time(name: &str, text: &str) -> Result<Vec<u8>, String> {
    let wrong = |e: jiff::Error| format!("`{}` is no {name}: {e}", clip(text));
    let micros = match name {
        "DATE" => {
            let day: Date = text.parse().map_err(wrong)?;
            let days = (day - date(2000, 1, 1)).get_days();
            return Ok(days.to_be_bytes().to_vec());
        }
        "TIMESTAMP" => {
            let at: DateTime = text.parse().map_err(wrong)?;
            let at = at.to_zoned(TimeZone::UTC).map_err(wrong)?;
            at.timestamp().as_microsecond()
        }
        _ => {
            let at: Timestamp = text.parse().map_err(wrong)?;
            at.as_microsecond()
        }
    };
    Ok((micros - EPOCH * 1_000_000).to_be_bytes().to_vec())
}

/// A value that the server gave.
pub(super) fn cell(raw: &PgValueRef<'_>) -> Result<Cell, String> {
    if raw.is_null() {
        return Ok(Cell::Null);
    }
    if raw.format() != PgValueFormat::Binary {
        return Err("the server gave it as text".to_owned());
    }
    let bytes = raw.as_bytes().map_err(|e| e.to_string())?;
    decode(bytes, &raw.type_info())
}

fn decode(bytes: &[u8], ty: &PgTypeInfo) -> Result<Cell, String> {
    if let PgTypeKind::Domain(of) = ty.kind() {
        return decode(bytes, of);
    }
    let name = ty.name();
    let damaged = || format!("it is no {name}");
    Ok(match name {
        "BOOL" => Cell::Bool(bytes == [1]),
        "INT2" => Cell::Integer(i16::from_be_bytes(array(bytes)?).into()),
        "INT4" => Cell::Integer(i32::from_be_bytes(array(bytes)?).into()),
        "INT8" => Cell::Integer(i64::from_be_bytes(array(bytes)?)),
        "OID" => Cell::Integer(u32::from_be_bytes(array(bytes)?).into()),
        "FLOAT4" => Cell::Real(f32::from_be_bytes(array(bytes)?).into()),
        "FLOAT8" => Cell::Real(f64::from_be_bytes(array(bytes)?)),
        "NUMERIC" => Cell::Text(numeric::text(bytes).ok_or_else(damaged)?),
        "BYTEA" => Cell::Bytes(bytes.to_vec()),
        "JSON" => Cell::Json(serde_json::from_slice(bytes).map_err(|e| e.to_string())?),
        "JSONB" => {
            let json = bytes.strip_prefix(&[JSONB]).ok_or_else(damaged)?;
            Cell::Json(serde_json::from_slice(json).map_err(|e| e.to_string())?)
        }
        "UUID" => Cell::Text(shown_uuid(array(bytes)?)),
        "TIMESTAMPTZ" | "TIMESTAMP" => {
            let micros = i64::from_be_bytes(array(bytes)?);
            Cell::Text(instant(micros, name).ok_or_else(damaged)?)
        }
        "DATE" => {
            let days = i32::from_be_bytes(array(bytes)?);
            Cell::Text(day(days).ok_or_else(damaged)?)
        }
        "VOID" => Cell::Null,
        "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" | "citext" | "\"CHAR\"" => text(bytes)?,
        _ if matches!(ty.kind(), PgTypeKind::Enum(_)) => text(bytes)?,
        _ => {
            return Err(format!(
                "{name} is not handed over: write `::text` behind it, or make JSON of it"
            ));
        }
    })
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], String> {
    let wrong = |_| format!("{N} bytes were expected, and there are {}", bytes.len());
    bytes.try_into().map_err(wrong)
}

fn text(bytes: &[u8]) -> Result<Cell, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    Ok(Cell::Text(text.to_owned()))
}

fn shown_uuid(bytes: [u8; 16]) -> String {
    let digits: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    parts.map(|part| &digits[part]).join("-")
}

/// RFC 3339, in UTC; without a zone for what has none.
fn instant(micros: i64, name: &str) -> Option<String> {
    match micros {
        i64::MAX => return Some("infinity".to_owned()),
        i64::MIN => return Some("-infinity".to_owned()),
        _ => {}
    }
    let since = SignedDuration::from_micros(micros);
    let at = since.checked_add(SignedDuration::from_secs(EPOCH))?;
    let at = Timestamp::from_duration(at).ok()?;
    Some(match name {
        "TIMESTAMP" => at.to_zoned(TimeZone::UTC).datetime().to_string(),
        _ => at.to_string(),
    })
}

fn day(days: i32) -> Option<String> {
    match days {
        i32::MAX => Some("infinity".to_owned()),
        i32::MIN => Some("-infinity".to_owned()),
        _ => {
            let span = jiff::Span::new().try_days(days).ok()?;
            Some(date(2000, 1, 1).checked_add(span).ok()?.to_string())
        }
    }
}
