//! jq's numbers: integers stay exact, everything else is a 64-bit float.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// A number in evaluation. A float may be infinite or undefined in between.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Num {
    Int(i128),
    Float(f64),
}

impl Num {
    pub(super) fn of(number: &Number) -> Self {
        if let Some(int) = number.as_i64() {
            Self::Int(int.into())
        } else if let Some(int) = number.as_u64() {
            Self::Int(int.into())
        } else {
            Self::Float(number.as_f64().unwrap_or(f64::NAN))
        }
    }

    /// A literal of an expression, if it is within what is evaluated here.
    pub(super) fn literal(text: &str) -> Option<Self> {
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return text.parse().ok().map(Self::Int);
        }
        text.parse().ok().map(Self::Float)
    }

    /// As JSON; none when it is infinite or undefined.
    pub(super) fn into_value(self) -> Option<Value> {
        match self {
            Self::Int(int) => Some(match (i64::try_from(int), u64::try_from(int)) {
                (Ok(int), _) => int.into(),
                (_, Ok(int)) => int.into(),
                _ => Number::from_f64(self.float()).map(Value::Number)?,
            }),
            Self::Float(float) => Number::from_f64(float).map(Value::Number),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "jq rounds integers to floats like this"
    )]
    pub(super) const fn float(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Float(float) => float,
        }
    }

    /// Exact for two integers, unless they leave 128 bits.
    fn exact(
        self,
        other: Self,
        int: impl FnOnce(i128, i128) -> Option<i128>,
        float: impl FnOnce(f64, f64) -> f64,
    ) -> Self {
        if let (Self::Int(a), Self::Int(b)) = (self, other)
            && let Some(exact) = int(a, b)
        {
            return Self::Int(exact);
        }
        Self::Float(float(self.float(), other.float()))
    }

    pub(super) fn add(self, other: Self) -> Self {
        self.exact(other, i128::checked_add, |a, b| a + b)
    }

    pub(super) fn subtract(self, other: Self) -> Self {
        self.exact(other, i128::checked_sub, |a, b| a - b)
    }

    pub(super) fn multiply(self, other: Self) -> Self {
        self.exact(other, i128::checked_mul, |a, b| a * b)
    }

    pub(super) fn divide(self, other: Self) -> Self {
        Self::Float(self.float() / other.float())
    }

    /// None for a division of integers by zero.
    pub(super) fn remainder(self, other: Self) -> Option<Self> {
        if let (Self::Int(_), Self::Int(0)) = (self, other) {
            return None;
        }
        Some(self.exact(
            other,
            |a, b| Some(a.checked_rem(b).unwrap_or(0)),
            |a, b| a % b,
        ))
    }

    pub(super) fn negate(self) -> Self {
        match self {
            Self::Int(int) => int
                .checked_neg()
                .map_or_else(|| Self::Float(-self.float()), Self::Int),
            Self::Float(float) => Self::Float(-float),
        }
    }

    pub(super) fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(&b),
            _ => compare_floats(self.float(), other.float()),
        }
    }
}

/// jq's order: the zeros are equal, and what is undefined is smaller than
/// everything, itself included.
fn compare_floats(a: f64, b: f64) -> Ordering {
    if a == 0.0 && b == 0.0 {
        Ordering::Equal
    } else if a.is_nan() {
        Ordering::Less
    } else if b.is_nan() {
        Ordering::Greater
    } else {
        a.total_cmp(&b)
    }
}
