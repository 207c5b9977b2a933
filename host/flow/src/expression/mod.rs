//! Expressions and templates. Expressions are jq; a small part of jq is
//! evaluated here, the rest runs in the sandbox as the action `transform.jq`.
//!
//! - `parse`: from text to jq's syntax tree, within caps.
//! - `analyse`: which variables are read, and whether every name is there.
//! - `functions`: the jq functions that may be used.
//! - `reference`: the variables of an execution, and [`Scope`].
//! - `direct`: the subset that is evaluated here.
//! - `number`, `order`, `operate`: jq's numbers, order and operators on JSON values.
//! - `budget`: what direct evaluation may cost.
//! - `template`: values with expressions in them.

use serde_json::{Map, Value};

mod analyse;
mod budget;
mod direct;
mod functions;
mod number;
mod operate;
mod order;
mod parse;
mod reference;
mod template;
#[cfg(test)]
mod tests;

pub use direct::Direct;
pub use functions::FUNCTIONS;
pub(crate) use operate::weight;
pub use reference::{Reference, Root, Scope, Segment};
pub use template::{Room, Template};

/// An expression: jq over the variables of an execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    source: String,
    references: Vec<Reference>,
    direct: Option<Direct>,
}

/// Why an expression does not parse, or what it ran into.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl ExpressionError {
    /// An error without a hint.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Expression {
    /// Parses a bare expression.
    ///
    /// # Errors
    /// When it is not jq, is over a cap, or uses a function or a variable that
    /// is not there.
    pub fn parse(source: &str) -> Result<Self, ExpressionError> {
        let source = source.trim();
        let term = parse::parse(source)?;
        let references = analyse::analyse(&term)?;
        let direct = Direct::of(&term);
        Ok(Self {
            source: source.to_owned(),
            references,
            direct,
        })
    }

    /// Parses an expression that may stand bare or in `${ … }`, as a `when` does.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_bare_or_wrapped(text: &str) -> Result<Self, ExpressionError> {
        let text = text.trim();
        match template::whole(text) {
            Some(inner) => Self::parse(inner),
            None if text.contains("${") => Err(ExpressionError::new(format!(
                "`{}` is text with an expression in it, and an expression alone is needed",
                cut(text)
            ))
            .hint("write the expression bare, without `${ }`")),
            None => Self::parse(text),
        }
    }

    /// As it was written, without the `${ … }` around it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it reads of the execution's variables, sorted, each once.
    #[must_use]
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Its form for direct evaluation, if it is within the subset. Otherwise
    /// it runs in the sandbox, as the action `transform.jq`.
    #[must_use]
    pub const fn direct(&self) -> Option<&Direct> {
        self.direct.as_ref()
    }

    /// The `variables` of its call of `transform.jq`: `{"input": …, "nodes":
    /// {"fetch": {"result": …}}}`, with what it references and nothing else.
    #[must_use]
    pub fn variables(&self, scope: &dyn Scope) -> Value {
        let mut variables = Map::new();
        for group in self.references.chunk_by(|a, b| a.root == b.root) {
            let root = &group[0].root;
            let paths: Vec<&[Segment]> = group.iter().map(|r| r.path.as_slice()).collect();
            let value = scope
                .lookup(root)
                .map_or(Value::Null, |value| prune(value, &paths));
            match root.node() {
                None => {
                    variables.insert(root.name().to_owned(), value);
                }
                Some(node) => {
                    let nodes = variables
                        .entry("nodes")
                        .or_insert_with(|| Value::Object(Map::new()));
                    nodes[node.as_str()][root.name()] = value;
                }
            }
        }
        Value::Object(variables)
    }
}

/// The parts of a value that these paths lead to. What a path finds in the
/// result is what it finds in the value.
fn prune(value: &Value, paths: &[&[Segment]]) -> Value {
    let Value::Object(object) = value else {
        return value.clone();
    };
    let mut kept = Map::new();
    for path in paths {
        let [Segment::Key(key), ..] = path else {
            return value.clone();
        };
        if kept.contains_key(key) {
            continue;
        }
        if let Some(child) = object.get(key) {
            let below = |path: &&[Segment]| match path {
                [Segment::Key(k), rest @ ..] if k == key => Some(rest.len()),
                _ => None,
            };
            let paths: Vec<&[Segment]> = paths
                .iter()
                .filter_map(|p| below(p).map(|n| &p[p.len() - n..]))
                .collect();
            kept.insert(key.clone(), prune(child, &paths));
        }
    }
    Value::Object(kept)
}

/// The beginning of a text, for messages.
fn cut(text: &str) -> String {
    if text.chars().count() <= 80 {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(79).collect();
    short.push('…');
    short
}
