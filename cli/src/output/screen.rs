//! Lines that are drawn again in place, on a terminal.

use std::fmt::Write as _;
use std::io::Write;

use crate::error::{Error, Result};

/// What was drawn last, and is drawn over next.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    lines: usize,
}

impl Screen {
    /// Draws these lines in place of the last ones. All of them must fit the
    /// terminal's height; of a line that is too wide the terminal shows the
    /// beginning.
    pub(crate) fn draw(&mut self, lines: &[String]) -> Result<()> {
        let text = self.frame(lines);
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(|e| Error::node(format!("cannot write to the terminal: {e}")))
    }

    /// One write for one frame, so that nothing flickers.
    fn frame(&mut self, lines: &[String]) -> String {
        // Without wrapping, so that a line is a row whatever stands in it.
        let mut text = String::from("\x1b[?7l");
        if self.lines > 0 {
            let _ = write!(text, "\x1b[{}A", self.lines);
        }
        for line in lines {
            let _ = write!(text, "\r\x1b[K{line}\n");
        }
        text.push_str("\x1b[J\x1b[?7h");
        self.lines = lines.len();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_goes_back_over_the_one_before() {
        let mut screen = Screen::default();
        assert_eq!(
            screen.frame(&["a".into(), "b".into()]),
            "\x1b[?7l\r\x1b[Ka\n\r\x1b[Kb\n\x1b[J\x1b[?7h"
        );
        assert_eq!(
            screen.frame(&["c".into()]),
            "\x1b[?7l\x1b[2A\r\x1b[Kc\n\x1b[J\x1b[?7h"
        );
    }
}
