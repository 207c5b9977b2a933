//! The record of a user, by what the fields of one usually are.
//!
//! The record is the input itself, so that a form can be passed on as it came.
//! It may come from a stranger, who could add `rules` of their own; therefore
//! rules only narrow what always holds, and one that would widen it is refused.
//!
//! - `rules`: what a field may be.
//! - `check`: the record against the rules.
//! - `email`: addresses.

use nebula_sdk::Map;
use nebula_sdk::prelude::*;

use crate::OnInvalid;

mod check;
mod email;
mod rules;

use rules::Rules;

/// What `validation.user` takes: the record, and how it is checked.
#[data]
#[derive(Debug)]
pub struct Input {
    /// What must hold beyond the usual.
    #[serde(default)]
    pub rules: Rules,
    /// What happens when the record is not valid.
    #[serde(default)]
    pub on_invalid: OnInvalid,
    /// The record. `email` must be there; `name`, `username`, `password`,
    /// `phone` and `age` are checked if they are; others pass unchecked.
    #[serde(flatten)]
    pub record: Map<String, Value>,
}

/// What `validation.user` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// Whether the record is valid.
    pub validated: bool,
    /// The record as it came.
    pub data: Map<String, Value>,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Problem>,
}

/// What is wrong with a field.
#[data]
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its name.
    pub field: String,
    /// Which rule it breaks.
    pub rule: Rule,
    /// For people. Does not repeat the value, which may be a password.
    pub message: String,
}

/// Which rule a field breaks.
#[data]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// It is missing, null or empty.
    Required,
    /// It is no text, or no number.
    Type,
    /// It is not written as such a thing is.
    Format,
    /// It has too few or too many characters.
    Length,
    /// It is too small or too large.
    Range,
    /// It is easy to guess.
    Strength,
}

/// Checks the record of a user: the e-mail address, and if they are there the
/// name, user name, password, phone number and age. A valid one goes on unchanged.
#[derive(Action)]
#[action(id = "validation.user", name = "Validate a user")]
pub struct ValidateUser;

impl ProcessAction for ValidateUser {
    type Input = Input;
    type Output = Output;

    async fn execute(&self, input: Input, _: &ActionContext) -> Result<ProcessResult<Output>> {
        let Input {
            rules,
            on_invalid,
            record: data,
        } = input;
        let errors = check::problems(&data, &rules.limits()?);
        let output = Output {
            validated: errors.is_empty(),
            data,
            errors,
        };
        match on_invalid {
            _ if output.validated => Ok(ProcessResult::Success(output)),
            OnInvalid::Branch => Ok(ProcessResult::branch("invalid", output)),
            OnInvalid::Fail => Err(ActionError::InvalidInput(summary(&output.errors))),
        }
    }
}

fn summary(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.field, problem.message))
        .collect();
    format!("the user is not valid: {}", lines.join("; "))
}

#[cfg(test)]
mod tests;
