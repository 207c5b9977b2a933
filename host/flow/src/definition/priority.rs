//! Which executions go first where they wait for a place, as it is written.

use serde_json::{Value, json};

use super::WorkflowBuilder;
use super::check::Check;
use super::diagnostic::Code;

/// The highest priority; the lowest is its negative.
pub const MAX_PRIORITY: i8 = 100;

/// Whether there is such a priority.
#[must_use]
pub const fn is_priority(priority: i8) -> bool {
    -MAX_PRIORITY <= priority && priority <= MAX_PRIORITY
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
pub(super) const fn is_usual(priority: &i8) -> bool {
    *priority == 0
}

impl WorkflowBuilder {
    /// Which of the executions that wait for a place go first: those of a higher
    /// priority, from -100 to 100; 0 without it.
    #[must_use]
    pub const fn priority(mut self, priority: i8) -> Self {
        self.definition.priority = priority;
        self
    }
}

impl Check<'_> {
    pub(super) fn priority(&mut self, priority: i8) {
        if !is_priority(priority) {
            let message =
                format!("a priority is between -{MAX_PRIORITY} and {MAX_PRIORITY}, not {priority}");
            self.problem(Code::InvalidValue, "/priority", message);
        }
    }
}

/// The JSON Schema of a priority.
pub(super) fn schema() -> Value {
    json!({
        "description": "Which of the executions that wait for a place go first: those of a higher priority; 0 if absent.",
        "type": "integer",
        "minimum": -MAX_PRIORITY,
        "maximum": MAX_PRIORITY
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Document, check};

    #[test]
    fn a_priority_is_a_number_between_its_bounds() {
        for (priority, good) in [
            (json!(-100), true),
            (json!(0), true),
            (json!(100), true),
            (json!(101), false),
            (json!(-101), false),
            (json!(1_000), false),
            (json!("high"), false),
            (json!(1.5), false),
        ] {
            let document = Document::from_value(json!({
                "apiVersion": "nebula/v1", "kind": "Workflow", "name": "w", "priority": priority,
                "nodes": { "a": { "action": "test.a" } },
            }));
            let problems = match document.definition() {
                Ok(definition) => check(&definition),
                Err(problems) => problems,
            };
            let pointers: Vec<_> = problems.iter().map(|d| d.pointer.as_str()).collect();
            let expected: &[&str] = if good { &[] } else { &["/priority"] };
            assert_eq!(pointers, expected, "{priority}");
        }
    }
}
