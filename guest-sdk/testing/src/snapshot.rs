//! Results as a snapshot has them: what came out and what happened, without what is
//! another thing in each run. Ids of executions are `[execution]`, instants are left
//! out, and time is virtual.

use nebula_action::{ActionError, ProcessResult, Wake};
use nebula_flow::ports::LogLine;
use nebula_flow::time::Span;
use nebula_flow::{ExecutionId, Value, json};
use serde::{Serialize, Serializer};

use crate::action::ActionTestResult;
use crate::result::{ActionCall, Metrics, NodeOutputs, TestError, TestResult};

impl Serialize for TestResult {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let logs: Vec<Value> = self.logs.iter().map(line).collect();
        let whole = json!({
            "status": self.status,
            "output": self.output,
            "error": self.error,
            "nodes": self.node_outputs,
            "story": self.story(),
            "calls": self.calls,
            "metrics": self.metrics,
            "logs": logs,
        });
        stable(whole).serialize(s)
    }
}

impl Serialize for TestError {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let kind = match self {
            Self::Failed(failure) => Some(failure.kind.name()),
            _ => None,
        };
        let message = match self {
            Self::Failed(failure) => failure.message.clone(),
            other => other.to_string(),
        };
        stable(json!({ "kind": kind, "message": message })).serialize(s)
    }
}

impl Serialize for NodeOutputs {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let ended = self.results.iter();
        let ended = ended.map(|(node, value)| {
            let node_and_more = json!({ "status": "succeeded", "result": value });
            (node.clone(), node_and_more)
        });
        let others = self.others.iter();
        let others = others
            .filter(|(node, _)| !self.results.contains_key(*node))
            .map(|(node, (status, _))| (node.clone(), json!({ "status": status })));
        let mut all: Vec<(String, Value)> = ended.chain(others).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        stable(all.into_iter().collect()).serialize(s)
    }
}

impl Serialize for ActionCall {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        stable(json!({
            "action": self.action, "step": self.step.to_string(), "attempt": self.attempt,
            "input": self.input,
        }))
        .serialize(s)
    }
}

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        json!({
            "succeeded": self.succeeded, "failed": self.failed, "skipped": self.skipped,
            "retries": self.retries, "crashes": self.crashes, "calls": self.calls,
            "elapsed": Span(self.elapsed).to_string(),
        })
        .serialize(s)
    }
}

/// Without headers, which have secrets in them, and without what it keeps.
impl<T: Serialize> Serialize for ActionTestResult<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let logs = self.logs.iter().map(|(level, message)| {
            let level = format!("{level:?}").to_lowercase();
            json!({ "level": level, "message": message })
        });
        let requests = self.requests.iter().map(|request| {
            let mut shown = json!({ "method": request.method, "url": request.url });
            if !request.body.is_empty() {
                let body = serde_json::from_slice(&request.body);
                shown["body"] =
                    body.unwrap_or_else(|_| String::from_utf8_lossy(&request.body).into());
            }
            shown
        });
        let output = self.output.given().map(serde_json::to_value);
        let output = output.and_then(Result::ok).unwrap_or_default();
        stable(json!({
            "outcome": outcome(&self.outcome),
            "output": output,
            "logs": logs.collect::<Vec<_>>(),
            "requests": requests.collect::<Vec<_>>(),
            "unexpected": self.unexpected,
            "heartbeats": self.heartbeats,
        }))
        .serialize(s)
    }
}

fn outcome(outcome: &Result<ProcessResult<()>, ActionError>) -> Value {
    match outcome {
        Ok(ProcessResult::Success(())) => json!("success"),
        Ok(ProcessResult::Branch { port, .. }) => json!({ "branch": port }),
        Ok(ProcessResult::Skip { reason }) => json!({ "skip": reason }),
        Ok(ProcessResult::Wait { wake, .. }) => json!({ "wait": waking(wake) }),
        Ok(ProcessResult::Continue { .. }) => json!("continue"),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

fn waking(wake: &Wake) -> Value {
    format!("{wake:?}").into()
}

fn line(line: &LogLine) -> Value {
    json!({
        "level": line.level, "step": line.step.to_string(), "attempt": line.attempt,
        "message": line.message,
    })
}

/// The same with `[execution]` for each id of one, wherever it stands.
fn stable(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_ids(&text)),
        Value::Array(list) => list.into_iter().map(stable).collect(),
        Value::Object(map) => {
            let map = map.into_iter();
            map.map(|(key, value)| (without_ids(&key), stable(value)))
                .collect()
        }
        other => other,
    }
}

/// How an id begins, and how long it is.
const PREFIX: &str = "exec-";
const ID: usize = PREFIX.len() + 26;

fn without_ids(text: &str) -> String {
    let (mut rest, mut kept) = (text, String::new());
    while let Some(at) = rest.find(PREFIX) {
        let id = rest.get(at..at + ID);
        let is_id = id.is_some_and(|id| id.parse::<ExecutionId>().is_ok());
        let (replaced, len) = match is_id {
            true => ("[execution]", ID),
            false => (PREFIX, PREFIX.len()),
        };
        kept.push_str(&rest[..at]);
        kept.push_str(replaced);
        rest = &rest[at + len..];
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use nebula_flow::Timestamp;

    use super::*;

    #[test]
    fn ids_are_left_out_wherever_they_stand() {
        let id = ExecutionId::mint(Timestamp::from_millis(7), 7).to_string();
        let value = json!({ "a": [format!("of {id}, and {id}"), "exec-not", 7], &id: null });
        let wanted =
            json!({ "a": ["of [execution], and [execution]", "exec-not", 7], "[execution]": null });
        assert_eq!(stable(value), wanted);
    }
}
