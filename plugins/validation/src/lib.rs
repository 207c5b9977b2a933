//! `validation.input` and `validation.user`: checks values before others use them.
//!
//! ```yaml
//! check:
//!   action: validation.input
//!   input:
//!     schema: { type: object, required: [plan], properties: { plan: { enum: [free, pro] } } }
//!     value: "${ $input }"
//! register:
//!   action: validation.user
//!   input: { email: "${ $input.email }", password: "${ $input.password }", rules: { require: [password] } }
//! ```
//!
//! A value that fits goes on as `{valid: true, value}`, a user as `{validated:
//! true, data}`. One that does not fails the node as invalid input, naming
//! every place; with `on_invalid: branch` it leaves by the port `invalid`
//! instead, with the same list under `errors`.
//!
//! - `input`: any value, by a JSON Schema.
//! - `user`: the record of a user, by what the fields of one usually are.

use nebula_sdk::prelude::*;

mod input;
mod user;

pub use input::ValidateInput;
pub use user::ValidateUser;

nebula_sdk::export!(ValidateInput, ValidateUser);

/// What happens to a value that does not fit.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum OnInvalid {
    /// The node fails.
    #[default]
    Fail,
    /// The connections of the port `invalid` fire.
    Branch,
}
