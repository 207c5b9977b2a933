//! What a rule of `#[param(…)]` is about. Each is a type's own shape again, for
//! numbers without the bounds that the type has by itself: the rule gives them.

use alloc::borrow::{Cow, ToOwned};
use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use super::{Schema, Shape};

/// A type that `range` may be said of.
#[diagnostic::on_unimplemented(
    message = "`range` is a rule for numbers, and `{Self}` is none",
    label = "this is no number",
    note = "`length` and `pattern` are for texts, `items` is for lists"
)]
pub trait Number: Schema {
    /// The shape without bounds.
    fn number() -> &'static Shape;
}

/// A type that `length`, `pattern` and `multiline` may be said of: one that is
/// written as a text.
#[diagnostic::on_unimplemented(
    message = "`length`, `pattern` and `multiline` are for texts, and `{Self}` is none",
    label = "this is no text",
    note = "`range` is for numbers, `items` is for lists; a type of your own that is written as a text implements `nebula_sdk::action::schema::Text`"
)]
pub trait Text: Schema {
    /// The shape.
    fn text() -> &'static Shape {
        Self::shape()
    }
}

/// A type that `items` may be said of.
#[diagnostic::on_unimplemented(
    message = "`items` is a rule for lists, and `{Self}` is none",
    label = "this is no list",
    note = "`length` is for texts, `range` is for numbers"
)]
pub trait List: Schema {
    /// The shape.
    fn list() -> &'static Shape {
        Self::shape()
    }
}

macro_rules! numbers {
    ($text:literal: $($type:ty)*) => {
        $(impl Number for $type {
            fn number() -> &'static Shape {
                &Shape::Json($text)
            }
        })*
    };
}

numbers!(r#"{"type":"integer"}"#: i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);
numbers!(r#"{"type":"number"}"#: f32 f64 serde_json::Number);

impl<T: Number> Number for Option<T> {
    fn number() -> &'static Shape {
        const { &Shape::Option(T::number) }
    }
}

impl Text for str {}
impl Text for String {}
impl<T: Text> Text for Option<T> {}
impl<T: Text + ToOwned + ?Sized> Text for Cow<'_, T> {}

impl<T: Schema> List for [T] {}
impl<T: Schema> List for Vec<T> {}
impl<T: Schema> List for VecDeque<T> {}
impl<T: Schema> List for BTreeSet<T> {}
impl<T: List> List for Option<T> {}

/// What exists only with the standard library.
#[cfg(any(feature = "std", not(target_arch = "wasm32")))]
mod with_std {
    use std::collections::HashSet;

    use super::{List, Schema};

    impl<T: Schema, S> List for HashSet<T, S> {}
}
