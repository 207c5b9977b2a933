//! What went wrong, sorted by whose problem it is; the exit code follows.

use std::process::ExitCode;

use serde_json::Value;

use crate::output::{Paint, Style};

/// The exit codes, as `nebula help exit-codes` and `docs/cli.md` list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// What was asked is done.
    Done = 0,
    /// The execution or the action failed.
    Failed = 1,
    // 2 is clap's, for a wrong command line.
    /// What was given was refused: a definition, an input, an unknown name.
    Refused = 3,
    /// The node cannot be reached or is in trouble.
    Node = 4,
    /// The execution was cancelled or terminated.
    Cancelled = 5,
    /// No such package, or no version of it that fits.
    NotFound = 6,
    /// A package is not signed by whom it should, or was not agreed to.
    Untrusted = 7,
    /// A package is not what its publisher published.
    Altered = 8,
    /// A registry cannot be reached, or has no room.
    Registry = 9,
    /// A version is published already, or a name is somebody else's.
    Taken = 10,
    /// Ctrl-C while something was watched: what was watched goes on.
    Detached = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failed command.
#[derive(Debug)]
pub(crate) struct Error {
    exit: Exit,
    message: String,
    details: Vec<String>,
    hint: Option<String>,
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// What was given cannot be used.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Refused,
            message: message.into(),
            details: Vec::new(),
            hint: None,
        }
    }

    /// The node cannot be reached or is in trouble.
    pub(crate) fn node(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Node,
            ..Self::refused(message)
        }
    }

    /// Nobody reads the output any more: the command ends, and says nothing.
    pub(crate) fn closed() -> Self {
        Self {
            exit: Exit::Done,
            ..Self::refused("")
        }
    }

    /// Whether the node could not be reached, or is in trouble.
    pub(crate) fn is_nodes(&self) -> bool {
        self.exit == Exit::Node
    }

    /// Whose problem it is.
    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }

    /// With an exit code of its own.
    pub(crate) const fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// What to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// From a problem body; `file` is where positions point into.
    pub(crate) fn from_problem(status: u16, problem: &Value, file: Option<&str>) -> Self {
        let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
        let message = text(problem, "detail")
            .or_else(|| text(problem, "title"))
            .unwrap_or_else(|| format!("the node answered {status}"));
        let details = problem
            .get("errors")
            .and_then(Value::as_array)
            .map(|errors| errors.iter().map(|e| detail(e, file)).collect())
            .unwrap_or_default();
        let exit = match problem.get("code").and_then(Value::as_str) {
            Some("package_not_found") => Exit::NotFound,
            Some("package_untrusted") => Exit::Untrusted,
            Some("package_altered") => Exit::Altered,
            Some("package_conflict") => Exit::Taken,
            Some("registry_trouble") => Exit::Registry,
            Some("poll_failed") => Exit::Failed,
            _ if status >= 500 => Exit::Node,
            _ => Exit::Refused,
        };
        Self {
            exit,
            message,
            details,
            hint: text(problem, "hint"),
        }
    }

    /// Prints it to stderr and gives the exit code.
    #[expect(clippy::print_stderr, reason = "this is where errors are shown")]
    pub(crate) fn report(&self) -> ExitCode {
        if self.exit == Exit::Done {
            return self.exit.into();
        }
        let style = Style::stderr();
        eprintln!("{} {}", style.paint(Paint::Bad, "error:"), self.message);
        for detail in &self.details {
            eprintln!("{detail}");
        }
        if let Some(hint) = &self.hint {
            eprintln!("{} {hint}", style.paint(Paint::Busy, "hint:"));
        }
        self.exit.into()
    }
}

/// One diagnostic: `  file:line:column: message` and its hint.
fn detail(error: &Value, file: Option<&str>) -> String {
    let text = |key: &str| error.get(key).and_then(Value::as_str);
    let place = match (
        error.pointer("/position/line"),
        error.pointer("/position/column"),
    ) {
        (Some(line), Some(column)) => format!("{}:{line}:{column}: ", file.unwrap_or("input")),
        _ => text("pointer")
            .filter(|p| !p.is_empty())
            .map(|p| format!("{p}: "))
            .unwrap_or_default(),
    };
    let mut line = format!("  {place}{}", text("message").unwrap_or_default());
    if let Some(hint) = text("hint") {
        line += &format!("\n    hint: {hint}");
    }
    line
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}
