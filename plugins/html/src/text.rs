//! The text of an element.

use crate::document::{Document, Kind};

/// The text in an element as a reader sees it: runs of white space are one space,
/// and so are the ends of paragraphs, cells and their like. Scripts and styles are
/// no text.
pub(crate) fn of(document: &Document, root: usize) -> String {
    let mut text = String::new();
    let mut is_apart = false;
    let mut push = |part: &str, apart: bool| {
        is_apart |= apart;
        for word in part.split_inclusive(char::is_whitespace) {
            let trimmed = word.trim_end();
            if !trimmed.is_empty() {
                if is_apart && !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(trimmed);
                is_apart = false;
            }
            is_apart |= trimmed.len() < word.len();
        }
    };
    // Blocks whose end has not been passed.
    let mut blocks: Vec<usize> = Vec::new();
    let mut node = root;
    while node < document.end(root) {
        while blocks.pop_if(|end| *end <= node).is_some() {
            push("", true);
        }
        match &document.nodes()[node].kind {
            Kind::Text(part) => push(part, false),
            Kind::Element(element) => match element.name.as_str() {
                "script" | "style" | "template" => {
                    node = document.end(node);
                    continue;
                }
                name if is_inline(name) => {}
                _ => {
                    push("", true);
                    blocks.push(document.end(node));
                }
            },
        }
        node += 1;
    }
    text
}

/// Whether an element stands in a line of text.
fn is_inline(name: &str) -> bool {
    const INLINE: [&str; 33] = [
        "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn",
        "em", "font", "i", "img", "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span",
        "strike", "strong", "sub", "sup", "time", "tt", "u", "var",
    ];
    INLINE.contains(&name)
}
