//! jq's operators on JSON values.

use std::borrow::Cow;
use std::cmp::Ordering;

use jaq_core::ops::Math;
use serde_json::{Map, Value};

use super::ExpressionError;
use super::budget::Budget;
use super::number::Num;
use super::order::Order;
use super::reference::Segment;

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

// ------------------------------------------------------------ operators --

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
    for value in [&a, &b] {
        if let Val::Json(json) = value {
            budget.copy(json)?;
        }
    }
    let wrong = ExpressionError::new(format!(
        "`{}` is not possible between {} and {}",
        op.as_str(),
        a.kind(),
        b.kind()
    ));
    let value = match (a, b) {
        (Val::Json(a), Val::Json(b)) => combine(op, a.into_owned(), b.into_owned(), budget)?,
        (Val::Json(text), Val::Num(times)) | (Val::Num(times), Val::Json(text))
            if op == Math::Mul =>
        {
            repeat(&text, times, budget)?
        }
        _ => None,
    };
    value.map(Val::owned).ok_or(wrong)
}

fn combine(
    op: Math,
    a: Value,
    b: Value,
    budget: &mut Budget,
) -> Result<Option<Value>, ExpressionError> {
    Ok(Some(match (op, a, b) {
        (Math::Add, Value::String(a), Value::String(b)) => Value::String(a + &b),
        (Math::Add, Value::Array(mut a), Value::Array(b)) => {
            a.extend(b);
            Value::Array(a)
        }
        (Math::Add, Value::Object(mut a), Value::Object(b)) => {
            a.extend(b);
            Value::Object(a)
        }
        (Math::Sub, Value::Array(a), Value::Array(b)) => Value::Array(without(a, b, budget)?),
        (Math::Mul, Value::Object(mut a), Value::Object(b)) => {
            merge(&mut a, b);
            Value::Object(a)
        }
        (Math::Div, Value::String(a), Value::String(b)) => split(&a, &b, budget)?,
        _ => return Ok(None),
    }))
}

/// The items of one list that are equal to none of the other.
fn without(
    items: Vec<Value>,
    mut others: Vec<Value>,
    budget: &mut Budget,
) -> Result<Vec<Value>, ExpressionError> {
    let times = 1 + others.len().checked_ilog2().unwrap_or(0) as usize;
    for value in others.iter().chain(&items) {
        budget.compare(value, times)?;
    }
    let mut paid = Budget::paid();
    let mut order = |a: &Value, b: &Value| {
        // What was paid for is not refused.
        let order = Order::sortable(&mut paid).values(a, b);
        order.unwrap_or(Ordering::Equal)
    };
    others.sort_by(&mut order);
    let mut kept = Vec::new();
    'items: for item in items {
        let first = others.partition_point(|other| order(other, &item).is_lt());
        for other in &others[first..] {
            if order(other, &item).is_ne() {
                break;
            }
            if Order::jaq(budget).values(other, &item)?.is_eq() {
                continue 'items;
            }
        }
        kept.push(item);
    }
    Ok(kept)
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

fn split(text: &str, separator: &str, budget: &mut Budget) -> Result<Value, ExpressionError> {
    if text.is_empty() {
        return Ok(Value::Array(Vec::new()));
    }
    // A short text has memory of its own beside the value's.
    let pieces = if separator.is_empty() {
        text.chars().count()
    } else {
        1 + text.matches(separator).count()
    };
    budget.build(pieces.saturating_mul(size_of::<Value>() + 16))?;
    Ok(if separator.is_empty() {
        text.chars().map(|c| Value::String(c.into())).collect()
    } else {
        text.split(separator)
            .map(|part| Value::String(part.to_owned()))
            .collect()
    })
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
    budget.build(text.len().saturating_mul(times))?;
    Ok(Some(Value::String(text.repeat(times))))
}
