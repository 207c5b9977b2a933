//! Which variables an expression reads, and whether every name in it is there.

use std::collections::BTreeSet;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::{Opt, Part, Path};

use super::functions::{FUNCTIONS, why_not};
use super::reference::{PARTS, VARIABLES};
use super::{ExpressionError, Reference, Root, Segment, cut};
use crate::definition::diagnostic::did_you_mean;
use crate::id::NodeId;

type Checked = Result<(), ExpressionError>;

/// What the expression reads, sorted, each once.
pub(super) fn analyse(term: &Term<&str>) -> Result<Vec<Reference>, ExpressionError> {
    let mut analyser = Analyser::default();
    analyser.term(term, Dot::Nothing)?;
    Ok(analyser.references.into_iter().collect())
}

/// A path's steps as far as they are known without evaluating.
pub(super) fn static_path(path: &Path<Term<&str>>) -> Vec<(Segment, Opt)> {
    path.0
        .iter()
        .map_while(|(part, opt)| Some((static_segment(part)?, *opt)))
        .collect()
}

fn static_segment(part: &Part<Term<&str>>) -> Option<Segment> {
    let Part::Index(index) = part else {
        return None;
    };
    match index {
        Term::Str(None, parts) => static_string(parts).map(Segment::Key),
        Term::Num(number) => number.parse().ok().map(Segment::Index),
        Term::Neg(inner) => match &**inner {
            Term::Num(number) => number.parse::<i64>().ok().map(|n| Segment::Index(-n)),
            _ => None,
        },
        _ => None,
    }
}

/// The text of a string without interpolation.
pub(super) fn static_string(parts: &[StrPart<&str, Term<&str>>]) -> Option<String> {
    let mut text = String::new();
    for part in parts {
        match part {
            StrPart::Str(piece) => text.push_str(piece),
            StrPart::Char(c) => text.push(*c),
            StrPart::Term(_) => return None,
        }
    }
    Some(text)
}

/// What `.` is. An expression begins without an input, and one that reads it
/// there would silently read null.
#[derive(Clone, Copy, PartialEq)]
enum Dot {
    Nothing,
    Something,
}

/// The names in scope are stacks: what a construct binds is pushed before its
/// body and popped after it.
#[derive(Default)]
struct Analyser<'t> {
    variables: Vec<&'t str>,
    functions: Vec<(&'t str, usize)>,
    labels: Vec<&'t str>,
    references: BTreeSet<Reference>,
}

impl<'t> Analyser<'t> {
    fn term(&mut self, term: &'t Term<&'t str>, dot: Dot) -> Checked {
        match term {
            Term::Id | Term::Recurse => self.dot(dot),
            Term::Num(_) | Term::Arr(None) => Ok(()),
            Term::Str(format, parts) => {
                if let Some(format) = format {
                    self.function(format, 0)?;
                }
                parts.iter().try_for_each(|part| match part {
                    StrPart::Term(term) => self.term(term, dot),
                    _ => Ok(()),
                })
            }
            Term::Arr(Some(inner)) | Term::Neg(inner) => self.term(inner, dot),
            Term::Obj(entries) => entries
                .iter()
                .try_for_each(|(key, value)| self.entry(key, value.as_ref(), dot)),
            Term::BinOp(left, op, right) => self.operator(left, op, right, dot),
            Term::Label(name, body) => {
                self.labels.push(name);
                let checked = self.term(body, dot);
                self.labels.pop();
                checked
            }
            Term::Break(name) => self.label(name),
            Term::Fold(kind, source, pattern, arguments) => {
                self.fold(kind, source, pattern, arguments, dot)
            }
            Term::TryCatch(body, handler) => {
                self.term(body, dot)?;
                handler
                    .as_ref()
                    .map_or(Ok(()), |handler| self.term(handler, Dot::Something))
            }
            Term::IfThenElse(branches, otherwise) => {
                for (condition, then) in branches {
                    self.term(condition, dot)?;
                    self.term(then, dot)?;
                }
                otherwise
                    .as_ref()
                    .map_or(Ok(()), |otherwise| self.term(otherwise, dot))
            }
            Term::Def(definitions, body) => {
                let before = self.functions.len();
                let checked = definitions.iter().try_for_each(|d| self.definition(d));
                let checked = checked.and_then(|()| self.term(body, dot));
                self.functions.truncate(before);
                checked
            }
            Term::Call(name, arguments) => {
                self.function(name, arguments.len())?;
                arguments
                    .iter()
                    .try_for_each(|argument| self.term(argument, Dot::Something))
            }
            Term::Var(name) => self.variable(name, &[]),
            Term::Path(head, path) => self.path(head, path, dot),
        }
    }

    fn entry(
        &mut self,
        key: &'t Term<&'t str>,
        value: Option<&'t Term<&'t str>>,
        dot: Dot,
    ) -> Checked {
        // `{name}` is short for `{name: .name}`; `{$name}` is not.
        if value.is_none() && !matches!(key, Term::Var(_)) {
            self.dot(dot)?;
        }
        self.term(key, dot)?;
        value.map_or(Ok(()), |value| self.term(value, dot))
    }

    fn path(
        &mut self,
        head: &'t Term<&'t str>,
        path: &'t Path<Term<&'t str>>,
        dot: Dot,
    ) -> Checked {
        if let Term::Var(name) = head {
            let known: Vec<_> = static_path(path)
                .into_iter()
                .map(|(segment, _)| segment)
                .collect();
            self.variable(name, &known)?;
        } else {
            self.term(head, dot)?;
        }
        path.0.iter().try_for_each(|(part, _)| self.part(part, dot))
    }

    fn operator(
        &mut self,
        left: &'t Term<&'t str>,
        op: &'t BinaryOp<&'t str>,
        right: &'t Term<&'t str>,
        dot: Dot,
    ) -> Checked {
        self.term(left, dot)?;
        match op {
            BinaryOp::Pipe(None) | BinaryOp::Update => self.term(right, Dot::Something),
            BinaryOp::Pipe(Some(pattern)) => {
                self.binding(pattern, |analyser| analyser.term(right, dot))
            }
            _ => self.term(right, dot),
        }
    }

    fn fold(
        &mut self,
        kind: &str,
        source: &'t Term<&'t str>,
        pattern: &'t Pattern<&'t str>,
        arguments: &'t [Term<&'t str>],
        dot: Dot,
    ) -> Checked {
        if !(arguments.len() == 2 || kind == "foreach" && arguments.len() == 3) {
            return Err(ExpressionError::new(format!(
                "`{kind}` does not take {} arguments",
                arguments.len()
            ))
            .hint("write `reduce … as $x (start; step)`"));
        }
        self.term(source, dot)?;
        self.term(&arguments[0], dot)?;
        self.binding(pattern, |analyser| {
            arguments[1..]
                .iter()
                .try_for_each(|argument| analyser.term(argument, Dot::Something))
        })
    }

    /// Runs `body` with the variables that a pattern binds.
    fn binding(
        &mut self,
        pattern: &'t Pattern<&'t str>,
        body: impl FnOnce(&mut Self) -> Checked,
    ) -> Checked {
        let before = self.variables.len();
        let checked = self.pattern(pattern).and_then(|()| body(self));
        self.variables.truncate(before);
        checked
    }

    fn pattern(&mut self, pattern: &'t Pattern<&'t str>) -> Checked {
        match pattern {
            Pattern::Var(name) => {
                self.variables.push(name);
                Ok(())
            }
            Pattern::Arr(items) => items.iter().try_for_each(|item| self.pattern(item)),
            Pattern::Obj(entries) => entries.iter().try_for_each(|(key, pattern)| {
                self.term(key, Dot::Something)?;
                self.pattern(pattern)
            }),
        }
    }

    fn definition(&mut self, definition: &'t Def<&'t str>) -> Checked {
        // A function may call itself, and what follows it may call it.
        self.functions
            .push((definition.name, definition.args.len()));
        let (functions, variables) = (self.functions.len(), self.variables.len());
        for argument in &definition.args {
            match argument.strip_prefix('$') {
                Some(name) => {
                    self.variables.push(argument);
                    self.functions.push((name, 0));
                }
                None => self.functions.push((argument, 0)),
            }
        }
        let checked = self.term(&definition.body, Dot::Something);
        self.functions.truncate(functions);
        self.variables.truncate(variables);
        checked
    }

    fn part(&mut self, part: &'t Part<Term<&'t str>>, dot: Dot) -> Checked {
        match part {
            Part::Index(index) => self.term(index, dot),
            Part::Range(from, to) => [from, to]
                .into_iter()
                .flatten()
                .try_for_each(|bound| self.term(bound, dot)),
        }
    }

    fn label(&self, name: &str) -> Checked {
        if self.labels.contains(&name) {
            return Ok(());
        }
        Err(ExpressionError::new(format!(
            "there is no label `{name}` to break to"
        )))
    }

    fn dot(&self, dot: Dot) -> Checked {
        if dot == Dot::Something {
            return Ok(());
        }
        Err(ExpressionError::new(
            "an expression has no input of its own, so `.` reads nothing here",
        )
        .hint("begin with a variable, for example `$input` or `$nodes.<id>.result`"))
    }

    fn function(&self, name: &str, arguments: usize) -> Checked {
        if self.functions.contains(&(name, arguments)) || FUNCTIONS.contains(&(name, arguments)) {
            return Ok(());
        }
        let known = || FUNCTIONS.iter().chain(&self.functions);
        let error = |message: String| Err(ExpressionError::new(message));
        if let Some(reason) = why_not(name, arguments) {
            return error(format!("the function `{name}` is not available"))
                .map_err(|e| e.hint(reason));
        }
        let arities: BTreeSet<usize> = known()
            .filter(|(n, _)| *n == name)
            .map(|(_, n)| *n)
            .collect();
        if !arities.is_empty() {
            let arities: Vec<String> = arities.iter().map(ToString::to_string).collect();
            let arities = arities.join(" or ");
            return error(format!(
                "the function `{name}` takes {arities} arguments, not {arguments}"
            ));
        }
        let mut wrong = ExpressionError::new(format!("there is no function `{}`", cut(name)));
        wrong.hint = did_you_mean(name, known().map(|(n, _)| *n));
        if VARIABLES.contains(&format!("${name}").as_str()) {
            wrong.hint = Some(format!("did you mean `${name}`?"));
        }
        Err(wrong)
    }

    fn variable(&mut self, name: &str, path: &[Segment]) -> Checked {
        if self.variables.contains(&name) {
            return Ok(());
        }
        if let Some(root) = Root::plain(name) {
            self.references.insert(Reference {
                root,
                path: path.to_vec(),
            });
            return Ok(());
        }
        if name == "$nodes" {
            return self.node(path);
        }
        let mut wrong = ExpressionError::new(format!("there is no variable `{}`", cut(name)));
        wrong.hint = did_you_mean(
            name,
            VARIABLES.into_iter().chain(self.variables.iter().copied()),
        );
        Err(wrong)
    }

    fn node(&mut self, path: &[Segment]) -> Checked {
        let [Segment::Key(id), rest @ ..] = path else {
            return Err(
                ExpressionError::new("`$nodes` is read without naming a node").hint(
                    "write `$nodes.<id>.result`, so that it is known which node must come first",
                ),
            );
        };
        let node = NodeId::new(id).map_err(|e| ExpressionError::new(e.to_string()))?;
        match rest {
            [] => {
                for part in PARTS {
                    let root = Root::part(node.clone(), part);
                    self.references.extend(root.map(|root| Reference {
                        root,
                        path: Vec::new(),
                    }));
                }
                Ok(())
            }
            [Segment::Key(part), path @ ..] => match Root::part(node, part) {
                Some(root) => {
                    self.references.insert(Reference {
                        root,
                        path: path.to_vec(),
                    });
                    Ok(())
                }
                None => Err(ExpressionError::new(format!(
                    "a node has result, status and error, but no `{}`",
                    cut(part)
                ))
                .hint(format!("did you mean `$nodes.{id}.result.{part}`?"))),
            },
            [Segment::Index(_), ..] => {
                Err(ExpressionError::new(format!("`$nodes.{id}` is no list"))
                    .hint(format!("did you mean `$nodes.{id}.result`?")))
            }
        }
    }
}
