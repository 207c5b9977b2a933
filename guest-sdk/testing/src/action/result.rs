//! What became of a call of one action.

use std::ops::Deref;

use nebula_action::context::Level;
use nebula_action::http::Request;
use nebula_action::native::Kept;
use nebula_action::{ActionError, ProcessResult, wire};
use nebula_flow::event::{Failure, Usage};
use serde::Serialize;

/// What became of a call.
#[derive(Debug)]
pub struct ActionTestResult<T> {
    /// What it gave.
    pub output: Output<T>,
    /// How it ended.
    pub outcome: Result<ProcessResult<()>, ActionError>,
    /// Why it failed, as an execution records it: with the kind of the limit that a
    /// component met.
    pub failure: Option<Failure>,
    /// What the call cost, of a component.
    pub usage: Option<Usage>,
    /// What it logged, in order.
    pub logs: Vec<(Level, String)>,
    /// What it measured, in order.
    pub measured: Vec<(String, f64)>,
    /// What it sent, in order.
    pub requests: Vec<Request>,
    /// Those of them that nothing answers, as `GET https://api.example/v1`.
    pub unexpected: Vec<String>,
    /// How many heartbeats it gave.
    pub heartbeats: u64,
    /// The blobs and states that are kept after it, of native calls.
    pub kept: Kept,
}

impl<T> ActionTestResult<T> {
    /// Whether it ended well, with an output, and asked nothing that nothing answers.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(
            self.outcome,
            Ok(ProcessResult::Success(()) | ProcessResult::Branch { .. })
        ) && self.unexpected.is_empty()
    }

    /// Why it failed.
    ///
    /// # Panics
    /// When it did not.
    #[must_use]
    #[track_caller]
    pub fn expect_error(&self) -> &ActionError {
        match &self.outcome {
            Err(error) => error,
            Ok(outcome) => panic!("the action did not fail: {outcome:?}"),
        }
    }
}

/// The output of a call, which is read as if it were one: `result.output.id`.
#[derive(Debug, Clone)]
pub struct Output<T>(pub(super) Result<T, String>);

impl<T> Output<T> {
    /// The output.
    ///
    /// # Errors
    /// Why there is none.
    pub fn into_result(self) -> Result<T, String> {
        self.0
    }

    pub(crate) fn given(&self) -> Option<&T> {
        self.0.as_ref().ok()
    }
}

impl<T> Deref for Output<T> {
    type Target = T;

    /// # Panics
    /// When there is none; the message says why.
    #[track_caller]
    fn deref(&self) -> &T {
        match &self.0 {
            Ok(output) => output,
            Err(why) => panic!("the action gave no output: {why}"),
        }
    }
}

/// How a call ended, and what was seen of it.
pub(super) type Ended<T> = (Result<ProcessResult<T>, ActionError>, Seen);

/// What was seen of a call while it ran.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) logs: Vec<(Level, String)>,
    pub(super) measured: Vec<(String, f64)>,
    pub(super) requests: Vec<Request>,
    pub(super) unexpected: Vec<String>,
    pub(super) heartbeats: u64,
    /// What it keeps if it ended well, of a native call.
    pub(super) kept: Option<Kept>,
    /// Of a component.
    pub(super) usage: Option<Usage>,
    /// Of a component.
    pub(super) failure: Option<Failure>,
}

pub(super) type Taken<T> = (Result<T, String>, Result<ProcessResult<()>, ActionError>);

/// The output, which must be one that can travel, and how the call ended.
pub(super) fn taken_apart<T: Serialize>(ended: Result<ProcessResult<T>, ActionError>) -> Taken<T> {
    let (output, outcome) = match ended {
        Ok(ProcessResult::Success(output)) => (output, ProcessResult::Success(())),
        Ok(ProcessResult::Branch { port, output }) => {
            (output, ProcessResult::Branch { port, output: () })
        }
        Ok(ProcessResult::Skip { reason }) => {
            let why = reason.as_deref().unwrap_or("it says no more");
            return (
                Err(format!("it skips: {why}")),
                Ok(ProcessResult::Skip { reason }),
            );
        }
        Ok(ProcessResult::Wait { wake, state }) => {
            let why = format!("it waits: {wake:?}");
            return (Err(why), Ok(ProcessResult::Wait { wake, state }));
        }
        Ok(ProcessResult::Continue { state }) => {
            let why = "it wants to be called again".to_owned();
            return (Err(why), Ok(ProcessResult::Continue { state }));
        }
        Err(error) => return (Err(error.to_string()), Err(error)),
    };
    match wire::encode(&output) {
        Ok(_) => (Ok(output), Ok(outcome)),
        Err(e) => {
            let why = format!("the output cannot be encoded: {e}");
            (Err(why.clone()), Err(ActionError::Permanent(why)))
        }
    }
}
