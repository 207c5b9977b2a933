//! The tables. Texts in them are JSON already: the derive escapes names, and
//! writes what is said about a thing (`about`) as members of an object, e.g.
//! `"description":"Of the webhook."`.

use alloc::string::String;

use serde::Serialize;

/// The shape of another type. A function, so that types may contain themselves.
pub type Of = fn() -> &'static Shape;

/// What values of a type look like in JSON.
#[derive(Debug)]
pub enum Shape {
    /// Anything.
    Any,
    /// A schema, as JSON text of an object. `"type"` comes first, if there is
    /// one; descriptions stand on the fields that have the type.
    Json(&'static str),
    /// The other type, or null.
    Option(Of),
    /// A list.
    List {
        /// Of these.
        items: Of,
        /// Each at most once.
        unique: bool,
        /// Exactly so many.
        len: Option<usize>,
    },
    /// A list with a type for each place.
    Tuple(&'static [Field]),
    /// An object by key.
    Map {
        /// Text, or what is written as text.
        keys: Of,
        /// Under each key.
        values: Of,
    },
    /// An object by field.
    Struct(Struct),
    /// One of several.
    Enum(Enum),
    /// Exactly as the other type.
    Same(Of),
    /// A type with a name, which is described once and referred to.
    Type(Type),
}

/// A type with a name.
#[derive(Debug)]
pub struct Type {
    /// Among the definitions; a number is added where two types share it.
    pub name: &'static str,
    /// Tells types of the same name apart.
    pub id: fn() -> &'static str,
    /// Its description; may be empty.
    pub about: &'static str,
    /// What it is; no [`Shape::Type`].
    pub shape: &'static Shape,
}

/// A struct, or the content of a variant.
#[derive(Debug)]
pub struct Struct {
    /// In order.
    pub fields: &'static [Field],
    /// Other fields are refused.
    pub closed: bool,
    /// The name of a field that has always the same text, and that text.
    pub tag: Option<(&'static str, Names)>,
}

/// A field of a struct, or a place of a tuple.
#[derive(Debug)]
pub struct Field {
    /// Empty in a tuple.
    pub names: Names,
    /// Its description; may be empty.
    pub about: &'static str,
    /// Its type.
    pub shape: Of,
    /// What serde was told about it: the constants of [`Field`].
    pub flags: u8,
    /// What it is if it is missing.
    pub preset: Option<Preset>,
}

/// The value of a missing field, as JSON text if it has one.
pub type Preset = fn() -> Option<String>;

impl Field {
    /// It may be missing when it is read.
    pub const OPTIONAL: u8 = 1;
    /// It may be missing when it is written.
    pub const OMITTED: u8 = 2;
    /// It is never read.
    pub const NOT_READ: u8 = 4;
    /// It is never written.
    pub const NOT_WRITTEN: u8 = 8;
    /// Its own fields stand in its place.
    pub const FLATTEN: u8 = 16;
    /// It may not be missing when it is read, though its type has null.
    pub const NEEDED: u8 = 32;

    pub(super) const fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// What a field or a variant is called.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// When it is written.
    pub written: &'static str,
    /// When it is read: the name, then its aliases.
    pub read: &'static [&'static str],
}

/// An enum.
#[derive(Debug)]
pub struct Enum {
    /// How a variant is told from the others.
    pub tagging: Tagging,
    /// In order.
    pub variants: &'static [Variant],
    /// Other fields are refused.
    pub closed: bool,
}

/// How a variant is told from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tagging {
    /// `{"Variant": content}`, or `"Variant"`.
    External,
    /// `{"tag": "Variant", …content}`.
    Internal(&'static str),
    /// `{"tag": "Variant", "content": content}`.
    Adjacent(&'static str, &'static str),
    /// `content`.
    Untagged,
}

/// A variant of an enum.
#[derive(Debug)]
pub struct Variant {
    /// What it is called.
    pub names: Names,
    /// Its description; may be empty.
    pub about: &'static str,
    /// What it holds.
    pub content: Content,
    /// [`Field::NOT_READ`] and [`Field::NOT_WRITTEN`].
    pub flags: u8,
    /// Its content stands alone, whatever the tagging.
    pub untagged: bool,
    /// Any other name is read as it.
    pub other: bool,
}

/// What a variant holds.
#[derive(Debug)]
pub enum Content {
    /// Nothing.
    Unit,
    /// One value, several, or fields.
    Some(Shape),
}

/// Makes JSON text of a preset, if its type can be written.
#[doc(hidden)]
#[derive(Debug)]
pub struct PresetText<T>(pub T);

impl<T: Serialize> PresetText<T> {
    #[must_use]
    pub fn text(&self) -> Option<String> {
        serde_json::to_string(&self.0).ok()
    }
}

/// What [`PresetText`] falls back to where the type cannot be written.
#[doc(hidden)]
pub trait NoText {
    fn text(&self) -> Option<String> {
        None
    }
}

impl<T> NoText for PresetText<T> {}
