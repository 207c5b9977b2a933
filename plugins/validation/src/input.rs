//! Any value, by a JSON Schema.

use jsonschema::Validator;
use nebula_sdk::prelude::*;

use crate::OnInvalid;

/// At most so many errors are listed; a long list of broken rows has one each.
const MAX_ERRORS: usize = 50;

/// What `validation.input` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// JSON Schema, draft 2020-12 unless its `$schema` says otherwise.
    pub schema: Value,
    /// What is checked.
    pub value: Value,
    /// What happens when it does not fit.
    #[serde(default)]
    pub on_invalid: OnInvalid,
}

/// What `validation.input` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// Whether the value fits.
    pub valid: bool,
    /// As it came.
    pub value: Value,
    /// What does not fit; at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Violation>,
}

/// One place that does not fit.
#[data]
#[derive(Debug)]
pub struct Violation {
    /// JSON Pointer into the value; empty for the value itself.
    pub pointer: String,
    /// What is wrong there.
    pub message: String,
}

/// Checks a value against a JSON Schema. A value that fits goes on unchanged.
#[derive(Action)]
#[action(id = "validation.input", name = "Validate input")]
pub struct ValidateInput;

impl ProcessAction for ValidateInput {
    type Input = Input;
    type Output = Output;

    async fn execute(&self, input: Input, _: &ActionContext) -> Result<ProcessResult<Output>> {
        let Input {
            schema,
            value,
            on_invalid,
        } = input;
        let validator = compile(&schema)?;
        let errors = violations(&validator, &value);
        if errors.is_empty() {
            return Ok(ProcessResult::Success(Output {
                valid: true,
                value,
                errors,
            }));
        }
        match on_invalid {
            OnInvalid::Branch => Ok(ProcessResult::branch(
                "invalid",
                Output {
                    valid: false,
                    value,
                    errors,
                },
            )),
            OnInvalid::Fail => Err(ActionError::InvalidInput(summary(&errors))),
        }
    }
}

fn compile(schema: &Value) -> Result<Validator> {
    jsonschema::options()
        .should_validate_formats(true)
        .build(schema)
        .map_err(|error| {
            let place = error.instance_path().to_string();
            ActionError::InvalidInput(format!("schema{place}: {error}"))
        })
}

fn violations(validator: &Validator, value: &Value) -> Vec<Violation> {
    validator
        .iter_errors(value)
        .take(MAX_ERRORS)
        .map(|error| Violation {
            pointer: error.instance_path().to_string(),
            message: error.to_string(),
        })
        .collect()
}

fn summary(errors: &[Violation]) -> String {
    let lines: Vec<String> = errors
        .iter()
        .map(|e| {
            format!(
                "{}: {}",
                if e.pointer.is_empty() {
                    "(the value)"
                } else {
                    &e.pointer
                },
                e.message
            )
        })
        .collect();
    format!("the value does not fit the schema: {}", lines.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "required": ["email"],
            "properties": {
                "email": { "type": "string", "format": "email" },
                "tags": { "type": "array", "items": { "type": "string" } },
            },
        })
    }

    fn run(input: &Value) -> Result<ProcessResult<Value>> {
        ActionContext::for_test().run::<ValidateInput>(input)
    }

    #[test]
    fn a_value_that_fits_goes_on() {
        let value = json!({ "email": "ada@example.com", "tags": ["a"] });
        let result = run(&json!({ "schema": schema(), "value": value })).expect("fits");
        assert_eq!(
            result,
            ProcessResult::Success(json!({ "valid": true, "value": value }))
        );
    }

    #[test]
    fn every_place_that_does_not_fit_is_named() {
        let value = json!({ "email": "nobody", "tags": ["a", 1] });
        let Err(ActionError::InvalidInput(message)) =
            run(&json!({ "schema": schema(), "value": value }))
        else {
            panic!("invalid input expected");
        };
        assert!(
            message.contains("/email: ") && message.contains("/tags/1: "),
            "{message}"
        );
    }

    #[test]
    fn a_branch_takes_what_does_not_fit() {
        let input = json!({ "schema": schema(), "value": {}, "on_invalid": "branch" });
        let Ok(ProcessResult::Branch { port, output }) = run(&input) else {
            panic!("a branch expected")
        };
        assert_eq!(
            (port.as_str(), &output["valid"]),
            ("invalid", &json!(false))
        );
        assert_eq!(output["errors"][0]["pointer"], "");
    }

    #[test]
    fn a_schema_that_is_none_is_named() {
        let error = run(&json!({ "schema": { "type": 5 }, "value": 1 })).expect_err("no schema");
        assert!(error.to_string().starts_with("schema/type: "), "{error}");
    }
}
