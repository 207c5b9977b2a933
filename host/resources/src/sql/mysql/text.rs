//! Statements as MySQL and MariaDB take them: `$1` and up become `?`. To tell a
//! parameter from a piece of a text, a name or a comment, a statement is read as the
//! server reads it under the `sql_mode` that every session has (`sql_lex.cc`; no
//! `ANSI_QUOTES`, no `NO_BACKSLASH_ESCAPES`). What it would read otherwise, or what
//! reaches beyond rows, is refused.

/// A statement for the server.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Written {
    /// With `?` for each parameter.
    pub(super) sql: String,
    /// Which value each `?` is, from 0.
    pub(super) order: Vec<usize>,
    /// How many values there have to be.
    pub(super) has: usize,
    /// Whether it has the word `IGNORE`.
    pub(super) ignores: bool,
    /// Whether it has the word `RETURNING`.
    pub(super) returns: bool,
}

/// Reads a statement; why it is refused.
pub(super) fn written(text: &str) -> Result<Written, String> {
    let mut reader = Reader {
        text,
        at: 0,
        before: Before::Other,
        written: Written::default(),
    };
    while reader.at < text.len() {
        reader.step()?;
    }
    Ok(reader.written)
}

/// What stands before a place, but for space and comments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Other,
    /// `INTO`
    Into,
    /// The name of the function that reads files of the server.
    LoadFile,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    before: Before,
    written: Written,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// Reads what comes next.
    fn step(&mut self) -> Result<(), String> {
        let len = match self.rest() {
            [0, ..] => return Err("a statement has no NUL".into()),
            [b'?', ..] => return Err(no_parameter("?")),
            [b'@', ..] => {
                return Err("a statement has no variables (`@`): values are `$1` and up".into());
            }
            [quote @ (b'\'' | b'"' | b'`'), rest @ ..] => {
                let len = quoted(*quote, rest)?;
                let name = &self.rest()[1..=len];
                self.before = match name.eq_ignore_ascii_case(b"load_file") && *quote == b'`' {
                    true => Before::LoadFile,
                    false => Before::Other,
                };
                len + 2
            }
            [b'/', b'*', rest @ ..] => comment(rest)? + 2,
            [b'#', rest @ ..] => line(rest) + 1,
            [b'-', b'-', rest @ ..] if begins_comment(rest) => line(rest) + 2,
            [b'(', ..] if self.before == Before::LoadFile => {
                return Err("a statement reads no files (`LOAD_FILE`)".into());
            }
            [b, rest @ ..] if is_of_word(*b) => {
                let rest = rest.iter().take_while(|b| is_of_word(**b));
                return self.word(1 + rest.count());
            }
            [b, ..] => {
                if !b.is_ascii_whitespace() {
                    self.before = Before::Other;
                }
                1
            }
            [] => 0,
        };
        self.copy(len);
        Ok(())
    }

    fn copy(&mut self, len: usize) {
        let text = self.text;
        self.written.sql.push_str(&text[self.at..self.at + len]);
        self.at += len;
    }

    /// A word, a number or a parameter.
    fn word(&mut self, len: usize) -> Result<(), String> {
        let text = self.text;
        let word = &text[self.at..self.at + len];
        if let Some(number) = word.strip_prefix('$') {
            return self.parameter(word, number);
        }
        let is = |other: &str| word.eq_ignore_ascii_case(other);
        if self.before == Before::Into && (is("OUTFILE") || is("DUMPFILE")) {
            return Err(format!("a statement writes no files (`INTO {word}`)"));
        }
        self.written.ignores |= is("IGNORE");
        self.written.returns |= is("RETURNING");
        self.before = if is("INTO") {
            Before::Into
        } else if is("LOAD_FILE") {
            Before::LoadFile
        } else {
            Before::Other
        };
        self.copy(len);
        Ok(())
    }

    fn parameter(&mut self, word: &str, number: &str) -> Result<(), String> {
        let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let number = number.parse().ok().filter(|n| is_number && *n > 0);
        let number: usize = number.ok_or_else(|| no_parameter(word))?;
        self.written.sql.push('?');
        self.written.order.push(number - 1);
        self.written.has = self.written.has.max(number);
        self.before = Before::Other;
        self.at += word.len();
        Ok(())
    }
}

fn no_parameter(what: &str) -> String {
    let what: String = what.chars().take(60).collect();
    format!("`{what}` is no parameter: they are `$1`, `$2` and so on")
}

/// Of a name, a keyword or a number.
const fn is_of_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'$' || !b.is_ascii()
}

/// Bytes up to the quote that ends it. Twice it stands for itself, and so does what
/// follows a backslash, but in names.
fn quoted(quote: u8, rest: &[u8]) -> Result<usize, String> {
    let mut at = 0;
    while let Some(b) = rest.get(at) {
        if *b == b'\\' && quote != b'`' {
            at += 2;
        } else if *b != quote {
            at += 1;
        } else if rest.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return Ok(at);
        }
    }
    let quote = char::from(quote);
    Err(format!(
        "a text or a name that begins with {quote} does not end"
    ))
}

/// Bytes up to the end of a comment. Some are none: the server runs what they say, or
/// changes its settings for the statement.
fn comment(rest: &[u8]) -> Result<usize, String> {
    if let [b'!' | b'+', ..] | [b'M', b'!', ..] = rest {
        return Err("a statement has no comments that are run (`/*!`, `/*M!`, `/*+`)".into());
    }
    let end = rest.windows(2).position(|two| two == b"*/");
    end.map(|end| end + 2)
        .ok_or_else(|| "a comment does not end".to_owned())
}

/// Bytes up to the end of the line.
fn line(rest: &[u8]) -> usize {
    let end = rest.iter().position(|b| *b == b'\n');
    end.unwrap_or(rest.len())
}

/// Whether two dashes before this begin a comment.
fn begins_comment(rest: &[u8]) -> bool {
    let next = rest.first();
    next.is_none_or(|b| b.is_ascii_whitespace() || b.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sql(text: &str) -> (String, Vec<usize>) {
        let written = written(text).expect(text);
        (written.sql, written.order)
    }

    #[test]
    fn parameters_are_told_from_what_looks_like_them() {
        for (text, wanted, order) in [
            ("SELECT $1, $2, $1", "SELECT ?, ?, ?", vec![0, 1, 0]),
            (
                "SELECT '$1', \"$2\", `$3`",
                "SELECT '$1', \"$2\", `$3`",
                vec![],
            ),
            (r"SELECT 'a\'$1', $1", r"SELECT 'a\'$1', ?", vec![0]),
            ("SELECT 'a''$1', $1", "SELECT 'a''$1', ?", vec![0]),
            (r"SELECT `a\`, $1", r"SELECT `a\`, ?", vec![0]),
            ("SELECT `a``$1`, $1", "SELECT `a``$1`, ?", vec![0]),
            ("SELECT /* $1 ' */ $1", "SELECT /* $1 ' */ ?", vec![0]),
            ("SELECT 1 -- $1 '\n, $1", "SELECT 1 -- $1 '\n, ?", vec![0]),
            ("SELECT 1 # $1 '\n, $1", "SELECT 1 # $1 '\n, ?", vec![0]),
            ("SELECT 1--$1", "SELECT 1--?", vec![0]),
            ("SELECT a$1 FROM t$2", "SELECT a$1 FROM t$2", vec![]),
            ("SELECT ü$1, $10", "SELECT ü$1, ?", vec![9]),
            ("SELECT 1 --", "SELECT 1 --", vec![]),
        ] {
            assert_eq!(sql(text), (wanted.to_owned(), order), "{text}");
        }
        assert_eq!(written("SELECT $3").expect("read").has, 3);
        let insert = written("INSERT ignore INTO t VALUES (1) Returning id").expect("read");
        assert!(insert.ignores && insert.returns);
        let quoted = written("SELECT `ignore`, 'returning' FROM t").expect("read");
        assert!(!quoted.ignores && !quoted.returns);
    }

    #[test]
    fn what_reaches_beyond_rows_is_refused() {
        for (text, wanted) in [
            ("SELECT ?", "`?` is no parameter"),
            ("SELECT $0", "`$0` is no parameter"),
            ("SELECT $a", "`$a` is no parameter"),
            ("SELECT $1a", "`$1a` is no parameter"),
            ("SELECT $", "`$` is no parameter"),
            ("SELECT $99999999999999999999", "is no parameter"),
            ("SELECT @a := 1", "no variables"),
            ("SELECT @@datadir", "no variables"),
            ("SELECT 1 INTO @a", "no variables"),
            ("SELECT 1 INTO OUTFILE '/tmp/x'", "writes no files"),
            ("SELECT 1 into /* x */ dumpfile '/tmp/x'", "writes no files"),
            ("SELECT LOAD_FILE('/etc/passwd')", "reads no files"),
            (
                "SELECT `Load_File` /* x */ ('/etc/passwd')",
                "reads no files",
            ),
            ("SELECT /*!50000 $1 */ 1", "comments that are run"),
            ("SELECT /*M! 1 + */ 1", "comments that are run"),
            (
                "SELECT /*+ SET_VAR(foreign_key_checks=0) */ 1",
                "comments that are run",
            ),
            ("SELECT 'a", "does not end"),
            (r"SELECT 'a\", "does not end"),
            ("SELECT `a", "does not end"),
            ("SELECT /* a", "does not end"),
            ("SELECT 1\0", "no NUL"),
        ] {
            let why = written(text).expect_err(text);
            assert!(why.contains(wanted), "{text}: {why}");
        }
        for text in [
            "SELECT outfile FROM t",
            "SELECT load_file FROM t WHERE (a)",
            "INSERT INTO `outfile` VALUES (1)",
            "SELECT 'LOAD_FILE' ('x')",
        ] {
            written(text).expect(text);
        }
    }

    /// A piece of a statement, and what becomes of it: itself, or a value.
    type Piece = (String, Result<String, usize>);

    fn kept(text: String) -> Piece {
        (text.clone(), Ok(text))
    }

    fn piece() -> impl Strategy<Value = Piece> {
        let any = "[^\0]{0,12}";
        let doubled = |quote: &'static str| {
            any.prop_map(move |text: String| {
                let text = match quote {
                    "`" => text,
                    _ => text.replace('\\', r"\\"),
                };
                format!("{quote}{}{quote}", text.replace(quote, &quote.repeat(2)))
            })
        };
        let escaped = any.prop_map(|text: String| {
            let text = text.replace('\\', r"\\").replace('\'', r"\'");
            format!("'{text}'")
        });
        let block = any.prop_map(|text: String| format!("/*x{}*/", text.replace('*', "x")));
        let to_end = "[^\0\n]{0,12}".prop_map(|text: String| format!("-- {text}\n"));
        let hash = "[^\0\n]{0,12}".prop_map(|text: String| format!("#{text}\n"));
        prop_oneof![
            doubled("'").prop_map(kept),
            doubled("\"").prop_map(kept),
            doubled("`").prop_map(kept),
            escaped.prop_map(kept),
            block.prop_map(kept),
            to_end.prop_map(kept),
            hash.prop_map(kept),
            "[a-z][a-z0-9_$]{0,6}".prop_map(kept),
            "[0-9]{1,3}|[-+*/=,.()<>;|&^~!%]".prop_map(kept),
            (1..40_usize).prop_map(|n| (format!("${n}"), Err(n - 1))),
        ]
    }

    proptest! {
        #[test]
        fn each_parameter_and_nothing_else_is_replaced(pieces in prop::collection::vec(piece(), 0..20)) {
            let (mut text, mut wanted) = (String::new(), Written::default());
            for (piece, becomes) in pieces {
                text.push_str(&piece);
                match becomes {
                    Ok(kept) => wanted.sql.push_str(&kept),
                    Err(index) => {
                        wanted.sql.push('?');
                        wanted.order.push(index);
                        wanted.has = wanted.has.max(index + 1);
                    }
                }
                text.push(' ');
                wanted.sql.push(' ');
            }
            let found = written(&text);
            let found = found.map(|found| Written { ignores: false, returns: false, ..found });
            prop_assert_eq!(found, Ok(wanted), "{}", text);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}|[$1?'\"`\\\\/*#@\n ()-]{0,30}") {
            if let Ok(written) = written(&text) {
                let marks = written.sql.matches('?').count();
                prop_assert!(marks >= written.order.len());
                if written.order.is_empty() {
                    prop_assert_eq!(written.sql, text);
                }
            }
        }
    }
}
