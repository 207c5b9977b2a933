//! What became of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Index;
use std::time::Duration;

use nebula_engine::EngineError;
use nebula_flow::definition::Diagnostic;
use nebula_flow::event::{Event, Failure, Recorded};
use nebula_flow::ports::{LogLine, Report, Status};
use nebula_flow::{StepKey, Value};

/// What became of an execution.
#[derive(Debug)]
pub struct TestResult {
    /// The workflow's output; null if it has none.
    pub output: Value,
    /// What happened, in order.
    pub events: Vec<Recorded>,
    /// The run in numbers.
    pub metrics: Metrics,
    /// The results of the nodes that ended well, by node.
    pub node_outputs: NodeOutputs,
    /// Where the execution stands; queued if it never began.
    pub status: Status,
    /// Why it did not end well.
    pub error: Option<TestError>,
    /// Each call of an action, in order.
    pub calls: Vec<ActionCall>,
    /// What native actions logged, in order.
    pub logs: Vec<LogLine>,
}

impl TestResult {
    /// Whether the execution ended well.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.error.is_none()
    }

    /// The result itself, if the execution ended well.
    ///
    /// # Panics
    /// When it did not; the message says why.
    #[track_caller]
    pub fn expect_success(self) -> Self {
        match &self.error {
            None => self,
            Some(error) => panic!("the execution did not end well: {error}"),
        }
    }

    /// The values of a figure that native actions measured (`ctx.metric`), in order.
    #[must_use]
    pub fn measured(&self, name: &str) -> Vec<f64> {
        let lines = self.logs.iter().filter(|line| line.level == Report::METRIC);
        let figures = lines.filter_map(|line| Report::metric(&line.message));
        figures
            .filter(|(of, _)| *of == name)
            .map(|(_, value)| value)
            .collect()
    }

    /// Why the execution failed.
    ///
    /// # Panics
    /// When it did not fail.
    #[must_use]
    #[track_caller]
    pub fn expect_failure(&self) -> &Failure {
        match &self.error {
            Some(TestError::Failed(failure)) => failure,
            Some(error) => panic!("the execution did not fail by itself: {error}"),
            None => panic!("the execution ended well, with the output {}", self.output),
        }
    }

    /// The inputs that an action was called with, in order.
    #[must_use]
    pub fn inputs_of(&self, action: &str) -> Vec<&Value> {
        let calls = self.calls.iter().filter(|call| call.action == action);
        calls.map(|call| &call.input).collect()
    }

    /// What happened, a word for each event, its step behind it.
    #[must_use]
    pub fn story(&self) -> Vec<String> {
        self.events.iter().map(|e| told(&e.event)).collect()
    }
}

fn told(event: &Event) -> String {
    match event {
        Event::StepKept { step, .. }
        | Event::StepReady { step, .. }
        | Event::MapStarted { step, .. }
        | Event::WaitStarted { step, .. }
        | Event::ChildStarted { step, .. }
        | Event::AttemptStarted { step, .. }
        | Event::AttemptFailed { step, .. }
        | Event::StepUnknown { step, .. }
        | Event::StepContinued { step, .. }
        | Event::StepResumed { step }
        | Event::StepSucceeded { step, .. }
        | Event::StepFailed { step, .. }
        | Event::StepSkipped { step, .. } => format!("{} {step}", event.name()),
        _ => event.name().to_owned(),
    }
}

/// A call of an action.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionCall {
    /// Which action.
    pub action: String,
    /// In which step.
    pub step: StepKey,
    /// 1 for the first.
    pub attempt: u32,
    /// What it was given.
    pub input: Value,
}

/// A run in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Steps that ended well.
    pub succeeded: usize,
    /// Steps that failed for good.
    pub failed: usize,
    /// Steps that were skipped.
    pub skipped: usize,
    /// Attempts that failed and were tried again.
    pub retries: usize,
    /// How often the engine crashed and came back.
    pub crashes: usize,
    /// How often each action was called.
    pub calls: BTreeMap<String, usize>,
    /// From its start to its last event, in virtual time.
    pub elapsed: Duration,
}

impl Metrics {
    pub(crate) fn of(events: &[Recorded], calls: &[ActionCall], crashes: usize) -> Self {
        let mut metrics = Self {
            crashes,
            ..Self::default()
        };
        for recorded in events {
            match recorded.event {
                Event::StepSucceeded { .. } => metrics.succeeded += 1,
                Event::StepFailed { .. } => metrics.failed += 1,
                Event::StepSkipped { .. } => metrics.skipped += 1,
                Event::AttemptFailed { .. } => metrics.retries += 1,
                _ => {}
            }
        }
        for call in calls {
            *metrics.calls.entry(call.action.clone()).or_default() += 1;
        }
        if let (Some(first), Some(last)) = (events.first(), events.last()) {
            metrics.elapsed = last.at.since(first.at);
        }
        metrics
    }
}

/// The results of the nodes that ended well: `outputs["create_user"]["id"]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodeOutputs {
    pub(crate) results: BTreeMap<String, Value>,
    /// What became of the others: a status, and for people.
    pub(crate) others: BTreeMap<String, (&'static str, String)>,
}

impl NodeOutputs {
    /// A node's result, if it ended well.
    #[must_use]
    pub fn get(&self, node: &str) -> Option<&Value> {
        self.results.get(node)
    }

    /// All of them, by node.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.results.iter().map(|(node, value)| (&**node, value))
    }

    /// Why a node has no result: `it was skipped`.
    #[must_use]
    pub fn why_not(&self, node: &str) -> &str {
        let why = self.others.get(node).map(|(_, why)| why.as_str());
        why.unwrap_or("the workflow has no such node")
    }

    /// What became of a node: `succeeded`, `failed`, `skipped`, `unknown`, or `pending` if
    /// it did not end; none if the workflow has no such node.
    #[must_use]
    pub fn status(&self, node: &str) -> Option<&'static str> {
        match self.results.contains_key(node) {
            true => Some("succeeded"),
            false => self.others.get(node).map(|(status, _)| *status),
        }
    }
}

impl Index<&str> for NodeOutputs {
    type Output = Value;

    #[track_caller]
    fn index(&self, node: &str) -> &Value {
        match self.get(node) {
            Some(value) => value,
            None => panic!("node `{node}` has no result: {}", self.why_not(node)),
        }
    }
}

/// Why an execution did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// The workflow names actions that the harness does not have.
    #[error(
        "the harness has no action {}: give it a mock (`with_mock_action`), a native action \
         (`with_action`), or the real component (`with_component`, with the feature `embedded` of \
         nebula-sdk)", list(.actions)
    )]
    UnknownActions {
        /// Which.
        actions: Vec<String>,
    },
    /// An expression is not one of those that are evaluated directly: the action
    /// `transform.jq` runs it, as a component.
    #[error(
        "the expression at {pointer} is run by the action `transform.jq`: give the harness the \
         component of the pack `transform` (`with_component`, with the feature `embedded` of \
         nebula-sdk), or what runs components (`with_components`)"
    )]
    NeedsComponent {
        /// JSON pointer of the expression.
        pointer: String,
    },
    /// The harness was given a component, and was built without what runs one.
    #[error(
        "a component runs in this process with the feature `embedded` of nebula-sdk: add it to \
         `features` beside `testing`; without it, `nebula action test` runs one"
    )]
    NeedsFeature,
    /// A component that the harness was given cannot be used.
    #[error("the harness cannot use what it was given (`with_component`): {0}")]
    Component(String),
    /// The workflow is not valid.
    #[error("the workflow is not valid:{}", problems(.0))]
    Invalid(Vec<Diagnostic>),
    /// A fault is to strike a node that no workflow has.
    #[error("a fault is to strike the node `{0}`, and the workflow has no such node")]
    NoSuchNode(String),
    /// The engine refused: the input is not what the workflow takes, say.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It failed.
    #[error("{0}")]
    Failed(Failure),
    /// It was cancelled or terminated.
    #[error("the execution was {}", .0.name())]
    Ended(Status),
    /// It waits for what the harness does not have.
    #[error("the execution waits, and nothing is left that would end that: {}", waits(.signals, .unknown))]
    Waits {
        /// Signals that it waits for: `with_signal`.
        signals: Vec<String>,
        /// Steps of which a person has to say what became of them.
        unknown: Vec<String>,
    },
    /// Time passed again and again, and nothing happened.
    #[error("the execution makes no progress, however long it is waited for")]
    StandsStill,
    /// It ended well, and requests were made that nothing answers.
    #[error("nothing answers {}: give the HTTP mock a route or a rule", list(.0))]
    UnexpectedRequests(Vec<String>),
}

fn list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

fn waits(signals: &[String], unknown: &[String]) -> String {
    let mut parts = Vec::new();
    if !signals.is_empty() {
        parts.push(format!("for the signal {} (`with_signal`)", list(signals)));
    }
    if !unknown.is_empty() {
        let steps = list(unknown);
        parts.push(format!("for a person to say what became of {steps}"));
    }
    if parts.is_empty() {
        parts.push("it is paused, or another execution does".to_owned());
    }
    parts.join(", and ")
}

fn problems(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().fold(String::new(), |mut text, d| {
        let hint = d.hint.as_ref().map(|hint| format!("; {hint}"));
        let hint = hint.unwrap_or_default();
        text.push_str(&format!("\n  {}: {}{hint}", d.pointer, d.message));
        text
    })
}

impl fmt::Display for NodeOutputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.results.iter()).finish()
    }
}
