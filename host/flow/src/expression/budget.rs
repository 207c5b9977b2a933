//! What one direct evaluation may cost. It runs on the host, where neither fuel
//! nor a store's memory holds it, so it counts for itself.

use serde_json::Value;

use super::ExpressionError;

/// The most memory of the values that it builds, bytes: as much as an
/// expression in the sandbox may have.
pub(super) const MAX_BUILT: usize = 64 << 20;
/// The most steps of its comparisons: one for each pair of values, one more for
/// each 16 bytes of text, and for an object what sorting its keys takes.
pub(super) const MAX_STEPS: usize = 8_000_000;

/// What is left. Nothing is, once something was refused: an expression that
/// catches errors does not catch this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Budget {
    built: usize,
    steps: usize,
    spent: bool,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self {
            built: MAX_BUILT,
            steps: MAX_STEPS,
            spent: false,
        }
    }

    /// For what was paid in advance.
    pub(super) const fn paid() -> Self {
        Self {
            built: usize::MAX,
            steps: usize::MAX,
            spent: false,
        }
    }

    /// Whether a limit was passed.
    pub(super) const fn is_spent(&self) -> bool {
        self.spent
    }

    /// Pays for so many bytes.
    pub(super) fn build(&mut self, bytes: usize) -> Result<(), ExpressionError> {
        match self.built.checked_sub(bytes) {
            Some(left) if !self.spent => {
                self.built = left;
                Ok(())
            }
            _ => Err(self.refuse(&format!("builds more than {MAX_BUILT} bytes"))),
        }
    }

    /// Pays for a copy of a value, and stops to look at it where nothing is left.
    pub(super) fn copy(&mut self, value: &Value) -> Result<(), ExpressionError> {
        self.build(size_of::<Value>())?;
        match value {
            Value::String(text) => self.build(text.len()),
            Value::Array(items) => items.iter().try_for_each(|item| self.copy(item)),
            Value::Object(entries) => entries.iter().try_for_each(|(key, value)| {
                self.build(size_of::<String>() + key.len())?;
                self.copy(value)
            }),
            _ => Ok(()),
        }
    }

    /// Pays for so many steps.
    pub(super) fn step(&mut self, steps: usize) -> Result<(), ExpressionError> {
        match self.steps.checked_sub(steps) {
            Some(left) if !self.spent => {
                self.steps = left;
                Ok(())
            }
            _ => Err(self.refuse(&format!("takes more than {MAX_STEPS} steps to compare"))),
        }
    }

    /// Pays for comparing a whole value so many times.
    pub(super) fn compare(&mut self, value: &Value, times: usize) -> Result<(), ExpressionError> {
        let here = match value {
            Value::String(text) => of_text(text),
            Value::Object(entries) => of_keys(entries.len()),
            _ => 1,
        };
        self.step(here.saturating_mul(times))?;
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.compare(item, times)),
            Value::Object(entries) => entries.iter().try_for_each(|(key, value)| {
                self.step(of_text(key).saturating_mul(times))?;
                self.compare(value, times)
            }),
            _ => Ok(()),
        }
    }

    fn refuse(&mut self, what: &str) -> ExpressionError {
        self.spent = true;
        ExpressionError::new(format!("the expression {what}"))
            .hint("use a node with the action `transform.jq`")
    }
}

/// Steps to compare a text.
pub(super) const fn of_text(text: &str) -> usize {
    1 + text.len() / 16
}

/// Steps to sort so many keys, or to look one up among them so many times.
pub(super) fn of_keys(keys: usize) -> usize {
    (1 + keys).saturating_mul(1 + keys.checked_ilog2().unwrap_or(0) as usize)
}
