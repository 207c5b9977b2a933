//! The variants of an enum, however they are tagged.

use alloc::borrow::ToOwned;
use alloc::string::String;

use super::Side;
use super::object::{Object, constant, joined, quote, separate};
use super::shape::{Content, Enum, Shape, Tagging, Variant};
use super::write::{NULL, TEXT, Writer, annotate, bare, is_option};

impl Writer {
    pub(super) fn variants(&mut self, of: &'static Enum) -> String {
        let member = self.choices(of, false);
        // A single list of names needs no choice.
        match member.strip_prefix(r#""oneOf":["#) {
            Some("]") => "false".to_owned(),
            Some(rest) if of.variants.iter().all(|v| is_plain(of, v)) => {
                rest.strip_suffix(']').unwrap_or(rest).to_owned()
            }
            _ => joined(&["{", &member, "}"]),
        }
    }

    /// `"oneOf":[…]`, or `"anyOf"` where several may fit.
    pub(super) fn choices(&mut self, of: &'static Enum, flatten: bool) -> String {
        let side = self.side;
        let mut names = String::new();
        let mut schemas = String::new();
        let mut several = of.tagging == Tagging::Untagged;
        for variant in of.variants.iter().filter(|v| side.has(v.flags)) {
            several |= variant.untagged || variant.other && side == Side::Read;
            for name in side.names(&variant.names) {
                if is_plain(of, variant) && !flatten {
                    separate(&mut names);
                    quote(&mut names, name);
                } else {
                    let schema = self.variant(of, variant, name, flatten);
                    separate(&mut schemas);
                    schemas.push_str(&schema);
                }
            }
        }
        if !names.is_empty() {
            let rest = core::mem::take(&mut schemas);
            schemas = joined(&[r#"{"type":"string","enum":["#, &names, "]}"]);
            if !rest.is_empty() {
                schemas.push(',');
                schemas.push_str(&rest);
            }
        }
        let keyword = if several {
            r#""anyOf":["#
        } else {
            r#""oneOf":["#
        };
        joined(&[keyword, &schemas, "]"])
    }

    fn variant(
        &mut self,
        of: &'static Enum,
        variant: &'static Variant,
        name: &str,
        flatten: bool,
    ) -> String {
        let any_name = variant.other && self.side == Side::Read;
        let tagging = if variant.untagged {
            Tagging::Untagged
        } else {
            of.tagging
        };
        let tag = if any_name {
            TEXT.to_owned()
        } else {
            constant(name)
        };
        let mut object = Object::default();
        let mut text = String::new();
        match (tagging, &variant.content) {
            (Tagging::Untagged, Content::Unit) => text.push_str(NULL),
            (Tagging::Untagged, Content::Some(content)) => text = self.shape(content),
            (Tagging::External, Content::Unit) if flatten => object.required(name, NULL),
            (Tagging::External, Content::Unit) => text = tag,
            (Tagging::External, Content::Some(content)) => {
                let content = self.shape(content);
                object.required(name, &content);
                object.closed = !flatten;
            }
            (Tagging::Internal(key), content) => {
                object.required(key, &tag);
                object.closed = of.closed && !flatten;
                if let Content::Some(content) = content {
                    self.merge(&mut object, content, false);
                    if let Shape::Struct(fields) = bare(content) {
                        object.closed = fields.closed;
                    }
                }
                object.closed |= !flatten && self.writes_all_of(&object);
            }
            (Tagging::Adjacent(key, under), content) => {
                object.required(key, &tag);
                object.closed = of.closed && !flatten;
                if let Content::Some(content) = content {
                    let schema = self.shape(content);
                    if self.side == Side::Read && is_option(content) {
                        object.property(under, &schema);
                    } else {
                        object.required(under, &schema);
                    }
                }
                object.closed |= !flatten && self.writes_all_of(&object);
            }
        }
        if text.is_empty() {
            object.write(&mut text);
        }
        annotate(&mut text, variant.about);
        text
    }
}

/// Whether a variant is only a name.
pub(super) fn is_name(variant: &Variant) -> bool {
    matches!(variant.content, Content::Unit) && !variant.untagged && !variant.other
}

/// Whether a variant is only a name about which nothing is said.
fn is_plain(of: &Enum, variant: &Variant) -> bool {
    of.tagging == Tagging::External && is_name(variant) && variant.about.is_empty()
}
