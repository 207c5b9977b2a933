//! What an action that is a trigger answers.

use serde_json::{Map, Value};

use crate::event::{Failure, FailureKind};

/// The most events of one poll.
pub const MAX_EVENTS: usize = 1_000;

/// Their most bytes, together and as JSON.
pub const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// The largest cursor, bytes of JSON.
pub const MAX_CURSOR: usize = 256 * 1024;

/// What a poll found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where the next one begins.
    pub cursor: Value,
    /// What is new, in order.
    pub events: Vec<Value>,
    /// Whether there is more already.
    pub more: bool,
}

impl Found {
    /// Reads the output of the action.
    ///
    /// # Errors
    /// [`FailureKind::InvalidOutput`], when it is none or too large, which names the
    /// limit.
    pub fn read(output: Value) -> Result<Self, Failure> {
        let Value::Object(mut output) = output else {
            return Err(refused("it is no object"));
        };
        let cursor = taken(&mut output, "cursor")?;
        let Value::Array(events) = taken(&mut output, "events")? else {
            return Err(refused("its `events` are no list"));
        };
        let more = match output.remove("more") {
            None => false,
            Some(Value::Bool(more)) => more,
            Some(_) => return Err(refused("its `more` is neither true nor false")),
        };
        if events.len() > MAX_EVENTS {
            let count = events.len();
            return Err(refused(&format!(
                "it has {count} events, and at most {MAX_EVENTS} are taken at once: give the first ones, and `more: true`"
            )));
        }
        let bytes = size(&events)?;
        if bytes > MAX_EVENT_BYTES {
            return Err(refused(&format!(
                "its events have {bytes} bytes of JSON, and at most {MAX_EVENT_BYTES} are taken at once: give fewer, and `more: true`"
            )));
        }
        let bytes = size(&cursor)?;
        if bytes > MAX_CURSOR {
            return Err(refused(&format!(
                "its cursor has {bytes} bytes of JSON; at most {MAX_CURSOR} are kept"
            )));
        }
        Ok(Self {
            cursor,
            events,
            more,
        })
    }
}

fn taken(output: &mut Map<String, Value>, name: &str) -> Result<Value, Failure> {
    let missing = || refused(&format!("it has no `{name}`"));
    output.remove(name).ok_or_else(missing)
}

fn size(value: &impl serde::Serialize) -> Result<usize, Failure> {
    let bytes = serde_json::to_vec(value);
    Ok(bytes.map_err(|e| refused(&e.to_string()))?.len())
}

fn refused(why: &str) -> Failure {
    let message = format!("the answer of the trigger cannot be used: {why}");
    Failure::new(FailureKind::InvalidOutput, message)
}
