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
        input_schema: asking(schema::<A::Input>(Side::Read), metadata.resources),
        output_schema: schema::<A::Output>(Side::Written),
    }
}

/// The schema, which also says what resources the action asks for. Their names and
/// kinds are letters, digits and `_`, which the derive has checked.
fn asking(mut schema: String, resources: &[(&str, &str)]) -> String {
    if resources.is_empty() {
        return schema;
    }
    // What accepts anything is written `true`.
    if !schema.ends_with('}') {
        schema = "{}".into();
    }
    schema.pop();
    if schema.len() > 1 {
        schema.push(',');
    }
    schema.push_str("\"x-resources\":");
    let mut before = '{';
    for (name, kind) in resources {
        schema.push(before);
        before = ',';
        schema.push_str(&["\"", name, "\":\"", kind, "\""].concat());
    }
    schema.push_str("}}");
    schema
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

    #[test]
    fn the_schema_says_which_resources_are_asked_for() {
        let db: &[(&str, &str)] = &[("db", "sql")];
        let two: &[(&str, &str)] = &[("db", "sql"), ("log", "sql")];
        for (schema, resources, wanted) in [
            ("true", &[][..], "true"),
            ("true", db, r#"{"x-resources":{"db":"sql"}}"#),
            (
                r#"{"type":"object"}"#,
                two,
                r#"{"type":"object","x-resources":{"db":"sql","log":"sql"}}"#,
            ),
        ] {
            assert_eq!(asking(schema.into(), resources), wanted);
        }
    }
}
