//! Values with expressions in them. A string that is one whole `${ … }` keeps
//! the type of its value; in other strings values become text: strings as they
//! are, others as JSON. `$${` stands for the two characters `${`.

use serde_json::{Map, Value};

use super::operate::weight;
use super::{Expression, ExpressionError, Scope, cut};
use crate::payload::MAX_PAYLOAD;

/// How deep a template may nest.
const MAX_DEPTH: usize = 64;
/// The most expressions of a template.
const MAX_EXPRESSIONS: usize = 1000;

/// A JSON value whose strings may contain `${ … }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    root: Node,
    expressions: Vec<Expression>,
}

/// How much more a template may still become.
#[derive(Debug)]
pub struct Room(usize);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Constant(Value),
    Whole,
    Text(Vec<Piece>),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Literal(String),
    Expression,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// When one of its expressions does not parse, or it is over a cap.
    pub fn parse(value: &Value) -> Result<Self, ExpressionError> {
        let mut expressions = Vec::new();
        let root = node(value, &mut expressions, MAX_DEPTH)?;
        Ok(Self { root, expressions })
    }

    /// Parses what gives a map's list: a template, or a bare expression as a string.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_list(value: &Value) -> Result<Self, ExpressionError> {
        match value {
            Value::String(text) => {
                let expression = Expression::parse_bare_or_wrapped(text)?;
                Ok(Self {
                    root: Node::Whole,
                    expressions: vec![expression],
                })
            }
            Value::Array(_) => Self::parse(value),
            _ => Err(
                ExpressionError::new("a map needs a list, or an expression that gives one")
                    .hint("write for example `map: \"$input.cities\"`"),
            ),
        }
    }

    /// Every expression in it, in the order in which they are rendered.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.expressions.iter()
    }

    /// Its value, if it has no expressions.
    #[must_use]
    pub fn constant(&self) -> Option<Value> {
        if !self.expressions.is_empty() {
            return None;
        }
        self.render(&mut |_| Ok(Value::Null)).ok()
    }

    /// Puts the values of its expressions in their places. `evaluate` is asked
    /// once for each expression, in the order of [`expressions`](Self::expressions).
    ///
    /// # Errors
    /// The first that `evaluate` gives, or that the value is over the cap of a payload.
    pub fn render(
        &self,
        evaluate: &mut dyn FnMut(&Expression) -> Result<Value, ExpressionError>,
    ) -> Result<Value, ExpressionError> {
        let mut rendering = Rendering {
            expressions: self.expressions.iter(),
            evaluate,
            room: Room::new(),
        };
        rendering.node(&self.root)
    }

    /// The same where nothing runs: every expression is evaluated directly.
    ///
    /// # Errors
    /// When one cannot be, or errs, or the value is over the cap of a payload.
    pub(crate) fn render_early(&self, scope: &dyn Scope) -> Result<Value, ExpressionError> {
        self.render(&mut |expression| match expression.direct() {
            Some(direct) => direct.evaluate(scope),
            None => Err(ExpressionError::new(format!(
                "`{}` would have to run in the sandbox",
                expression.source()
            ))),
        })
    }
}

// --------------------------------------------------------------- parsing --

fn node(
    value: &Value,
    expressions: &mut Vec<Expression>,
    depth: usize,
) -> Result<Node, ExpressionError> {
    let depth = depth.checked_sub(1).ok_or_else(|| {
        ExpressionError::new(format!("the value nests deeper than {MAX_DEPTH} levels"))
    })?;
    let before = expressions.len();
    let parsed = match value {
        Value::String(text) => return string(text, expressions),
        Value::Array(items) => Node::Array(
            items
                .iter()
                .map(|item| node(item, expressions, depth))
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(entries) => Node::Object(
            entries
                .iter()
                .map(|(key, value)| Ok((key.clone(), node(value, expressions, depth)?)))
                .collect::<Result<_, ExpressionError>>()?,
        ),
        _ => Node::Constant(value.clone()),
    };
    // A part without expressions is kept as it is, except where `$${` changed it.
    if expressions.len() == before && !has_escape(value) {
        Ok(Node::Constant(value.clone()))
    } else {
        Ok(parsed)
    }
}

fn has_escape(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("$${"),
        Value::Array(items) => items.iter().any(has_escape),
        Value::Object(entries) => entries.values().any(has_escape),
        _ => false,
    }
}

fn string(text: &str, expressions: &mut Vec<Expression>) -> Result<Node, ExpressionError> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if rest[..start].ends_with('$') {
            literal.push_str(&rest[..start - 1]);
            literal.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        literal.push_str(&rest[..start]);
        let inner = &rest[start + 2..];
        let end = end_of_expression(inner).ok_or_else(|| {
            ExpressionError::new(format!(
                "`{}` is not closed: a `}}` is missing",
                cut(&rest[start..])
            ))
            .hint("to mean the characters themselves, write `$${`")
        })?;
        if expressions.len() == MAX_EXPRESSIONS {
            return Err(ExpressionError::new(format!(
                "the value has more than {MAX_EXPRESSIONS} expressions"
            )));
        }
        expressions.push(Expression::parse(&inner[..end])?);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Expression);
        rest = &inner[end + 1..];
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(match pieces.as_slice() {
        [] => Node::Constant(Value::String(String::new())),
        [Piece::Expression] => Node::Whole,
        [Piece::Literal(text)] => Node::Constant(Value::String(text.clone())),
        _ => Node::Text(pieces),
    })
}

/// The expression in a text that is one whole `${ … }`.
pub(super) fn whole(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("${")?;
    let end = end_of_expression(inner)?;
    (end + 1 == inner.len()).then(|| &inner[..end])
}

/// Where the `}` stands that closes the expression with which `text` begins:
/// braces in strings, comments and objects do not.
fn end_of_expression(text: &str) -> Option<usize> {
    let mut open = Vec::new();
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if open.last() == Some(&b'"') {
            match byte {
                b'"' => {
                    open.pop();
                }
                b'\\' => {
                    if let Some((_, b'(')) = bytes.next() {
                        open.push(b'(');
                    }
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' | b'(' | b'[' | b'{' => open.push(byte),
            b'#' => {
                bytes.find(|(_, byte)| *byte == b'\n')?;
            }
            b')' if open.last() == Some(&b'(') => {
                open.pop();
            }
            b']' if open.last() == Some(&b'[') => {
                open.pop();
            }
            b'}' if open.last() == Some(&b'{') => {
                open.pop();
            }
            // Also with a bracket open: the parser then says which is missing.
            b'}' => return Some(at),
            _ => {}
        }
    }
    None
}

// ------------------------------------------------------------- rendering --

struct Rendering<'t, 'e> {
    expressions: std::slice::Iter<'t, Expression>,
    evaluate: &'e mut dyn FnMut(&Expression) -> Result<Value, ExpressionError>,
    room: Room,
}

impl Room {
    /// That of a payload.
    #[must_use]
    pub const fn new() -> Self {
        Self(MAX_PAYLOAD)
    }

    /// Takes what a value needs.
    ///
    /// # Errors
    /// When there is not enough left.
    pub fn take(&mut self, value: &Value) -> Result<(), ExpressionError> {
        self.take_bytes(weight(value))
    }

    fn take_bytes(&mut self, bytes: usize) -> Result<(), ExpressionError> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| {
            ExpressionError::new(format!(
                "the rendered value is over the cap of {MAX_PAYLOAD} bytes"
            ))
        })?;
        Ok(())
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::new()
    }
}

impl Rendering<'_, '_> {
    fn node(&mut self, node: &Node) -> Result<Value, ExpressionError> {
        Ok(match node {
            Node::Constant(value) => value.clone(),
            Node::Whole => {
                let value = self.next()?;
                self.room.take(&value)?;
                value
            }
            Node::Text(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Literal(literal) => text.push_str(literal),
                        Piece::Expression => match self.next()? {
                            Value::String(value) => {
                                self.room.take_bytes(value.len())?;
                                text.push_str(&value);
                            }
                            value => {
                                let value = value.to_string();
                                self.room.take_bytes(value.len())?;
                                text.push_str(&value);
                            }
                        },
                    }
                }
                Value::String(text)
            }
            Node::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.node(item))
                    .collect::<Result<_, _>>()?,
            ),
            Node::Object(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), self.node(value)?)))
                    .collect::<Result<Map<_, _>, ExpressionError>>()?,
            ),
        })
    }

    fn next(&mut self) -> Result<Value, ExpressionError> {
        let expression = self.expressions.next();
        let expression = expression
            .ok_or_else(|| ExpressionError::new("the template has lost an expression"))?;
        (self.evaluate)(expression)
    }
}
