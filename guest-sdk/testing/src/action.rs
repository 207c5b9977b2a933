//! Runs one action in tests, natively: the source that also makes its component.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nebula_action::context::{Identity, Level};
use nebula_action::http::Request;
use nebula_action::native::{Credential, Kept};
use nebula_action::{
    Action, ActionContext, ActionError, Encoded, Polled, PollingTrigger, ProcessAction,
    ProcessResult, Resumed, Woken, wire,
};
use serde::Serialize;
use serde_json::Value;

use crate::http::HttpMock;
use crate::native;
use crate::registry::World;
use crate::resource::{MockResource, MockResourceManager};

/// Runs actions natively, each call with what the harness has: an action gets the
/// credentials and reaches the hosts that it asks for in its metadata, as in the
/// sandbox, and no others. What it keeps is there for the next call.
#[derive(Debug, Default)]
pub struct ActionTestHarness {
    credentials: BTreeMap<String, Credential>,
    http: HttpMock,
    resources: MockResourceManager,
    identity: Option<Identity>,
    resumed: Option<Resumed<Encoded>>,
    deadline_millis: Option<u64>,
    cancelled: bool,
    kept: Mutex<Kept>,
    /// Of triggers, by the id of each.
    cursors: Mutex<BTreeMap<&'static str, Encoded>>,
}

/// What became of a call.
#[derive(Debug)]
pub struct ActionTestResult<T> {
    /// What it gave.
    pub output: Output<T>,
    /// How it ended.
    pub outcome: Result<ProcessResult<()>, ActionError>,
    /// What it logged, in order.
    pub logs: Vec<(Level, String)>,
    /// What it measured, in order.
    pub measured: Vec<(String, f64)>,
    /// What it sent, in order.
    pub requests: Vec<Request>,
    /// Those of them that nothing answers, as `GET https://api.example/v1`.
    pub unexpected: Vec<String>,
    /// How many heartbeats it gave.
    pub heartbeats: u64,
    /// The blobs and states that are kept after it.
    pub kept: Kept,
}

impl<T> ActionTestResult<T> {
    /// Whether it ended well, with an output, and asked nothing that nothing answers.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(
            self.outcome,
            Ok(ProcessResult::Success(()) | ProcessResult::Branch { .. })
        ) && self.unexpected.is_empty()
    }

    /// Why it failed.
    ///
    /// # Panics
    /// When it did not.
    #[must_use]
    #[track_caller]
    pub fn expect_error(&self) -> &ActionError {
        match &self.outcome {
            Err(error) => error,
            Ok(outcome) => panic!("the action did not fail: {outcome:?}"),
        }
    }
}

/// The output of a call, which is read as if it were one: `result.output.id`.
#[derive(Debug, Clone)]
pub struct Output<T>(Result<T, String>);

impl<T> Output<T> {
    /// The output.
    ///
    /// # Errors
    /// Why there is none.
    pub fn into_result(self) -> Result<T, String> {
        self.0
    }

    pub(crate) fn given(&self) -> Option<&T> {
        self.0.as_ref().ok()
    }
}

impl<T> Deref for Output<T> {
    type Target = T;

    /// # Panics
    /// When there is none; the message says why.
    #[track_caller]
    fn deref(&self) -> &T {
        match &self.0 {
            Ok(output) => output,
            Err(why) => panic!("the action gave no output: {why}"),
        }
    }
}

impl ActionTestHarness {
    /// One without credentials, whose requests are all refused.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a credential: a text, or a [`Credential`] of a kind. In the sandbox the
    /// action would see a placeholder.
    #[must_use]
    pub fn with_credential(mut self, name: &str, credential: impl Into<Credential>) -> Self {
        self.credentials.insert(name.to_owned(), credential.into());
        self
    }

    /// With answers to its requests.
    #[must_use]
    pub fn with_http(mut self, http: HttpMock) -> Self {
        self.http = http;
        self
    }

    /// With a stand-in for what the action reaches, as its `Default` makes it.
    #[must_use]
    pub fn with_resource<R: MockResource>(mut self) -> Self {
        self.resources.register::<R>();
        self
    }

    /// The stand-ins that it has.
    #[must_use]
    pub const fn resources(&self) -> &MockResourceManager {
        &self.resources
    }

    /// As a call of another step than the first of node `test`.
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// As an iteration after the first, which begins with this state.
    ///
    /// # Panics
    /// When the state cannot be encoded.
    #[must_use]
    #[track_caller]
    pub fn resumed_with(mut self, state: &impl Serialize, woken: Woken) -> Self {
        let state = Encoded::of(state).unwrap_or_else(|e| panic!("the state: {e}"));
        self.resumed = Some(Resumed { state, woken });
        self
    }

    /// With a deadline, in milliseconds since the Unix epoch.
    #[must_use]
    pub const fn with_deadline_millis(mut self, millis: u64) -> Self {
        self.deadline_millis = Some(millis);
        self
    }

    /// With an execution that was cancelled.
    #[must_use]
    pub const fn cancelled(mut self) -> Self {
        self.cancelled = true;
        self
    }

    /// Calls an action.
    pub async fn execute<A: ProcessAction>(&self, input: A::Input) -> ActionTestResult<A::Output> {
        self.call::<A>(Ok(input)).await
    }

    /// Calls an action with an input as a workflow gives it: one that does not fit its
    /// type is refused, and the error names the place.
    pub async fn execute_json<A: ProcessAction>(
        &self,
        input: &Value,
    ) -> ActionTestResult<A::Output> {
        let refuse = |why: String| ActionError::InvalidInput(why);
        let bytes = wire::encode(input).map_err(|e| refuse(e.to_string()));
        let input = bytes.and_then(|b| wire::decode(&b).map_err(|e| refuse(e.to_string())));
        self.call::<A>(input).await
    }

    /// Polls a trigger, from where the poll before ended well: the harness keeps the
    /// cursor from one call to the next, as the host does. The first call has none.
    pub async fn poll<T: PollingTrigger>(
        &self,
        config: T::Config,
    ) -> ActionTestResult<Polled<T::Cursor, T::Event>> {
        let http = self.http.fresh();
        let ctx = self.context::<T>(&http);
        let id = T::instance().metadata().id.as_str();
        let cursor = self.cursors().get(id).map(Encoded::decode).transpose();
        let ended = match cursor {
            Ok(cursor) => T::instance().poll(config, cursor, &ctx).await,
            Err(error) => Err(error),
        };
        // As it travels: what cannot be written and read again is no cursor.
        let kept = ended.and_then(|polled| {
            let cursor = Encoded::of(&polled.cursor)?;
            cursor.decode::<T::Cursor>()?;
            Ok((polled, cursor))
        });
        let (ended, cursor) = kept.map_or_else(
            |error| (Err(error), None),
            |(polled, cursor)| (Ok(ProcessResult::Success(polled)), Some(cursor)),
        );
        let result = self.result(ended, &ctx, &http);
        if let (Some(cursor), Ok(_)) = (cursor, &result.outcome) {
            self.cursors().insert(id, cursor);
        }
        result
    }

    async fn call<A: ProcessAction>(
        &self,
        input: Result<A::Input, ActionError>,
    ) -> ActionTestResult<A::Output> {
        let http = self.http.fresh();
        let ctx = self.context::<A>(&http);
        let ended = match input {
            Ok(input) => A::instance().execute(input, &ctx).await,
            Err(error) => Err(error),
        };
        self.result(ended, &ctx, &http)
    }

    fn result<T: Serialize>(
        &self,
        ended: Result<ProcessResult<T>, ActionError>,
        ctx: &ActionContext,
        http: &HttpMock,
    ) -> ActionTestResult<T> {
        http.keep(self.credentials.values().flat_map(Credential::secrets));
        let (output, outcome) = taken_apart(ended);
        if outcome.is_ok() {
            *self.kept() = ctx.kept();
        }
        ActionTestResult {
            output: Output(output),
            outcome,
            logs: ctx.logged(),
            measured: ctx.measured(),
            requests: ctx.requests(),
            unexpected: http.unexpected(),
            heartbeats: ctx.heartbeats(),
            kept: self.kept().clone(),
        }
    }

    fn cursors(&self) -> MutexGuard<'_, BTreeMap<&'static str, Encoded>> {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn context<A: Action>(&self, http: &HttpMock) -> ActionContext {
        let world = World {
            http: http.clone(),
            resources: self.resources.clone(),
            ..World::default()
        };
        let metadata = *A::instance().metadata();
        let mut ctx =
            native::reaching::<A>(&world, &BTreeMap::new(), None).with_kept(self.kept().clone());
        for (name, credential) in &self.credentials {
            ctx = if metadata.credentials.contains(&name.as_str()) {
                ctx.with_credential(name, credential)
            } else {
                ctx.without_credential(name, native::unasked::<A>(name))
            };
        }
        let identity = self.identity.clone().unwrap_or_else(|| ctx.identity());
        ctx = ctx.with_call(metadata.id.as_str(), identity);
        if let Some(millis) = self.deadline_millis {
            ctx = ctx.with_deadline_millis(millis);
        }
        if self.cancelled {
            ctx = ctx.cancelled();
        }
        match &self.resumed {
            Some(resumed) => ctx.with_resumption(resumed.clone()),
            None => ctx,
        }
    }
}

type Taken<T> = (Result<T, String>, Result<ProcessResult<()>, ActionError>);

/// The output, which must be one that can travel, and how the call ended.
fn taken_apart<T: Serialize>(ended: Result<ProcessResult<T>, ActionError>) -> Taken<T> {
    let (output, outcome) = match ended {
        Ok(ProcessResult::Success(output)) => (output, ProcessResult::Success(())),
        Ok(ProcessResult::Branch { port, output }) => {
            (output, ProcessResult::Branch { port, output: () })
        }
        Ok(ProcessResult::Skip { reason }) => {
            let why = reason.as_deref().unwrap_or("it says no more");
            return (
                Err(format!("it skips: {why}")),
                Ok(ProcessResult::Skip { reason }),
            );
        }
        Ok(ProcessResult::Wait { wake, state }) => {
            let why = format!("it waits: {wake:?}");
            return (Err(why), Ok(ProcessResult::Wait { wake, state }));
        }
        Ok(ProcessResult::Continue { state }) => {
            let why = "it wants to be called again".to_owned();
            return (Err(why), Ok(ProcessResult::Continue { state }));
        }
        Err(error) => return (Err(error.to_string()), Err(error)),
    };
    match wire::encode(&output) {
        Ok(_) => (Ok(output), Ok(outcome)),
        Err(e) => {
            let why = format!("the output cannot be encoded: {e}");
            (Err(why.clone()), Err(ActionError::Permanent(why)))
        }
    }
}
