//! The subset of jq that is evaluated here: variables and paths, literals,
//! comparison, arithmetic, `and`, `or`, `not` and `//`. The same values and
//! the same errors as jaq gives, which a property test holds.

use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::ops::{Cmp, Math};
use jaq_core::path::Opt;
use serde_json::Value;

use super::ExpressionError;
use super::analyse::{static_path, static_string};
use super::budget::Budget;
use super::number::Num;
use super::operate::{Val, math};
use super::order::holds;
use super::reference::{Root, Scope, Segment};
use crate::id::NodeId;

/// The most operations of a direct expression: it runs on the host, so its
/// cost is bounded by its size.
const MAX_OPERATIONS: usize = 64;

/// An expression within the subset.
#[derive(Debug, Clone, PartialEq)]
pub struct Direct(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Read(Root),
    Literal(Value),
    Number(Num),
    /// Whether a step is optional (`?`) stands beside it.
    Path(Box<Node>, Vec<(Segment, bool)>),
    Negate(Box<Node>),
    Not(Box<Node>),
    /// `(…)?`: nothing instead of an error.
    Try(Box<Node>),
    And(Box<(Node, Node)>),
    Or(Box<(Node, Node)>),
    Otherwise(Box<(Node, Node)>),
    Compare(Cmp, Box<(Node, Node)>),
    Math(Math, Box<(Node, Node)>),
}

impl Direct {
    /// Evaluates it.
    ///
    /// # Errors
    /// As jq errs: a number has no fields, say; and when it gives no value at
    /// all, or one that JSON does not have, or passes a limit.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Value, ExpressionError> {
        self.evaluate_within(scope, &mut Budget::new())
    }

    pub(super) fn evaluate_within(
        &self,
        scope: &dyn Scope,
        budget: &mut Budget,
    ) -> Result<Value, ExpressionError> {
        let value = Evaluation { scope, budget }.run(&self.0)?;
        value
            .ok_or_else(|| ExpressionError::new("the expression gives no value"))?
            .into_value()
    }

    pub(super) fn of(term: &Term<&str>) -> Option<Self> {
        let mut left = MAX_OPERATIONS;
        node(term, &mut left).map(Self)
    }
}

// ------------------------------------------------------- from the syntax --

fn node(term: &Term<&str>, left: &mut usize) -> Option<Node> {
    *left = left.checked_sub(1)?;
    let mut boxed = |term: &Term<&str>| node(term, left).map(Box::new);
    Some(match term {
        Term::Num(text) => Node::Number(Num::literal(text)?),
        Term::Str(None, parts) => Node::Literal(Value::String(static_string(parts)?)),
        Term::Arr(None) => Node::Literal(Value::Array(Vec::new())),
        Term::Obj(entries) if entries.is_empty() => {
            Node::Literal(Value::Object(serde_json::Map::new()))
        }
        Term::Call(name, arguments) if arguments.is_empty() => Node::Literal(match *name {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => return None,
        }),
        Term::Var(name) => Node::Read(Root::plain(name)?),
        Term::Neg(inner) => Node::Negate(boxed(inner)?),
        Term::TryCatch(inner, None) => Node::Try(boxed(inner)?),
        Term::Path(head, path) => {
            let steps: Vec<_> = static_path(path)
                .into_iter()
                .map(|(s, opt)| (s, matches!(opt, Opt::Optional)))
                .collect();
            if steps.len() != path.0.len() {
                return None;
            }
            match &**head {
                Term::Var("$nodes") => node_part(steps)?,
                head => Node::Path(boxed(head)?, steps),
            }
        }
        Term::BinOp(l, BinaryOp::Pipe(None), r) => match &**r {
            Term::Call("not", arguments) if arguments.is_empty() => Node::Not(boxed(l)?),
            _ => return None,
        },
        Term::BinOp(l, op, r) => {
            let pair = Box::new((node(l, left)?, node(r, left)?));
            match op {
                BinaryOp::Alt => Node::Otherwise(pair),
                BinaryOp::Or => Node::Or(pair),
                BinaryOp::And => Node::And(pair),
                BinaryOp::Math(op) => Node::Math(*op, pair),
                BinaryOp::Cmp(op) => Node::Compare(*op, pair),
                _ => return None,
            }
        }
        _ => return None,
    })
}

fn node_part(mut steps: Vec<(Segment, bool)>) -> Option<Node> {
    let mut rest = steps.split_off(steps.len().min(2)).into_iter().peekable();
    let [(Segment::Key(id), _), (Segment::Key(part), _)] = steps.as_slice() else {
        return None;
    };
    let read = Node::Read(Root::part(NodeId::new(id).ok()?, part)?);
    if rest.peek().is_none() {
        return Some(read);
    }
    Some(Node::Path(Box::new(read), rest.collect()))
}

// ------------------------------------------------------------ evaluation --

struct Evaluation<'s, 'b> {
    scope: &'s dyn Scope,
    budget: &'b mut Budget,
}

/// A value, or none where jq's filter gives no output.
type Output<'s> = Result<Option<Val<'s>>, ExpressionError>;

impl<'s> Evaluation<'s, '_> {
    fn run(&mut self, node: &Node) -> Output<'s> {
        Ok(Some(match node {
            Node::Read(root) => self
                .scope
                .lookup(root)
                .map_or_else(Val::null, Val::borrowed),
            Node::Literal(value) => Val::owned(value.clone()),
            Node::Number(number) => Val::Num(*number),
            Node::Path(head, steps) => {
                let Some(value) = self.run(head)? else {
                    return Ok(None);
                };
                return path(value, steps);
            }
            Node::Negate(inner) => match self.run(inner)? {
                None => return Ok(None),
                Some(Val::Num(number)) => Val::Num(number.negate()),
                Some(_) => return Err(ExpressionError::new("only a number can be negated")),
            },
            Node::Not(inner) => match self.run(inner)? {
                None => return Ok(None),
                Some(value) => boolean(!value.truthy()),
            },
            Node::Try(inner) => match self.run(inner) {
                Err(error) if self.budget.is_spent() => return Err(error),
                output => return Ok(output.unwrap_or(None)),
            },
            Node::And(pair) => return self.logic(pair, false),
            Node::Or(pair) => return self.logic(pair, true),
            Node::Otherwise(pair) => match self.run(&pair.0)? {
                Some(value) if value.truthy() => value,
                _ => return self.run(&pair.1),
            },
            Node::Compare(op, pair) => {
                let Some((left, right)) = self.both(pair)? else {
                    return Ok(None);
                };
                boolean(holds(*op, &left, &right, self.budget)?)
            }
            Node::Math(op, pair) => {
                let Some((left, right)) = self.both(pair)? else {
                    return Ok(None);
                };
                math(*op, left, right, self.budget)?
            }
        }))
    }

    /// No output on either side is no output at all, even beside an error on
    /// the left: jq pairs the outputs before it looks at them.
    fn both(&mut self, pair: &(Node, Node)) -> Result<Option<(Val<'s>, Val<'s>)>, ExpressionError> {
        let left = match self.run(&pair.0) {
            Ok(None) => return Ok(None),
            Ok(Some(value)) => Ok(value),
            Err(error) if self.budget.is_spent() => return Err(error),
            Err(error) => Err(error),
        };
        match self.run(&pair.1) {
            Ok(None) => Ok(None),
            right => Ok(right.and_then(|right| left.map(|left| right.map(|right| (left, right))))?),
        }
    }

    fn logic(&mut self, pair: &(Node, Node), stop: bool) -> Output<'s> {
        let Some(left) = self.run(&pair.0)? else {
            return Ok(None);
        };
        if left.truthy() == stop {
            return Ok(Some(boolean(stop)));
        }
        Ok(self.run(&pair.1)?.map(|right| boolean(right.truthy())))
    }
}

fn path<'s>(mut value: Val<'s>, steps: &[(Segment, bool)]) -> Output<'s> {
    for (segment, optional) in steps {
        value = match value.index(segment) {
            Ok(child) => child,
            Err(_) if *optional => return Ok(None),
            Err(error) => return Err(error),
        };
    }
    Ok(Some(value))
}

fn boolean<'s>(value: bool) -> Val<'s> {
    Val::owned(Value::Bool(value))
}
