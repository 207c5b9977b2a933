//! What a file of tests says.

use std::collections::{BTreeMap, BTreeSet};

use nebula_action::ActionError;
use nebula_flow::time::Span;
use nebula_flow::{ActionId, NodeId, SignalName, Timestamp, Value};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::expect::Expect;
use super::typed;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// The workflow's file, beside this one; named like this one if absent.
    pub(super) workflow: Option<String>,
    /// Files of the workflows that it runs, in the order in which they are deployed.
    #[serde(default)]
    pub(super) workflows: Vec<String>,
    /// What actions answer in all tests, by id.
    #[serde(default)]
    pub(super) mocks: BTreeMap<String, Mocks>,
    pub(super) tests: Vec<Test>,
}

/// A test.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    pub(super) name: String,
    #[serde(default)]
    pub(super) input: Value,
    /// When the execution begins.
    #[serde(default, deserialize_with = "instant")]
    pub(super) at: Option<Timestamp>,
    #[serde(default)]
    pub(super) mocks: BTreeMap<String, Mocks>,
    /// What goes wrong, attempt after attempt, by node.
    #[serde(default)]
    pub(super) faults: BTreeMap<String, Vec<Fault>>,
    #[serde(default)]
    pub(super) signals: Vec<Signal>,
    #[serde(default)]
    pub(super) expect: Expect,
}

/// The answers of an action, call after call.
#[derive(Debug, Clone)]
pub(super) struct Mocks(pub(super) Vec<Mock>);

/// One answer: an output, a skip or an error.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mock {
    #[serde(default, deserialize_with = "given")]
    pub(super) output: Option<Value>,
    /// The port that it branches to.
    pub(super) port: Option<String>,
    /// Why it skips.
    pub(super) skip: Option<String>,
    pub(super) error: Option<MockError>,
}

/// An error of an action.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MockError {
    #[serde(default)]
    kind: Kind,
    message: String,
    /// Its wish for the delay before the next attempt.
    after: Option<Span>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    InvalidInput,
    #[default]
    Permanent,
    Retryable,
}

/// What goes wrong with an attempt.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fault {
    /// It fails like this.
    Error(MockError),
    /// It never answers.
    Timeout,
    /// The engine crashes before it hears of the answer.
    Crash,
}

/// A signal, sent when it is waited for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signal {
    pub(super) name: String,
    #[serde(default)]
    pub(super) payload: Value,
}

impl MockError {
    pub(super) fn action_error(&self) -> ActionError {
        let message = self.message.clone();
        match (self.kind, self.after) {
            (Kind::InvalidInput, _) => ActionError::InvalidInput(message),
            (Kind::Permanent, _) => ActionError::Permanent(message),
            (Kind::Retryable, after) => ActionError::Retryable {
                message,
                delay: after.map(|span| span.0),
            },
        }
    }
}

impl Written {
    /// What serde does not see.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut names = BTreeSet::new();
        if self.tests.is_empty() {
            return Err("tests: there is none".into());
        }
        mocks("mocks", &self.mocks)?;
        for (i, test) in self.tests.iter().enumerate() {
            let at = |what: &str| format!("tests[{i}].{what}");
            if !names.insert(&test.name) {
                return Err(format!("{}: `{}` is there twice", at("name"), test.name));
            }
            mocks(&at("mocks"), &test.mocks)?;
            for node in test.faults.keys() {
                NodeId::new(node).map_err(|e| format!("{}: {e}", at("faults")))?;
            }
            for signal in &test.signals {
                SignalName::new(&signal.name).map_err(|e| format!("{}: {e}", at("signals")))?;
            }
        }
        Ok(())
    }
}

fn mocks(place: &str, mocks: &BTreeMap<String, Mocks>) -> Result<(), String> {
    for (id, answers) in mocks {
        ActionId::new(id).map_err(|e| format!("{place}: {e}"))?;
        let wrong = |why: &str| Err(format!("{place}.{id}: {why}"));
        if answers.0.is_empty() {
            return wrong("a mock needs an answer");
        }
        for mock in &answers.0 {
            let said = [
                mock.output.is_some(),
                mock.skip.is_some(),
                mock.error.is_some(),
            ];
            if said.iter().filter(|said| **said).count() != 1 {
                return wrong("an answer has one of `output`, `skip` and `error`");
            }
            if mock.port.is_some() && mock.output.is_none() {
                return wrong("a `port` goes with an `output`");
            }
            if mock
                .error
                .as_ref()
                .is_some_and(|e| e.after.is_some() && e.kind != Kind::Retryable)
            {
                return wrong("`after` goes with `kind: retryable`");
            }
        }
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Mocks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let mocks = match &value {
            Value::Array(_) => typed(&value),
            one => typed(one).map(|mock| vec![mock]),
        };
        mocks.map(Self).map_err(D::Error::custom)
    }
}

/// A value that is there, be it null.
pub(super) fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(D::Error::custom)
}
