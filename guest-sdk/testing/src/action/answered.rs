//! What a component answered, in an action's words.

use bytes::Bytes;
use nebula_action::context::Level;
use nebula_action::{Encoded, ProcessResult, Wake, wire};
use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::ports::{self, Outcome, Report};
use serde::de::DeserializeOwned;

use super::component::failed;
use super::result::{Ended, Seen};
use crate::embedded::Called;

pub(super) fn ended<T: DeserializeOwned>(called: Called, unexpected: Vec<String>) -> Ended<T> {
    let report = called.report;
    let measured = report
        .metrics()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let lines = report.lines.iter();
    let logs = lines.filter_map(|(name, message)| Some((level(name)?, message.clone())));
    let seen = Seen {
        measured,
        logs: logs.collect(),
        requests: called.requests,
        unexpected,
        heartbeats: called.heartbeats,
        usage: Some(report.usage),
        ..Seen::default()
    };
    match report.result.and_then(result) {
        Ok(result) => (Ok(result), seen),
        Err(failure) => failed(failure, seen),
    }
}

fn result<T: DeserializeOwned>(outcome: Outcome) -> Result<ProcessResult<T>, Failure> {
    let encoded = |bytes: Bytes| Encoded::from_bytes(bytes.into());
    Ok(match outcome {
        Outcome::Success(output) => ProcessResult::Success(value(&output)?),
        Outcome::Branch(port, output) => ProcessResult::Branch {
            port,
            output: value(&output)?,
        },
        Outcome::Skip(reason) => ProcessResult::Skip { reason },
        Outcome::Wait(wake, state) => ProcessResult::Wait {
            wake: waking(wake),
            state: encoded(state),
        },
        Outcome::Continue(state) => ProcessResult::Continue {
            state: encoded(state),
        },
    })
}

fn value<T: DeserializeOwned>(output: &[u8]) -> Result<T, Failure> {
    wire::decode(output).map_err(|e| {
        let message = format!("the component gives something else than the action: {e}");
        Failure::new(FailureKind::InvalidOutput, message)
    })
}

fn waking(wake: ports::Wake) -> Wake {
    match wake {
        ports::Wake::After(time) => Wake::After(time),
        ports::Wake::At(at) => Wake::AtMillis(at.as_millis()),
        ports::Wake::Signal(name, timeout) => Wake::Signal {
            name: name.to_string(),
            timeout,
        },
    }
}

/// None of a figure, which is no line for people.
fn level(name: &str) -> Option<Level> {
    Some(match name {
        Report::METRIC => return None,
        "trace" => Level::Trace,
        "debug" => Level::Debug,
        "warn" => Level::Warn,
        "error" => Level::Error,
        _ => Level::Info,
    })
}
