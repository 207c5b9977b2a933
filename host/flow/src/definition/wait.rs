//! What a node waits for, as it is written, and what can be wrong with it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::check::Check;
use super::diagnostic::{Code, Diagnostic, child};
use super::{Node, WorkflowDefinition};
use crate::expression::{ExpressionError, Template};
use crate::id::SignalName;
use crate::shape::Shape;
use crate::time::{InvalidInstant, InvalidSpan, Span, Timestamp};

/// The longest duration of a wait, and the longest time-out of a wait or a workflow.
pub const MAX_WAIT: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// What a node waits for: exactly one of `for`, `until` and `signal`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// A duration (`10m`), or a template that gives one.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// An instant (RFC 3339), or a template that gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The name of a signal; its payload is the node's result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<SignalName>,
    /// JSON Schema of the signal's payload; absent accepts anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// How long it waits for the signal; for ever if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

/// When a wait for a time is over.
#[derive(Debug, Clone, PartialEq)]
pub enum Due {
    /// So long after it began.
    After(Duration),
    /// At this instant.
    At(Timestamp),
    /// So long after it began, as a template says.
    Duration(Template),
    /// At the instant that a template gives.
    Instant(Template),
}

const LONGEST: Span = Span(MAX_WAIT);

/// Why a wait's `for` or `until` is not one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WrongTime {
    #[error(transparent)]
    Span(#[from] InvalidSpan),
    #[error(transparent)]
    Instant(#[from] InvalidInstant),
    #[error("a wait is longer than 0 and at most {LONGEST}, not {0}")]
    Length(Span),
    #[error("{}", .0.message)]
    Expression(ExpressionError),
}

impl Wait {
    /// When it is over, if it is for a time.
    pub(crate) fn due(&self) -> Option<Result<Due, WrongTime>> {
        match (&self.duration, &self.until) {
            (Some(text), _) => Some(match template(text) {
                Some(template) => template.map(Due::Duration),
                None => duration(text).map(Due::After),
            }),
            (None, Some(text)) => Some(match template(text) {
                Some(template) => template.map(Due::Instant),
                None => text.parse().map(Due::At).map_err(WrongTime::Instant),
            }),
            (None, None) => None,
        }
    }
}

fn template(text: &str) -> Option<Result<Template, WrongTime>> {
    text.contains("${")
        .then(|| Template::parse(&Value::from(text)).map_err(WrongTime::Expression))
}

/// The duration of a wait.
pub(crate) fn duration(text: &str) -> Result<Duration, WrongTime> {
    let span = text.parse::<Span>()?;
    if span.0.is_zero() || span.0 > MAX_WAIT {
        return Err(WrongTime::Length(span));
    }
    Ok(span.0)
}

impl Check<'_> {
    /// What is wrong with a node that waits.
    pub(super) fn wait(&mut self, pointer: &str, node: &Node, wait: &Wait) {
        for (field, given) in [
            ("input", node.input.is_some()),
            ("credentials", !node.credentials.is_empty()),
            ("resources", !node.resources.is_empty()),
            ("retry", node.retry.is_some()),
        ] {
            if given {
                let message = format!("`{field}` belongs to an action, and this node waits");
                self.problem(Code::InvalidValue, &child(pointer, field), message);
            }
        }
        if node.timeout.is_some() {
            let message = "the time-out of a wait belongs into its `wait`".to_owned();
            self.problem(Code::InvalidValue, &child(pointer, "timeout"), message);
        }
        let pointer = child(pointer, "wait");
        let kinds = [
            wait.duration.is_some(),
            wait.until.is_some(),
            wait.signal.is_some(),
        ];
        match kinds.into_iter().filter(|given| *given).count() {
            1 => {}
            // The builder could not express the signal's name.
            0 if (self.definition.problems.iter()).any(|d| d.pointer.starts_with(&pointer)) => {}
            0 => self.problems.push(
                Diagnostic::new(
                    Code::MissingField,
                    &pointer,
                    "a wait needs one of `for`, `until` and `signal`",
                )
                .hint("write for example `wait: { for: 10m }` or `wait: { signal: approval }`"),
            ),
            _ => self.problem(
                Code::InvalidValue,
                &pointer,
                "a wait has one of `for`, `until` and `signal`, not several".to_owned(),
            ),
        }
        // A template that does not parse is found with the other expressions.
        if let Some(Err(wrong)) = wait.due()
            && !matches!(wrong, WrongTime::Expression(_))
        {
            let field = if wait.duration.is_some() {
                "for"
            } else {
                "until"
            };
            self.problem(
                Code::InvalidValue,
                &child(&pointer, field),
                wrong.to_string(),
            );
        }
        self.signal_wait(&pointer, wait);
    }

    fn signal_wait(&mut self, pointer: &str, wait: &Wait) {
        for (field, given) in [
            ("schema", wait.schema.is_some()),
            ("timeout", wait.timeout.is_some()),
        ] {
            if given && wait.signal.is_none() {
                let message = format!("`{field}` belongs to a wait for a signal");
                self.problem(Code::InvalidValue, &child(pointer, field), message);
            }
        }
        if let Some(schema) = &wait.schema
            && let Err(mismatch) = Shape::compile(schema)
        {
            let message = format!(
                "the signal's schema is no JSON Schema: {}",
                mismatch.message
            );
            let pointer = format!("{}{}", child(pointer, "schema"), mismatch.pointer);
            self.problem(Code::InvalidSchema, &pointer, message);
        }
        if let Some(Span(timeout)) = wait.timeout
            && (timeout.is_zero() || timeout > MAX_WAIT)
        {
            let message = WrongTime::Length(Span(timeout)).to_string();
            self.problem(Code::InvalidValue, &child(pointer, "timeout"), message);
        }
    }

    /// A signal has one schema, whichever node takes it.
    pub(super) fn signals(&mut self) {
        let mut first: BTreeMap<&SignalName, (String, &Wait)> = BTreeMap::new();
        for (pointer, wait) in waits(self.definition) {
            let Some(name) = &wait.signal else { continue };
            let (at, before) = first.entry(name).or_insert((pointer.clone(), wait));
            if before.schema != wait.schema {
                let message = format!("the signal `{name}` has another schema at {at}");
                let diagnostic = Diagnostic::new(Code::InvalidValue, pointer, message);
                self.problems.push(
                    diagnostic.hint("give both the same `schema`, or the second another name"),
                );
            }
        }
    }
}

/// Every wait of a definition, those in maps included, with its pointer.
pub(super) fn waits(definition: &WorkflowDefinition) -> Vec<(String, &Wait)> {
    let mut found = Vec::new();
    for (id, node) in &definition.nodes {
        let (mut pointer, mut at) = (child("/nodes", id.as_str()), Some(node));
        while let Some(node) = at {
            if let Some(wait) = &node.wait {
                found.push((child(&pointer, "wait"), wait));
            }
            pointer = child(&pointer, "each");
            at = node.each.as_deref();
        }
    }
    found
}
