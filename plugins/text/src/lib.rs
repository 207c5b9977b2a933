//! `text.split`: a text in parts.
//!
//! ```yaml
//! lines: { action: text.split, input: { text: "${ $nodes.download.result.body }", keep_empty: false } }
//! chunks:
//!   action: text.split
//!   input: { text: "${ $input.article }", by: size, size: 1000, overlap: 100 }
//! ```
//!
//! A part of at most `size` characters ends, if it can, where a paragraph, a
//! sentence, a line or a word does. Without `overlap` such parts joined are the
//! text again.

#![no_std]

use nebula_sdk::prelude::*;

mod size;

/// The most parts that a text is split into: an output has 1,000,000 values at
/// most, and lists of this length are still quick to go through.
const MAX_PARTS: usize = 100_000;

/// What `text.split` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// The text.
    pub text: String,
    /// Where it is split.
    #[serde(default)]
    pub by: By,
    /// What stands between parts; for `by: separator`, and not empty.
    #[serde(default)]
    pub separator: Option<String>,
    /// The most characters (Unicode scalar values) of a part; for `by: size`.
    #[serde(default)]
    pub size: Option<usize>,
    /// How many characters a part has in common with the one before; for `by: size`,
    /// at most half of it.
    #[serde(default)]
    pub overlap: usize,
    /// Takes white space from both ends of each part.
    #[serde(default)]
    pub trim: bool,
    /// Whether parts with nothing in them are kept.
    #[serde(default = "yes")]
    pub keep_empty: bool,
}

/// Where a text is split.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// At each `\n` or `\r\n`; one at the very end begins no further line.
    #[default]
    Lines,
    /// At each run of empty lines.
    Paragraphs,
    /// At white space; there are no empty parts.
    Words,
    /// At each `separator`.
    Separator,
    /// After at most `size` characters.
    Size,
}

/// What `text.split` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// In order.
    pub parts: Vec<String>,
    /// How many there are.
    pub count: usize,
}

/// Splits a text into lines, paragraphs, words, parts between separators, or parts of a size.
#[derive(Action)]
#[action(id = "text.split", name = "Split a text")]
pub struct Split;

impl SimpleAction for Split {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, _: &ActionContext) -> Result<Output> {
        let parts = split(&input)?;
        Ok(Output {
            count: parts.len(),
            parts,
        })
    }
}

nebula_sdk::export!(Split);

fn yes() -> bool {
    true
}

fn split(input: &Input) -> Result<Vec<String>> {
    let text = input.text.as_str();
    match input.by {
        By::Lines => collect(text.lines(), input),
        By::Paragraphs => collect(Paragraphs(text), input),
        By::Words => collect(text.split_whitespace(), input),
        By::Separator => {
            let separator = input.separator.as_deref().unwrap_or_default();
            if separator.is_empty() {
                return Err(ActionError::invalid_input(
                    "separator: `by: separator` needs one that is not empty",
                ));
            }
            collect(text.split(separator), input)
        }
        By::Size => {
            let size = input.size.unwrap_or_default();
            if size == 0 {
                return Err(ActionError::invalid_input(
                    "size: `by: size` needs one of at least 1",
                ));
            }
            if input.overlap > size / 2 {
                return Err(ActionError::invalid_input(format!(
                    "overlap: {} characters are more than half of `size`, {size}",
                    input.overlap
                )));
            }
            collect(size::Parts::new(text, size, input.overlap), input)
        }
    }
}

fn collect<'a>(parts: impl Iterator<Item = &'a str>, input: &Input) -> Result<Vec<String>> {
    let mut kept = Vec::new();
    for part in parts {
        let part = if input.trim { part.trim() } else { part };
        if part.is_empty() && !input.keep_empty {
            continue;
        }
        if kept.len() == MAX_PARTS {
            return Err(ActionError::invalid_input(format!(
                "text: it has more than {MAX_PARTS} parts; split it into larger ones first"
            )));
        }
        kept.push(part.to_owned());
    }
    Ok(kept)
}

/// Runs of lines that are not blank, without the line's end behind each run.
struct Paragraphs<'a>(&'a str);

impl<'a> Iterator for Paragraphs<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let is_blank = |line: &&str| line.trim().is_empty();
        let lines = |text: &'a str| text.split_inclusive('\n');
        let skipped: usize = lines(self.0).take_while(is_blank).map(str::len).sum();
        let text = &self.0[skipped..];
        let length: usize = lines(text)
            .take_while(|line| !is_blank(line))
            .map(str::len)
            .sum();
        let (paragraph, rest) = text.split_at(length);
        self.0 = rest;
        (length > 0).then(|| paragraph.trim_end_matches(['\n', '\r']))
    }
}

#[cfg(test)]
mod tests;
