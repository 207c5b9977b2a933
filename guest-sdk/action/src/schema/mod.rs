//! JSON Schema (draft 2020-12) of an action's types.
//!
//! A type is described by tables that the compiler fills in ([`Shape`]); one
//! small writer makes JSON text of them when the host asks. So a component
//! carries little more than the names of its fields.
//!
//! - `shape`: the tables.
//! - `types`: the types that everybody has.
//! - `rule`: which of them a rule may be about.
//! - `write`: from the tables to text.
//! - `variants`: the same for the variants of an enum.
//! - `object`: what structs, variants and flattened fields add up to.

mod object;
mod rule;
mod shape;
mod types;
mod variants;
mod write;

pub use rule::{List, Number, Text};
pub use shape::{Content, Enum, Field, Names, Of, Preset, Shape, Struct, Tagging, Type, Variant};
#[doc(hidden)]
pub use shape::{NoText, PresetText};
pub use write::schema;

/// A type whose values have a JSON Schema. Derived, by `#[data]` or
/// `#[derive(Schema)]`, from the type and its `#[serde(…)]` attributes.
///
/// For a foreign type, or where serde does something of its own, say the
/// schema by hand; a JSON text begins with the `type`, if there is one:
///
/// ```
/// use nebula_action::schema::{Schema, Shape};
///
/// struct Money(u64);
///
/// impl Schema for Money {
///     fn shape() -> &'static Shape {
///         &Shape::Json(r#"{"type":"string","pattern":"^[0-9]+ EUR$"}"#)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no JSON Schema",
    label = "its values cannot be an input or output, nor stand in one",
    note = "put `#[data]` above a type of yours; for one of somebody else say a type of the same form, `#[schema(with = \"String\")]`"
)]
pub trait Schema {
    /// The tables of the type.
    fn shape() -> &'static Shape;
}

/// Which side of a value a schema is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What is accepted: fields with a default may be missing.
    Read,
    /// What is given: fields that are always written are always there.
    Written,
}
