//! `json.diff` and `json.patch`: what differs between two values, and values
//! changed by it, after RFC 6902 (JSON Patch), by the crate json-patch.
//!
//! ```yaml
//! changes:
//!   action: json.diff
//!   input: { from: "${ $nodes.yesterday.result.json }", to: "${ $nodes.today.result.json }" }
//! renamed:
//!   action: json.patch
//!   input:
//!     value: "${ $input }"
//!     patch: [{ op: move, from: /mail, path: /email }, { op: test, path: /active, value: true }]
//! ```
//!
//! Items of lists are compared by their place: one that is put in at the front
//! changes all that follow.

use json_patch::PatchOperation;
use nebula_sdk::prelude::*;

mod apply;

/// What `json.diff` takes.
#[data]
#[derive(Debug)]
pub struct DiffInput {
    /// The value before.
    pub from: Value,
    /// The value after.
    pub to: Value,
}

/// What `json.diff` gives.
#[data]
#[derive(Debug)]
pub struct DiffOutput {
    /// Whether there is no difference.
    pub equal: bool,
    /// How many operations there are.
    pub count: usize,
    /// Makes `to` of `from`: operations `add`, `remove` and `replace`, each with a
    /// `path` (RFC 6901), in the order in which they apply.
    #[schema(with = "Vec<Value>")]
    pub patch: Vec<PatchOperation>,
}

/// Compares two values and gives the operations that make the second of the first (RFC 6902).
#[derive(Action)]
#[action(id = "json.diff", name = "Compare two values")]
pub struct Diff;

impl SimpleAction for Diff {
    type Input = DiffInput;
    type Output = DiffOutput;

    async fn execute_simple(&self, input: DiffInput, _: &ActionContext) -> Result<DiffOutput> {
        let patch = json_patch::diff(&input.from, &input.to).0;
        Ok(DiffOutput {
            equal: patch.is_empty(),
            count: patch.len(),
            patch,
        })
    }
}

/// What `json.patch` takes.
#[data]
#[derive(Debug)]
pub struct PatchInput {
    /// What is changed.
    pub value: Value,
    /// The operations (RFC 6902): `add`, `remove`, `replace`, `move`, `copy`, `test`.
    #[schema(with = "Vec<Value>")]
    pub patch: Vec<PatchOperation>,
}

/// What `json.patch` gives.
#[data]
#[derive(Debug)]
pub struct PatchOutput {
    /// The value after all operations.
    pub value: Value,
}

/// Changes a value by a list of operations (RFC 6902). All of them apply, or the node fails.
#[derive(Action)]
#[action(id = "json.patch", name = "Patch a value")]
pub struct Patch;

impl SimpleAction for Patch {
    type Input = PatchInput;
    type Output = PatchOutput;

    async fn execute_simple(&self, input: PatchInput, _: &ActionContext) -> Result<PatchOutput> {
        let value = apply::apply(input.value, &input.patch)?;
        Ok(PatchOutput { value })
    }
}

nebula_sdk::export!(Diff, Patch);

#[cfg(test)]
mod tests;
