//! A workflow document as text: YAML or JSON.

use serde_json::Value;

use super::WorkflowDefinition;
use super::diagnostic::{Code, Diagnostic, Position};
use super::{json, read, yaml};

/// The largest document, bytes.
pub const MAX_DOCUMENT: usize = 1 << 20;

/// A document: its value, and where in its text each part stands.
///
/// ```
/// use nebula_flow::definition::Document;
///
/// let document = Document::parse("{apiVersion: nebula/v1, kind: Workflow, nmae: x, nodes: {}}")?;
/// let diagnostics = document.definition().expect_err("the name is misspelt");
/// assert_eq!(diagnostics[0].pointer, "/nmae");
/// assert_eq!(diagnostics[0].hint.as_deref(), Some("did you mean `name`?"));
/// # Ok::<(), Vec<nebula_flow::definition::Diagnostic>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Document {
    value: Value,
    spot: Option<yaml::Spot>,
}

impl Document {
    /// Reads a text, YAML or JSON.
    ///
    /// # Errors
    /// When it is neither, over a cap, or gives a key twice.
    pub fn parse(text: &str) -> Result<Self, Vec<Diagnostic>> {
        if text.len() > MAX_DOCUMENT {
            let message = format!(
                "the document has {} bytes; at most {MAX_DOCUMENT} are allowed",
                text.len()
            );
            return Err(vec![Diagnostic::new(Code::TooLarge, "", message)]);
        }
        match yaml::read(text.strip_prefix('\u{feff}').unwrap_or(text)) {
            Ok((value, spot, duplicates)) if duplicates.is_empty() => Ok(Self {
                value,
                spot: Some(spot),
            }),
            Ok((_, _, duplicates)) => Err(duplicates),
            // Little of JSON is not YAML: surrogate pairs in escapes, long keys.
            Err(wrong) if wrong.code == Code::Syntax => json::read(text)
                .map(Self::from_value)
                .map_err(|_| vec![wrong]),
            Err(wrong) => Err(vec![wrong]),
        }
    }

    /// Takes a value that was read already; its parts have no positions.
    #[must_use]
    pub const fn from_value(value: Value) -> Self {
        Self { value, spot: None }
    }

    /// What the text says.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// The definition that it describes. Deploying checks more.
    ///
    /// # Errors
    /// Everything that is wrong with its shape, with positions.
    pub fn definition(&self) -> Result<WorkflowDefinition, Vec<Diagnostic>> {
        read::definition(&self.value).map_err(|mut diagnostics| {
            self.locate(&mut diagnostics);
            diagnostics
        })
    }

    /// Fills in the positions of diagnostics by their pointers.
    pub fn locate(&self, diagnostics: &mut [Diagnostic]) {
        for diagnostic in diagnostics.iter_mut().filter(|d| d.position.is_none()) {
            diagnostic.position = self.position(&diagnostic.pointer, diagnostic.code);
        }
    }

    /// The place of a value, or of the nearest around it that the text has.
    fn position(&self, pointer: &str, code: Code) -> Option<Position> {
        let mut spot = self.spot.as_ref()?;
        let names_key = matches!(
            code,
            Code::UnknownField | Code::DuplicateKey | Code::InvalidName
        );
        let mut at = spot.at;
        for segment in pointer.split('/').skip(1) {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            let Some((_, part)) = spot.parts.iter().find(|(key, _)| *key == segment) else {
                return Some(at);
            };
            spot = part;
            at = if names_key {
                spot.key.unwrap_or(spot.at)
            } else {
                spot.at
            };
        }
        Some(at)
    }
}
