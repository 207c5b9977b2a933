//! jq's syntax trees back to text, so that parsing gives the same tree again.
//!
//! Nothing is known of precedence: what is not closed by its own form stands in
//! parentheses, which leave no trace in the tree.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::{Opt, Part, Path};

/// A definition as text.
pub(crate) fn definition(def: &Def<&str>) -> String {
    let mut text = Text(String::new());
    text.definition(def);
    text.0
}

struct Text(String);

impl Text {
    fn add(&mut self, text: &str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    fn list<T>(&mut self, items: &[T], separator: &str, mut item: impl FnMut(&mut Self, &T)) {
        for (i, each) in items.iter().enumerate() {
            if i > 0 {
                self.add(separator);
            }
            item(self, each);
        }
    }

    fn definition(&mut self, def: &Def<&str>) {
        self.add("def ").add(def.name);
        if !def.args.is_empty() {
            self.add("(");
            self.list(&def.args, "; ", |text, name| {
                text.add(name);
            });
            self.add(")");
        }
        self.add(": ");
        self.term(&def.body);
        self.add(";");
    }

    /// A term that something closing or separating follows.
    fn term(&mut self, term: &Term<&str>) {
        match term {
            Term::Id => {
                self.add(".");
            }
            Term::Recurse => {
                self.add("..");
            }
            Term::Num(text) | Term::Var(text) => {
                self.add(text);
            }
            Term::Str(format, parts) => self.string(*format, parts),
            Term::Arr(items) => self.array(items.as_deref()),
            Term::Obj(entries) => self.object(entries),
            Term::Neg(term) => self.add("-").operand(term),
            Term::BinOp(left, operator, right) => self.operation(left, operator, right),
            Term::Label(name, term) => self.add("label ").add(name).add(" | ").term(term),
            Term::Break(name) => {
                self.add("break ").add(name);
            }
            Term::Fold(name, over, pattern, arguments) => {
                self.add(name).add(" ").operand(over);
                self.add(" as ").pattern(pattern);
                self.add(" ").arguments(arguments);
            }
            Term::TryCatch(term, catch) => {
                self.add("try ").operand(term);
                if let Some(catch) = catch {
                    self.add(" catch ").operand(catch);
                }
            }
            Term::IfThenElse(cases, otherwise) => self.cases(cases, otherwise.as_deref()),
            Term::Def(defs, term) => {
                for def in defs {
                    self.definition(def);
                    self.add(" ");
                }
                self.term(term);
            }
            Term::Call(name, arguments) => {
                self.add(name);
                self.arguments(arguments);
            }
            Term::Path(of, path) => self.path(of, path),
        }
    }

    /// A term that more of a term may follow, or come before.
    fn operand(&mut self, term: &Term<&str>) {
        if matches!(term, Term::Path(..)) {
            self.term(term);
        } else {
            self.closed(term);
        }
    }

    /// A term that a path may follow too.
    fn closed(&mut self, term: &Term<&str>) {
        match term {
            Term::Id
            | Term::Recurse
            | Term::Num(_)
            | Term::Var(_)
            | Term::Str(..)
            | Term::Arr(_)
            | Term::Obj(_)
            | Term::IfThenElse(..)
            | Term::Call(..) => self.term(term),
            _ => {
                self.add("(").term(term);
                self.add(")");
            }
        }
    }

    fn string(&mut self, format: Option<&str>, parts: &[StrPart<&str, Term<&str>>]) {
        if let Some(format) = format {
            self.add(format).add(" ");
        }
        self.add("\"");
        for part in parts {
            match part {
                StrPart::Str(text) => {
                    self.add(text);
                }
                StrPart::Char(c) => {
                    self.add(&format!("\\u{:04x}", u32::from(*c)));
                }
                StrPart::Term(term) => {
                    self.add("\\(").term(term);
                    self.add(")");
                }
            }
        }
        self.add("\"");
    }

    fn array(&mut self, items: Option<&Term<&str>>) {
        self.add("[");
        if let Some(items) = items {
            self.term(items);
        }
        self.add("]");
    }

    fn object(&mut self, entries: &[(Term<&str>, Option<Term<&str>>)]) {
        self.add("{");
        self.list(entries, ", ", |text, (key, value)| match value {
            Some(value) => {
                text.add("(").term(key);
                text.add("): ").operand(value);
            }
            None => text.term(key),
        });
        self.add("}");
    }

    /// To the right of a pipe stands all that is left of a term.
    fn operation(&mut self, left: &Term<&str>, operator: &BinaryOp<&str>, right: &Term<&str>) {
        self.operand(left);
        let sign = match operator {
            BinaryOp::Pipe(pattern) => {
                if let Some(pattern) = pattern {
                    self.add(" as ").pattern(pattern);
                }
                return self.add(" | ").term(right);
            }
            BinaryOp::Comma => return self.add(", ").operand(right),
            BinaryOp::Alt => "//",
            BinaryOp::Or => "or",
            BinaryOp::And => "and",
            BinaryOp::Math(sign) => sign.as_str(),
            BinaryOp::Cmp(sign) => sign.as_str(),
            BinaryOp::Assign => "=",
            BinaryOp::Update => "|=",
            BinaryOp::UpdateMath(sign) => {
                self.add(" ").add(sign.as_str()).add("= ");
                return self.operand(right);
            }
            BinaryOp::UpdateAlt => "//=",
        };
        self.add(" ").add(sign).add(" ").operand(right);
    }

    fn pattern(&mut self, pattern: &Pattern<&str>) {
        match pattern {
            Pattern::Var(name) => {
                self.add(name);
            }
            Pattern::Arr(items) => {
                self.add("[");
                self.list(items, ", ", Self::pattern);
                self.add("]");
            }
            Pattern::Obj(entries) => {
                self.add("{");
                self.list(entries, ", ", |text, (key, value)| {
                    text.add("(").term(key);
                    text.add("): ").pattern(value);
                });
                self.add("}");
            }
        }
    }

    fn arguments(&mut self, arguments: &[Term<&str>]) {
        if !arguments.is_empty() {
            self.add("(");
            self.list(arguments, "; ", Self::term);
            self.add(")");
        }
    }

    fn cases(&mut self, cases: &[(Term<&str>, Term<&str>)], otherwise: Option<&Term<&str>>) {
        self.add("if ");
        self.list(cases, " elif ", |text, (condition, then)| {
            text.term(condition);
            text.add(" then ").term(then);
        });
        if let Some(otherwise) = otherwise {
            self.add(" else ").term(otherwise);
        }
        self.add(" end");
    }

    fn path(&mut self, of: &Term<&str>, path: &Path<Term<&str>>) {
        self.closed(of);
        for (part, optional) in &path.0 {
            self.add("[");
            match part {
                Part::Index(index) => self.term(index),
                Part::Range(None, None) => {}
                Part::Range(from, to) => {
                    if let Some(bound) = from {
                        self.term(bound);
                    }
                    self.add(":");
                    if let Some(bound) = to {
                        self.term(bound);
                    }
                }
            }
            self.add("]");
            if matches!(optional, Opt::Optional) {
                self.add("?");
            }
        }
    }
}
