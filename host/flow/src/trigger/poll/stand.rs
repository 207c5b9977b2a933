//! How far a trigger has looked.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Found;
use crate::id::{Digest, ExecutionId};
use crate::ports::ResolvedAction;
use crate::time::Timestamp;
use crate::trigger::State;

/// How far a trigger has looked, and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    /// What the cursor belongs to: the action, its major version and its config. With
    /// others it begins anew.
    of: String,
    /// Where the next poll begins; null before the first.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub cursor: Value,
    /// How many polls ended well. Never goes back: the keys of starts have it.
    pub polls: u64,
    /// How many events they found.
    pub events: u64,
    /// When the last of them began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polled_at: Option<Timestamp>,
    /// When it is polled next.
    pub due: Timestamp,
    /// How many polls have failed since.
    #[serde(default)]
    pub failures: u32,
    /// Events that are decided to start executions, while it is not known whether they
    /// have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed: Option<Owed>,
    /// The execution that an event started last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<ExecutionId>,
}

/// The events of a poll that are not known to have started executions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// Of which poll.
    pub poll: u64,
    /// The place in that poll of the first of them.
    pub first: usize,
    /// Where that poll has moved the cursor.
    pub cursor: Value,
    /// In order.
    pub events: Vec<Value>,
}

impl Stand {
    /// Where a trigger stands that polls this: where its record says, or at the
    /// beginning, which is when its version was deployed. What is owed stays.
    pub(super) fn at<'s>(state: &'s State, of: &str, deployed_at: Timestamp) -> Cow<'s, Self> {
        match &state.poll {
            Some(stand) if stand.of == of => Cow::Borrowed(stand),
            before => Cow::Owned(Self {
                of: of.to_owned(),
                cursor: Value::Null,
                polls: before.as_ref().map_or(0, |before| before.polls),
                events: before.as_ref().map_or(0, |before| before.events),
                polled_at: None,
                due: deployed_at,
                failures: 0,
                owed: before.as_ref().and_then(|before| before.owed.clone()),
                execution: before.as_ref().and_then(|before| before.execution),
            }),
        }
    }

    /// Forgets everything but what keeps keys apart.
    pub(in crate::trigger) fn begin_anew(&mut self) {
        self.of.clear();
        self.owed = None;
    }

    /// It is polled at once, as if none had failed.
    pub(in crate::trigger) fn hurry(&mut self, now: Timestamp) {
        self.due = self.due.min(now);
        self.failures = 0;
    }

    /// Moves on to what a poll found.
    pub(super) fn takes(&mut self, found: &Found, began: Timestamp, every: Duration) {
        // One that gives nothing and stays where it is has no more, whatever it says.
        let moves = !found.events.is_empty() || found.cursor != self.cursor;
        self.due = if found.more && moves {
            began
        } else {
            began.plus(every)
        };
        self.cursor = found.cursor.clone();
        self.events += found.events.len() as u64;
        self.polled_at = Some(began);
        self.failures = 0;
        if !found.events.is_empty() {
            self.owed = Some(Owed {
                poll: self.polls,
                first: 0,
                cursor: found.cursor.clone(),
                events: found.events.clone(),
            });
        }
        self.polls += 1;
    }

    /// Strikes out the first of the events that are owed.
    pub(super) fn strike(&mut self, count: usize) {
        if let Some(owed) = &mut self.owed {
            owed.events.drain(..count.min(owed.events.len()));
            owed.first += count;
        }
        self.owed = self.owed.take().filter(|owed| !owed.events.is_empty());
    }
}

/// What a cursor belongs to.
pub(super) fn of(action: &ResolvedAction, config: &Value) -> String {
    let version = &action.metadata.version;
    // As Cargo has it: before 1.0 the minor number says what is compatible.
    let major = match version.major {
        0 => format!("0.{}", version.minor),
        major => major.to_string(),
    };
    // In whatever order it is written.
    let mut sorted = config.clone();
    sorted.sort_all_objects();
    let config = Digest::of(sorted.to_string().as_bytes());
    format!("{}@{major} {config}", action.metadata.id)
}
