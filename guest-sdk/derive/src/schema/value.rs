//! The values that `#[param(…)]` gives: numbers, ranges, patterns, texts.

use std::fmt;

use syn::{Error, Expr, ExprLit, ExprRange, ExprUnary, Lit, LitStr, RangeLimits, Result, UnOp};

use super::serde::json;

#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(super) enum Number {
    Whole(i128),
    Fraction(f64),
}

#[derive(Default)]
pub(super) struct Range {
    pub(super) least: Option<Number>,
    pub(super) most: Option<Number>,
    /// `most` itself is outside.
    pub(super) open: bool,
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(n) => write!(f, "{n}"),
            // Never with an exponent, and so JSON as it stands.
            Self::Fraction(n) => write!(f, "{n}"),
        }
    }
}

impl Number {
    pub(super) fn of(expr: &Expr) -> Option<Self> {
        match expr {
            Expr::Lit(ExprLit {
                lit: Lit::Int(lit), ..
            }) => lit.base10_parse().ok().map(Self::Whole),
            Expr::Lit(ExprLit {
                lit: Lit::Float(lit),
                ..
            }) => lit
                .base10_parse()
                .ok()
                .filter(|n: &f64| n.is_finite())
                .map(Self::Fraction),
            Expr::Unary(ExprUnary {
                op: UnOp::Neg(_),
                expr,
                ..
            }) => match Self::of(expr)? {
                Self::Whole(n) => Some(Self::Whole(-n)),
                Self::Fraction(n) => Some(Self::Fraction(-n)),
            },
            _ => None,
        }
    }

    const fn value(self) -> f64 {
        match self {
            Self::Whole(n) => n as f64,
            Self::Fraction(n) => n,
        }
    }
}

pub(super) fn range(expr: &Expr) -> Result<Range> {
    const FORM: &str =
        "a range is written with its numbers, `1..=100`, `0.0..1.0`, `1..` or `..=9`";
    let Expr::Range(said) = expr else {
        return Err(Error::new_spanned(expr, FORM));
    };
    let bound = |end: &Option<Box<Expr>>| match end {
        Some(end) => match Number::of(end) {
            Some(number) => Ok(Some(number)),
            None => Err(Error::new_spanned(end, FORM)),
        },
        None => Ok(None),
    };
    let found = Range {
        least: bound(&said.start)?,
        most: bound(&said.end)?,
        open: matches!(said.limits, RangeLimits::HalfOpen(_)),
    };
    match (found.least, found.most) {
        (None, None) => Err(Error::new_spanned(expr, FORM)),
        (Some(least), Some(most))
            if least.value() > most.value() || found.open && least.value() == most.value() =>
        {
            Err(Error::new_spanned(expr, "no value is in this range"))
        }
        _ => Ok(found),
    }
}

/// The least and the most of a number of characters or items.
pub(super) fn count(expr: &Expr) -> Result<(Option<usize>, Option<usize>)> {
    const FORM: &str = "a number of characters or items is written `8`, `1..=80`, `1..` or `..=80`";
    let wrong = |at: &Expr| Error::new_spanned(at, FORM);
    let number = |at: &Expr| match Number::of(at) {
        Some(Number::Whole(n)) => usize::try_from(n).map_err(|_| wrong(at)),
        _ => Err(wrong(at)),
    };
    let Expr::Range(ExprRange {
        start, end, limits, ..
    }) = expr
    else {
        let exactly = number(expr)?;
        return Ok((Some(exactly), Some(exactly)));
    };
    let least = start.as_deref().map(number).transpose()?;
    let most = end.as_deref().map(number).transpose()?;
    let most = match (most, limits) {
        (Some(most), RangeLimits::HalfOpen(_)) => Some(
            most.checked_sub(1)
                .ok_or_else(|| Error::new_spanned(expr, "no value is in this range"))?,
        ),
        (most, _) => most,
    };
    if least.is_none() && most.is_none() {
        return Err(wrong(expr));
    }
    if least.zip(most).is_some_and(|(least, most)| least > most) {
        return Err(Error::new_spanned(expr, "no value is in this range"));
    }
    Ok((least, most))
}

/// A pattern in the syntax that the host runs: in linear time, so without
/// look-around and back-references.
pub(super) fn pattern(said: &LitStr) -> Result<String> {
    let pattern = said.value();
    match regex_syntax::ast::parse::Parser::new().parse(&pattern) {
        Ok(_) => Ok(pattern),
        Err(error) => Err(Error::new(
            said.span(),
            format!(
                "this is no pattern that the host can check: {}",
                error.kind()
            ),
        )),
    }
}

pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", json(text))
}

pub(super) fn line(said: &LitStr) -> Result<String> {
    let text = said.value();
    if text.trim().is_empty() || text.contains('\n') {
        return Err(Error::new(said.span(), "one line of text is needed"));
    }
    Ok(quoted(&text))
}

/// A text, number or truth value as JSON.
pub(super) fn literal(expr: &Expr) -> Result<String> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Ok(quoted(&text.value())),
        Expr::Lit(ExprLit {
            lit: Lit::Bool(value),
            ..
        }) => Ok(value.value.to_string()),
        _ => match Number::of(expr) {
            Some(number) => Ok(number.to_string()),
            None => Err(Error::new_spanned(
                expr,
                "a text, a number, `true` or `false` is needed",
            )),
        },
    }
}
