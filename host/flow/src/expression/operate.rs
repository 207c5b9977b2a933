//! jq's order and operators on JSON values.

use std::borrow::Cow;
use std::cmp::Ordering;

use jaq_core::ops::{Cmp, Math};
use serde_json::{Map, Value};

use super::ExpressionError;
use super::number::Num;
use super::reference::Segment;
use crate::payload::MAX_PAYLOAD;

/// A value in evaluation: borrowed from the scope as long as nothing changes
/// it. `Json` never holds a number.
#[derive(Debug, Clone)]
pub(super) enum Val<'a> {
    Num(Num),
    Json(Cow<'a, Value>),
}

impl<'a> Val<'a> {
    pub(super) fn borrowed(value: &'a Value) -> Self {
        match value {
            Value::Number(number) => Self::Num(Num::of(number)),
            other => Self::Json(Cow::Borrowed(other)),
        }
    }

    pub(super) fn owned(value: Value) -> Self {
        match value {
            Value::Number(number) => Self::Num(Num::of(&number)),
            other => Self::Json(Cow::Owned(other)),
        }
    }

    pub(super) fn null() -> Self {
        Self::owned(Value::Null)
    }

    pub(super) fn truthy(&self) -> bool {
        !matches!(self, Self::Json(json) if matches!(**json, Value::Null | Value::Bool(false)))
    }

    pub(super) fn into_value(self) -> Result<Value, ExpressionError> {
        match self {
            Self::Json(json) => Ok(json.into_owned()),
            Self::Num(number) => number.into_value().ok_or_else(|| {
                ExpressionError::new("the result is not a finite number")
                    .hint("was something divided by zero?")
            }),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Num(_) => "a number",
            Self::Json(json) => kind(json),
        }
    }

    /// One step of a path.
    pub(super) fn index(self, segment: &Segment) -> Result<Self, ExpressionError> {
        let wrong = |kind: &str| {
            Err(match segment {
                Segment::Key(key) => ExpressionError::new(format!("{kind} has no field `{key}`")),
                Segment::Index(index) => {
                    ExpressionError::new(format!("{kind} has no item {index}"))
                }
            })
        };
        let json = match self {
            Self::Num(_) => return wrong("a number"),
            Self::Json(json) => json,
        };
        Ok(match (json, segment) {
            (Cow::Borrowed(value), segment) => match step(value, segment) {
                Some(child) => child.map_or_else(Self::null, Self::borrowed),
                None => return wrong(kind(value)),
            },
            (Cow::Owned(Value::Object(mut object)), Segment::Key(key)) => {
                object.swap_remove(key).map_or_else(Self::null, Self::owned)
            }
            (Cow::Owned(value), segment) => match step(&value, segment) {
                Some(child) => child.map_or_else(Self::null, |child| Self::owned(child.clone())),
                None => return wrong(kind(&value)),
            },
        })
    }
}

/// The inner none: there is no such child, which reads as null. The outer
/// none: such a value has no children of this sort.
fn step<'v>(value: &'v Value, segment: &Segment) -> Option<Option<&'v Value>> {
    Some(match (value, segment) {
        (Value::Null, _) => None,
        (Value::Object(object), Segment::Key(key)) => object.get(key),
        // jq proper errs here; jaq, which the sandbox runs, finds nothing.
        (Value::Object(_), Segment::Index(_)) => None,
        (Value::Array(array), Segment::Index(index)) => {
            let from_end = usize::try_from(index.unsigned_abs()).ok();
            let place = if *index < 0 {
                from_end.and_then(|n| array.len().checked_sub(n))
            } else {
                from_end
            };
            place.and_then(|place| array.get(place))
        }
        _ => return None,
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

// ---------------------------------------------------------------- order --

/// jq's order: null, false, true, numbers, strings, arrays, objects.
pub(super) fn compare(a: &Val<'_>, b: &Val<'_>) -> Ordering {
    match (a, b) {
        (Val::Num(a), Val::Num(b)) => a.compare(*b),
        (Val::Json(a), Val::Json(b)) => compare_values(a, b),
        (Val::Num(_), Val::Json(b)) => 2.cmp(&rank(b)),
        (Val::Json(a), Val::Num(_)) => rank(a).cmp(&2),
    }
}

pub(super) fn holds(op: Cmp, a: &Val<'_>, b: &Val<'_>) -> bool {
    let order = compare(a, b);
    match op {
        Cmp::Lt => order.is_lt(),
        Cmp::Le => order.is_le(),
        Cmp::Gt => order.is_gt(),
        Cmp::Ge => order.is_ge(),
        Cmp::Eq => order.is_eq(),
        Cmp::Ne => order.is_ne(),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

fn compare_values(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => Num::of(a).compare(Num::of(b)),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let first = a
                .iter()
                .zip(b)
                .map(|(a, b)| compare_values(a, b))
                .find(|order| order.is_ne());
            first.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => compare_objects(a, b),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// By their sorted keys, then by the values in that order.
fn compare_objects(a: &Map<String, Value>, b: &Map<String, Value>) -> Ordering {
    fn sorted(object: &Map<String, Value>) -> Vec<(&String, &Value)> {
        let mut entries: Vec<_> = object.iter().collect();
        entries.sort_by_key(|(key, _)| *key);
        entries
    }
    let (a, b) = (sorted(a), sorted(b));
    let keys = a
        .iter()
        .map(|(key, _)| key)
        .cmp(b.iter().map(|(key, _)| key));
    keys.then_with(|| {
        let values = a
            .iter()
            .zip(&b)
            .map(|((_, a), (_, b))| compare_values(a, b));
        values
            .into_iter()
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    })
}

// ------------------------------------------------------------ operators --

/// How much one evaluation may build, so that no expression can make the host
/// hold more than a few payloads.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self {
            left: 4 * MAX_PAYLOAD,
        }
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<(), ExpressionError> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            ExpressionError::new("the expression builds too large a value")
                .hint("use a node with the action `transform.jq`")
        })?;
        Ok(())
    }

    fn copy(&mut self, value: &Val<'_>) -> Result<(), ExpressionError> {
        match value {
            Val::Num(_) => Ok(()),
            Val::Json(json) => self.take(weight(json)),
        }
    }
}

/// About how many bytes a value has as MessagePack, never more.
pub(crate) fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) => 1 + text.len(),
        Value::Array(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::Object(entries) => {
            1 + entries
                .iter()
                .map(|(k, v)| 1 + k.len() + weight(v))
                .sum::<usize>()
        }
    }
}

pub(super) fn math<'a>(
    op: Math,
    a: Val<'a>,
    b: Val<'a>,
    budget: &mut Budget,
) -> Result<Val<'a>, ExpressionError> {
    if let (Val::Num(a), Val::Num(b)) = (&a, &b) {
        let (a, b) = (*a, *b);
        return Ok(Val::Num(match op {
            Math::Add => a.add(b),
            Math::Sub => a.subtract(b),
            Math::Mul => a.multiply(b),
            Math::Div => a.divide(b),
            Math::Rem => a.remainder(b).ok_or_else(|| {
                ExpressionError::new("an integer cannot be divided by zero with `%`")
            })?,
        }));
    }
    if op == Math::Add {
        match (&a, &b) {
            (Val::Json(null), _) if null.is_null() => return Ok(b),
            (_, Val::Json(null)) if null.is_null() => return Ok(a),
            _ => {}
        }
    }
    budget.copy(&a)?;
    budget.copy(&b)?;
    let wrong = ExpressionError::new(format!(
        "`{}` is not possible between {} and {}",
        op.as_str(),
        a.kind(),
        b.kind()
    ));
    let value = match (a, b) {
        (Val::Json(a), Val::Json(b)) => combine(op, a.into_owned(), b.into_owned()),
        (Val::Json(text), Val::Num(times)) | (Val::Num(times), Val::Json(text))
            if op == Math::Mul =>
        {
            repeat(&text, times, budget)?
        }
        _ => None,
    };
    value.map(Val::owned).ok_or(wrong)
}

fn combine(op: Math, a: Value, b: Value) -> Option<Value> {
    Some(match (op, a, b) {
        (Math::Add, Value::String(a), Value::String(b)) => Value::String(a + &b),
        (Math::Add, Value::Array(mut a), Value::Array(b)) => {
            a.extend(b);
            Value::Array(a)
        }
        (Math::Add, Value::Object(mut a), Value::Object(b)) => {
            a.extend(b);
            Value::Object(a)
        }
        (Math::Sub, Value::Array(mut a), Value::Array(mut b)) => {
            b.sort_by(compare_values);
            a.retain(|item| {
                b.binary_search_by(|other| compare_values(other, item))
                    .is_err()
            });
            Value::Array(a)
        }
        (Math::Mul, Value::Object(mut a), Value::Object(b)) => {
            merge(&mut a, b);
            Value::Object(a)
        }
        (Math::Div, Value::String(a), Value::String(b)) => split(&a, &b),
        _ => return None,
    })
}

fn merge(a: &mut Map<String, Value>, b: Map<String, Value>) {
    for (key, value) in b {
        match (a.get_mut(&key), value) {
            (Some(Value::Object(a)), Value::Object(b)) => merge(a, b),
            (_, value) => {
                a.insert(key, value);
            }
        }
    }
}

fn split(text: &str, separator: &str) -> Value {
    if text.is_empty() {
        Value::Array(Vec::new())
    } else if separator.is_empty() {
        text.chars().map(|c| Value::String(c.into())).collect()
    } else {
        text.split(separator)
            .map(|part| Value::String(part.to_owned()))
            .collect()
    }
}

fn repeat(text: &Value, times: Num, budget: &mut Budget) -> Result<Option<Value>, ExpressionError> {
    let (Value::String(text), Num::Int(times)) = (text, times) else {
        return Ok(None);
    };
    if times <= 0 {
        return Ok(Some(Value::Null));
    }
    if text.is_empty() {
        return Ok(Some(Value::String(String::new())));
    }
    let times = usize::try_from(times).unwrap_or(usize::MAX);
    budget.take(text.len().saturating_mul(times))?;
    Ok(Some(Value::String(text.repeat(times))))
}
