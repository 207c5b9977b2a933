//! Values in the binary format of MySQL and MariaDB
//! (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html>).
//! What has no place in MessagePack is a text: exact numbers and times.

use sqlx::mysql::{MySql, MySqlArguments, MySqlTypeInfo, MySqlValueRef};
use sqlx::{Arguments, Decode, Type, TypeInfo, ValueRef};

use super::super::cell::Cell;

/// Adds the value of a parameter. Of which type the server takes it is the value's: the
/// server does not say what it asks for.
pub(super) fn bind(arguments: &mut MySqlArguments, cell: &Cell) -> Result<(), String> {
    let added = match cell {
        Cell::Null => arguments.add(None::<&str>),
        Cell::Bool(v) => arguments.add(*v),
        Cell::Integer(v) => arguments.add(*v),
        Cell::Unsigned(v) => arguments.add(*v),
        Cell::Real(v) if !v.is_finite() => return Err(format!("{v} is no number here")),
        Cell::Real(v) => arguments.add(*v),
        Cell::Text(v) => arguments.add(v.as_str()),
        Cell::Bytes(v) => arguments.add(v.as_slice()),
        Cell::Json(v) => arguments.add(v.to_string()),
    };
    added.map_err(|e| e.to_string())
}

/// A value that the server gave.
pub(super) fn cell(raw: &MySqlValueRef<'_>) -> Result<Cell, String> {
    if raw.is_null() {
        return Ok(Cell::Null);
    }
    let bytes = <&[u8] as Decode<MySql>>::decode(raw.clone()).map_err(|e| e.to_string())?;
    decode(bytes, &raw.type_info())
}

fn decode(bytes: &[u8], ty: &MySqlTypeInfo) -> Result<Cell, String> {
    let name = ty.name();
    let damaged = || format!("it is no {name}");
    Ok(match name {
        "BOOLEAN" => boolean(array(bytes)?, *ty == <u8 as Type<MySql>>::type_info()),
        "TINYINT" => Cell::Integer(i8::from_le_bytes(array(bytes)?).into()),
        "TINYINT UNSIGNED" => Cell::Integer(u8::from_le_bytes(array(bytes)?).into()),
        "SMALLINT" => Cell::Integer(i16::from_le_bytes(array(bytes)?).into()),
        "SMALLINT UNSIGNED" | "YEAR" => Cell::Integer(u16::from_le_bytes(array(bytes)?).into()),
        "INT" | "MEDIUMINT" => Cell::Integer(i32::from_le_bytes(array(bytes)?).into()),
        "INT UNSIGNED" | "MEDIUMINT UNSIGNED" => {
            Cell::Integer(u32::from_le_bytes(array(bytes)?).into())
        }
        "BIGINT" => Cell::Integer(i64::from_le_bytes(array(bytes)?)),
        "BIGINT UNSIGNED" => Cell::whole(u64::from_le_bytes(array(bytes)?)),
        "BIT" => bits(bytes).ok_or_else(damaged)?,
        "FLOAT" => Cell::Real(f32::from_le_bytes(array(bytes)?).into()),
        "DOUBLE" => Cell::Real(f64::from_le_bytes(array(bytes)?)),
        "DATE" => Cell::Text(date(bytes).ok_or_else(damaged)?),
        "DATETIME" | "TIMESTAMP" => Cell::Text(instant(bytes).ok_or_else(damaged)?),
        "TIME" => Cell::Text(time(bytes).ok_or_else(damaged)?),
        "JSON" => Cell::Json(serde_json::from_slice(bytes).map_err(|e| e.to_string())?),
        "DECIMAL" | "SET" => text(bytes)?,
        "NULL" => Cell::Null,
        _ if <str as Type<MySql>>::compatible(ty) => text(bytes)?,
        _ if <[u8] as Type<MySql>>::compatible(ty) => Cell::Bytes(bytes.to_vec()),
        _ => {
            return Err(format!(
                "{name} is not handed over: make a text of it, e.g. by ST_AsText(…)"
            ));
        }
    })
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], String> {
    let wrong = |_| format!("{N} bytes were expected, and there are {}", bytes.len());
    bytes.try_into().map_err(wrong)
}

/// `BOOLEAN` is a word for `TINYINT(1)`, in which other numbers fit too.
fn boolean([byte]: [u8; 1], is_unsigned: bool) -> Cell {
    match byte {
        0 | 1 => Cell::Bool(byte == 1),
        byte if is_unsigned => Cell::Integer(byte.into()),
        byte => Cell::Integer(byte.cast_signed().into()),
    }
}

/// Up to 64 of them, the first byte the highest.
fn bits(bytes: &[u8]) -> Option<Cell> {
    let number = bytes.iter().fold(0, |n: u64, b| n << 8 | u64::from(*b));
    (bytes.len() <= 8).then(|| Cell::whole(number))
}

fn text(bytes: &[u8]) -> Result<Cell, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    Ok(Cell::Text(text.to_owned()))
}

/// What follows the byte that says how long it is.
fn counted(bytes: &[u8]) -> Option<&[u8]> {
    let (len, rest) = bytes.split_first()?;
    (usize::from(*len) == rest.len()).then_some(rest)
}

fn date(bytes: &[u8]) -> Option<String> {
    let [low, high, month, day, ..] = *counted(bytes)? else {
        return None;
    };
    let year = u16::from_le_bytes([low, high]);
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

/// RFC 3339 without a zone: sessions are in UTC.
fn instant(bytes: &[u8]) -> Option<String> {
    let time = match *counted(bytes)?.get(4..)? {
        [] => clock(0, 0, 0, 0),
        [hour, minute, second] => clock(hour.into(), minute, second, 0),
        [hour, minute, second, a, b, c, d] => {
            let micros = u32::from_le_bytes([a, b, c, d]);
            clock(hour.into(), minute, second, micros)
        }
        _ => return None,
    };
    Some(format!("{}T{time}", date(bytes)?))
}

/// A length of time, up to 838 hours.
fn time(bytes: &[u8]) -> Option<String> {
    let (sign, days, hour, minute, second, micros) = match *counted(bytes)? {
        [] => (0, [0; 4], 0, 0, 0, 0),
        [sign, a, b, c, d, hour, minute, second] => (sign, [a, b, c, d], hour, minute, second, 0),
        [sign, a, b, c, d, hour, minute, second, e, f, g, h] => {
            let micros = u32::from_le_bytes([e, f, g, h]);
            (sign, [a, b, c, d], hour, minute, second, micros)
        }
        _ => return None,
    };
    let hours = u32::from_le_bytes(days).checked_mul(24)?;
    let hours = hours.checked_add(hour.into())?;
    let sign = if sign == 0 { "" } else { "-" };
    Some(format!("{sign}{}", clock(hours, minute, second, micros)))
}

fn clock(hours: u32, minute: u8, second: u8, micros: u32) -> String {
    let whole = format!("{hours:02}:{minute:02}:{second:02}");
    match micros {
        0 => whole,
        micros => format!("{whole}.{micros:06}")
            .trim_end_matches('0')
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_texts() {
        assert_eq!(date(&[4, 0xea, 7, 2, 3]).as_deref(), Some("2026-02-03"));
        let at = [7, 0xea, 7, 2, 3, 4, 5, 6];
        assert_eq!(instant(&at).as_deref(), Some("2026-02-03T04:05:06"));
        let midnight = [4, 0xea, 7, 2, 3];
        assert_eq!(instant(&midnight).as_deref(), Some("2026-02-03T00:00:00"));
        let fine = [11, 0xea, 7, 2, 3, 4, 5, 6, 0x20, 0xa1, 7, 0];
        assert_eq!(instant(&fine).as_deref(), Some("2026-02-03T04:05:06.5"));
        assert_eq!(time(&[0]).as_deref(), Some("00:00:00"));
        let long = [12, 1, 34, 0, 0, 0, 22, 59, 59, 1, 0, 0, 0];
        assert_eq!(time(&long).as_deref(), Some("-838:59:59.000001"));
        for damaged in [&[][..], &[4, 1], &[1, 1], &[5, 0, 0, 1, 1, 1]] {
            assert_eq!(
                (instant(damaged), time(damaged)),
                (None, None),
                "{damaged:?}"
            );
        }
        let endless = [8, 0, 255, 255, 255, 255, 0, 0, 0];
        assert_eq!(time(&endless), None);
    }

    #[test]
    fn numbers_keep_what_they_are() {
        assert_eq!(boolean([1], false), Cell::Bool(true));
        assert_eq!(boolean([255], false), Cell::Integer(-1));
        assert_eq!(boolean([255], true), Cell::Integer(255));
        assert_eq!(bits(&[1]), Some(Cell::Integer(1)));
        assert_eq!(bits(&[1, 0]), Some(Cell::Integer(256)));
        assert_eq!(bits(&[0xff; 8]), Some(Cell::Unsigned(u64::MAX)));
        assert_eq!(bits(&[0; 9]), None);
    }
}
