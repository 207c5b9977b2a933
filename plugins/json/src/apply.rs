//! Operations, one after the other, within bounds: a handful that each copy all
//! there is would make more than any memory holds.

use json_patch::{PatchErrorKind, PatchOperation};
use nebula_sdk::prelude::*;

/// The most operations of a patch.
const MAX_OPERATIONS: usize = 10_000;

/// The most values that all operations `copy` together make: as many as an output
/// may consist of.
const MAX_COPIED: usize = 1_000_000;

/// How deep an output may nest.
const MAX_DEPTH: usize = 128;

/// How many values a value consists of, itself counted, and how deep they nest.
struct Extent {
    values: usize,
    depth: usize,
}

/// The value after all operations.
///
/// # Errors
/// [`ActionError::Permanent`] when a `test` finds another value, else
/// [`ActionError::InvalidInput`]; with the operation's place.
pub(crate) fn apply(mut value: Value, patch: &[PatchOperation]) -> Result<Value> {
    if patch.len() > MAX_OPERATIONS {
        return Err(ActionError::invalid_input(format!(
            "patch: it has {} operations; at most {MAX_OPERATIONS} are allowed",
            patch.len()
        )));
    }
    let mut copied = 0;
    for (index, operation) in patch.iter().enumerate() {
        let moved = match operation {
            PatchOperation::Add(add) => Some(&add.value),
            PatchOperation::Replace(replace) => Some(&replace.value),
            PatchOperation::Move(from) => value.pointer(from.from.as_str()),
            PatchOperation::Copy(from) => value.pointer(from.from.as_str()),
            PatchOperation::Remove(_) | PatchOperation::Test(_) => None,
        };
        if let Some(moved) = moved {
            let extent = extent(moved);
            if matches!(operation, PatchOperation::Copy(_)) {
                copied += extent.values;
            }
            let depth = operation.path().as_str().matches('/').count() + extent.depth;
            if copied > MAX_COPIED || depth > MAX_DEPTH {
                return Err(ActionError::invalid_input(format!(
                    "patch[{index}]: the value becomes too large; at most {MAX_COPIED} values are copied, \
                     {MAX_DEPTH} levels deep"
                )));
            }
        }
        json_patch::patch(&mut value, std::slice::from_ref(operation)).map_err(|error| {
            let message = format!("patch[{index}]: {}: {}", error.path, error.kind);
            match error.kind {
                PatchErrorKind::TestFailed => ActionError::permanent(message),
                _ => ActionError::invalid_input(message),
            }
        })?;
    }
    Ok(value)
}

/// An input nests as deep as [`MAX_DEPTH`] at most, and no operation makes it deeper.
fn extent(value: &Value) -> Extent {
    let below = |values: &mut dyn Iterator<Item = &Value>| {
        values.map(extent).fold(
            Extent {
                values: 1,
                depth: 1,
            },
            |all, one| Extent {
                values: all.values + one.values,
                depth: all.depth.max(one.depth + 1),
            },
        )
    };
    match value {
        Value::Array(items) => below(&mut items.iter()),
        Value::Object(members) => below(&mut members.values()),
        _ => below(&mut std::iter::empty()),
    }
}
