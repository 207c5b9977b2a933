//! Tests of workflows and actions, without a server, and without Wasm unless a test
//! gives a component.
//!
//! A workflow runs in the real engine on a store in memory. Its actions are
//! closures, or native Rust from the source that also makes the component. Time
//! is virtual: a workflow that waits a week is tested in a moment.
//!
//! Modules in the order a newcomer should read them:
//!
//! - [`workflow`]: [`WorkflowTestHarness`], which runs workflows.
//! - [`result`]: [`TestResult`], what became of one.
//! - [`action`]: [`ActionTestHarness`], which runs one action.
//! - [`http`]: [`HttpMock`], which answers the requests of actions.
//! - [`resource`]: [`MockResourceManager`], stand-ins for what actions reach.
//! - [`suite`]: [`Suite`], tests in a file beside a workflow.
//! - [`engine`]: [`MockEngine`], the engine beneath [`WorkflowTestHarness`].
//! - [`component`]: [`BuiltComponent`], a real one; `embedded`: it in the sandbox, with the
//!   feature of that name.
//! - `snapshot`: results as snapshots have them.
//! - `registry`: the actions that it has; `native`: those that are native Rust.
//! - `runner`: how the engine calls them, and what goes wrong then.
//! - `drive`: one run from its start to its end; `clock`: the time it takes; `records`:
//!   what is kept meanwhile.

pub mod action;
mod clock;
pub mod component;
mod drive;
#[cfg(feature = "embedded")]
mod embedded;
pub mod engine;
pub mod http;
mod native;
mod records;
mod registry;
pub mod resource;
pub mod result;
mod runner;
mod snapshot;
pub mod suite;
pub mod workflow;

pub use action::{ActionTestHarness, ActionTestResult, Output};
pub use component::BuiltComponent;
pub use engine::MockEngine;
pub use http::HttpMock;
pub use resource::{MockResource, MockResourceManager};
pub use result::{Metrics, NodeOutputs, TestError, TestResult};
pub use suite::{Suite, TestReport};
pub use workflow::WorkflowTestHarness;

// What mocks answer with, and what results hold.
pub use nebula_action::context::Level;
pub use nebula_action::http::{HttpError, Request, Response};
pub use nebula_action::native::{
    Credential, KvAsk, KvRequest, KvStore, Mail, SqlAnswer, SqlStatement,
};
pub use nebula_action::{ActionError, Encoded, ProcessResult, ResourceError, Wake, Woken};
pub use nebula_flow::event::{Event, Failure, FailureKind, Recorded, Usage};
pub use nebula_flow::ports::{Limits, Status};
pub use nebula_flow::{Timestamp, Value, json};

/// Where a call keeps its blobs and states when no node has a store for it.
pub use nebula_storage::Memory;
