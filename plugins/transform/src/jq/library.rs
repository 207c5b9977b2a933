//! The functions of jq, as far as a filter needs them.
//!
//! A call begins with nothing: what one call compiled is gone with its store.
//! Of the 5.2 million units of fuel that a call took with the whole library,
//! whatever the filter, 99 of 100 went into the definitions that are written in
//! jq: each takes 30,000 to 60,000, a quarter for its tokens, a quarter for its
//! syntax tree, half to compile it. The table of natives takes 17,000. A filter
//! uses a few of them, itself or through others, so only those are loaded: `.a`
//! takes 100,000 now, `map(select(. > 30)) | length` 310,000.
//!
//! `build.rs` prints their texts from jaq's syntax trees.
//!
//! - `definitions`: which of jaq's they are.
//! - `print`: syntax trees to text.

use std::collections::BTreeSet;

use jaq_core::load::{self, parse::Def};
use jaq_core::native::Fun;

use super::{Data, functions};

#[cfg(test)]
mod definitions;
#[cfg(test)]
mod print;

include!(concat!(env!("OUT_DIR"), "/definitions.rs"));

/// What a filter may call.
pub(super) struct Library {
    /// Functions that are written in jq, in jaq's order.
    pub(super) definitions: Vec<Def>,
    /// Functions that are written in Rust.
    pub(super) natives: Vec<Fun<Data>>,
}

impl Library {
    /// What counts is whether a name stands anywhere in the filter, be it as a
    /// key or in a text: to load too much costs a little and changes nothing.
    pub(super) fn needed_by(filter: &str) -> Self {
        let mut names: BTreeSet<&str> = words(filter).collect();
        let mut definitions = Vec::new();
        // From the last to the first, so that one pass finds what others need.
        for (name, text) in DEFINITIONS.iter().rev() {
            if names.contains(name) {
                names.extend(words(text));
                definitions.extend(load::parse(text, |p| p.defs()).unwrap_or_default());
            }
        }
        definitions.reverse();
        Self {
            definitions,
            natives: functions::natives()
                .filter(|(name, ..)| names.contains(name))
                .collect(),
        }
    }
}

/// Everything that could be a name: `@uri` and `$x` give `uri` and `x`.
fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests;
