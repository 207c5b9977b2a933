//! The pure heart of Nebula: what a workflow is, what happened to an
//! execution, and what must happen next. No runtime, no clock, no randomness
//! and no I/O: time, chance and the world come in through the ports.
//!
//! Modules in the order a newcomer should read them:
//!
//! - [`id`]: the names of things: tenants, workflows, executions, steps, shards.
//! - [`time`]: instants and the durations people write (`200ms`, `10s`).
//! - [`payload`]: values as they travel and as they are stored.
//! - [`definition`]: what people write: the workflow document and its builder.
//! - [`expression`]: the jq subset that is evaluated directly, templates, references.
//! - [`schedule`]: when a cron schedule is due.
//! - [`shape`]: values against JSON Schemas.
//! - [`rules`]: what an action's input must keep beyond its types.
//! - [`component`]: what an action says about itself, and [`Verified`].
//! - [`plan`]: a deployed definition, pinned and compiled for deciding.
//! - [`event`]: what can happen to an execution; the log is the truth.
//! - [`execution`]: the fold of the events.
//! - [`decide`]: what must happen next.
//! - [`retry`]: when a failed attempt is tried again.
//! - [`grant`]: which hosts and credentials a call may use.
//! - [`reached`]: what actions have reached by them.
//! - [`redact`]: what calls leave behind, without their secrets.
//! - [`blob`]: large values of actions, by content hash.
//! - [`state`]: what actions keep from one execution to the next.
//! - [`ports`]: the five doors to the world.
//! - [`deploy`], [`start`], [`restart`], [`signal`], [`control`], [`resolve`],
//!   [`trigger`]: the use cases, as functions over the ports.
//! - [`retention`]: which finished executions are removed; `uses`: the blobs that
//!   events and messages refer to.
//! - [`planted`]: bugs that tests plant, and that nobody else can have.

pub mod blob;
pub mod component;
pub mod control;
pub mod decide;
pub mod definition;
pub mod deploy;
pub mod event;
pub mod execution;
pub mod expression;
#[cfg(test)]
mod fakes;
pub mod grant;
pub mod id;
mod look;
pub mod payload;
pub mod plan;
pub mod planted;
pub mod ports;
pub mod reached;
pub mod redact;
pub mod resolve;
pub mod restart;
pub mod retention;
pub mod retry;
pub mod rules;
pub mod schedule;
pub mod shape;
pub mod signal;
pub mod start;
pub mod state;
pub mod time;
pub mod trigger;
mod uses;

pub use component::{ActionMetadata, Component, Effect, Verified};
pub use definition::{NodeBuilder, WorkflowBuilder, WorkflowDefinition};
pub use event::{Event, Recorded};
pub use id::{
    ActionId, Digest, ExecutionId, NodeId, Shard, SignalName, StepKey, TenantId, TriggerName,
    WorkflowId,
};
pub use payload::Payload;
pub use serde_json::{Value, json};
pub use time::Timestamp;
