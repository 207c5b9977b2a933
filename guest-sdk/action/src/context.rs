//! Who a call is, and what it may reach.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Display;
use core::future::Future;
#[cfg(any(feature = "std", not(target_arch = "wasm32")))]
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use crate::again::Resumed;
use crate::backend::Backend;
use crate::blob::Blobs;
use crate::error::{ActionError, Result};
use crate::http::Http;
use crate::resource::{Resource, ResourceError};
use crate::state::State;

/// What an action gets beside its input. In the sandbox the host is behind it;
/// natively, what [`ActionContext::for_test`] was given.
#[derive(Debug, Default)]
pub struct ActionContext {
    pub(crate) backend: Backend,
}

/// Which attempt of which step of which execution a call is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Name of the workflow.
    pub workflow: String,
    /// Id of the execution.
    pub execution: String,
    /// Name of the node.
    pub node: String,
    /// The index at each level of nested maps; empty outside a map.
    pub item_path: Vec<u32>,
    /// 0 for the first.
    pub iteration: u32,
    /// 1 for the first; always 1 in an action without effects.
    pub attempt: u32,
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step of the way.
    Trace,
    /// For whoever mends the action.
    Debug,
    /// What happened.
    Info,
    /// What may need someone.
    Warn,
    /// What went wrong.
    Error,
}

impl ActionContext {
    /// Which attempt of which step of which execution this is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.backend.identity()
    }

    /// A key for one operation of this step: 64 hex digits, the same on every
    /// attempt, different for every other step and operation.
    #[must_use]
    pub fn idempotency_key(&self, operation: &str) -> String {
        self.backend.idempotency_key(operation)
    }

    /// When the call will be stopped; none in an action without effects.
    #[cfg(any(feature = "std", not(target_arch = "wasm32")))]
    #[must_use]
    pub fn deadline(&self) -> Option<SystemTime> {
        self.deadline_millis()
            .map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms))
    }

    /// The same in milliseconds since the Unix epoch.
    #[must_use]
    pub fn deadline_millis(&self) -> Option<u64> {
        self.backend.deadline_millis()
    }

    /// Whether the execution was cancelled. An action that asks this now and then is
    /// given a few seconds to end by itself when it is; any other is stopped at once,
    /// and so is one that waits for the host at that moment. Always false in an action
    /// without effects.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.backend.cancelled()
    }

    /// Ends the action if the execution was cancelled: `ctx.check_cancelled()?`
    /// between the parts of a long piece of work.
    ///
    /// # Errors
    /// [`ActionError::Cancelled`] if it was.
    pub fn check_cancelled(&self) -> Result<()> {
        if self.is_cancelled() {
            Err(ActionError::Cancelled)
        } else {
            Ok(())
        }
    }

    /// Says that the action makes progress. Where its node has a `heartbeat`, an
    /// attempt that does not say so for that long is ended, and may be tried again.
    pub fn heartbeat(&self) {
        self.backend.heartbeat();
    }

    /// What this iteration begins with, in an action that is called again; none in
    /// its first iteration.
    ///
    /// # Errors
    /// Permanent, when the state is not of this type.
    pub fn resumed<S: DeserializeOwned>(&self) -> Result<Option<Resumed<S>>> {
        self.backend.resumed().map(Resumed::decode).transpose()
    }

    /// The log of the execution.
    #[must_use]
    pub const fn log(&self) -> Log<'_> {
        Log {
            ctx: self,
            fields: String::new(),
        }
    }

    /// Says a figure of the call: `ctx.metric("rows", 17)`. It stands in the log of the
    /// execution, and the node adds such values up by action and name for `/metrics`.
    /// A name is `[a-z][a-z0-9_]{0,63}`, fixed in the code, and a value is finite; any
    /// other is dropped, with a warning in the log.
    pub fn metric(&self, name: &str, value: impl Into<f64>) {
        self.backend.measure(name, value.into());
    }

    /// A text that works as the credential in the headers of requests to the
    /// hosts which the credential is for. It is a placeholder: the host puts
    /// the secret in its place on the way out, unless an operator granted the
    /// action the plain text.
    ///
    /// # Errors
    /// Permanent, when the action did not ask for the name in its metadata or
    /// the node binds no credential to it.
    pub fn get_credential(&self, name: &str) -> impl Future<Output = Result<String>> + use<> {
        let credential = self.backend.credential(name);
        async { credential }
    }

    /// Large values by content hash.
    #[must_use]
    pub const fn blobs(&self) -> Blobs<'_> {
        Blobs::new(self)
    }

    /// What the action keeps for this node of the workflow from one execution to the
    /// next.
    #[must_use]
    pub const fn state(&self) -> State<'_> {
        State::new(self, None)
    }

    /// What is kept for this workflow under a key, for all actions of the same
    /// publisher.
    #[must_use]
    pub const fn state_of<'a>(&'a self, key: &'a str) -> State<'a> {
        State::new(self, Some(key))
    }

    /// What the host holds under this name, which the action asks for in its metadata
    /// and the node binds: `ctx.resource::<Sql>("db").await?`.
    ///
    /// # Errors
    /// When the action does not ask for it, or the node binds none that it may use.
    pub fn resource<R: Resource>(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<R, ResourceError>> + use<R> {
        core::future::ready(R::open(self, name))
    }

    /// Requests to the hosts that the action was granted.
    #[must_use]
    pub const fn http(&self) -> Http<'_> {
        Http::new(self)
    }
}

/// Writes lines to the log of the execution, where those who watch see them.
/// The host caps how many and how long they are.
#[derive(Debug, Clone)]
pub struct Log<'a> {
    ctx: &'a ActionContext,
    /// As they stand behind a message.
    fields: String,
}

impl Log<'_> {
    /// With a field, which stands behind the messages as `name=value`; quoted, where
    /// the value has what would end it:
    /// `ctx.log().with("city", &city).with("rows", 17).info("asked")`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Display) -> Self {
        let value = value.to_string();
        let plain = |c: char| !c.is_whitespace() && !matches!(c, '"' | '=' | '\\');
        self.fields.push(' ');
        self.fields.push_str(name);
        self.fields.push('=');
        if !value.is_empty() && value.chars().all(plain) {
            self.fields.push_str(&value);
            return self;
        }
        self.fields.push('"');
        for c in value.chars() {
            if matches!(c, '"' | '\\') {
                self.fields.push('\\');
            }
            self.fields.push(if c == '\n' { ' ' } else { c });
        }
        self.fields.push('"');
        self
    }

    /// Writes a line.
    pub fn write(&self, level: Level, message: impl AsRef<str>) {
        let message = message.as_ref();
        if self.fields.is_empty() {
            self.ctx.backend.log(level, message);
        } else {
            let message = [message, &self.fields].concat();
            self.ctx.backend.log(level, &message);
        }
    }

    /// Every step of the way.
    pub fn trace(&self, message: impl AsRef<str>) {
        self.write(Level::Trace, message);
    }

    /// For whoever mends the action.
    pub fn debug(&self, message: impl AsRef<str>) {
        self.write(Level::Debug, message);
    }

    /// What happened.
    pub fn info(&self, message: impl AsRef<str>) {
        self.write(Level::Info, message);
    }

    /// What may need someone.
    pub fn warn(&self, message: impl AsRef<str>) {
        self.write(Level::Warn, message);
    }

    /// What went wrong.
    pub fn error(&self, message: impl AsRef<str>) {
        self.write(Level::Error, message);
    }
}
