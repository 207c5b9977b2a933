//! What a YAML scalar without quotes means, by the core schema of YAML 1.2.

use std::borrow::Cow;

use serde_json::Value;

use super::diagnostic::{Code, Diagnostic, Position};
use super::yaml::wrong;

/// A scalar without quotes, by the core schema (YAML 1.2.2, 10.3.2).
pub(super) fn plain(text: Cow<'_, str>, at: Position) -> Result<Value, Diagnostic> {
    Ok(match &*text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF"
        | "-.inf" | "-.Inf" | "-.INF" => {
            return Err(wrong(
                Code::InvalidValue,
                at,
                format!("`{text}` is no number that JSON has"),
            ));
        }
        _ => match number(&text) {
            Some(Some(number)) => Value::Number(number),
            Some(None) => {
                let text: String = text.chars().take(40).collect();
                return Err(wrong(
                    Code::InvalidValue,
                    at,
                    format!("the number `{text}` is too large"),
                ));
            }
            None => Value::String(text.into_owned()),
        },
    })
}

/// Outer none: it is no number. Inner none: JSON has no such number.
fn number(text: &str) -> Option<Option<serde_json::Number>> {
    let based = |digits: &str, radix: u32| {
        let valid = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        valid.then(|| u64::from_str_radix(digits, radix).ok().map(Into::into))
    };
    if let Some(digits) = text.strip_prefix("0o") {
        return based(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return based(digits, 16);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        None => (unsigned, None),
        Some((mantissa, exponent)) => (
            mantissa,
            Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)),
        ),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        None => (mantissa, None),
        Some((whole, fraction)) => (whole, Some(fraction)),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let shaped = digits(whole)
        && digits(fraction.unwrap_or_default())
        && !(whole.is_empty() && fraction.unwrap_or_default().is_empty())
        && exponent.is_none_or(|e| !e.is_empty() && digits(e));
    if !shaped {
        return None;
    }
    if exponent.is_none() && fraction.is_none() {
        let text = text.strip_prefix('+').unwrap_or(text);
        if let Ok(int) = text.parse::<i64>() {
            return Some(Some(int.into()));
        }
        if let Ok(int) = text.parse::<u64>() {
            return Some(Some(int.into()));
        }
    }
    Some(
        text.parse::<f64>()
            .ok()
            .and_then(serde_json::Number::from_f64),
    )
}
