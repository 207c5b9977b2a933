//! The elements of a page, in its order: each stands before what is in it.

use std::convert::Infallible;

use html5gum::emitters::callback::{Callback, CallbackEmitter, CallbackEvent};
use html5gum::emitters::{Emitter, ForwardingEmitter};
use html5gum::{Error, Span, Tokenizer};

use crate::rules;

/// The page itself, which is no element.
pub(crate) const ROOT: usize = 0;

/// The most elements and texts, each about 300 bytes of a call's memory.
const MAX_NODES: usize = 150_000;

/// How deep elements stand in each other; what is deeper stands beside each other.
const MAX_DEPTH: usize = 256;

/// A page.
pub(crate) struct Document {
    nodes: Vec<Node>,
}

/// An element or a text.
pub(crate) struct Node {
    pub(crate) parent: usize,
    /// The index behind everything that is in it.
    end: usize,
    pub(crate) kind: Kind,
}

/// What a node is.
pub(crate) enum Kind {
    Text(String),
    Element(Element),
}

/// An element.
#[derive(Default)]
pub(crate) struct Element {
    /// In lower case.
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
    /// Among the elements beside it, from 1 on.
    pub(crate) position: usize,
    /// How many elements stand directly in it.
    pub(crate) children: usize,
}

impl Document {
    /// Reads a page.
    ///
    /// # Errors
    /// When it has too many elements; there is no page that is wrong otherwise.
    pub(crate) fn read(html: &str) -> Result<Self, String> {
        let mut builder = Builder::new();
        let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| {
            builder.take(event);
            None::<Infallible>
        });
        // `<script>`, `<style>`, `<textarea>` and their like have no elements in them.
        emitter.naively_switch_states(true);
        Tokenizer::new_with_emitter(html, Quiet(emitter)).for_each(drop);
        builder.finish()
    }

    /// All nodes; the first is [`ROOT`].
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The index behind everything that is in a node.
    pub(crate) fn end(&self, node: usize) -> usize {
        self.nodes[node].end
    }

    /// An element; none for a text and for the page itself.
    pub(crate) fn element(&self, node: usize) -> Option<&Element> {
        match &self.nodes[node].kind {
            Kind::Element(element) if node != ROOT => Some(element),
            _ => None,
        }
    }

    /// The value of an element's attribute; names are compared in any case.
    pub(crate) fn attribute(&self, node: usize, name: &str) -> Option<&str> {
        self.element(node)?.attribute(name)
    }
}

impl Element {
    /// The value of an attribute; names are compared in any case.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let named = |(other, _): &&(String, String)| other.eq_ignore_ascii_case(name);
        self.attributes
            .iter()
            .find(named)
            .map(|(_, value)| value.as_str())
    }
}

/// Hears nothing of mistakes, comments and the document's type: nothing is made of
/// them, and the component is smaller without.
struct Quiet<F: Callback<Infallible, ()>>(CallbackEmitter<F>);

impl<F: Callback<Infallible, ()>> ForwardingEmitter for Quiet<F> {
    type Token = Infallible;

    fn inner(&mut self) -> &mut impl Emitter<Token = Infallible> {
        &mut self.0
    }

    fn should_emit_errors(&mut self) -> bool {
        false
    }

    fn emit_error(&mut self, _: Error) {}

    fn push_comment(&mut self, _: &[u8]) {}

    fn emit_current_comment(&mut self) {}

    fn push_doctype_name(&mut self, _: &[u8]) {}

    fn set_doctype_public_identifier(&mut self, _: &[u8]) {}

    fn set_doctype_system_identifier(&mut self, _: &[u8]) {}

    fn push_doctype_public_identifier(&mut self, _: &[u8]) {}

    fn push_doctype_system_identifier(&mut self, _: &[u8]) {}

    fn emit_current_doctype(&mut self) {}
}

struct Builder {
    nodes: Vec<Node>,
    /// Elements whose end has not come yet, the page first.
    open: Vec<usize>,
    tag: Element,
    is_full: bool,
}

impl Builder {
    fn new() -> Self {
        let page = Node {
            parent: ROOT,
            end: 0,
            kind: Kind::Element(Element::default()),
        };
        Self {
            nodes: vec![page],
            open: vec![ROOT],
            tag: Element::default(),
            is_full: false,
        }
    }

    fn take(&mut self, event: CallbackEvent<'_>) {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                self.tag = Element {
                    name: text(name).to_ascii_lowercase(),
                    ..Element::default()
                };
            }
            CallbackEvent::AttributeName { name } => {
                self.tag.attributes.push((text(name), String::new()));
            }
            CallbackEvent::AttributeValue { value } => {
                if let Some((_, last)) = self.tag.attributes.last_mut() {
                    *last = text(value);
                }
            }
            CallbackEvent::CloseStartTag { self_closing } => self.begin(self_closing),
            CallbackEvent::EndTag { name } => self.end(&text(name).to_ascii_lowercase()),
            CallbackEvent::String { value } => self.text(&text(value)),
            CallbackEvent::Comment { .. }
            | CallbackEvent::Doctype { .. }
            | CallbackEvent::Error(_) => {}
        }
    }

    fn begin(&mut self, self_closing: bool) {
        let mut element = std::mem::take(&mut self.tag);
        if let Some((ended, within)) = rules::ended_by(&element.name) {
            self.close_all(|name| ended.contains(&name), |name| within.contains(&name));
        }
        // In pictures and formulas tags end as they do in XML.
        let is_foreign = |name: &str| matches!(name, "svg" | "math");
        let is_closed = self_closing && (is_foreign(&element.name) || self.names().any(is_foreign));
        let is_empty = is_closed || rules::is_void(&element.name);
        if self.open.len() > MAX_DEPTH {
            self.close(MAX_DEPTH);
        }
        let parent = self.parent();
        if let Kind::Element(parent) = &mut self.nodes[parent].kind {
            parent.children += 1;
            element.position = parent.children;
        }
        let node = self.add(Kind::Element(element));
        if let Some(node) = node.filter(|_| !is_empty) {
            self.open.push(node);
        }
    }

    /// An end tag without its element is passed over.
    fn end(&mut self, name: &str) {
        let within = rules::end_within(name);
        let found = self
            .open
            .iter()
            .enumerate()
            .skip(1)
            .rev()
            .map(|(depth, &node)| (depth, self.name(node)))
            .take_while(|(_, other)| *other == name || !within.contains(other))
            .find(|(_, other)| *other == name);
        if let Some((depth, _)) = found {
            self.close(depth);
        }
    }

    /// Closes the outermost of the open elements that `ends` says, up to the first that
    /// `within` says.
    fn close_all(&mut self, ends: impl Fn(&str) -> bool, within: impl Fn(&str) -> bool) {
        let mut outermost = None;
        for (depth, &node) in self.open.iter().enumerate().skip(1).rev() {
            let name = self.name(node);
            if ends(name) {
                outermost = Some(depth);
            } else if within(name) {
                break;
            }
        }
        if let Some(depth) = outermost {
            self.close(depth);
        }
    }

    fn close(&mut self, depth: usize) {
        let end = self.nodes.len();
        for node in self.open.drain(depth..) {
            self.nodes[node].end = end;
        }
    }

    fn text(&mut self, text: &str) {
        let parent = self.parent();
        match self.nodes.last_mut() {
            Some(Node {
                parent: other,
                kind: Kind::Text(last),
                ..
            }) if *other == parent => last.push_str(text),
            _ => {
                self.add(Kind::Text(text.to_owned()));
            }
        }
    }

    fn add(&mut self, kind: Kind) -> Option<usize> {
        if self.nodes.len() == MAX_NODES {
            self.is_full = true;
            return None;
        }
        let node = self.nodes.len();
        self.nodes.push(Node {
            parent: self.parent(),
            end: node + 1,
            kind,
        });
        Some(node)
    }

    fn parent(&self) -> usize {
        self.open.last().copied().unwrap_or(ROOT)
    }

    fn name(&self, node: usize) -> &str {
        match &self.nodes[node].kind {
            Kind::Element(element) => &element.name,
            Kind::Text(_) => "",
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.open.iter().map(|&node| self.name(node))
    }

    fn finish(mut self) -> Result<Document, String> {
        if self.is_full {
            return Err(format!(
                "there are more than {MAX_NODES} elements and texts"
            ));
        }
        self.close(0);
        Ok(Document { nodes: self.nodes })
    }
}

/// The tokenizer gives UTF-8, as it was given that.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
