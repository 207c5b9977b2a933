//! From the tables to text.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::object::{Object, constant, joined, put, quote, separate};
use super::shape::{Field, Names, Shape, Struct, Type};
use super::variants::is_name;
use super::{Schema, Side};

/// How deep flattened fields may stand in each other; a type that is flattened
/// into itself ends there.
const MAX_FLATTENED: u32 = 16;
pub(super) const NULL: &str = r#"{"type":"null"}"#;
pub(super) const TEXT: &str = r#"{"type":"string"}"#;

/// The JSON Schema of a type, as JSON text.
#[must_use]
pub fn schema<T: Schema + ?Sized>(side: Side) -> String {
    Writer::new(side).root(T::shape())
}

pub(super) struct Writer {
    pub(super) side: Side,
    /// The named types in the order in which they were met, and their names
    /// among the definitions. The root is the first and has none.
    types: Vec<(&'static Type, String)>,
    /// How many flattened fields are around.
    flattened: u32,
}

/// Past everything that only passes another shape on.
pub(super) fn bare(shape: &'static Shape) -> &'static Shape {
    match shape {
        Shape::Same(of) => bare(of()),
        Shape::Type(named) => bare(named.shape),
        shape => shape,
    }
}

pub(super) fn is_option(shape: &'static Shape) -> bool {
    match shape {
        Shape::Option(_) => true,
        Shape::Same(of) => is_option(of()),
        _ => false,
    }
}

/// Adds members such as `"description":"…"` to the schema that a text is.
pub(super) fn annotate(text: &mut String, members: &str) {
    if members.is_empty() || text == "false" {
        return;
    }
    if text == "true" {
        text.clear();
        text.push('{');
    } else {
        text.pop();
        text.push(',');
    }
    text.push_str(members);
    text.push('}');
}

/// Whether a text has a part. Small, where the search of the standard library is fast.
fn has(text: &str, part: &str) -> bool {
    let mut places = text.as_bytes().windows(part.len());
    places.any(|place| place == part.as_bytes())
}

/// The schema that a text is, or null.
fn or_null(text: String) -> String {
    const TYPE: &str = r#"{"type":""#;
    if text == "true" || text == NULL {
        return text;
    }
    let limited = has(&text, r#""enum":"#) || has(&text, r#""const":"#);
    if let (false, Some(rest)) = (limited, text.strip_prefix(TYPE))
        && let Some((name, rest)) = rest.split_once('"')
    {
        return joined(&[r#"{"type":[""#, name, r#"","null"]"#, rest]);
    }
    joined(&[r#"{"anyOf":["#, &text, ",", NULL, "]}"])
}

impl Side {
    /// Whether this side has a field or a variant with these flags.
    pub(super) const fn has(self, flags: u8) -> bool {
        let absent = match self {
            Self::Read => Field::NOT_READ,
            Self::Written => Field::NOT_WRITTEN,
        };
        flags & absent == 0
    }

    pub(super) const fn names(self, names: &'static Names) -> &'static [&'static str] {
        match self {
            Self::Read => names.read,
            Self::Written => core::slice::from_ref(&names.written),
        }
    }
}

impl Writer {
    const fn new(side: Side) -> Self {
        Self {
            side,
            types: Vec::new(),
            flattened: 0,
        }
    }

    fn root(mut self, shape: &'static Shape) -> String {
        let mut text = match shape {
            Shape::Type(named) => {
                self.types.push((named, String::new()));
                let mut text = self.definition(named);
                if !named.about.starts_with(r#""title""#) {
                    annotate(&mut text, &joined(&[r#""title":""#, named.name, "\""]));
                }
                text
            }
            shape => self.shape(shape),
        };
        let mut definitions = String::new();
        let mut next = 0;
        while let Some((named, name)) = self.types.get(next) {
            let (named, name) = (*named, name.clone());
            if !name.is_empty() {
                let definition = self.definition(named);
                separate(&mut definitions);
                quote(&mut definitions, &name);
                put(&mut definitions, &[":", &definition]);
            }
            next += 1;
        }
        if !definitions.is_empty() {
            annotate(&mut text, &joined(&[r#""$defs":{"#, &definitions, "}"]));
        }
        text
    }

    fn definition(&mut self, named: &'static Type) -> String {
        let mut text = self.shape(named.shape);
        annotate(&mut text, named.about);
        text
    }

    pub(super) fn shape(&mut self, shape: &'static Shape) -> String {
        match shape {
            Shape::Any => "true".to_owned(),
            Shape::Json(text) => (*text).to_owned(),
            Shape::Option(of) if is_option(of()) => self.shape(of()),
            Shape::Option(of) => or_null(self.shape(of())),
            Shape::List { items, unique, len } => {
                let items = self.shape(items());
                list(&items, *unique, *len)
            }
            Shape::Tuple(places) => self.tuple(places),
            Shape::Same(of) => self.shape(of()),
            Shape::Type(named) => self.reference(named),
            Shape::Enum(variants) => self.variants(variants),
            Shape::Map { .. } | Shape::Struct(_) => {
                let mut object = Object::default();
                self.merge(&mut object, shape, false);
                if let Shape::Struct(fields) = shape {
                    object.closed |= fields.closed || self.writes_all_of(&object);
                }
                let mut text = String::new();
                object.write(&mut text);
                text
            }
        }
    }

    /// Whether what is written has no fields but those of this object: a struct writes
    /// its own. What is flattened into it as a choice may write others.
    pub(super) fn writes_all_of(&self, object: &Object) -> bool {
        self.side == Side::Written && object.is_plain()
    }

    fn reference(&mut self, named: &'static Type) -> String {
        let id = (named.id)();
        let known = self.types.iter().find(|(other, _)| (other.id)() == id);
        let name = match known {
            Some((_, name)) if name.is_empty() => return r##"{"$ref":"#"}"##.to_owned(),
            Some((_, name)) => name.clone(),
            None => {
                let mut name = named.name.to_owned();
                let mut number = 1;
                while self.types.iter().any(|(_, used)| *used == name) {
                    number += 1;
                    name = joined(&[named.name, &decimal(number)]);
                }
                self.types.push((named, name.clone()));
                name
            }
        };
        joined(&[r##"{"$ref":"#/$defs/"##, &name, "\"}"])
    }

    fn tuple(&mut self, places: &'static [Field]) -> String {
        let side = self.side;
        let mut items = String::new();
        let (mut len, mut least) = (0, None);
        for place in places.iter().filter(|place| side.has(place.flags)) {
            if self.side == Side::Read && place.is(Field::OPTIONAL) {
                least.get_or_insert(len);
            }
            let schema = self.field(place);
            separate(&mut items);
            items.push_str(&schema);
            len += 1;
        }
        if len == 0 {
            return r#"{"type":"array","maxItems":0}"#.to_owned();
        }
        let (most, least) = (decimal(len), decimal(least.unwrap_or(len)));
        joined(&[
            r#"{"type":"array","prefixItems":["#,
            &items,
            r#"],"minItems":"#,
            &least,
            r#","maxItems":"#,
            &most,
            "}",
        ])
    }

    /// The schema of a field, with what is said about it.
    fn field(&mut self, field: &'static Field) -> String {
        let mut text = self.shape((field.shape)());
        annotate(&mut text, field.about);
        if let Some(preset) = field.preset.and_then(|preset| preset()) {
            annotate(&mut text, &joined(&[r#""default":"#, &preset]));
        }
        text
    }

    /// Adds what a type has of its own to an object.
    pub(super) fn merge(&mut self, object: &mut Object, shape: &'static Shape, optional: bool) {
        match bare(shape) {
            Shape::Struct(fields) => self.fields(object, fields, optional),
            Shape::Map { keys, values } => self.map(object, bare(keys()), values()),
            Shape::Option(of) => self.merge(object, of(), true),
            Shape::Any => object.others = Some("true".to_owned()),
            Shape::Enum(variants) => {
                let member = self.choices(variants, true);
                if optional {
                    object.besides(&[r#""anyOf":[{"#, &member, "},{}]"]);
                } else {
                    object.besides(&[&member]);
                }
            }
            Shape::Json(text) if !optional && *text != NULL => {
                object.besides(&[r#""allOf":["#, text, "]"]);
            }
            // No value of these is an object.
            _ => {}
        }
    }

    fn fields(&mut self, object: &mut Object, of: &'static Struct, optional: bool) {
        let side = self.side;
        if let (Side::Written, Some((tag, names))) = (self.side, &of.tag) {
            object.required(tag, &constant(names.written));
        }
        for field in of.fields.iter().filter(|field| side.has(field.flags)) {
            if field.is(Field::FLATTEN) {
                if self.flattened == MAX_FLATTENED {
                    object.others = Some("true".to_owned());
                    continue;
                }
                self.flattened += 1;
                self.merge(object, (field.shape)(), optional);
                self.flattened -= 1;
                continue;
            }
            let schema = self.field(field);
            let needed = !optional
                && match self.side {
                    Side::Written => !field.is(Field::OMITTED),
                    Side::Read if field.is(Field::NEEDED) => true,
                    Side::Read => !field.is(Field::OPTIONAL) && !is_option((field.shape)()),
                };
            match side.names(&field.names) {
                [name] if needed => object.required(name, &schema),
                names => {
                    names.iter().for_each(|name| object.property(name, &schema));
                    if needed {
                        object.besides(&[&one_of_these(names)]);
                    }
                }
            }
        }
    }

    fn map(&mut self, object: &mut Object, keys: &'static Shape, values: &'static Shape) {
        let side = self.side;
        let schema = self.shape(values);
        match keys {
            Shape::Json(text) if text.starts_with(r#"{"type":"integer""#) => {
                let signed = !has(text, r#""minimum":0"#);
                object.pattern(if signed { r"^-?\\d+$" } else { r"^\\d+$" }, &schema);
                object.closed = true;
            }
            Shape::Enum(of) if of.variants.iter().all(is_name) => {
                for variant in of.variants.iter().filter(|v| side.has(v.flags)) {
                    for name in side.names(&variant.names) {
                        object.property(name, &schema);
                    }
                }
                object.closed = true;
            }
            _ => object.others = Some(schema),
        }
    }
}

/// `"anyOf":[{"required":["a"]},…]`: a field under one of its names.
fn one_of_these(names: &[&str]) -> String {
    let mut choices = String::new();
    for name in names {
        separate(&mut choices);
        put(&mut choices, &[r#"{"required":[""#, name, r#""]}"#]);
    }
    joined(&[r#""anyOf":["#, &choices, "]"])
}

fn list(items: &str, unique: bool, len: Option<usize>) -> String {
    let unique = if unique { r#","uniqueItems":true"# } else { "" };
    let mut text = joined(&[r#"{"type":"array","items":"#, items, unique]);
    if let Some(len) = len {
        let len = decimal(len);
        put(
            &mut text,
            &[r#","minItems":"#, &len, r#","maxItems":"#, &len],
        );
    }
    text.push('}');
    text
}

fn decimal(number: usize) -> String {
    number.to_string()
}
