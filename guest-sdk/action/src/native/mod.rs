//! Natively, a stand-in for the host: an action's code runs in a plain unit
//! test, with credentials and responses that the test prepared, and the test
//! sees what was logged and sent.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

mod credential;
mod http;
mod keep;
mod resources;
pub(crate) mod rules;

pub use credential::Credential;
use http::Http;
pub use http::{Incoming, Outgoing};
pub use keep::{Draft, Kept};
pub use resources::{
    Cursor, Database, KvAsk, KvRequest, KvStore, Mail, MailServer, SqlAnswer, SqlStatement, Values,
};
use serde::Serialize;
use serde_json::Value;

use crate::action::{ProcessAction, ProcessResult};
use crate::again::{Encoded, Resumed, Woken};
use crate::context::{ActionContext, Identity, Level};
use crate::error::{ActionError, Result};
use crate::http::{HttpError, Request, Response};
use crate::invoke::invoke;
use crate::wire;

/// What stands behind an [`ActionContext`] in a unit test.
#[derive(Debug, Default)]
pub struct Backend {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    identity: Identity,
    publisher: String,
    credentials: BTreeMap<String, Result<Credential>>,
    responses: BTreeMap<(String, String), VecDeque<Result<Response, HttpError>>>,
    http: Option<Http>,
    requests: Vec<Request>,
    lines: Vec<(Level, String)>,
    measured: Vec<(String, f64)>,
    cancelled: bool,
    deadline_millis: Option<u64>,
    resumed: Option<Resumed<Encoded>>,
    heartbeats: u64,
    kept: Kept,
    databases: BTreeMap<String, resources::Double>,
    mail_servers: BTreeMap<String, resources::smtp::Double>,
    values: BTreeMap<String, resources::kv::Double>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            identity: Identity {
                workflow: "test".into(),
                execution: "test".into(),
                node: "test".into(),
                item_path: Vec::new(),
                iteration: 0,
                attempt: 1,
            },
            publisher: String::new(),
            credentials: BTreeMap::new(),
            responses: BTreeMap::new(),
            http: None,
            requests: Vec::new(),
            lines: Vec::new(),
            measured: Vec::new(),
            cancelled: false,
            deadline_millis: None,
            resumed: None,
            heartbeats: 0,
            kept: Kept::default(),
            databases: BTreeMap::new(),
            mail_servers: BTreeMap::new(),
            values: BTreeMap::new(),
        }
    }
}

impl ActionContext {
    /// A context without credentials, whose requests are all refused.
    #[must_use]
    pub fn for_test() -> Self {
        Self::default()
    }

    /// With a credential: a text, or a [`Credential`] of a kind. In the sandbox the
    /// action would see a placeholder.
    #[must_use]
    pub fn with_credential(
        self,
        name: impl Into<String>,
        credential: impl Into<Credential>,
    ) -> Self {
        self.backend
            .state()
            .credentials
            .insert(name.into(), Ok(credential.into()));
        self
    }

    /// With the answer that a credential cannot be had, and why.
    #[must_use]
    pub fn without_credential(self, name: impl Into<String>, why: ActionError) -> Self {
        self.backend
            .state()
            .credentials
            .insert(name.into(), Err(why));
        self
    }

    /// As the call of an action in a step of an execution. What it keeps is kept for
    /// that workflow and node.
    #[must_use]
    pub fn with_call(self, action: &str, identity: Identity) -> Self {
        let publisher = action.split('.').next().unwrap_or_default();
        let mut state = self.backend.state();
        state.publisher = publisher.to_owned();
        state.identity = identity;
        drop(state);
        self
    }

    /// With what answers the requests for which no response is prepared.
    #[must_use]
    pub fn with_http(
        self,
        answer: impl Fn(&Request) -> Result<Response, HttpError> + Send + Sync + 'static,
    ) -> Self {
        self.backend.state().http = Some(Http(Arc::new(answer)));
        self
    }

    /// With the next response to a request with this method and address (the
    /// whole address, query included). The last one prepared is given again.
    #[must_use]
    pub fn with_response(
        self,
        method: &str,
        url: &str,
        response: impl Into<Result<Response, HttpError>>,
    ) -> Self {
        let key = (method.to_owned(), url.to_owned());
        self.backend
            .state()
            .responses
            .entry(key)
            .or_default()
            .push_back(response.into());
        self
    }

    /// As an iteration after the first, which begins with this.
    ///
    /// # Panics
    /// When the state cannot be encoded.
    #[must_use]
    pub fn resumed_with(self, state: &impl Serialize, woken: Woken) -> Self {
        let state = Encoded::of(state).unwrap_or_else(|e| panic!("the state: {e}"));
        self.with_resumption(Resumed { state, woken })
    }

    /// The same with a state that is encoded already.
    #[must_use]
    pub fn with_resumption(self, resumed: Resumed<Encoded>) -> Self {
        let mut state = self.backend.state();
        state.identity.iteration = state.identity.iteration.max(1);
        state.resumed = Some(resumed);
        drop(state);
        self
    }

    /// With an execution that was cancelled.
    #[must_use]
    pub fn cancelled(self) -> Self {
        self.backend.state().cancelled = true;
        self
    }

    /// With a deadline, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn with_deadline_millis(self, millis: u64) -> Self {
        self.backend.state().deadline_millis = Some(millis);
        self
    }

    /// What was logged so far.
    #[must_use]
    pub fn logged(&self) -> Vec<(Level, String)> {
        self.backend.state().lines.clone()
    }

    /// What was measured so far, in order.
    #[must_use]
    pub fn measured(&self) -> Vec<(String, f64)> {
        self.backend.state().measured.clone()
    }

    /// How many heartbeats there were so far.
    #[must_use]
    pub fn heartbeats(&self) -> u64 {
        self.backend.state().heartbeats
    }

    /// What was sent so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.backend.state().requests.clone()
    }

    /// Runs an action as the sandbox would: the input goes in and the output
    /// comes out as MessagePack.
    ///
    /// # Errors
    /// What the action answers.
    pub fn run<A: ProcessAction>(&self, input: &impl Serialize) -> Result<ProcessResult<Value>> {
        let input = wire::encode(input)?;
        let result = block_on(invoke::<A>(&input, self))?;
        result.try_map(|output| Ok(wire::decode(&output)?))
    }
}

impl From<Response> for Result<Response, HttpError> {
    fn from(response: Response) -> Self {
        Ok(response)
    }
}

impl Backend {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn identity(&self) -> Identity {
        self.state().identity.clone()
    }

    /// As in the sandbox: 64 hex digits, equal for equal operations of one step.
    pub(crate) fn idempotency_key(&self, operation: &str) -> String {
        let Identity {
            execution,
            node,
            item_path,
            iteration,
            ..
        } = self.identity();
        let text = format!("{execution}\0{node}\0{item_path:?}\0{iteration}\0{operation}");
        fingerprint(text.as_bytes())
    }

    pub(crate) fn deadline_millis(&self) -> Option<u64> {
        self.state().deadline_millis
    }

    pub(crate) fn cancelled(&self) -> bool {
        self.state().cancelled
    }

    pub(crate) fn heartbeat(&self) {
        self.state().heartbeats += 1;
    }

    pub(crate) fn resumed(&self) -> Option<Resumed<Encoded>> {
        self.state().resumed.clone()
    }

    pub(crate) fn log(&self, level: Level, message: &str) {
        self.state().lines.push((level, message.to_owned()));
    }

    pub(crate) fn measure(&self, name: &str, value: f64) {
        self.state().measured.push((name.to_owned(), value));
    }

    pub(crate) fn credential(&self, name: &str) -> Result<String> {
        let found = self.state().credentials.get(name).cloned();
        let value = found.map(|found| found.map(|credential| credential.value()));
        value.unwrap_or_else(|| {
            Err(ActionError::permanent(format!(
                "no credential `{name}`: give the test context one with `with_credential`"
            )))
        })
    }

    /// Takes no time in a test.
    #[expect(
        clippy::unused_self,
        reason = "the backend in the sandbox has the same methods"
    )]
    pub(crate) fn sleep(&self, _: Duration) -> impl Future<Output = ()> + use<> {
        std::future::ready(())
    }
}

/// 64 hex digits, equal for equal bytes (FNV-1a).
fn fingerprint(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:064x}")
}

/// Runs a future to its end on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
