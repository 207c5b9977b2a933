//! What the client sent and what it was told: on disk before it is sent, and
//! before the answer is believed.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;

/// A line of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Entry {
    /// A start is about to be sent, perhaps again.
    Sent {
        request: String,
        /// Number of the workflow.
        workflow: usize,
        input: Value,
    },
    /// A start was acknowledged; with the output, if it was waited for.
    Acknowledged {
        request: String,
        execution: String,
        status: String,
        output: Option<Value>,
    },
    /// A cancel is about to be sent.
    Cancelling { execution: String },
    /// A cancel was acknowledged so early that nothing begins after this instant
    /// (RFC 3339).
    Cancelled { execution: String, over: String },
    /// A signal with this token is about to be sent, perhaps again.
    Signalling { execution: String, token: String },
    /// It was acknowledged.
    Signalled { execution: String, token: String },
    /// It was refused, though the execution waits for it or will.
    SignalRefused { execution: String, why: String },
    /// A person is about to say that a step whose outcome is unknown gave this token,
    /// perhaps again.
    Resolving {
        execution: String,
        step: String,
        token: String,
    },
    /// Another request was refused that must not be.
    Refused { what: String },
    /// Events that were shown of an execution that runs, from its first on.
    Shown {
        execution: String,
        events: Vec<Value>,
    },
}

/// The file.
pub(crate) struct Ledger(Mutex<File>);

impl Ledger {
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let file = File::options().create_new(true).append(true).open(path)?;
        Ok(Self(Mutex::new(file)))
    }

    /// Puts an entry on disk.
    pub(crate) fn write(&self, entry: &Entry) -> Result<(), Error> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line)?;
        file.sync_data()?;
        Ok(())
    }
}

/// Every entry, in order.
pub(crate) fn read(path: &Path) -> Result<Vec<Entry>, Error> {
    let lines = BufReader::new(File::open(path)?).lines();
    lines
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect()
}
