//! From text to jq's syntax tree, by jaq's own parser. Its parser and our
//! walks are recursive, so the text is capped before it is parsed.

use jaq_core::load::lex::{self, Tok, Token};
use jaq_core::load::parse::{self, Term};
use jaq_core::load::{Lexer, Parser};

use super::{ExpressionError, cut};

/// The longest expression, bytes.
const MAX_SOURCE: usize = 16 * 1024;
/// The most tokens of an expression.
const MAX_TOKENS: usize = 1000;
/// The most opening brackets, and the most words that open a nested part.
const MAX_NESTING: usize = 128;
/// The most operators: the syntax tree of a chain of them is as deep as it is long.
const MAX_OPERATORS: usize = 256;

/// Parses an expression.
pub(super) fn parse(source: &str) -> Result<Term<&str>, ExpressionError> {
    if source.is_empty() {
        return Err(ExpressionError::new("the expression is empty"));
    }
    if source.len() > MAX_SOURCE {
        let size = source.len();
        return Err(too_long(format!(
            "the expression has {size} bytes; at most {MAX_SOURCE} are allowed"
        )));
    }
    if source
        .bytes()
        .filter(|b| matches!(b, b'(' | b'[' | b'{'))
        .count()
        > MAX_NESTING
    {
        return Err(too_long(format!(
            "the expression opens more than {MAX_NESTING} brackets"
        )));
    }
    let tokens = Lexer::new(source)
        .lex()
        .map_err(|errors| lex_error(source, &errors))?;
    let mut count = Count::default();
    count.tokens(&tokens);
    if count.operators > MAX_OPERATORS {
        return Err(too_long(format!(
            "the expression has more than {MAX_OPERATORS} operators"
        )));
    }
    if count.all > MAX_TOKENS || count.nesting > MAX_NESTING {
        return Err(too_long(format!(
            "the expression has more than {MAX_TOKENS} parts, or nests too deep"
        )));
    }
    Parser::new(&tokens)
        .parse(Parser::term)
        .map_err(|errors| parse_error(source, &errors))
}

fn too_long(message: String) -> ExpressionError {
    ExpressionError::new(message).hint("use a node with the action `transform.jq`")
}

#[derive(Default)]
struct Count {
    all: usize,
    nesting: usize,
    operators: usize,
}

impl Count {
    // Bounded: the nesting of brackets was counted in the text.
    fn tokens(&mut self, tokens: &[Token<&str>]) {
        for token in tokens {
            self.all += 1;
            let path = token.0.starts_with('.') || matches!(token.0, ";" | ":");
            if matches!(token.1, Tok::Sym) && !path || matches!(token.0, "and" | "or" | "as") {
                self.operators += 1;
            }
            match &token.1 {
                Tok::Block(inner) => self.tokens(inner),
                Tok::Str(parts) => {
                    self.all += parts.len();
                    for part in parts {
                        if let lex::StrPart::Term(token) = part {
                            self.tokens(std::slice::from_ref(token));
                        }
                    }
                }
                _ if matches!(
                    token.0,
                    "-" | "if"
                        | "elif"
                        | "else"
                        | "try"
                        | "catch"
                        | "reduce"
                        | "foreach"
                        | "label"
                        | "def"
                        | "as"
                ) =>
                {
                    self.nesting += 1;
                }
                _ => {}
            }
        }
    }
}

fn lex_error(source: &str, errors: &[lex::Error<&str>]) -> ExpressionError {
    let Some((expected, rest)) = errors.first() else {
        return ExpressionError::new("the expression does not parse");
    };
    let what = match expected {
        lex::Expect::Digit => "a digit is missing",
        lex::Expect::Ident => "a name is missing",
        lex::Expect::Delim("(") => "a closing `)` is missing",
        lex::Expect::Delim("[") => "a closing `]` is missing",
        lex::Expect::Delim("{") => "a closing `}` is missing",
        lex::Expect::Delim(_) => "a closing `\"` is missing",
        lex::Expect::Escape => "a backslash in a string is followed by no known escape",
        lex::Expect::Unicode => "`\\u` is not followed by the 4 hex digits of a character",
        _ => "this character has no meaning",
    };
    let error = at(source, rest, what);
    match rest.chars().next() {
        Some('\'') => error.hint("strings stand in double quotes"),
        Some('&') => error.hint("write `and`"),
        Some('!') => error.hint("write `… | not`"),
        _ => error,
    }
}

fn parse_error(source: &str, errors: &[parse::TError<'_, &str>]) -> ExpressionError {
    let Some((expected, found)) = errors.first() else {
        return ExpressionError::new("the expression does not parse");
    };
    let rest = Token::opt_as_str(*found, source);
    let expected = expected.as_str();
    let what = match expected {
        "nothing" => "nothing more was expected".to_owned(),
        word if word.chars().all(|c| c.is_ascii_alphabetic() || c == ' ') => {
            format!("{word} was expected")
        }
        symbol => format!("`{symbol}` was expected"),
    };
    let error = at(source, rest, &what);
    match rest {
        "=" => error.hint("equality is written `==`"),
        "!" => error.hint("write `… | not`"),
        _ if rest.starts_with("||") || source.contains("||") => error.hint("write `or`"),
        _ => error,
    }
}

/// An error at the place where `rest`, a slice of `source`, begins.
fn at(source: &str, rest: &str, what: &str) -> ExpressionError {
    let offset = (rest.as_ptr() as usize)
        .saturating_sub(source.as_ptr() as usize)
        .min(source.len());
    let Some(before) = source.get(..offset) else {
        return ExpressionError::new(format!("`{}` does not parse: {what}", cut(source)));
    };
    let place = before.chars().count() + 1;
    let found: String = source[offset..].chars().take(12).collect();
    let found = if found.is_empty() {
        "at its end".to_owned()
    } else {
        format!("at character {place}, `{found}`")
    };
    ExpressionError::new(format!("`{}` does not parse: {what} {found}", cut(source)))
}
