//! What a selector says: the part of CSS Selectors that pages are read by.

use std::iter::Peekable;
use std::str::Chars;

/// The most characters of a selector.
const MAX_LENGTH: usize = 1_000;

/// The most parts of one alternative: a bit each.
const MAX_PARTS: usize = 60;

/// Alternatives, joined by commas.
#[derive(Debug)]
pub(crate) struct Selector {
    pub(crate) alternatives: Vec<Complex>,
}

/// Parts, each with how it stands to the one before; the first has none.
#[derive(Debug)]
pub(crate) struct Complex {
    pub(crate) parts: Vec<(Option<Combinator>, Compound)>,
}

/// How an element stands to the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Combinator {
    /// In it: white space.
    Descendant,
    /// Directly in it: `>`.
    Child,
    /// Directly behind it: `+`.
    Next,
    /// Behind it: `~`.
    Later,
}

/// What one element must be; without conditions, any.
#[derive(Debug, Default)]
pub(crate) struct Compound {
    pub(crate) conditions: Vec<Condition>,
}

/// What an element must be.
#[derive(Debug)]
pub(crate) enum Condition {
    /// In lower case.
    Name(String),
    /// It has the attribute.
    Has(String),
    /// Its attribute has a value.
    Attribute {
        name: String,
        test: Test,
        value: String,
        any_case: bool,
    },
    /// Its place among the elements beside it.
    Nth { step: i32, offset: i32 },
    /// No element stands behind it.
    Last,
    /// It is not that.
    Not(Compound),
}

/// How the value of an attribute is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Test {
    /// `=`
    Is,
    /// `~=`: a word of it.
    Word,
    /// `|=`: it, or what begins with it and `-`.
    Dash,
    /// `^=`
    Starts,
    /// `$=`
    Ends,
    /// `*=`
    Contains,
}

impl Test {
    /// Whether the value `is` is what is wanted.
    pub(crate) fn holds(self, is: &str, wanted: &str, any_case: bool) -> bool {
        if any_case {
            return self.holds(
                &is.to_ascii_lowercase(),
                &wanted.to_ascii_lowercase(),
                false,
            );
        }
        match self {
            Self::Is => is == wanted,
            Self::Word => is.split_ascii_whitespace().any(|word| word == wanted),
            Self::Dash => is
                .strip_prefix(wanted)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-')),
            // An empty value is in nothing (Selectors 4, §6.2).
            _ if wanted.is_empty() => false,
            Self::Starts => is.starts_with(wanted),
            Self::Ends => is.ends_with(wanted),
            Self::Contains => is.contains(wanted),
        }
    }
}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// What is wrong with it, and at which character.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let length = text.chars().count();
        if length > MAX_LENGTH {
            return Err(format!(
                "it has {length} characters; at most {MAX_LENGTH} are read"
            ));
        }
        let mut parser = Parser {
            rest: text.chars().peekable(),
            at: 0,
        };
        parser
            .selector()
            .map_err(|why| format!("character {}: {why}", parser.at + 1))
    }
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    at: usize,
}

impl Parser<'_> {
    fn selector(&mut self) -> Result<Selector, String> {
        let mut alternatives = vec![self.complex()?];
        while self.skip(',') {
            alternatives.push(self.complex()?);
        }
        match self.peek() {
            None => Ok(Selector { alternatives }),
            Some(c) => Err(format!("`{c}` is not expected here")),
        }
    }

    fn complex(&mut self) -> Result<Complex, String> {
        self.space();
        let mut parts = vec![(None, self.compound(true)?)];
        loop {
            let spaced = self.space();
            let combinator = match self.peek() {
                None | Some(',') => return Ok(Complex { parts }),
                Some('>') => Combinator::Child,
                Some('+') => Combinator::Next,
                Some('~') => Combinator::Later,
                Some(_) if spaced => Combinator::Descendant,
                Some(c) => return Err(format!("`{c}` is not expected here")),
            };
            if combinator != Combinator::Descendant {
                self.next();
                self.space();
            }
            if parts.len() == MAX_PARTS {
                return Err(format!("there are more than {MAX_PARTS} parts"));
            }
            parts.push((Some(combinator), self.compound(true)?));
        }
    }

    fn compound(&mut self, takes_not: bool) -> Result<Compound, String> {
        let mut conditions = Vec::new();
        let is_any = self.skip('*');
        if !is_any && self.peek().is_some_and(begins_name) {
            conditions.push(Condition::Name(self.name()?.to_ascii_lowercase()));
        }
        loop {
            let condition = match self.peek() {
                Some('#') => self.named("id", Test::Is)?,
                Some('.') => self.named("class", Test::Word)?,
                Some('[') => self.attribute()?,
                Some(':') => self.pseudo(takes_not)?,
                _ if conditions.is_empty() && !is_any => {
                    return Err("a name, `*`, `#`, `.`, `[` or `:` is expected".into());
                }
                _ => return Ok(Compound { conditions }),
            };
            conditions.push(condition);
        }
    }

    fn named(&mut self, attribute: &str, test: Test) -> Result<Condition, String> {
        self.next();
        Ok(Condition::Attribute {
            name: attribute.into(),
            test,
            value: self.name()?,
            any_case: false,
        })
    }

    fn attribute(&mut self) -> Result<Condition, String> {
        self.next();
        self.space();
        let name = self.name()?;
        self.space();
        let test = match self.next() {
            Some(']') => return Ok(Condition::Has(name)),
            Some('=') => Test::Is,
            Some(c) => {
                let test = match c {
                    '~' => Test::Word,
                    '|' => Test::Dash,
                    '^' => Test::Starts,
                    '$' => Test::Ends,
                    '*' => Test::Contains,
                    _ => return Err(format!("`{c}` compares nothing")),
                };
                self.expect('=')?;
                test
            }
            None => return Err("`]` is missing".into()),
        };
        self.space();
        let value = match self.peek() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            _ => self.name()?,
        };
        self.space();
        let any_case = self.skip('i') || self.skip('I');
        self.space();
        self.expect(']')?;
        Ok(Condition::Attribute {
            name,
            test,
            value,
            any_case,
        })
    }

    fn pseudo(&mut self, takes_not: bool) -> Result<Condition, String> {
        self.next();
        let name = self.name()?.to_ascii_lowercase();
        match name.as_str() {
            "first-child" => Ok(Condition::Nth { step: 0, offset: 1 }),
            "last-child" => Ok(Condition::Last),
            "nth-child" => {
                self.expect('(')?;
                let nth = self.nth()?;
                self.expect(')')?;
                Ok(nth)
            }
            "not" if takes_not => {
                self.expect('(')?;
                self.space();
                let compound = self.compound(false)?;
                self.space();
                self.expect(')')?;
                Ok(Condition::Not(compound))
            }
            _ => Err(format!(
                "`:{name}` is not known here; there are `:first-child`, `:last-child`, `:nth-child(…)` and `:not(…)`"
            )),
        }
    }

    /// `odd`, `even`, `3`, `2n+1`, `-n+3`.
    fn nth(&mut self) -> Result<Condition, String> {
        let mut text = String::new();
        while let Some(c) = self.peek().filter(|&c| c != ')') {
            self.next();
            if !c.is_whitespace() {
                text.push(c.to_ascii_lowercase());
            }
        }
        let number = |text: &str| match text {
            "" | "+" => Ok(1),
            "-" => Ok(-1),
            text => text
                .parse::<i32>()
                .map_err(|_| format!("`{text}` is no number")),
        };
        let (step, offset) = match text.as_str() {
            "odd" => (2, 1),
            "even" => (2, 0),
            "" => return Err("`:nth-child` counts nothing".into()),
            text => match text.split_once('n') {
                None => (0, number(text)?),
                Some((step, "")) => (number(step)?, 0),
                Some((step, offset)) => (number(step)?, number(offset)?),
            },
        };
        Ok(Condition::Nth { step, offset })
    }

    fn name(&mut self) -> Result<String, String> {
        let mut name = String::new();
        while let Some(c) = self
            .peek()
            .filter(|&c| begins_name(c) || c.is_ascii_digit())
        {
            self.next();
            match c {
                // The next one is itself, whatever it means otherwise.
                '\\' => name.push(self.next().ok_or("nothing follows `\\`")?),
                c => name.push(c),
            }
        }
        if name.is_empty() {
            return Err("a name is expected".into());
        }
        Ok(name)
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err(format!("`{quote}` is missing")),
                Some(c) if c == quote => return Ok(text),
                Some('\\') => text.push(self.next().ok_or("nothing follows `\\`")?),
                Some(c) => text.push(c),
            }
        }
    }

    fn space(&mut self) -> bool {
        let from = self.at;
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
        self.at > from
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.skip(wanted) {
            Ok(())
        } else {
            Err(format!("`{wanted}` is missing"))
        }
    }

    fn skip(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        if is_there {
            self.next();
        }
        is_there
    }

    fn peek(&mut self) -> Option<char> {
        self.rest.peek().copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.at += 1;
        Some(c)
    }
}

fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '_' | '-' | '\\') || !c.is_ascii()
}
