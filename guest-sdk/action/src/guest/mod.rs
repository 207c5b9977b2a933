//! In the sandbox, the host behind the context.
//!
//! - `bindings`: generated from `wit/`.
//! - `alone`: memory and panics, without the standard library.
//! - `executor`: polls futures on `wasi:io/poll`.
//! - `http`: requests through `wasi:http/outgoing-handler`.
//! - `keep`: blobs and states.
//! - `resources`: databases, mail servers, values.
//! - `component`: the exports, made by [`export!`](crate::export).

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use crate::again::{Encoded, Resumed, Woken};
use crate::context::{Identity, Level};
use crate::error::{ActionError, Result};
use crate::http::{HttpError, Request, Response};

#[cfg(not(feature = "std"))]
mod alone;
pub mod bindings;
pub mod component;
mod executor;
mod http;
mod keep;
mod resources;

pub use executor::block_on;
pub use http::{Incoming, Outgoing};
pub use keep::Draft;
pub use resources::{Cursor, Database, MailServer, Values};

use bindings::nebula::action::{context, credentials, log};
use bindings::wasi::clocks::monotonic_clock;

/// The host. It has no state: each call of the component is a fresh instance.
#[derive(Debug, Default)]
pub struct Backend;

impl Backend {
    pub(crate) fn identity(&self) -> Identity {
        let id = context::identity();
        Identity {
            workflow: id.workflow,
            execution: id.execution,
            node: id.node,
            item_path: id.item_path,
            iteration: id.iteration,
            attempt: id.attempt,
        }
    }

    pub(crate) fn idempotency_key(&self, operation: &str) -> String {
        context::idempotency_key(operation)
    }

    pub(crate) fn deadline_millis(&self) -> Option<u64> {
        context::deadline()
    }

    pub(crate) fn cancelled(&self) -> bool {
        context::cancelled()
    }

    pub(crate) fn heartbeat(&self) {
        context::heartbeat();
    }

    pub(crate) fn resumed(&self) -> Option<Resumed<Encoded>> {
        let context::Resumption { state, woken } = context::resumed()?;
        Some(Resumed {
            state: Encoded(state),
            woken: match woken {
                context::Woken::Continued => Woken::Continued,
                context::Woken::Time => Woken::Time,
                context::Woken::Signal(says) => Woken::Signal(Encoded(says)),
                context::Woken::TimedOut => Woken::TimedOut,
            },
        })
    }

    pub(crate) fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Trace => log::Level::Trace,
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warn => log::Level::Warn,
            Level::Error => log::Level::Error,
        };
        log::write(level, message);
    }

    pub(crate) fn measure(&self, name: &str, value: f64) {
        log::measure(name, value);
    }

    pub(crate) fn credential(&self, name: &str) -> Result<String> {
        credentials::get(name).map_err(|error| {
            ActionError::Permanent(match error {
                credentials::CredentialError::Undeclared(name) => format!(
                    "the action does not ask for credential `{name}`; add it to `#[action(credentials(…))]`"
                ),
                credentials::CredentialError::Unbound(name) => {
                    format!("the node binds no credential to `{name}`; add it to the node's `credentials`")
                }
            })
        })
    }

    pub(crate) async fn send(&self, request: Request) -> Result<Response, HttpError> {
        http::send(request).await
    }

    pub(crate) async fn open(&self, request: Request) -> Result<(Response, Incoming), HttpError> {
        http::open(request).await
    }

    pub(crate) fn upload(&self, request: Request) -> Result<Outgoing, HttpError> {
        http::upload(&request)
    }

    pub(crate) async fn finish(
        &self,
        outgoing: Outgoing,
        max: usize,
    ) -> Result<Response, HttpError> {
        http::finish(outgoing, max).await
    }

    pub(crate) async fn sleep(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        executor::ready(monotonic_clock::subscribe_duration(nanos)).await;
    }
}
