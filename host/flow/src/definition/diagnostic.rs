//! What is wrong with a document, where, and how to mend it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Which rule it breaks; part of the API.
    pub code: Code,
    /// What is wrong, with the names it concerns.
    pub message: String,
    /// JSON pointer of the value, e.g. `/nodes/fetch/action`; empty for the whole.
    pub pointer: String,
    /// Its place in the text, when the definition came from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// 1 for the first.
    pub line: u32,
    /// 1 for the first character of the line.
    pub column: u32,
}

/// The rules that a definition can break; the names are part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The text is not YAML or JSON, or is over a cap.
    Syntax,
    /// A key appears twice.
    DuplicateKey,
    /// A field that the document does not have.
    UnknownField,
    /// A field that is needed is absent.
    MissingField,
    /// A value of the wrong type, or outside its range.
    InvalidValue,
    /// `apiVersion` or `kind` is not what this reads.
    UnsupportedVersion,
    /// A name breaks the rule of its kind.
    InvalidName,
    /// More nodes, connections or bytes than a definition may have.
    TooLarge,
    /// A connection or an expression names a node that does not exist.
    UnknownNode,
    /// A node id is given twice.
    DuplicateNode,
    /// A connection is given twice.
    DuplicateConnection,
    /// The connections form a circle.
    Cycle,
    /// An expression reads a node that need not be decided before it.
    NotAnAncestor,
    /// An expression or a template does not parse.
    InvalidExpression,
    /// A JSON Schema is not one.
    InvalidSchema,
    /// No component here has the action.
    UnknownAction,
    /// There is no workflow of this name.
    UnknownWorkflow,
    /// The action is here, in no version of the range.
    VersionNotFound,
    /// An expression reads a path that the action's output cannot have.
    ImpossiblePath,
    /// The node binds a credential that the action does not ask for.
    UnaskedCredential,
    /// The bound credential is not stored.
    MissingCredential,
    /// The node binds a resource that the action does not ask for.
    UnaskedResource,
    /// The action asks for a resource, and none of its kind is bound.
    MissingResource,
    /// A constant input breaks the input schema of the action or the workflow.
    InvalidInput,
    /// A schedule that no date fulfils.
    NeverFires,
    /// A node runs an action that is a trigger, or a trigger polls one that is none.
    WrongKind,
}

impl Code {
    /// The name it has everywhere, e.g. `unknown_node`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::DuplicateKey => "duplicate_key",
            Self::UnknownField => "unknown_field",
            Self::MissingField => "missing_field",
            Self::InvalidValue => "invalid_value",
            Self::UnsupportedVersion => "unsupported_version",
            Self::InvalidName => "invalid_name",
            Self::TooLarge => "too_large",
            Self::UnknownNode => "unknown_node",
            Self::DuplicateNode => "duplicate_node",
            Self::DuplicateConnection => "duplicate_connection",
            Self::Cycle => "cycle",
            Self::NotAnAncestor => "not_an_ancestor",
            Self::InvalidExpression => "invalid_expression",
            Self::InvalidSchema => "invalid_schema",
            Self::UnknownAction => "unknown_action",
            Self::UnknownWorkflow => "unknown_workflow",
            Self::VersionNotFound => "version_not_found",
            Self::ImpossiblePath => "impossible_path",
            Self::UnaskedCredential => "unasked_credential",
            Self::MissingCredential => "missing_credential",
            Self::UnaskedResource => "unasked_resource",
            Self::MissingResource => "missing_resource",
            Self::InvalidInput => "invalid_input",
            Self::NeverFires => "never_fires",
            Self::WrongKind => "wrong_kind",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Diagnostic {
    /// A diagnostic without position and hint.
    #[must_use]
    pub fn new(code: Code, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            pointer: pointer.into(),
            position: None,
            hint: None,
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a hint if there is one.
    #[must_use]
    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.position {
            write!(f, "{line}:{column}: ")?;
        }
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}

/// Appends a segment to a JSON pointer, escaped (RFC 6901).
#[must_use]
pub(crate) fn child(pointer: &str, segment: &str) -> String {
    let mut out = String::with_capacity(pointer.len() + segment.len() + 1);
    out.push_str(pointer);
    out.push('/');
    for c in segment.chars() {
        match c {
            '~' => out.push_str("~0"),
            '/' => out.push_str("~1"),
            c => out.push(c),
        }
    }
    out
}

/// The candidate that is most likely meant by `text`, if one is near.
#[must_use]
pub(crate) fn nearest<'a>(
    text: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let allowed = (text.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|c| (distance(text, c), c))
        .filter(|(d, _)| *d <= allowed)
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// A hint that names the nearest candidate, if one is near.
#[must_use]
pub(crate) fn did_you_mean<'a>(
    text: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(text, candidates).map(|c| format!("did you mean `{c}`?"))
}

/// Edits from one text to the other: insert, remove, replace, swap neighbours.
/// Texts over 64 characters count as far apart.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(65).collect(), b.chars().take(65).collect());
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let names = ["timeout", "retry", "action"];
        assert_eq!(nearest("timout", names), Some("timeout"));
        assert_eq!(nearest("actoin", names), Some("action"));
        assert_eq!(nearest("banana", names), None);
    }

    #[test]
    fn a_code_has_the_same_name_in_json_and_in_text() {
        let json = serde_json::to_value(Code::NotAnAncestor).expect("serializes");
        assert_eq!(json, Code::NotAnAncestor.name());
    }
}
