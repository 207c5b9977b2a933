//! `condition.check`: a place where connections decide.
//!
//! The action passes its input on. What makes it useful stands on the
//! connections that leave its node:
//!
//! ```yaml
//! nodes:
//!   fetch: { action: weather.fetch, input: { city: "${ $input.city }" } }
//!   check: { action: condition.check }
//!   notify: { action: notification.send, input: { … } }
//! connections:
//!   - { from: fetch, to: check }
//!   - { from: check, to: notify, when: "$nodes.fetch.result.temp > 30" }
//! ```

#![no_std]

use nebula_sdk::prelude::*;

/// Passes its input on. The conditions stand on the connections that leave its node.
#[derive(Action)]
#[action(id = "condition.check", name = "Check a condition", category = "flow")]
pub struct Check;

impl SimpleAction for Check {
    type Input = Value;
    type Output = Value;

    async fn execute_simple(&self, input: Value, _: &ActionContext) -> Result<Value> {
        Ok(input)
    }
}

nebula_sdk::export!(Check);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_value_passes_unchanged() {
        for value in [
            json!(null),
            json!(31.5),
            json!({ "temp": 31, "tags": ["hot", null] }),
        ] {
            let result = ActionContext::for_test()
                .run::<Check>(&value)
                .expect("passes");
            assert_eq!(result, ProcessResult::Success(value));
        }
    }
}
