//! Triggers that look for what is new, by an action that is one.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Overlap;
use crate::definition::check::Check;
use crate::definition::diagnostic::{Code, Diagnostic, child};
use crate::definition::{ActionRef, WorkflowDefinition};
use crate::expression::{ExpressionError, Root, Template};
use crate::time::Span;

/// The shortest time from one poll to the next.
const LEAST_EVERY: Duration = Duration::from_secs(1);
/// The longest.
const MOST_EVERY: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The longest that one call may take.
const MOST_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// An action that is called every so often and gives what is new since the last time.
/// Each of its events starts an execution; the trigger's event is `{event, cursor}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// `id` or `id@range`, of an action that is a trigger.
    pub action: ActionRef,
    /// From one poll to the next, 1 s to 30 d.
    pub every: Span,
    /// Template of the action's config over `$vars`; null if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Value>,
    /// The name that the action's code uses → the stored credential.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub credentials: BTreeMap<String, String>,
    /// The name that the action's code uses → the resource that the operator configured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, String>,
    /// Of one call; as of a step if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// What to do while the execution that it started last has not ended: poll all the
    /// same, or not (`skip`).
    #[serde(default = "allow", skip_serializing_if = "is_allow")]
    pub overlap: Overlap,
}

pub(super) const fn allow() -> Overlap {
    Overlap::Allow
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_allow(overlap: &Overlap) -> bool {
    *overlap == allow()
}

impl Poll {
    /// One without config that polls so often.
    #[must_use]
    pub const fn new(action: ActionRef, every: Duration) -> Self {
        Self {
            action,
            every: Span(every),
            with: None,
            credentials: BTreeMap::new(),
            resources: BTreeMap::new(),
            timeout: None,
            overlap: allow(),
        }
    }

    /// What the action is configured with.
    ///
    /// # Errors
    /// When its template errs.
    pub(crate) fn config(&self, definition: &WorkflowDefinition) -> Result<Value, ExpressionError> {
        let Some(with) = &self.with else {
            return Ok(Value::Null);
        };
        Template::parse(with)?.render_early(&super::check::Variables {
            event: Value::Null,
            vars: definition.constants(),
        })
    }
}

impl Check<'_> {
    pub(super) fn poll(&mut self, pointer: &str, poll: &Poll) {
        for (field, given, least, most) in [
            ("every", Some(poll.every), LEAST_EVERY, MOST_EVERY),
            (
                "timeout",
                poll.timeout,
                Duration::from_millis(1),
                MOST_TIMEOUT,
            ),
        ] {
            let Some(Span(time)) = given else { continue };
            if time < least || time > most {
                let (time, least, most) = (Span(time), Span(least), Span(most));
                let message =
                    format!("`{field}` is at least {least} and at most {most}, not {time}");
                self.problem(Code::InvalidValue, &child(pointer, field), message);
            }
        }
        let at = child(pointer, "with");
        let why = "the config of a trigger is made before anything runs";
        let with = poll.with.as_ref();
        let parsed = with.is_some_and(|with| self.early(&at, with, &Root::Vars, why).is_some());
        if parsed && let Err(error) = poll.config(self.definition) {
            self.problems.push(
                Diagnostic::new(Code::InvalidExpression, at, error.message).maybe_hint(error.hint),
            );
        }
    }
}

/// Every trigger that polls, with the pointer of its `poll`.
pub(crate) fn polls(definition: &WorkflowDefinition) -> impl Iterator<Item = (String, &Poll)> {
    let triggers = definition.triggers.iter();
    triggers.filter_map(|(name, trigger)| {
        let pointer = child(&child("/triggers", name.as_str()), "poll");
        Some((pointer, trigger.poll.as_ref()?))
    })
}

/// The JSON Schema of it.
pub(super) fn schema() -> Value {
    let names = |what: &str| {
        json!({
            "description": format!("The name that the action's code uses, and the {what}."),
            "type": "object",
            "additionalProperties": { "type": "string", "minLength": 1 }
        })
    };
    json!({
        "description": "By an action that looks for what is new. Its event is { event, cursor }.",
        "type": "object",
        "required": ["action", "every"],
        "additionalProperties": false,
        "properties": {
            "action": {
                "description": "The id of an action that is a trigger, with `@` and a version range behind it if that matters.",
                "type": "string",
                "pattern": "^[a-z][a-z0-9_-]{0,62}(\\.[a-z][a-z0-9_-]{0,62})+(@.+)?$"
            },
            "every": { "$ref": "#/$defs/duration", "description": "From one poll to the next: 1s to 30d." },
            "with": { "description": "Template of the action's config over `$vars`; null if absent." },
            "credentials": names("stored credential"),
            "resources": names("resource that the operator configured"),
            "timeout": { "$ref": "#/$defs/duration", "description": "Of one call; 30s if absent, 10m at most." },
            "overlap": {
                "description": "While the execution that it started last has not ended: allow (the default) or skip.",
                "enum": ["skip", "allow"]
            }
        }
    })
}
