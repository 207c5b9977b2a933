//! The record against the rules.

use nebula_sdk::Map;
use nebula_sdk::prelude::*;

use super::email;
use super::rules::{Limits, Range};
use super::{Problem, Rule};

/// What is checked, in this order.
const FIELDS: [&str; 6] = ["email", "name", "username", "password", "phone", "age"];

/// A name shorter than this may be a part of a password by chance.
const TELLING: usize = 4;

type Checked = std::result::Result<(), (Rule, String)>;

/// Everything that is wrong with the record; a field that is wrong in several
/// ways is there once.
pub(super) fn problems(record: &Map<String, Value>, limits: &Limits<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut note = |field: &str, checked: Checked| {
        if let Err((rule, message)) = checked {
            problems.push(Problem {
                field: field.to_owned(),
                rule,
                message,
            });
        }
    };
    let mut required = vec!["email"];
    required.extend(limits.require.iter().map(String::as_str));
    required.sort_unstable();
    required.dedup();
    for field in required {
        note(field, there(record, field));
    }
    for field in FIELDS {
        // What is missing is noted above, if it must not be.
        if there(record, field).is_ok() {
            note(field, check(field, record, limits));
        }
    }
    problems
}

fn check(field: &str, record: &Map<String, Value>, limits: &Limits<'_>) -> Checked {
    let value = &record[field];
    match field {
        "email" => address(text(value)?),
        "name" => name(text(value)?, limits.name),
        "username" => username(text(value)?, limits.username),
        "password" => password(text(value)?, limits, record),
        "phone" => phone(text(value)?),
        "age" => age(value, limits.age),
        _ => Ok(()),
    }
}

fn there(record: &Map<String, Value>, field: &str) -> Checked {
    match record.get(field) {
        None | Some(Value::Null) => Err((Rule::Required, "is missing".to_owned())),
        Some(Value::String(text)) if text.is_empty() => {
            Err((Rule::Required, "is empty".to_owned()))
        }
        Some(_) => Ok(()),
    }
}

fn text(value: &Value) -> std::result::Result<&str, (Rule, String)> {
    value
        .as_str()
        .ok_or_else(|| (Rule::Type, "is not a text".to_owned()))
}

fn address(text: &str) -> Checked {
    email::check(text).map_err(|why| (Rule::Format, why.to_owned()))
}

fn name(text: &str, length: Range) -> Checked {
    if text.chars().any(char::is_control) {
        return Err((Rule::Format, "has control characters".to_owned()));
    }
    if text.trim() != text {
        return Err((Rule::Format, "begins or ends with a space".to_owned()));
    }
    long_enough(text, length)
}

fn username(text: &str, length: Range) -> Checked {
    let inner = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) || !text.chars().all(inner) {
        let message = "begins with a letter or digit of ASCII and has only these, `.`, `_` and `-`";
        return Err((Rule::Format, message.to_owned()));
    }
    long_enough(text, length)
}

fn password(text: &str, limits: &Limits<'_>, record: &Map<String, Value>) -> Checked {
    long_enough(text, limits.password)?;
    let kinds = kinds(text);
    if kinds < limits.password_kinds {
        return Err((
            Rule::Strength,
            format!(
                "has {kinds} kinds of characters (lower case, upper case, digits, others), at least {} are needed",
                limits.password_kinds
            ),
        ));
    }
    let lower = text.to_lowercase();
    for field in ["email", "username", "name"] {
        let known = record
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default();
        let known = known.split('@').next().unwrap_or_default().to_lowercase();
        if known.chars().count() >= TELLING && lower.contains(&known) {
            return Err((Rule::Strength, format!("contains the {field}")));
        }
    }
    Ok(())
}

fn kinds(text: &str) -> u32 {
    let kinds: [fn(char) -> bool; 4] = [
        char::is_lowercase,
        char::is_uppercase,
        char::is_numeric,
        |c| !c.is_lowercase() && !c.is_uppercase() && !c.is_numeric(),
    ];
    kinds
        .into_iter()
        .map(|kind| u32::from(text.contains(kind)))
        .sum()
}

/// As ITU-T E.164 has it: `+`, a country code, at most 15 digits in all.
fn phone(text: &str) -> Checked {
    let digits = text.strip_prefix('+').unwrap_or_default();
    let fits = (7..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    if fits {
        Ok(())
    } else {
        let message = "is not a phone number such as `+4930123456`: `+`, then 7 to 15 digits";
        Err((Rule::Format, message.to_owned()))
    }
}

fn age(value: &Value, years: Range) -> Checked {
    if !value.is_number() {
        return Err((Rule::Type, "is not a number".to_owned()));
    }
    let whole = value.as_u64().or_else(|| whole(value.as_f64()?));
    if whole.is_some_and(|age| years.holds(age)) {
        return Ok(());
    }
    Err((
        Rule::Range,
        format!("is not a whole number from {} to {}", years.0, years.1),
    ))
}

/// A number such as `30.0`, which is what some senders make of `30`.
fn whole(number: f64) -> Option<u64> {
    let small = (0..=u32::from(u8::MAX)).find(|whole| f64::from(*whole) == number)?;
    Some(u64::from(small))
}

fn long_enough(text: &str, length: Range) -> Checked {
    let characters = text.chars().count() as u64;
    if length.holds(characters) {
        return Ok(());
    }
    Err((
        Rule::Length,
        format!(
            "has {characters} characters, {} to {} are needed",
            length.0, length.1
        ),
    ))
}
