//! The five doors to the world. Each method says what is true once it returns.
//!
//! - [`log`]: [`EventLog`], the log of all executions; [`submission`]: what
//!   is submitted to it.
//! - [`records`]: [`Records`], what is kept by name or by content hash.
//! - [`runner`]: [`Runner`], which runs components in the sandbox.
//! - [`pulse`]: what goes between a call and who runs it.
//! - [`components`]: [`Components`], those that this node may run.
//! - [`clock`]: [`Clock`], the only time there is.

use std::pin::Pin;

use futures_core::Stream;

pub mod clock;
pub mod components;
pub mod log;
pub mod pulse;
pub mod records;
pub mod runner;
pub mod submission;

pub use clock::Clock;
pub use components::{Components, ResolveError, ResolvedAction};
pub use log::{
    Append, Arrival, Change, EndedQuery, EventLog, ExecutionQuery, ExecutionSummary, Fence,
    LogError, LogLine, Outgoing, Removal, Status, Unfinished,
};
pub use pulse::Pulse;
pub use records::{Expect, Kind, Record, RecordError, Records};
pub use runner::{
    Call, Identity, Limits, Outcome, Prepared, Report, Resumption, Runner, Wake, Woken,
};
pub use submission::{
    Durability, IdempotencyKey, InboxRow, Message, Resolution, Slot, Standing, Submission,
    Submitted, WhenFull,
};

/// A stream without an end of its own.
pub type Feed<T> = Pin<Box<dyn Stream<Item = T> + Send>>;
