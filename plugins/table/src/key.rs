//! What a row is found by.

use nebula_sdk::prelude::*;

use crate::columns::Row;

/// The largest integer up to which every integer is a floating-point number too.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// One part of a key. Equal parts are equal values: `1` is `1.0`, and not `"1"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part<'a> {
    Bool(bool),
    Integer(i128),
    /// By its bits.
    Float(u64),
    Text(&'a str),
}

/// The key of a row: its values in these columns. None if one of them is null or
/// not there: such a row matches nothing, as in SQL.
///
/// # Errors
/// [`ActionError::InvalidInput`] with the place, when one is a list or an object.
pub(crate) fn key<'a>(
    table: &str,
    index: usize,
    row: &'a Row,
    columns: &[String],
) -> Result<Option<Vec<Part<'a>>>> {
    let mut parts = Vec::with_capacity(columns.len());
    for column in columns {
        parts.push(match row.get(column) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Bool(value)) => Part::Bool(*value),
            Some(Value::String(text)) => Part::Text(text),
            Some(number @ Value::Number(_)) => number_part(number),
            Some(Value::Array(_) | Value::Object(_)) => {
                return Err(ActionError::invalid_input(format!(
                    "{table}[{index}].{column}: a key is a text, a number or a bool"
                )));
            }
        });
    }
    Ok(Some(parts))
}

fn number_part(number: &Value) -> Part<'static> {
    let unsigned = number.as_u64().map(i128::from);
    if let Some(integer) = number.as_i64().map(i128::from).or(unsigned) {
        return Part::Integer(integer);
    }
    let float = number.as_f64().unwrap_or(f64::NAN);
    if float.fract() == 0.0 && float.abs() <= EXACT {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is an integer of 54 bits"
        )]
        return Part::Integer(i128::from(float as i64));
    }
    Part::Float(float.to_bits())
}
