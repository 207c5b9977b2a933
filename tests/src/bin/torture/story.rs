//! One execution as the node tells it: its summary and its whole history.

use std::collections::{BTreeMap, BTreeSet};

use nebula_flow::Timestamp;
use nebula_tests::client::Connection;
use serde_json::{Value, json};

use crate::Error;

/// See the module.
pub(crate) struct Story {
    pub(crate) status: String,
    pub(crate) input: Value,
    pub(crate) output: Option<Value>,
    pub(crate) events: Vec<Value>,
    /// What each step gave, by its name.
    results: BTreeMap<String, Value>,
}

impl Story {
    pub(crate) async fn read(connection: &mut Connection, id: &str) -> Result<Self, Error> {
        let summary = connection.get(&format!("/api/v1/executions/{id}")).await?;
        let mut events: Vec<Value> = Vec::new();
        let path = format!("/api/v1/executions/{id}/events?limit=500");
        let mut page = path.clone();
        loop {
            let mut list = connection.get(&page).await?;
            if let Some(items) = list["items"].as_array_mut() {
                events.append(items);
            }
            match list["next_cursor"].as_str() {
                Some(cursor) => page = format!("{path}&cursor={cursor}"),
                None => break,
            }
        }
        let succeeded = events
            .iter()
            .filter(|event| event["type"] == "step_succeeded");
        let results = succeeded
            .map(|event| (name(event), event["output"].clone()))
            .collect();
        Ok(Self {
            status: summary["status"].as_str().unwrap_or_default().to_owned(),
            input: summary["input"].clone(),
            output: summary.get("output").cloned(),
            events,
            results,
        })
    }

    /// How it ended, for people.
    pub(crate) fn end(&self) -> String {
        self.events.last().map(Value::to_string).unwrap_or_default()
    }

    /// When each attempt of a step began.
    pub(crate) fn attempts(&self, step: &str) -> Vec<Timestamp> {
        let begun = |event: &&Value| event["type"] == "attempt_started" && name(event) == step;
        let begun = self.events.iter().filter(begun);
        begun.filter_map(|event| instant(event, "at")).collect()
    }

    /// Whether the outcome of a step was unknown.
    pub(crate) fn was_unknown(&self, step: &str) -> bool {
        let unknown = |event: &Value| event["type"] == "step_unknown" && name(event) == step;
        self.events.iter().any(unknown)
    }

    /// When a step ended.
    pub(crate) fn ended(&self, step: &str) -> Option<Timestamp> {
        let ends = ["step_succeeded", "step_failed", "step_skipped"];
        let ended =
            |event: &&Value| ends.iter().any(|end| event["type"] == *end) && name(event) == step;
        instant(self.events.iter().find(ended)?, "at")
    }

    /// When a wait of a node began, and until when it is.
    pub(crate) fn wait(&self, node: &str) -> Option<(Timestamp, Timestamp)> {
        let begun = |event: &&Value| event["type"] == "wait_started" && name(event) == node;
        let event = self.events.iter().find(begun)?;
        Some((instant(event, "at")?, instant(event, "until")?))
    }

    /// The tokens of the signals that were received, in order.
    pub(crate) fn received(&self) -> impl Iterator<Item = &str> {
        let received = |event: &&Value| event["type"] == "signal_received";
        let received = self.events.iter().filter(received);
        received.map(|event| {
            event["payload"]["json"]["token"]
                .as_str()
                .unwrap_or_default()
        })
    }

    /// When the last attempt began: RFC 3339 in UTC, which sorts as text.
    pub(crate) fn last_attempt(&self) -> Option<&str> {
        let begun = |event: &&Value| event["type"] == "attempt_started";
        self.events.iter().rfind(begun)?["at"].as_str()
    }

    /// The token that a step recorded.
    pub(crate) fn token(&self, step: &str) -> Option<&Value> {
        self.results
            .get(step)
            .map(|result| &result["json"]["token"])
    }

    /// What later nodes read of a node: its token, or those of its items.
    pub(crate) fn tokens(&self, node: &str) -> Value {
        match self.results.get(node) {
            None => Value::Null,
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item["json"]["token"].clone())
                .collect(),
            Some(result) => result["json"]["token"].clone(),
        }
    }

    /// What no history may have.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let versions: Vec<u64> = self
            .events
            .iter()
            .filter_map(|e| e["version"].as_u64())
            .collect();
        let gapless: Vec<u64> = (1..=self.events.len() as u64).collect();
        if versions != gapless {
            faults.push(format!("its history has gaps: {versions:?}"));
        }
        let kind = |event: &Value| event["type"].as_str().unwrap_or_default().to_owned();
        let kinds: Vec<String> = self.events.iter().map(kind).collect();
        if kinds.first().is_none_or(|first| first != "started") {
            faults.push("its history does not begin with its start".into());
        }
        let ends = ["succeeded", "failed", "cancelled"];
        if !ends.contains(&self.status.as_str()) {
            faults.push(format!("has not ended: it is {}", self.status));
            self.steps(&mut faults);
            return faults;
        }
        let ended: Vec<&String> = kinds
            .iter()
            .filter(|kind| ends.contains(&kind.as_str()))
            .collect();
        if ended != [&self.status] || kinds.last() != Some(&self.status) {
            faults.push(format!(
                "is {}, and its history ends with {ended:?}",
                self.status
            ));
        }
        self.steps(&mut faults);
        faults
    }

    fn steps(&self, faults: &mut Vec<String>) {
        let mut completed = BTreeSet::new();
        let mut due: BTreeMap<String, Value> = BTreeMap::new();
        let mut failures: BTreeMap<String, u64> = BTreeMap::new();
        for event in &self.events {
            let step = name(event);
            match event["type"].as_str().unwrap_or_default() {
                "step_succeeded" | "step_failed" | "step_skipped"
                    if !completed.insert(step.clone()) =>
                {
                    faults.push(format!("{step} completed twice"));
                }
                "attempt_failed" => {
                    *failures.entry(step.clone()).or_default() += 1;
                    due.insert(step, event["retry_at"].clone());
                }
                "attempt_started" => {
                    // RFC 3339 in UTC with a fixed number of digits sorts as text.
                    let early = due
                        .get(&step)
                        .is_some_and(|due| event["at"].as_str() < due.as_str());
                    if early {
                        faults.push(format!("{step} was tried again before its time"));
                    }
                    let number = failures.get(&step).copied().unwrap_or(0) + 1;
                    if event["attempt"] != number {
                        let told = &event["attempt"];
                        faults.push(format!("attempt {number} of {step} is recorded as {told}"));
                    }
                    if completed.contains(&step) {
                        faults.push(format!("{step} was tried after it completed"));
                    }
                }
                _ => {}
            }
        }
    }
}

fn instant(event: &Value, name: &str) -> Option<Timestamp> {
    event[name].as_str()?.parse().ok()
}

fn name(event: &Value) -> String {
    let step = event.get("step").or_else(|| event.get("node"));
    step.unwrap_or(&json!(""))
        .as_str()
        .unwrap_or_default()
        .to_owned()
}
