//! The traits an author implements.

use alloc::string::String;
use core::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::again::{Encoded, Wake};
use crate::context::ActionContext;
use crate::error::Result;
use crate::metadata::ActionMetadata;
use crate::schema::Schema;

/// Something a workflow's node can do. Derived: `#[derive(Action)]` on a unit
/// struct, with `#[action(id = "weather.fetch")]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no action",
    label = "this is no action",
    note = "an action is a unit struct with `#[derive(Action)]` and `#[action(id = \"weather.fetch\")]`"
)]
pub trait Action {
    /// What the action says about itself.
    fn metadata(&self) -> &ActionMetadata;

    /// The action itself: a unit struct has no state, what it needs comes from
    /// its input and its context.
    #[doc(hidden)]
    fn instance() -> Self
    where
        Self: Sized;
}

/// An action that takes an input and gives an output.
pub trait SimpleAction: Action {
    /// What it takes. Its JSON Schema is published with the action.
    type Input: DeserializeOwned + Schema;
    /// What it gives. Expressions such as `$nodes.fetch.result.temp` are
    /// checked against its JSON Schema when a workflow is deployed.
    type Output: Serialize + Schema;

    /// Does the work.
    ///
    /// # Errors
    /// When it cannot; the kind of the error decides whether it is tried again.
    fn execute_simple(
        &self,
        input: Self::Input,
        ctx: &ActionContext,
    ) -> impl Future<Output = Result<Self::Output>>;
}

/// An action that also decides how the workflow goes on.
pub trait ProcessAction: Action {
    /// What it takes.
    type Input: DeserializeOwned + Schema;
    /// What it gives, whichever way the workflow goes on.
    type Output: Serialize + Schema;

    /// Does the work.
    ///
    /// # Errors
    /// When it cannot; the kind of the error decides whether it is tried again.
    fn execute(
        &self,
        input: Self::Input,
        ctx: &ActionContext,
    ) -> impl Future<Output = Result<ProcessResult<Self::Output>>>;
}

/// How a [`ProcessAction`] ends when it did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessResult<T> {
    /// The connections `on: success` fire.
    Success(T),
    /// The node counts as skipped: the connections `on: skip` fire.
    Skip {
        /// For people.
        reason: Option<String>,
    },
    /// The connections `on: port:<port>` fire.
    Branch {
        /// The port's name.
        port: String,
        /// The result of the node.
        output: T,
    },
    /// The action is called again, with the same input, when what it waits for is
    /// here: [`ActionContext::resumed`] gives it the state then.
    Wait {
        /// What it waits for.
        wake: Wake,
        /// At most 256 KiB.
        state: Encoded,
    },
    /// The action is called again at once, with the same input and this state: what
    /// was done so far is kept, whatever happens to the host.
    Continue {
        /// At most 256 KiB.
        state: Encoded,
    },
}

impl<T> ProcessResult<T> {
    /// Skips, and says why.
    pub fn skip(reason: impl Into<String>) -> Self {
        Self::Skip {
            reason: Some(reason.into()),
        }
    }

    /// Goes on by a port.
    pub fn branch(port: impl Into<String>, output: T) -> Self {
        Self::Branch {
            port: port.into(),
            output,
        }
    }

    /// Waits, and is called again then with this state.
    ///
    /// # Errors
    /// Permanent, when the state cannot be encoded.
    pub fn wait(wake: Wake, state: &(impl Serialize + ?Sized)) -> Result<Self> {
        let state = Encoded::of(state)?;
        Ok(Self::Wait { wake, state })
    }

    /// Is called again at once with this state.
    ///
    /// # Errors
    /// Permanent, when the state cannot be encoded.
    pub fn continue_with(state: &(impl Serialize + ?Sized)) -> Result<Self> {
        let state = Encoded::of(state)?;
        Ok(Self::Continue { state })
    }

    /// The same with another output, if it has one.
    pub(crate) fn try_map<U>(self, map: impl FnOnce(T) -> Result<U>) -> Result<ProcessResult<U>> {
        Ok(match self {
            Self::Success(output) => ProcessResult::Success(map(output)?),
            Self::Skip { reason } => ProcessResult::Skip { reason },
            Self::Branch { port, output } => ProcessResult::Branch {
                port,
                output: map(output)?,
            },
            Self::Wait { wake, state } => ProcessResult::Wait { wake, state },
            Self::Continue { state } => ProcessResult::Continue { state },
        })
    }
}

// Every simple action is a process that always succeeds, so that there is one
// way to run an action.
impl<A: SimpleAction> ProcessAction for A {
    type Input = <A as SimpleAction>::Input;
    type Output = <A as SimpleAction>::Output;

    async fn execute(
        &self,
        input: Self::Input,
        ctx: &ActionContext,
    ) -> Result<ProcessResult<Self::Output>> {
        self.execute_simple(input, ctx)
            .await
            .map(ProcessResult::Success)
    }
}
