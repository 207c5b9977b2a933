//! What structs, variants and flattened fields add up to.

use alloc::string::String;

/// The schema of an object, part by part.
#[derive(Debug, Default)]
pub(super) struct Object {
    properties: String,
    required: String,
    patterns: String,
    /// The schema of all other fields.
    pub(super) others: Option<String>,
    /// Other fields are refused.
    pub(super) closed: bool,
    /// What must hold besides: members such as `"oneOf":[…]`, with `},{` between them.
    besides: String,
    /// How many of them.
    more: u32,
}

impl Object {
    /// Adds a field.
    pub(super) fn property(&mut self, name: &str, schema: &str) {
        entry(&mut self.properties, name, schema);
    }

    /// Adds a field that is always there.
    pub(super) fn required(&mut self, name: &str, schema: &str) {
        self.property(name, schema);
        separate(&mut self.required);
        quote(&mut self.required, name);
    }

    /// Adds the fields whose names match a regular expression.
    pub(super) fn pattern(&mut self, pattern: &str, schema: &str) {
        entry(&mut self.patterns, pattern, schema);
    }

    /// Adds what must hold besides: a member such as `"oneOf":[…]`.
    pub(super) fn besides(&mut self, parts: &[&str]) {
        if self.more > 0 {
            self.besides.push_str("},{");
        }
        put(&mut self.besides, parts);
        self.more += 1;
    }

    /// Whether nothing must hold besides.
    pub(super) const fn is_plain(&self) -> bool {
        self.more == 0
    }

    /// The whole schema.
    pub(super) fn write(self, out: &mut String) {
        out.push_str(r#"{"type":"object""#);
        member(out, r#","properties":{"#, &self.properties, "}");
        member(out, r#","patternProperties":{"#, &self.patterns, "}");
        member(out, r#","required":["#, &self.required, "]");
        match self.others {
            Some(others) => put(out, &[r#","additionalProperties":"#, &others]),
            // What other parts of the schema know is known.
            None if self.closed && self.more > 0 => {
                out.push_str(r#","unevaluatedProperties":false"#);
            }
            None if self.closed => out.push_str(r#","additionalProperties":false"#),
            None => {}
        }
        match self.more {
            0 => {}
            1 => put(out, &[",", &self.besides]),
            _ => put(out, &[r#","allOf":[{"#, &self.besides, "}]"]),
        }
        out.push('}');
    }
}

/// `{"type":"string","const":name}`: a tag, or a variant that is only a name.
pub(super) fn constant(name: &str) -> String {
    joined(&[r#"{"type":"string","const":""#, name, r#""}"#])
}

/// A comma, unless nothing stands before it.
pub(super) fn separate(list: &mut String) {
    if !list.is_empty() {
        list.push(',');
    }
}

/// A text that is JSON already, in quotes.
pub(super) fn quote(out: &mut String, text: &str) {
    put(out, &["\"", text, "\""]);
}

/// Adds the parts to a text.
pub(super) fn put(out: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| out.push_str(part));
}

/// The text of the parts.
pub(super) fn joined(parts: &[&str]) -> String {
    let mut out = String::new();
    put(&mut out, parts);
    out
}

fn entry(list: &mut String, name: &str, schema: &str) {
    separate(list);
    put(list, &["\"", name, "\":", schema]);
}

fn member(out: &mut String, before: &str, content: &str, after: &str) {
    if !content.is_empty() {
        put(out, &[before, content, after]);
    }
}
