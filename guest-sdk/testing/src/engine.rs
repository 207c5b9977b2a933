//! The engine beneath a harness.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use nebula_action::native::Credential;
use nebula_action::{ActionError, ProcessAction, ProcessResult};
use nebula_flow::ports::{Components, Limits, Runner};
use nebula_flow::{SignalName, Timestamp, Value, WorkflowDefinition};

use crate::component::{Built, BuiltComponent};
use crate::drive::{self, Setup};
use crate::http::HttpMock;
use crate::registry::{Registry, World};
use crate::resource::MockResourceManager;
use crate::result::TestResult;
use crate::runner::{Beyond, Fault};

/// When runs begin: 2030-01-01T00:00:00Z, in milliseconds since the Unix epoch.
pub(crate) const BEGIN: u64 = 1_893_456_000_000;

/// The real engine, on a store in memory that each run has for itself, with mocked
/// actions and in virtual time.
#[derive(Clone)]
pub struct MockEngine {
    setup: Setup,
}

impl Default for MockEngine {
    fn default() -> Self {
        Self {
            setup: Setup {
                registry: Registry::default(),
                world: World::default(),
                beyond: None,
                built: Built::default(),
                limits: Limits::default(),
                faults: BTreeMap::new(),
                workflows: Vec::new(),
                signals: VecDeque::new(),
                credentials: BTreeMap::new(),
                now: Timestamp::from_millis(BEGIN),
            },
        }
    }
}

impl MockEngine {
    /// Gives an action by a closure from its input to its output.
    ///
    /// # Panics
    /// When the id is no action id.
    #[track_caller]
    pub fn register_mock(
        &mut self,
        id: &str,
        handler: impl Fn(Value) -> Value + Send + Sync + 'static,
    ) {
        let answer = move |input| Ok(ProcessResult::Success(handler(input)));
        self.setup.registry.mock(id, answer);
    }

    /// Gives an action by a closure that also says how the workflow goes on, or fails.
    ///
    /// # Panics
    /// When the id is no action id.
    #[track_caller]
    pub fn register_process(
        &mut self,
        id: &str,
        handler: impl Fn(Value) -> Result<ProcessResult<Value>, ActionError> + Send + Sync + 'static,
    ) {
        self.setup.registry.mock(id, handler);
    }

    /// Gives a native action, under its own id.
    ///
    /// # Panics
    /// When its metadata are no metadata: its version, say.
    #[track_caller]
    pub fn register_action<A: ProcessAction + 'static>(&mut self) {
        self.setup.registry.native::<A>();
    }

    /// Runs a workflow to its end.
    ///
    /// # Panics
    /// As a mock does that panics.
    pub async fn execute(&self, workflow: WorkflowDefinition, input: Value) -> TestResult {
        drive::run(self.setup.clone(), workflow, input).await
    }

    pub(crate) fn register_components(
        &mut self,
        components: Arc<dyn Components>,
        runner: Arc<dyn Runner>,
    ) {
        self.setup.beyond = Some(Beyond { components, runner });
    }

    pub(crate) fn build_in(&mut self, component: BuiltComponent) {
        self.setup.built.components.push(component);
    }

    pub(crate) fn limit(&mut self, limits: Limits) {
        self.setup.limits = limits;
    }

    pub(crate) fn fault(&mut self, node: &str, times: usize, fault: &Fault) {
        let faults = self.setup.faults.entry(node.to_owned()).or_default();
        faults.extend(std::iter::repeat_n(fault.clone(), times));
    }

    pub(crate) fn deploy(&mut self, workflow: WorkflowDefinition) {
        self.setup.workflows.push(workflow);
    }

    #[track_caller]
    pub(crate) fn signal(&mut self, name: &str, says: Value) {
        let name = SignalName::new(name).unwrap_or_else(|e| panic!("a signal: {e}"));
        self.setup.signals.push_back((name, says));
    }

    pub(crate) fn credential(&mut self, name: &str, credential: Credential) {
        self.setup.credentials.insert(name.to_owned(), credential);
    }

    pub(crate) fn answer_http(&mut self, http: HttpMock) {
        self.setup.world.http = http;
    }

    pub(crate) fn reach(&mut self, resources: MockResourceManager) {
        self.setup.world.resources = resources;
    }

    pub(crate) fn begin_at(&mut self, now: Timestamp) {
        self.setup.now = now;
    }
}

impl fmt::Debug for MockEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions = self.setup.registry.all();
        let ids: Vec<_> = actions.map(|a| a.metadata.id.to_string()).collect();
        f.debug_struct("MockEngine")
            .field("actions", &ids)
            .finish_non_exhaustive()
    }
}
