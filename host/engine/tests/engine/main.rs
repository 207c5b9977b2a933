//! The engine over a store in memory and a scripted runner: what its callers
//! and its log can observe.

#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod again;
mod children;
mod commits;
mod concurrency;
mod controls;
mod ends;
mod expressions;
mod faults;
mod house;
mod polls;
mod priority;
mod pulse;
mod recovery;
mod restarts;
mod retention;
mod signals;
mod starts;
mod strikes;
mod triggers;
mod undo;
mod unknown;
mod waits;
