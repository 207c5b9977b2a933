//! From the bytes of a call to the action and back: the same in the sandbox
//! and in a unit test.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::action::{ProcessAction, ProcessResult};
use crate::context::ActionContext;
use crate::error::{ActionError, Result};
use crate::metadata::ActionMetadata;
use crate::schema::{Side, schema};
use crate::wire;

/// An action's metadata with the JSON Schemas of its types.
#[derive(Debug, Clone)]
pub struct Description {
    /// What the action says about itself.
    pub metadata: ActionMetadata,
    /// Of the input, as JSON text.
    pub input_schema: String,
    /// Of the output, as JSON text.
    pub output_schema: String,
}

/// What an action says about itself and its types.
#[must_use]
pub fn describe<A: ProcessAction>() -> Description {
    let metadata = *A::instance().metadata();
    Description {
        metadata,
        input_schema: saying(schema::<A::Input>(Side::Read), &metadata),
        output_schema: schema::<A::Output>(Side::Written),
    }
}

/// The schema, which also says whether the action is a trigger, and what resources it
/// asks for. Their names and kinds are letters, digits and `_`, which the derive has
/// checked.
fn saying(mut schema: String, metadata: &ActionMetadata) -> String {
    if metadata.trigger {
        add(&mut schema, "\"x-trigger\":true");
    }
    let mut asked = String::new();
    for (name, kind) in metadata.resources {
        let before = if asked.is_empty() {
            "\"x-resources\":{"
        } else {
            ","
        };
        asked.push_str(&[before, "\"", name, "\":\"", kind, "\""].concat());
    }
    if !asked.is_empty() {
        asked.push('}');
        add(&mut schema, &asked);
    }
    schema
}

/// Adds a member to the object that a schema is.
fn add(schema: &mut String, member: &str) {
    // What accepts anything is written `true`.
    if !schema.ends_with('}') {
        *schema = "{}".into();
    }
    schema.pop();
    if schema.len() > 1 {
        schema.push(',');
    }
    schema.push_str(member);
    schema.push('}');
}

/// Runs an action: MessagePack in, MessagePack out.
///
/// # Errors
/// What the action answers; an input that does not fit its type is
/// [`ActionError::InvalidInput`] and names the place. In the sandbox the host has
/// checked the rules of `#[param(…)]`; natively that happens here.
pub async fn invoke<A: ProcessAction>(
    input: &[u8],
    ctx: &ActionContext,
) -> Result<ProcessResult<Vec<u8>>> {
    #[cfg(not(target_arch = "wasm32"))]
    crate::native::rules::check::<A::Input>(input)?;
    let input = wire::decode(input).map_err(|e| ActionError::InvalidInput(e.to_string()))?;
    let result = A::instance().execute(input, ctx).await?;
    result.try_map(|output| encode(&output))
}

fn encode<T: serde::Serialize>(output: &T) -> Result<Vec<u8>> {
    wire::encode(output)
        .map_err(|e| ActionError::Permanent(format!("the output cannot be encoded: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn metadata(
        resources: &'static [(&'static str, &'static str)],
        trigger: bool,
    ) -> ActionMetadata {
        ActionMetadata {
            id: crate::ActionId::new("a.b"),
            name: "",
            version: "1.0.0",
            description: "",
            category: "",
            credentials: &[],
            hosts: &[],
            resources,
            trigger,
        }
    }

    #[test]
    fn the_schema_says_which_resources_are_asked_for_and_what_is_a_trigger() {
        let db: &[(&str, &str)] = &[("db", "sql")];
        let two: &[(&str, &str)] = &[("db", "sql"), ("log", "sql")];
        for (schema, resources, trigger, wanted) in [
            ("true", &[][..], false, "true"),
            ("true", db, false, r#"{"x-resources":{"db":"sql"}}"#),
            ("true", &[][..], true, r#"{"x-trigger":true}"#),
            (
                r#"{"type":"object"}"#,
                two,
                true,
                r#"{"type":"object","x-trigger":true,"x-resources":{"db":"sql","log":"sql"}}"#,
            ),
        ] {
            assert_eq!(saying(schema.into(), &metadata(resources, trigger)), wanted);
        }
    }
}
