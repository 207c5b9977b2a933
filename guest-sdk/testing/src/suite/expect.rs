//! What a result is compared with.

use std::collections::BTreeMap;

use nebula_flow::Value;
use nebula_flow::event::FailureKind;
use nebula_flow::ports::Status;
use nebula_flow::time::Span;
use serde::{Deserialize, Deserializer};

use super::written::given;
use crate::http::has;
use crate::result::{TestError, TestResult};

/// What is to come out. A success, if it says no more.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// Where the execution stands: `succeeded` if neither this nor an error is given.
    status: Option<Status>,
    /// Exactly this output.
    #[serde(default, deserialize_with = "given")]
    output: Option<Value>,
    /// An output that has at least this.
    #[serde(default, deserialize_with = "given")]
    has: Option<Value>,
    error: Option<ExpectedError>,
    /// By node.
    #[serde(default)]
    nodes: BTreeMap<String, ExpectedNode>,
    /// By action.
    #[serde(default)]
    calls: BTreeMap<String, ExpectedCalls>,
    /// How long it took, in virtual time.
    elapsed: Option<Span>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedError {
    kind: Option<FailureKind>,
    /// A part of it.
    message: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedNode {
    status: Option<NodeStatus>,
    #[serde(default, deserialize_with = "given")]
    output: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    has: Option<Value>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NodeStatus {
    Pending,
    Succeeded,
    Failed,
    Skipped,
    Unknown,
}

/// How often an action is called, or with what, call after call.
#[derive(Debug)]
enum ExpectedCalls {
    Count(u64),
    Inputs(Vec<Value>),
}

impl<'de> Deserialize<'de> for ExpectedCalls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Array(inputs) => Ok(Self::Inputs(inputs)),
            value => match value.as_u64() {
                Some(count) => Ok(Self::Count(count)),
                None => Err(serde::de::Error::custom(
                    "how often an action is called, or the list of its inputs, is needed",
                )),
            },
        }
    }
}

impl NodeStatus {
    const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Unknown => "unknown",
        }
    }
}

impl Expect {
    /// What is not as it should be.
    pub(super) fn problems(&self, result: &TestResult) -> Vec<String> {
        let mut problems = Vec::new();
        self.end(result, &mut problems);
        if result.events.is_empty() {
            return problems;
        }
        let output = Compared {
            what: "output",
            exactly: self.output.as_ref(),
            at_least: self.has.as_ref(),
        };
        output.with(Some(&result.output), &mut problems);
        for (node, expected) in &self.nodes {
            expected.compare(node, result, &mut problems);
        }
        for (action, expected) in &self.calls {
            expected.compare(action, &result.inputs_of(action), &mut problems);
        }
        let elapsed = Span(result.metrics.elapsed);
        if let Some(expected) = self.elapsed.filter(|expected| *expected != elapsed) {
            problems.push(format!("elapsed: expected {expected}, took {elapsed}"));
        }
        problems
    }

    /// How it ended.
    fn end(&self, result: &TestResult, problems: &mut Vec<String>) {
        let failure = match &result.error {
            Some(TestError::Failed(failure)) => Some(failure),
            _ => None,
        };
        let expected = match (self.status, &self.error) {
            (Some(status), _) => status,
            (None, Some(_)) => Status::Failed,
            (None, None) => Status::Succeeded,
        };
        // A wait that never ends is no trouble where it is what is expected.
        let is_expected = match &result.error {
            None | Some(TestError::Failed(_) | TestError::Ended(_) | TestError::Waits { .. }) => {
                result.status == expected
            }
            Some(_) => false,
        };
        if !is_expected {
            let found = result.status.name();
            let why = result.error.as_ref().map(|error| format!(": {error}"));
            let why = why.unwrap_or_default();
            problems.push(format!(
                "status: expected {}, is {found}{why}",
                expected.name()
            ));
        }
        let (Some(expected), Some(failure)) = (&self.error, failure) else {
            return;
        };
        if let Some(kind) = expected.kind.filter(|kind| *kind != failure.kind) {
            problems.push(format!("error.kind: expected {kind}, is {}", failure.kind));
        }
        if let Some(part) = &expected.message
            && !failure.message.contains(part)
        {
            let message = &failure.message;
            problems.push(format!("error.message: expected `{part}` in `{message}`"));
        }
    }
}

impl ExpectedNode {
    fn compare(&self, node: &str, result: &TestResult, problems: &mut Vec<String>) {
        let Some(status) = result.node_outputs.status(node) else {
            problems.push(format!("nodes.{node}: the workflow has no such node"));
            return;
        };
        if let Some(expected) = self.status.filter(|expected| expected.name() != status) {
            let why = match status {
                "succeeded" => String::new(),
                _ => format!(": {}", result.node_outputs.why_not(node)),
            };
            let expected = expected.name();
            problems.push(format!(
                "nodes.{node}.status: expected {expected}, is {status}{why}"
            ));
        }
        let output = Compared {
            what: &format!("nodes.{node}.output"),
            exactly: self.output.as_ref(),
            at_least: self.has.as_ref(),
        };
        output.with(result.node_outputs.get(node), problems);
    }
}

impl ExpectedCalls {
    fn compare(&self, action: &str, found: &[&Value], problems: &mut Vec<String>) {
        let count = match self {
            Self::Count(count) => *count,
            Self::Inputs(inputs) => inputs.len() as u64,
        };
        if count != found.len() as u64 {
            let (found, times) = (found.len(), times(count));
            problems.push(format!(
                "calls.{action}: expected {times}, was called {found} times"
            ));
        }
        if let Self::Inputs(inputs) = self {
            for (i, (expected, found)) in inputs.iter().zip(found).enumerate() {
                let input = Compared {
                    what: &format!("calls.{action}[{i}]"),
                    exactly: Some(expected),
                    at_least: None,
                };
                input.with(Some(found), problems);
            }
        }
    }
}

fn times(count: u64) -> String {
    match count {
        1 => "1 call".to_owned(),
        n => format!("{n} calls"),
    }
}

struct Compared<'a> {
    what: &'a str,
    exactly: Option<&'a Value>,
    at_least: Option<&'a Value>,
}

impl Compared<'_> {
    fn with(&self, found: Option<&Value>, problems: &mut Vec<String>) {
        let shown = found.map_or_else(|| "nothing".to_owned(), Value::to_string);
        if let Some(expected) = self.exactly
            && !found.is_some_and(|found| same(found, expected))
        {
            problems.push(format!("{}: expected {expected}, is {shown}", self.what));
        }
        if let Some(expected) = self.at_least
            && !found.is_some_and(|found| has(found, expected))
        {
            problems.push(format!(
                "{}: expected at least {expected}, is {shown}",
                self.what
            ));
        }
    }
}

/// Whether two values are the same: 1 is 1.0, as in jq.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, a)| b.get(k).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
