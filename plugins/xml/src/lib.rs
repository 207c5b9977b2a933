//! `xml.parse`: XML as a value, by the crate quick-xml.
//!
//! ```yaml
//! prices:
//!   action: xml.parse
//!   input: { xml: "${ $nodes.download.result.body }", lists: [item] }
//! ```
//!
//! `<order id="7"><item>tea</item><item>pot</item></order>` becomes
//! `{ "@id": "7", "item": ["tea", "pot"] }` with the root `order`. An element that
//! has only text is that text. Attributes are members whose name begins with `@`,
//! text beside elements or attributes is `#text`, and elements of one name are a
//! list. In which order elements of different names stand is not kept.
//!
//! Entities that a document declares are not read, nor is anything outside of it:
//! a reference to one is refused.

use nebula_sdk::Map;
use nebula_sdk::prelude::*;
use quick_xml::Reader;
use quick_xml::XmlVersion::Explicit1_0;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

mod names;

use names::{is_character, is_name};

/// How deep elements may stand in each other. Each is two levels of an output: its
/// members, and the list that they stand in.
const MAX_DEPTH: usize = 60;

/// The most elements and attributes, each up to 300 bytes of a call's memory.
const MAX_PARTS: usize = 100_000;

/// What `xml.parse` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// The document.
    pub xml: String,
    /// Names of elements that are a list even where there is one only.
    #[serde(default)]
    pub lists: Vec<String>,
    /// Whether names keep their prefix: `dc:title`, or `title`.
    #[serde(default)]
    pub prefixes: Prefixes,
    /// Whether white space at both ends of a text is kept.
    #[serde(default)]
    pub keep_space: bool,
}

/// What becomes of the prefixes of names.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Prefixes {
    /// Names stay as they are written.
    #[default]
    Keep,
    /// Prefixes are taken away, and the attributes that declare them.
    Drop,
}

/// What `xml.parse` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// The name of the outermost element.
    pub root: String,
    /// What is in it.
    pub value: Value,
}

/// Reads an XML document into a value.
#[derive(Action)]
#[action(id = "xml.parse", name = "Parse XML")]
pub struct Parse;

impl SimpleAction for Parse {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, _: &ActionContext) -> Result<Output> {
        parse(&input)
    }
}

nebula_sdk::export!(Parse);

/// An element whose end has not come yet.
struct Open {
    name: String,
    members: Map<String, Value>,
    text: String,
}

/// What has been read so far.
struct Document<'a> {
    input: &'a Input,
    open: Vec<Open>,
    parts: usize,
    root: Option<Output>,
}

fn parse(input: &Input) -> Result<Output> {
    let mut reader = Reader::from_str(&input.xml);
    reader.config_mut().check_comments = true;
    let mut document = Document {
        input,
        open: Vec::new(),
        parts: 0,
        root: None,
    };
    loop {
        let at = reader.buffer_position();
        let step = match reader.read_event() {
            Ok(Event::Eof) => break,
            Ok(event) => document.take(event).map_err(|why| (at, why)),
            Err(error) => Err((reader.error_position(), error.to_string())),
        };
        step.map_err(|(at, why)| refused(&input.xml, at, &why))?;
    }
    let end = input.xml.len() as u64;
    if let Some(open) = document.open.last() {
        let why = format!("`<{}>` has no end", open.name);
        return Err(refused(&input.xml, end, &why));
    }
    document
        .root
        .ok_or_else(|| refused(&input.xml, end, "there is no element"))
}

fn refused(xml: &str, at: u64, why: &str) -> ActionError {
    let at = usize::try_from(at).unwrap_or(usize::MAX).min(xml.len());
    let line = xml.as_bytes()[..at]
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count()
        + 1;
    ActionError::invalid_input(format!("xml: line {line}: {why}"))
}

impl Document<'_> {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(start) => self.begin(&start),
            Event::Empty(start) => {
                self.begin(&start)?;
                self.end();
                Ok(())
            }
            Event::End(_) => {
                self.end();
                Ok(())
            }
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let text = resolve(&reference)?;
                self.text(&text)
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        if self.root.is_some() {
            return Err("there is more than one outermost element".into());
        }
        if self.open.len() == MAX_DEPTH {
            return Err(format!(
                "elements stand in each other more than {MAX_DEPTH} deep"
            ));
        }
        self.count()?;
        let name = self.name(start.name().into_inner())?.to_owned();
        let mut members = Map::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            self.count()?;
            let written = attribute.key.into_inner();
            let declares = written == "xmlns" || written.starts_with("xmlns:");
            if declares && self.input.prefixes == Prefixes::Drop {
                continue;
            }
            let value = attribute
                .normalized_value(Explicit1_0)
                .map_err(|error| error.to_string())?;
            check_characters(&value)?;
            let member = ["@", self.name(written)?].concat();
            if members.contains_key(&member) {
                return Err(format!(
                    "the attribute `{written}` is there twice without its prefix; keep prefixes"
                ));
            }
            members.insert(member, Value::String(value.into_owned()));
        }
        self.open.push(Open {
            name,
            members,
            text: String::new(),
        });
        Ok(())
    }

    /// The reader has checked that it is the end of the innermost element.
    fn end(&mut self) {
        let Some(open) = self.open.pop() else {
            return;
        };
        let text = if self.input.keep_space {
            open.text.as_str()
        } else {
            open.text.trim()
        };
        let value = if open.members.is_empty() {
            Value::from(text)
        } else {
            let mut members = open.members;
            if !text.trim().is_empty() {
                members.insert("#text".to_owned(), Value::from(text));
            }
            Value::Object(members)
        };
        match self.open.last_mut() {
            None => {
                self.root = Some(Output {
                    root: open.name,
                    value,
                });
            }
            Some(parent) => match parent.members.get_mut(&open.name) {
                // Only a list of elements is a list here.
                Some(Value::Array(all)) => all.push(value),
                Some(first) => {
                    let first_value = first.take();
                    *first = Value::Array(vec![first_value, value]);
                }
                None if self.input.lists.contains(&open.name) => {
                    parent.members.insert(open.name, Value::Array(vec![value]));
                }
                None => {
                    parent.members.insert(open.name, value);
                }
            },
        }
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        check_characters(text)?;
        match self.open.last_mut() {
            Some(open) => open.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err("there is text outside of the outermost element".into()),
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), String> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(format!(
                "there are more than {MAX_PARTS} elements and attributes"
            ));
        }
        Ok(())
    }

    fn name<'n>(&self, name: &'n str) -> Result<&'n str, String> {
        let local = match self.input.prefixes {
            Prefixes::Keep => name,
            Prefixes::Drop => name.split_once(':').map_or(name, |(_, local)| local),
        };
        if is_name(local) {
            Ok(local)
        } else {
            Err(format!("`{name}` is no name"))
        }
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, String> {
    match reference.resolve_char_ref() {
        Ok(Some(c)) => Ok(c.to_string()),
        Ok(None) => resolve_xml_entity(reference)
            .map(str::to_owned)
            .ok_or_else(|| {
                format!(
                    "the entity `&{};` is not known; declarations are not read",
                    &**reference
                )
            }),
        Err(error) => Err(error.to_string()),
    }
}

fn check_characters(text: &str) -> Result<(), String> {
    match text.chars().find(|&c| !is_character(c)) {
        Some(c) => Err(format!("U+{:04X} is no character of XML", u32::from(c))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
