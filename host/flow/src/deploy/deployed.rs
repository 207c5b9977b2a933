//! One version of a workflow, as it is kept.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::definition::{Code, Diagnostic, WorkflowDefinition};
use crate::id::{WorkflowId, WorkflowName};
use crate::ports::ResolvedAction;
use crate::shape::{Mismatch, Shape};
use crate::time::Timestamp;

/// One version of a workflow. Never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeployedWorkflow {
    /// Through all versions.
    pub id: WorkflowId,
    /// 1 for the first.
    pub version: u32,
    /// When.
    pub deployed_at: Timestamp,
    /// As it was written.
    pub definition: WorkflowDefinition,
    /// What each action reference (`weather.fetch@^1`) was fixed to.
    pub actions: BTreeMap<String, ResolvedAction>,
    /// What each workflow that it runs was fixed to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub workflows: BTreeMap<WorkflowName, PinnedWorkflow>,
    /// The definition's schema of the input, once it was needed.
    #[serde(skip)]
    pub input: InputShape,
}

/// A version of another workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedWorkflow {
    /// Through all versions.
    pub id: WorkflowId,
    /// Which of them.
    pub version: u32,
}

/// The schema of a workflow's input, compiled when it is first needed and kept
/// for every start after that. Says nothing beyond the definition beside it, so
/// that all are equal.
#[derive(Default)]
pub struct InputShape(OnceLock<Result<Shape, Mismatch>>);

impl DeployedWorkflow {
    /// How an input breaks the workflow's schema.
    #[must_use]
    pub fn check_input(&self, input: &Value) -> Vec<Diagnostic> {
        let Some(schema) = &self.definition.input else {
            return Vec::new();
        };
        match self.input.0.get_or_init(|| Shape::compile(schema)) {
            Ok(shape) => shape
                .mismatches(input)
                .into_iter()
                .map(|m| Diagnostic::new(Code::InvalidInput, m.pointer, m.message))
                .collect(),
            Err(m) => vec![
                Diagnostic::new(Code::InvalidSchema, "", m.message.clone())
                    .hint("deploy the workflow again"),
            ],
        }
    }
}

impl Clone for InputShape {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for InputShape {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for InputShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InputShape")
    }
}
