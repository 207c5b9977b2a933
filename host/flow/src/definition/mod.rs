//! What people write. One shape, whether it comes from YAML, JSON, the
//! builder or the `workflow!` macro.
//!
//! - `document`: YAML or JSON to a definition, with the place of every value.
//! - `builder`: [`WorkflowBuilder`] and [`NodeBuilder`].
//! - `yaml`, `scalar`, `json`, `read`: its steps: text to value, value to definition.
//! - `wait`: what a node waits for; `child`: the workflows that it names; `undo`:
//!   what takes back what it did.
//! - `trigger`: what starts the workflow by itself.
//! - `retention`: which finished executions are kept; `priority`: which go first;
//!   `concurrency`: how many at once.
//! - `check`, `graph`, `sites`: what can be known before anything is deployed.
//! - `actions`: what can be known once the actions are; `bound`: what is bound to them.
//! - `schema`: the JSON Schema of the document.
//! - `diagnostic`: what is wrong, where, and how to mend it.
//! - `text`: the text forms of action references and of `on`.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use semver::VersionReq;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{ActionId, NodeId, TriggerName, WorkflowName};
use crate::time::Span;

pub(crate) mod actions;
mod bound;
mod builder;
mod call;
mod check;
pub(crate) mod child;
mod concurrency;
pub(crate) mod diagnostic;
mod document;
mod early;
mod graph;
mod json;
mod priority;
mod read;
mod retention;
mod scalar;
mod schema;
mod sites;
#[cfg(test)]
mod tests;
mod text;
pub(crate) mod trigger;
mod undo;
mod wait;
mod yaml;

pub use builder::{NodeBuilder, WorkflowBuilder};
pub use call::{DEFAULT_ITERATIONS, MAX_ITERATIONS};
pub use check::{MAX_CONCURRENCY, MAX_CONNECTIONS, MAX_NODES, check};
pub use concurrency::{Concurrency, MAX_SLOTS};
pub use diagnostic::{Code, Diagnostic, Position};
pub use document::{Document, MAX_DOCUMENT};
pub use priority::{MAX_PRIORITY, is_priority};
pub use retention::{MAX_AGE, MAX_COUNT, Retention};
pub use schema::schema;
pub use text::InvalidText;
pub use trigger::{
    CatchUp, Cron, MAX_TRIGGERS, OnEnd, Overlap, Poll, Trigger, TriggerBuilder, Webhook,
    WebhookAuth, WebhookReply,
};
pub(crate) use wait::duration;
pub use wait::{Due, MAX_WAIT, Wait};

/// The only `apiVersion` there is.
pub const API_VERSION: &str = "nebula/v1";

/// How many items of a map run at once when it does not say.
pub const DEFAULT_CONCURRENCY: u32 = 8;

/// The only `kind` there is.
pub const KIND: &str = "Workflow";

/// A workflow as it is written, before its actions are fixed to components.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkflowDefinition {
    /// Always `nebula/v1`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// Always `Workflow`.
    pub kind: String,
    /// Unique within the tenant.
    pub name: WorkflowName,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// JSON Schema of the input; absent accepts anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// Constants, `$vars` in expressions.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub vars: IndexMap<String, Value>,
    /// Retry policy of the nodes that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    /// Of a whole execution, from its start; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// The workflow that is started whenever an execution of this one has failed,
    /// with an input that says which, where and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<WorkflowName>,
    /// Which of its finished executions are kept; absent, the node's settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// How many of its executions may run at once; any number if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// Which of the executions that wait for a place go first: those of a higher
    /// priority, from -100 to 100.
    #[serde(default, skip_serializing_if = "priority::is_usual")]
    pub priority: i8,
    /// What starts it by itself, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub triggers: IndexMap<TriggerName, Trigger>,
    /// By id; their order decides which failure is reported.
    pub nodes: IndexMap<NodeId, Node>,
    /// In any order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<Connection>,
    /// Template of the output; absent: an object of the results of the nodes
    /// that no connection leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// What was wrong in the builder's chain; [`check`] reports it. Never written.
    #[serde(skip)]
    pub problems: Vec<Diagnostic>,
}

impl WorkflowDefinition {
    /// A workflow of this name without nodes.
    #[must_use]
    pub fn empty(name: WorkflowName) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            name,
            description: String::new(),
            input: None,
            vars: IndexMap::new(),
            retry: None,
            timeout: None,
            on_failure: None,
            retention: None,
            concurrency: None,
            priority: 0,
            triggers: IndexMap::new(),
            nodes: IndexMap::new(),
            connections: Vec::new(),
            output: None,
            problems: Vec::new(),
        }
    }
}

/// A node: an action, a map that runs a node for each item of a list, a wait, or
/// another workflow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// `id` or `id@range`. Exactly one of `action`, `map`, `wait` and `workflow` is
    /// given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionRef>,
    /// An expression that gives the list; `each` runs once per item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<Value>,
    /// What a map runs, with `$item` (the value) and `$index` in its templates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<Box<Node>>,
    /// How many items of a map run at once; 8 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// What it waits for: a time, or a signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
    /// Another workflow that it runs as an execution of its own, a child, in the
    /// version that was the newest when this one was deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowName>,
    /// Whether it goes on at once, and does not wait for its child's end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub detach: bool,
    /// Template of the input of an action or a workflow. Absent: the result of the one source
    /// whose connection fired; with several, an object of them by node id;
    /// with no source, the workflow's input; in a map, the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// The name that the action's code uses → the stored credential.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub credentials: BTreeMap<String, String>,
    /// The name that the action's code uses → the resource that the operator configured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, String>,
    /// Of one attempt; 30 s if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// How long an attempt may go without a heartbeat of its action; for as long as
    /// its time-out if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Span>,
    /// How failures that may pass are tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    /// How often an action with effects may be begun; at least once if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// The action that takes back what this node did, when its execution fails or is
    /// cancelled later: it runs as the step `undo_<node>`, and its input is the node's
    /// result if it has no template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Box<Node>>,
    /// How often its action may be called, where that wants to be called again; 1,000
    /// if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_iterations: Option<u32>,
    /// Whether a failure that no connection takes lets the execution go on: the
    /// connections for success fire then, and the node's result is null.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continue_on_failure: bool,
}

/// An action and which of its package's versions: `weather.fetch@^1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ActionRef {
    /// Which action.
    pub id: ActionId,
    /// Which versions; any if absent.
    pub range: Option<VersionReq>,
}

/// How failures that may pass are tried again. The delay before attempt *n*+1
/// is `initial × factorⁿ⁻¹`, at most `max`, times a random part for `full` jitter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// Including the first; 1 never tries again.
    pub max_attempts: u32,
    /// Before the second attempt.
    pub initial: Span,
    /// Growth from one delay to the next; 1 for a fixed delay.
    pub factor: f64,
    /// The longest delay.
    pub max: Span,
    /// Whether the delay is random.
    pub jitter: Jitter,
}

impl Default for RetryPolicy {
    /// Three attempts, 200 ms doubled up to 10 s, full jitter.
    fn default() -> Self {
        Self {
            max_attempts: 3,
            initial: Span(Duration::from_millis(200)),
            factor: 2.0,
            max: Span(Duration::from_secs(10)),
            jitter: Jitter::Full,
        }
    }
}

/// How often an attempt whose outcome is unknown may have had its effects. It is
/// unknown when the node crashed, the call took too long or trapped, or its
/// connection was lost; what the action itself says is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// It is tried again: once or more.
    #[default]
    AtLeastOnce,
    /// It is not: the step waits until a person says what became of it.
    AtMostOnce,
}

/// Whether a delay is random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// Exactly the delay.
    None,
    /// Evenly between zero and the delay.
    #[default]
    Full,
}

/// From one node to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// The source.
    pub from: NodeId,
    /// The target.
    pub to: NodeId,
    /// What must become of the source.
    #[serde(default, skip_serializing_if = "On::is_success")]
    pub on: On,
    /// An expression that must hold besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

/// What must become of a connection's source: `success`, `failure`, `skip` or
/// `port:<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum On {
    /// It succeeded.
    #[default]
    Success,
    /// It failed; this connection takes the failure.
    Failure,
    /// It was skipped, for any reason.
    Skip,
    /// It branched to this port.
    Port(String),
}

impl On {
    /// Whether it is the default.
    #[must_use]
    pub fn is_success(&self) -> bool {
        *self == Self::Success
    }
}
