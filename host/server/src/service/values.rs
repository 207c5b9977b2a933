//! Payloads as JSON: inline ones decoded, large ones fetched, all of one
//! answer under one budget.

use nebula_api::Time;
use nebula_api::execution::{Failure, Origin, Restart, Usage};
use nebula_flow::ports::Records;
use nebula_flow::{Payload, Timestamp, Value, payload};

use super::{Error, Result};

/// Bytes of MessagePack that one answer shows at most: two of the largest payloads.
pub(crate) const BUDGET: usize = 2 * payload::MAX_PAYLOAD;

/// The same of one piece of a stream, unless one payload alone has more.
const PIECE: usize = 256 << 10;

/// Decodes the payloads of one answer.
pub(crate) struct Values<'a> {
    records: &'a dyn Records,
    left: usize,
}

impl<'a> Values<'a> {
    /// With a whole budget.
    pub(crate) fn new(records: &'a dyn Records) -> Self {
        Self {
            records,
            left: BUDGET,
        }
    }

    /// With as much as one piece of a stream has: what a watcher costs the node.
    pub(crate) fn of_a_piece(records: &'a dyn Records) -> Self {
        Self {
            records,
            left: PIECE,
        }
    }

    /// Whether this payload is still within the budget.
    pub(crate) fn affords(&self, payload: &Payload) -> bool {
        size(payload) <= self.left
    }

    /// The payload's value, whatever the budget.
    pub(crate) async fn decode(&mut self, payload: &Payload) -> Result<Value> {
        self.left = self.left.saturating_sub(size(payload));
        let value = match payload {
            Payload::Inline(bytes) => payload::decode(bytes),
            Payload::Blob { digest, .. } => {
                let bytes = self.records.blob(*digest).await?;
                let bytes =
                    bytes.ok_or_else(|| Error::Damaged(format!("blob {digest} is missing")))?;
                payload::decode(&bytes)
            }
        };
        value.map_err(|e| Error::Damaged(e.to_string()))
    }
}

fn size(payload: &Payload) -> usize {
    match payload {
        Payload::Inline(bytes) => bytes.len(),
        Payload::Blob { size, .. } => usize::try_from(*size).unwrap_or(usize::MAX),
    }
}

/// An instant as the wire has it.
pub(crate) fn time(at: Timestamp) -> Time {
    Time::from_millis(at.as_millis())
}

/// The execution that another one goes on with or repeats, as the wire has it.
pub(crate) fn origin(origin: nebula_flow::event::Origin) -> Origin {
    Origin {
        execution: origin.execution.to_string(),
        restart: match origin.restart {
            nebula_flow::event::Restart::Retry => Restart::Retry,
            nebula_flow::event::Restart::Replay => Restart::Replay,
        },
    }
}

/// A failure as the wire has it.
pub(crate) fn failure(failure: nebula_flow::event::Failure) -> Failure {
    Failure {
        kind: failure.kind.name().into(),
        message: failure.message,
        node: None,
    }
}

/// A cost as the wire has it.
pub(crate) fn usage(usage: nebula_flow::event::Usage) -> Usage {
    Usage {
        fuel: usage.fuel,
        memory_bytes: usage.memory_bytes,
        duration_us: usage.duration_us,
    }
}
