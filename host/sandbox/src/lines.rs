//! What a call logs: by `log.write`, and by its stdout and stderr line by line.
//! Capped in count and in bytes; what is over the cap is counted, not kept. What the
//! host itself must have said is kept whatever the guest wrote before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nebula_flow::ports::Report;

use crate::limits::digits;

const MAX_LINES: usize = 256;
const MAX_BYTES: usize = 64 << 10;
const MAX_LINE: usize = 8 << 10;

/// Shared by the store and the streams that the guest holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Kept>>);

/// Which of the guest's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout,
    Stderr,
}

#[derive(Debug, Default)]
struct Kept {
    lines: Vec<(String, String)>,
    /// Lines and bytes of the guest's among them.
    count: usize,
    bytes: usize,
    dropped: u64,
    stdout: Partial,
    stderr: Partial,
}

/// A line whose end has not been written yet.
#[derive(Debug, Default)]
struct Partial {
    text: Vec<u8>,
    open: bool,
}

impl Lines {
    pub(crate) fn push(&self, level: &str, message: &str) {
        self.kept().push(level, message);
    }

    /// Keeps a line that no flood of the guest's displaces. How often that is said is
    /// for the host to bound.
    pub(crate) fn audit(&self, message: &str) {
        let line = printable(cut(message, MAX_LINE));
        self.kept().lines.push(("info".into(), line));
    }

    /// Keeps a figure as a line of its own; one that is none is said so.
    pub(crate) fn measure(&self, name: &str, value: f64) {
        match Report::metric_line(name, value) {
            Some(line) => self.push(Report::METRIC, &line),
            None => self.push(
                "warn",
                "a metric was dropped: its name is [a-z][a-z0-9_]{0,63}, and its value finite",
            ),
        }
    }

    /// Takes what the guest wrote to an output; each line is kept at its end.
    pub(crate) fn write(&self, output: Output, bytes: &[u8]) {
        let mut kept = self.kept();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            kept.partial(output).extend(&rest[..end]);
            kept.finish(output);
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() {
            kept.partial(output).extend(rest);
        }
    }

    /// Everything that was kept, in order, and how much was not.
    pub(crate) fn take(&self) -> Vec<(String, String)> {
        let mut kept = self.kept();
        for output in [Output::Stdout, Output::Stderr] {
            if kept.partial(output).open {
                kept.finish(output);
            }
        }
        let mut lines = std::mem::take(&mut kept.lines);
        if kept.dropped > 0 {
            let n = digits(kept.dropped);
            let message =
                format!("{n} more lines were dropped: a call may log {MAX_LINES} lines and 64 KiB");
            lines.push(("warn".into(), message));
        }
        lines
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn push(&mut self, level: &str, message: &str) {
        let message = cut(message, MAX_LINE);
        if self.count >= MAX_LINES || self.bytes + message.len() > MAX_BYTES {
            self.dropped += 1;
            return;
        }
        self.count += 1;
        self.bytes += message.len();
        self.lines.push((level.to_owned(), printable(message)));
    }

    const fn partial(&mut self, output: Output) -> &mut Partial {
        match output {
            Output::Stdout => &mut self.stdout,
            Output::Stderr => &mut self.stderr,
        }
    }

    fn finish(&mut self, output: Output) {
        let partial = std::mem::take(self.partial(output));
        let level = match output {
            Output::Stdout => "stdout",
            Output::Stderr => "stderr",
        };
        self.push(level, &String::from_utf8_lossy(&partial.text));
    }
}

impl Partial {
    fn extend(&mut self, bytes: &[u8]) {
        let room = MAX_LINE.saturating_sub(self.text.len());
        self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.open = true;
    }
}

/// The text with whatever could forge a line or drive a terminal replaced.
fn printable(text: &str) -> String {
    let control = |c: char| c.is_control() && c != '\t';
    text.replace(control, "\u{fffd}")
}

/// A panic's message, if the guest wrote one: to stderr by its standard library,
/// or without one as a logged line by the SDK.
pub(crate) fn panic_message(lines: &[(String, String)]) -> Option<String> {
    let at = lines
        .iter()
        .rposition(|(level, line)| match level.as_str() {
            "stderr" => line.contains("panicked at"),
            "error" => line.starts_with("panicked at "),
            _ => false,
        })?;
    if lines[at].0 == "error" {
        // The line break after the place was replaced when the line was kept.
        let text = lines[at].1.replacen(":\u{fffd}", ": ", 1);
        return Some(cut(&text, 300).to_owned());
    }
    let place = lines[at]
        .1
        .split("panicked at ")
        .nth(1)?
        .trim_end_matches(':');
    let said = lines
        .get(at + 1)
        .filter(|(level, _)| level == "stderr")
        .map_or("", |(_, line)| line);
    Some(cut(&format!("panicked at {place}: {said}"), 300).to_owned())
}

/// The text, or its beginning of at most `max` bytes.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = (0..=max)
        .rev()
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(lines: &Lines) -> Vec<(String, String)> {
        lines.take()
    }

    #[test]
    fn outputs_become_lines_as_they_end() {
        let lines = Lines::default();
        lines.write(Output::Stdout, b"one\ntw");
        lines.write(Output::Stderr, b"oops");
        lines.write(Output::Stdout, b"o\n");
        lines.push("info", "three");
        let expected = [
            ("stdout", "one"),
            ("stdout", "two"),
            ("info", "three"),
            ("stderr", "oops"),
        ];
        assert_eq!(
            pairs(&lines),
            expected.map(|(l, m)| (l.to_owned(), m.to_owned()))
        );
    }

    #[test]
    fn a_flood_is_counted_and_not_kept() {
        let lines = Lines::default();
        for _ in 0..1_000 {
            lines.push("info", "x");
        }
        let kept = pairs(&lines);
        assert_eq!(kept.len(), MAX_LINES + 1);
        assert!(
            kept[MAX_LINES].1.starts_with("744 more lines were dropped"),
            "{kept:?}"
        );

        let lines = Lines::default();
        for _ in 0..100 {
            lines.write(Output::Stdout, &[b'y'; 100_000]);
            lines.write(Output::Stdout, b"\n");
        }
        let bytes: usize = pairs(&lines).iter().map(|(_, m)| m.len()).sum();
        assert!(bytes <= MAX_BYTES + 200, "{bytes}");
    }

    #[test]
    fn what_must_be_said_is_kept_after_a_flood_and_takes_no_place() {
        let lines = Lines::default();
        lines.audit("first");
        for _ in 0..MAX_LINES {
            lines.push("info", "x");
        }
        lines.audit("last");
        let kept = pairs(&lines);
        assert_eq!(kept.len(), MAX_LINES + 2, "nothing was dropped");
        assert_eq!((&*kept[0].1, &*kept[MAX_LINES + 1].1), ("first", "last"));
    }

    #[test]
    fn a_line_can_forge_no_other_and_drive_no_terminal() {
        let lines = Lines::default();
        lines.push("info", "a\tb\r\nnode: all is well\u{1b}[2J\0\u{9b}é");
        assert_eq!(
            pairs(&lines)[0].1,
            "a\tb\u{fffd}\u{fffd}node: all is well\u{fffd}[2J\u{fffd}\u{fffd}é"
        );
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }

    #[test]
    fn a_panic_is_found_on_stderr() {
        let lines = Lines::default();
        lines.write(
            Output::Stderr,
            b"\nthread '<unnamed>' panicked at src/lib.rs:7:9:\nno such city\nnote: more\n",
        );
        assert_eq!(
            panic_message(&lines.take()).as_deref(),
            Some("panicked at src/lib.rs:7:9: no such city")
        );
    }

    #[test]
    fn a_panic_without_a_standard_library_is_a_logged_line() {
        let lines = Lines::default();
        lines.push("info", "panicked at the disco");
        assert_eq!(panic_message(&lines.take()), None);
        lines.push("error", "panicked at src/lib.rs:7:9:\nno such city");
        assert_eq!(
            panic_message(&lines.take()).as_deref(),
            Some("panicked at src/lib.rs:7:9: no such city")
        );
    }
}
