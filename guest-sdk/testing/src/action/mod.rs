//! Runs one action in tests: natively, from the source that also makes its component,
//! or that component in the sandbox.
//!
//! - `result`: what became of a call.
//! - `component`: a call of the component; `answered`: what it answers.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nebula_action::context::Identity;
use nebula_action::native::{Credential, Kept};
use nebula_action::{
    Action, ActionContext, ActionError, Encoded, PollInput, Polled, PollingTrigger, ProcessAction,
    ProcessResult, Resumed, Woken, wire,
};
use nebula_flow::ports::Limits;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::component::{Built, BuiltComponent};
use crate::http::HttpMock;
use crate::native;
use crate::registry::{World, failure};
use crate::resource::{MockResource, MockResourceManager};

#[cfg(feature = "embedded")]
mod answered;
mod component;
mod result;

pub use result::{ActionTestResult, Output};

use result::{Ended, Seen, taken_apart};

/// Runs actions natively, each call with what the harness has: an action gets the
/// credentials and reaches the hosts that it asks for in its metadata, as in the
/// sandbox, and no others. What it keeps is there for the next call.
///
/// [`with_component`](Self::with_component) runs the built component instead.
#[derive(Debug, Default)]
pub struct ActionTestHarness {
    credentials: BTreeMap<String, Credential>,
    http: HttpMock,
    resources: MockResourceManager,
    identity: Option<Identity>,
    resumed: Option<Resumed<Encoded>>,
    deadline_millis: Option<u64>,
    cancelled: bool,
    built: Built,
    limits: Limits,
    kept: Mutex<Kept>,
    /// Of triggers, by the id of each.
    cursors: Mutex<BTreeMap<&'static str, Encoded>>,
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

    /// With the built component, which runs in the real sandbox in place of the native
    /// action: a file, or its bytes. It must have the action that is called, and was built
    /// by whoever tests it: it is compiled in this process. Needs the feature `embedded`;
    /// without it every call fails, and says so.
    ///
    /// What it asks of hosts is answered as natively; of resources that are no hosts the
    /// sandbox has none. Its time is real, and its deadline that of its limits.
    #[must_use]
    pub fn with_component(mut self, component: impl Into<BuiltComponent>) -> Self {
        self.built.components = vec![component.into()];
        self
    }

    /// With limits of a component's call, in place of those of a node.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With a deadline of native calls, in milliseconds since the Unix epoch.
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
    pub async fn execute<A>(&self, input: A::Input) -> ActionTestResult<A::Output>
    where
        A: ProcessAction<Input: Serialize, Output: DeserializeOwned>,
    {
        match self.built.components.is_empty() {
            true => self.call::<A>(Ok(input)).await,
            false => self.call_component::<A, _>(&input).await,
        }
    }

    /// Calls an action with an input as a workflow gives it: one that does not fit its
    /// type is refused, and the error names the place.
    pub async fn execute_json<A>(&self, input: &Value) -> ActionTestResult<A::Output>
    where
        A: ProcessAction<Output: DeserializeOwned>,
    {
        if !self.built.components.is_empty() {
            return self.call_component::<A, _>(input).await;
        }
        let refuse = |why: String| ActionError::InvalidInput(why);
        let bytes = wire::encode(input).map_err(|e| refuse(e.to_string()));
        let input = bytes.and_then(|b| wire::decode(&b).map_err(|e| refuse(e.to_string())));
        self.call::<A>(input).await
    }

    /// Polls a trigger, from where the poll before ended well: the harness keeps the
    /// cursor from one call to the next, as the host does. The first call has none.
    pub async fn poll<T>(&self, config: T::Config) -> ActionTestResult<Polled<T::Cursor, T::Event>>
    where
        T: PollingTrigger<Config: Serialize, Event: DeserializeOwned>,
    {
        let id = T::instance().metadata().id.as_str();
        let cursor = self.cursors().get(id).map(Encoded::decode).transpose();
        let input = cursor.map(|cursor| PollInput::<T::Config, T::Cursor> { config, cursor });
        let (ended, seen) = match (input, self.built.components.is_empty()) {
            (Err(error), _) => (Err(error), Seen::default()),
            (Ok(input), true) => self.poll_natively::<T>(input).await,
            (Ok(input), false) => self.run_component::<T, _, _>(&input).await,
        };
        // As it travels: what cannot be written and read again is no cursor.
        let kept = ended.and_then(|ended| match ended {
            ProcessResult::Success(polled) => {
                let cursor = Encoded::of(&polled.cursor)?;
                cursor.decode::<T::Cursor>()?;
                Ok((ProcessResult::Success(polled), Some(cursor)))
            }
            other => Ok((other, None)),
        });
        let (ended, cursor) = kept.map_or_else(
            |why| (Err(why), None),
            |(ended, cursor)| (Ok(ended), cursor),
        );
        let result = self.result(ended, seen);
        if let (Some(cursor), Ok(_)) = (cursor, &result.outcome) {
            self.cursors().insert(id, cursor);
        }
        result
    }

    async fn poll_natively<T: PollingTrigger>(
        &self,
        input: PollInput<T::Config, T::Cursor>,
    ) -> Ended<Polled<T::Cursor, T::Event>> {
        let http = self.http.fresh();
        let ctx = self.context::<T>(&http);
        let ended = T::instance().poll(input.config, input.cursor, &ctx).await;
        (ended.map(ProcessResult::Success), self.seen(&ctx, &http))
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
        self.result(ended, self.seen(&ctx, &http))
    }

    /// What was seen of a native call.
    fn seen(&self, ctx: &ActionContext, http: &HttpMock) -> Seen {
        http.keep(self.secrets());
        Seen {
            logs: ctx.logged(),
            measured: ctx.measured(),
            requests: ctx.requests(),
            unexpected: http.unexpected(),
            heartbeats: ctx.heartbeats(),
            kept: Some(ctx.kept()),
            ..Seen::default()
        }
    }

    fn secrets(&self) -> impl Iterator<Item = String> {
        self.credentials.values().flat_map(Credential::secrets)
    }

    fn result<T: Serialize>(
        &self,
        ended: Result<ProcessResult<T>, ActionError>,
        seen: Seen,
    ) -> ActionTestResult<T> {
        let (output, outcome) = taken_apart(ended);
        if let (Ok(_), Some(kept)) = (&outcome, seen.kept) {
            *self.kept() = kept;
        }
        let error = outcome.as_ref().err();
        let failure = error.map(|e| seen.failure.unwrap_or_else(|| failure(e.clone())));
        ActionTestResult {
            output: Output(output),
            outcome,
            failure,
            usage: seen.usage,
            logs: seen.logs,
            measured: seen.measured,
            requests: seen.requests,
            unexpected: seen.unexpected,
            heartbeats: seen.heartbeats,
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
