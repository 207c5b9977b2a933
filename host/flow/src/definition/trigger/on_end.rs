//! Triggers that the end of an execution fires.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::definition::check::Check;
use crate::definition::diagnostic::{Code, Diagnostic, child};
use crate::id::WorkflowName;
use crate::ports::Status;

/// The end of an execution of another workflow. Its event is `{execution, workflow,
/// version, status}` with the `output`, the `error` or the `reason`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnEnd {
    /// Which workflow.
    pub workflow: WorkflowName,
    /// Which ends; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<Status>,
}

impl OnEnd {
    /// Whether it is fired by this end.
    #[must_use]
    pub fn is_for(&self, status: Status) -> bool {
        self.status.is_empty() || self.status.contains(&status)
    }
}

impl Check<'_> {
    pub(super) fn on_end(&mut self, pointer: &str, on_end: &OnEnd) {
        if on_end.workflow == self.definition.name {
            let message = "a workflow that follows its own ends would never stop";
            let diagnostic =
                Diagnostic::new(Code::InvalidValue, child(pointer, "workflow"), message);
            self.problems
                .push(diagnostic.hint("let a schedule start it again"));
        }
        for (index, status) in on_end.status.iter().enumerate() {
            if !status.is_final() {
                let pointer = child(&child(pointer, "status"), &index.to_string());
                let message = format!("`{}` is no end", status.name());
                let diagnostic = Diagnostic::new(Code::InvalidValue, pointer, message);
                let hint = "write `succeeded`, `failed`, `cancelled` or `terminated`";
                self.problems.push(diagnostic.hint(hint));
            }
        }
    }
}

/// Every workflow whose ends fire a trigger, with its pointer.
pub(crate) fn followed(
    definition: &crate::WorkflowDefinition,
) -> impl Iterator<Item = (String, &WorkflowName)> {
    let triggers = definition.triggers.iter();
    triggers.filter_map(|(name, trigger)| {
        let on_end = child(&child("/triggers", name.as_str()), "on_end");
        let followed = &trigger.on_end.as_ref()?.workflow;
        Some((child(&on_end, "workflow"), followed))
    })
}

/// The JSON Schema of it.
pub(super) fn schema() -> Value {
    json!({
        "description": "By the end of an execution of another workflow. Its event is { execution, workflow, version, status } with the output, the error or the reason.",
        "type": "object",
        "required": ["workflow"],
        "additionalProperties": false,
        "properties": {
            "workflow": { "$ref": "#/$defs/workflowName", "description": "Whose executions." },
            "status": {
                "description": "Which ends; all if absent.",
                "type": "array",
                "items": { "enum": ["succeeded", "failed", "cancelled", "terminated"] }
            }
        }
    })
}
