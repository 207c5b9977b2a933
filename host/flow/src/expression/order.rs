//! jq's order of values. Whoever compares pays for it.

use std::cmp::Ordering;

use jaq_core::ops::Cmp;
use serde_json::{Map, Value};

use super::ExpressionError;
use super::budget::{Budget, of_keys, of_text};
use super::number::Num;
use super::operate::Val;

pub(super) fn holds(
    op: Cmp,
    a: &Val<'_>,
    b: &Val<'_>,
    budget: &mut Budget,
) -> Result<bool, ExpressionError> {
    let order = Order::jaq(budget).vals(a, b)?;
    Ok(match op {
        Cmp::Lt => order.is_lt(),
        Cmp::Le => order.is_le(),
        Cmp::Gt => order.is_gt(),
        Cmp::Ge => order.is_ge(),
        Cmp::Eq => order.is_eq(),
        Cmp::Ne => order.is_ne(),
    })
}

/// jq's order: null, false, true, numbers, strings, arrays, objects.
pub(super) struct Order<'b> {
    budget: &'b mut Budget,
    numbers: fn(Num, Num) -> Ordering,
}

/// How two values stand to each other, unless the budget is spent.
type Ordered = Result<Ordering, ExpressionError>;

impl<'b> Order<'b> {
    /// As jaq has it: two integers exactly, others as floats.
    pub(super) const fn jaq(budget: &'b mut Budget) -> Self {
        Self {
            budget,
            numbers: Num::compare,
        }
    }

    /// All numbers as floats. jaq's order is none that one could sort by: two
    /// different integers may both be equal to one float.
    pub(super) const fn sortable(budget: &'b mut Budget) -> Self {
        Self {
            budget,
            numbers: |a, b| Num::Float(a.float()).compare(Num::Float(b.float())),
        }
    }

    fn vals(&mut self, a: &Val<'_>, b: &Val<'_>) -> Ordered {
        match (a, b) {
            (Val::Num(a), Val::Num(b)) => Ok((self.numbers)(*a, *b)),
            (Val::Json(a), Val::Json(b)) => self.values(a, b),
            (Val::Num(_), Val::Json(b)) => Ok(2.cmp(&rank(b))),
            (Val::Json(a), Val::Num(_)) => Ok(rank(a).cmp(&2)),
        }
    }

    pub(super) fn values(&mut self, a: &Value, b: &Value) -> Ordered {
        self.budget.step(1)?;
        match (a, b) {
            (Value::Bool(a), Value::Bool(b)) => Ok(a.cmp(b)),
            (Value::Number(a), Value::Number(b)) => Ok((self.numbers)(Num::of(a), Num::of(b))),
            (Value::String(a), Value::String(b)) => self.texts(a, b),
            (Value::Array(a), Value::Array(b)) => {
                for (a, b) in a.iter().zip(b) {
                    let order = self.values(a, b)?;
                    if order.is_ne() {
                        return Ok(order);
                    }
                }
                Ok(a.len().cmp(&b.len()))
            }
            (Value::Object(a), Value::Object(b)) => self.objects(a, b),
            _ => Ok(rank(a).cmp(&rank(b))),
        }
    }

    fn texts(&mut self, a: &str, b: &str) -> Ordered {
        self.budget.step(of_text(a).min(of_text(b)))?;
        Ok(a.cmp(b))
    }

    /// By their sorted keys, then by the values in that order.
    fn objects(&mut self, a: &Map<String, Value>, b: &Map<String, Value>) -> Ordered {
        fn sorted(object: &Map<String, Value>) -> Vec<(&String, &Value)> {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            entries
        }
        self.budget.step(of_keys(a.len()))?;
        self.budget.step(of_keys(b.len()))?;
        let (a, b) = (sorted(a), sorted(b));
        for ((a, _), (b, _)) in a.iter().zip(&b) {
            let order = self.texts(a, b)?;
            if order.is_ne() {
                return Ok(order);
            }
        }
        if a.len() != b.len() {
            return Ok(a.len().cmp(&b.len()));
        }
        for ((_, a), (_, b)) in a.iter().zip(&b) {
            let order = self.values(a, b)?;
            if order.is_ne() {
                return Ok(order);
            }
        }
        Ok(Ordering::Equal)
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
