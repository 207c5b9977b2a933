//! Tests in a file beside a workflow: what goes in, what its actions answer, what is
//! to come out. `docs/testing.md` has the whole form.
//!
//! - `written`: what such a file says.
//! - `expect`: what a result is compared with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nebula_action::{ActionError, ProcessResult};
use nebula_flow::definition::{Diagnostic, Document};
use nebula_flow::{Value, WorkflowDefinition};
use serde::de::DeserializeOwned;

use crate::workflow::WorkflowTestHarness;
use written::{Fault, Mock, Mocks, Test, Written};

mod expect;
mod written;

/// The tests of one workflow.
#[derive(Debug)]
pub struct Suite {
    workflow: WorkflowDefinition,
    /// Those that it runs.
    others: Vec<WorkflowDefinition>,
    written: Written,
}

/// What became of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestReport {
    /// Its name.
    pub name: String,
    /// What is not as it should be; none if it passed.
    pub problems: Vec<String>,
    /// How long the execution took, in virtual time.
    pub elapsed: Duration,
    /// How many calls of actions there were.
    pub calls: usize,
}

impl TestReport {
    /// Whether everything is as it should be.
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.problems.is_empty()
    }
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot be used: {}", file.display(), problems.join("; "))]
pub struct InvalidSuite {
    /// The file: of the tests, or of a workflow.
    pub file: PathBuf,
    /// What is wrong, each with its place as far as that is known.
    pub problems: Vec<String>,
}

impl InvalidSuite {
    fn new(file: &Path, problem: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            problems: vec![problem.into()],
        }
    }
}

/// The file of tests that belongs to a file: itself, if its name says that it is one
/// (`weather.test.yaml`), else the one beside the workflow `weather.yaml`.
#[must_use]
pub fn file_of(file: &Path) -> PathBuf {
    let stem = file
        .file_stem()
        .and_then(|s| s.to_str())
        .unwrap_or_default();
    if stem.ends_with(".test") {
        return file.to_owned();
    }
    let extension = file.extension().and_then(|s| s.to_str());
    file.with_file_name(format!("{stem}.test.{}", extension.unwrap_or("yaml")))
}

impl Suite {
    /// Reads a file of tests, and the workflows that it is about.
    ///
    /// # Errors
    /// When one of the files cannot be used.
    pub fn read(file: &Path) -> Result<Self, InvalidSuite> {
        let document = document(file)?;
        let written: Written = typed(document.value()).map_err(|e| InvalidSuite::new(file, e))?;
        written.check().map_err(|e| InvalidSuite::new(file, e))?;
        let beside = |name: &str| file.with_file_name(name);
        let workflow = match &written.workflow {
            Some(name) => beside(name),
            None => tested_by(file),
        };
        let others = written.workflows.iter();
        Ok(Self {
            workflow: definition(&workflow)?,
            others: others
                .map(|name| definition(&beside(name)))
                .collect::<Result<_, _>>()?,
            written,
        })
    }

    /// The name of the workflow.
    #[must_use]
    pub fn workflow(&self) -> &str {
        self.workflow.name.as_str()
    }

    /// The names of its tests, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.written.tests.iter().map(|test| &*test.name)
    }

    /// Runs the test of this name; none if there is none. What a harness has already, such
    /// as real components, a test has too.
    pub async fn run(&self, name: &str, harness: &WorkflowTestHarness) -> Option<TestReport> {
        let test = self.written.tests.iter().find(|test| test.name == name)?;
        let harness = self.harness(test, harness.clone());
        let result = harness
            .execute(self.workflow.clone(), test.input.clone())
            .await;
        Some(TestReport {
            name: test.name.clone(),
            problems: test.expect.problems(&result),
            elapsed: result.metrics.elapsed,
            calls: result.calls.len(),
        })
    }

    fn harness(&self, test: &Test, mut harness: WorkflowTestHarness) -> WorkflowTestHarness {
        for other in &self.others {
            harness = harness.with_workflow(other.clone());
        }
        // What a test says takes the place of what the file says for all.
        for (action, mocks) in self.written.mocks.iter().chain(&test.mocks) {
            harness = mocked(harness, action, mocks);
        }
        for (node, faults) in &test.faults {
            for fault in faults {
                harness = match fault {
                    Fault::Error(error) => harness.failing(node, 1, error.action_error()),
                    Fault::Timeout => harness.timing_out(node, 1),
                    Fault::Crash => harness.crashing(node),
                };
            }
        }
        for signal in &test.signals {
            harness = harness.with_signal(&signal.name, signal.payload.clone());
        }
        match test.at {
            Some(at) => harness.beginning_at(at),
            None => harness,
        }
    }
}

/// The harness with an action that answers one after the other, the last one again.
fn mocked(harness: WorkflowTestHarness, action: &str, mocks: &Mocks) -> WorkflowTestHarness {
    let answers = mocks.0.clone();
    let next = std::sync::atomic::AtomicUsize::new(0);
    harness.with_mock_process(action, move |_| {
        let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match answers.get(n).or_else(|| answers.last()) {
            Some(mock) => answer(mock),
            None => Err(ActionError::permanent("the mock has no answer")),
        }
    })
}

fn answer(mock: &Mock) -> Result<ProcessResult<Value>, ActionError> {
    if let Some(error) = &mock.error {
        return Err(error.action_error());
    }
    if let Some(reason) = &mock.skip {
        return Ok(ProcessResult::skip(reason));
    }
    let output = mock.output.clone().unwrap_or_default();
    Ok(match &mock.port {
        Some(port) => ProcessResult::branch(port, output),
        None => ProcessResult::Success(output),
    })
}

/// `weather.test.yaml` → `weather.yaml`.
fn tested_by(file: &Path) -> PathBuf {
    let name = file
        .file_name()
        .and_then(|s| s.to_str())
        .unwrap_or_default();
    file.with_file_name(name.replacen(".test.", ".", 1))
}

fn document(file: &Path) -> Result<Document, InvalidSuite> {
    let text = std::fs::read_to_string(file).map_err(|e| InvalidSuite::new(file, e.to_string()))?;
    Document::parse(&text).map_err(|problems| invalid(file, &problems))
}

fn definition(file: &Path) -> Result<WorkflowDefinition, InvalidSuite> {
    let definition = document(file)?.definition();
    definition.map_err(|problems| invalid(file, &problems))
}

fn invalid(file: &Path, problems: &[Diagnostic]) -> InvalidSuite {
    let said = |p: &Diagnostic| match p.position {
        Some(at) => format!("line {}, column {}: {}", at.line, at.column, p.message),
        None => format!("{}: {}", p.pointer, p.message),
    };
    InvalidSuite {
        file: file.to_owned(),
        problems: problems.iter().map(said).collect(),
    }
}

/// A value as a type; the error names the place.
fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|e| match e.path().to_string().as_str() {
        "." => e.inner().to_string(),
        path => format!("{path}: {}", e.inner()),
    })
}
