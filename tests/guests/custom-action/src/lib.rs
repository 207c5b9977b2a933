//! The SDK's custom action, as an author writes it: a crate of its own. It
//! does without the standard library, which makes the smallest components.

#![no_std]

use nebula_sdk::prelude::*;

/// What the action takes.
#[data]
pub struct MyInput {
    /// Whom to greet.
    #[param(label = "Name", length = 1..=80, pattern = "^\\S", example = "Ada")]
    name: String,
}

/// What the action gives.
#[data]
pub struct MyOutput {
    /// The greeting.
    text: String,
}

/// Greets by name.
#[derive(Action)]
#[action(id = "my.custom_action")]
pub struct MyAction;

impl SimpleAction for MyAction {
    type Input = MyInput;
    type Output = MyOutput;

    async fn execute_simple(&self, input: Self::Input, ctx: &ActionContext) -> Result<Self::Output> {
        ctx.log().info(&format!("greeting {}", input.name));
        Ok(MyOutput { text: format!("Hello, {}!", input.name) })
    }
}

nebula_sdk::export!(MyAction);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greets_by_name() {
        let ctx = ActionContext::for_test();
        let result = ctx.run::<MyAction>(&json!({ "name": "Ada" })).expect("succeeds");
        assert_eq!(result, ProcessResult::Success(json!({ "text": "Hello, Ada!" })));
    }
}
