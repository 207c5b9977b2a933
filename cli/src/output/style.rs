//! Colour, and how wide the terminal is. Colour only on a terminal, and not
//! when `NO_COLOR` is set (no-color.org) or the terminal is `dumb`.

use std::io::IsTerminal;
use std::os::fd::AsFd;

/// Whether words are painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As they are.
    Plain,
    /// With ANSI colours.
    Colour,
}

/// What a word is painted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Ended well.
    Good,
    /// Ended badly.
    Bad,
    /// Needs a look.
    Warn,
    /// Goes on.
    Busy,
    /// Of less weight.
    Dim,
    /// Of more weight.
    Bold,
}

impl Style {
    /// Of standard output.
    pub(crate) fn stdout() -> Self {
        Self::of(std::io::stdout().is_terminal())
    }

    /// Of standard error.
    pub(crate) fn stderr() -> Self {
        Self::of(std::io::stderr().is_terminal())
    }

    fn of(terminal: bool) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        if terminal && !no_color && !dumb {
            Self::Colour
        } else {
            Self::Plain
        }
    }

    /// Paints a text.
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        if self == Self::Plain || text.is_empty() {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Good => "32",
            Paint::Bad => "31",
            Paint::Warn => "33",
            Paint::Busy => "36",
            Paint::Dim => "2",
            Paint::Bold => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Paints a status word by what it means; other words stay as they are.
    pub(crate) fn status(self, word: &str) -> String {
        match status(word) {
            Some(paint) => self.paint(paint, word),
            None => word.to_owned(),
        }
    }
}

/// What a status word is painted as.
pub(crate) fn status(word: &str) -> Option<Paint> {
    Some(match word {
        "succeeded" | "active" | "ready" | "ok" => Paint::Good,
        "failed" => Paint::Bad,
        "cancelled" | "terminated" | "waiting" | "unknown" | "paused" => Paint::Warn,
        "running" => Paint::Busy,
        "pending" | "queued" | "skipped" => Paint::Dim,
        _ => return None,
    })
}

/// Columns and lines of the terminal that standard output is; `None` elsewhere.
pub(crate) fn terminal() -> Option<(usize, usize)> {
    let out = std::io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(out.as_fd()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0)
        .then(|| (usize::from(size.ws_col), usize::from(size.ws_row)))
}

/// A text that moves no cursor and rings no bell: what a guest wrote may have
/// control characters. Line ends and tabs become spaces.
pub(crate) fn one_line(text: &str) -> String {
    text.trim_end()
        .chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_stay_as_they_are_and_painted_ones_end_their_colour() {
        assert_eq!(Style::Plain.status("failed"), "failed");
        assert_eq!(Style::Colour.status("failed"), "\x1b[31mfailed\x1b[0m");
        assert_eq!(Style::Colour.status("weather"), "weather");
        assert_eq!(Style::of(false), Style::Plain);
    }

    #[test]
    fn a_guests_text_cannot_steer_the_terminal() {
        assert_eq!(one_line("a\x1b[2Jb\nc\x07\n"), "a\u{fffd}[2Jb c\u{fffd}");
    }
}
