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
    Description {
        metadata: *A::instance().metadata(),
        input_schema: schema::<A::Input>(Side::Read),
        output_schema: schema::<A::Output>(Side::Written),
    }
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
