//! The hands of Nebula: runs executions over the ports of `nebula-flow`. Every
//! decision is made there; here it is carried out, and put on disk in time.
//!
//! Modules in the order a newcomer should read them:
//!
//! - `engine`: [`WorkflowEngine`], what its callers hold.
//! - `handle`: [`ExecutionHandle`], a caller's hold on one execution.
//! - `config`: [`EngineConfig`], the ports it is made of.
//! - `owner`: holds shards, hears of work, gives each execution a task.
//! - `task`: the life of one execution in memory.
//! - `triggers`: starts workflows by the clock; `followers`: by the ends of others;
//!   `polls`: by what actions find that look for what is new.
//! - `retention`: removes what is over.
//! - `watch`: who waits for the end of which execution.
//! - `pinned`: compiled plans and components, kept in memory.
//! - `values`: payloads between the log, the blobs and the guests.
//! - `clock`: [`SystemClock`]; `alarm` and `chance`: waiting and jitter.

mod alarm;
mod chance;
mod clock;
mod config;
mod engine;
mod followers;
mod handle;
mod owner;
mod pinned;
mod polls;
mod retention;
mod task;
mod triggers;
mod values;
mod watch;

pub use clock::SystemClock;
pub use config::{EXPRESSION_LIMITS, EngineConfig};
pub use engine::{EngineError, ExecutionOptions, GRACE, WorkflowEngine};
pub use handle::ExecutionHandle;
pub use polls::{PollReport, poll_once};
pub use triggers::TriggerBell;
pub use watch::ExecutionResult;
