//! JSON values to jaq's and back.

use std::rc::Rc;

use jaq_json::{Num, Val};
use nebula_sdk::prelude::*;

/// A JSON value as jaq has it.
pub(super) fn to_jq(value: Value) -> Val {
    match value {
        Value::Null => Val::Null,
        Value::Bool(v) => Val::Bool(v),
        Value::Number(v) => Val::Num(match (v.as_i64(), v.as_u64()) {
            (Some(v), _) => Num::from_integral(v),
            (_, Some(v)) => Num::from_integral(v),
            _ => Num::Float(v.as_f64().unwrap_or(f64::NAN)),
        }),
        Value::String(v) => Val::utf8_str(v),
        Value::Array(v) => Val::Arr(Rc::new(v.into_iter().map(to_jq).collect())),
        Value::Object(v) => Val::obj(
            v.into_iter()
                .map(|(key, value)| (Val::utf8_str(key), to_jq(value)))
                .collect(),
        ),
    }
}

/// jaq's value as JSON: an integer that does not fit 64 bits is a float.
///
/// # Errors
/// For what JSON does not have: numbers that are not finite, keys that are no text.
pub(super) fn from_jq(value: &Val) -> Result<Value> {
    Ok(match value {
        Val::Null => Value::Null,
        Val::Bool(v) => Value::Bool(*v),
        Val::Num(v) => number(v)?,
        Val::TStr(v) | Val::BStr(v) => text(v),
        Val::Arr(items) => Value::Array(items.iter().map(from_jq).collect::<Result<_>>()?),
        Val::Obj(entries) => {
            let mut object = nebula_sdk::Map::new();
            for (key, value) in entries.iter() {
                let (Val::TStr(key) | Val::BStr(key)) = key else {
                    return Err(ActionError::permanent(format!(
                        "the key {key} of an object is not text"
                    )));
                };
                object.insert(String::from_utf8_lossy(key).into_owned(), from_jq(value)?);
            }
            Value::Object(object)
        }
    })
}

fn text(bytes: &[u8]) -> Value {
    Value::String(String::from_utf8_lossy(bytes).into_owned())
}

fn number(number: &Num) -> Result<Value> {
    match number {
        Num::Int(v) => Ok(Value::from(*v as i64)),
        Num::Float(v) => float(*v),
        Num::BigInt(v) => digits(&v.to_string()),
        Num::Dec(v) => digits(v),
    }
}

/// JSON has neither infinities nor NaN; a silent null would hide a division by zero.
fn float(number: f64) -> Result<Value> {
    if number.is_finite() {
        return Ok(Value::from(number));
    }
    Err(ActionError::permanent(
        "the result is not a finite number: was something divided by zero?",
    ))
}

fn digits(text: &str) -> Result<Value> {
    let integer = text
        .parse::<i64>()
        .map(Value::from)
        .or_else(|_| text.parse::<u64>().map(Value::from));
    match integer {
        Ok(integer) => Ok(integer),
        Err(_) => float(text.parse().unwrap_or(f64::NAN)),
    }
}
