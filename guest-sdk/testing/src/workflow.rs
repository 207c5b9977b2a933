//! Runs workflows in tests.

use std::sync::Arc;

use nebula_action::native::Credential;
use nebula_action::{ActionError, ProcessAction, ProcessResult};
use nebula_flow::ports::{Components, Limits, Runner};
use nebula_flow::{Timestamp, Value, WorkflowDefinition};

use crate::component::BuiltComponent;
use crate::engine::MockEngine;
use crate::http::HttpMock;
use crate::resource::{MockResource, MockResourceManager};
use crate::result::TestResult;
use crate::runner::Fault;

/// Runs workflows in the real engine, each on a store in memory of its own, with
/// mocked actions and in virtual time. Triggers start nothing: a test does.
///
/// A run is deterministic but for the ids that it mints and the jitter of retries.
/// Every mock and native action counts as one with effects, so that retries are as for
/// those.
#[derive(Debug, Clone)]
pub struct WorkflowTestHarness {
    engine: MockEngine,
    resources: MockResourceManager,
}

impl Default for WorkflowTestHarness {
    fn default() -> Self {
        let (mut engine, resources) = (MockEngine::default(), MockResourceManager::default());
        engine.reach(resources.clone());
        Self { engine, resources }
    }
}

impl WorkflowTestHarness {
    /// One without any action.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With an action by a closure from its input to its output.
    ///
    /// # Panics
    /// When the id is no action id.
    #[must_use]
    #[track_caller]
    pub fn with_mock_action(
        mut self,
        id: &str,
        handler: impl Fn(Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        self.engine.register_mock(id, handler);
        self
    }

    /// With an action by a closure that also says how the workflow goes on (skip, branch,
    /// wait, continue), or fails.
    ///
    /// # Panics
    /// When the id is no action id.
    #[must_use]
    #[track_caller]
    pub fn with_mock_process(
        mut self,
        id: &str,
        handler: impl Fn(Value) -> Result<ProcessResult<Value>, ActionError> + Send + Sync + 'static,
    ) -> Self {
        self.engine.register_process(id, handler);
        self
    }

    /// With a native action, from the source that also makes its component, under its
    /// own id.
    ///
    /// # Panics
    /// When its metadata are no metadata: its version, say.
    #[must_use]
    #[track_caller]
    pub fn with_action<A: ProcessAction + 'static>(mut self) -> Self {
        self.engine.register_action::<A>();
        self
    }

    /// With a real component: a file, or its bytes. All its actions are there under their
    /// ids, but for those that the harness has itself, and each call runs in the sandbox,
    /// within its limits. The component of the pack `transform` also evaluates the
    /// expressions that are not evaluated directly. Whoever tests a component has built
    /// it: it is compiled in this process. Needs the feature `embedded`; without it
    /// every run ends with [`TestError::NeedsFeature`](crate::TestError::NeedsFeature).
    ///
    /// Requests to the hosts that it asks for are answered as those of native actions; of
    /// resources that are no hosts the sandbox has none. What it keeps stays from run to
    /// run.
    #[must_use]
    pub fn with_component(mut self, component: impl Into<BuiltComponent>) -> Self {
        self.engine.build_in(component.into());
        self
    }

    /// With limits of each call of a component, in place of those of a node. A node's own
    /// time-out takes the place of theirs.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.engine.limit(limits);
        self
    }

    /// With what runs the real components of all actions that the harness does not have
    /// itself, and expressions that are not evaluated directly.
    #[must_use]
    pub fn with_components(
        mut self,
        components: Arc<dyn Components>,
        runner: Arc<dyn Runner>,
    ) -> Self {
        self.engine.register_components(components, runner);
        self
    }

    /// With another workflow: one that the tested one runs as a node, or when it fails.
    #[must_use]
    pub fn with_workflow(mut self, workflow: WorkflowDefinition) -> Self {
        self.engine.deploy(workflow);
        self
    }

    /// With a credential, under the name by which a node binds it, or else by which the
    /// action asks for it: a text, or a [`Credential`] of a kind. Mocks need none.
    #[must_use]
    pub fn with_credential(mut self, name: &str, credential: impl Into<Credential>) -> Self {
        self.engine.credential(name, credential.into());
        self
    }

    /// With answers to the requests of native actions, and of components that were given
    /// by [`with_component`](Self::with_component).
    #[must_use]
    pub fn with_http(mut self, http: HttpMock) -> Self {
        self.engine.answer_http(http);
        self
    }

    /// With a stand-in for what native actions reach, and for the hosts of components.
    #[must_use]
    pub fn with_resource<R: MockResource>(mut self) -> Self {
        self.resources.register::<R>();
        self.engine.reach(self.resources.clone());
        self
    }

    /// The stand-ins that it has.
    #[must_use]
    pub const fn resources(&self) -> &MockResourceManager {
        &self.resources
    }

    /// With a signal, sent as soon as an execution waits for one of this name and
    /// nothing else is left to do. Several are sent in their order.
    ///
    /// # Panics
    /// When the name is no name of a signal.
    #[must_use]
    #[track_caller]
    pub fn with_signal(mut self, name: &str, says: Value) -> Self {
        self.engine.signal(name, says);
        self
    }

    /// Beginning at this instant, in place of 2030-01-01T00:00:00Z.
    #[must_use]
    pub fn beginning_at(mut self, instant: Timestamp) -> Self {
        self.engine.begin_at(instant);
        self
    }

    /// With attempts of a node that fail like this before its action is called; the ones
    /// after them call it.
    #[must_use]
    pub fn failing(mut self, node: &str, times: usize, error: ActionError) -> Self {
        self.engine.fault(node, times, &Fault::Fail(error));
        self
    }

    /// With attempts of a node that never answer: their time-out, or the node's
    /// heartbeat, ends them.
    #[must_use]
    pub fn timing_out(mut self, node: &str, times: usize) -> Self {
        self.engine.fault(node, times, &Fault::TimeOut);
        self
    }

    /// With a crash of the engine in an attempt of a node, when its action has done its
    /// work and before anybody knows. Another engine goes on with what is in the log:
    /// it tries the step again, if its delivery lets it.
    #[must_use]
    pub fn crashing(mut self, node: &str) -> Self {
        self.engine.fault(node, 1, &Fault::Crash);
        self
    }

    /// Runs a workflow to its end, or until nothing would ever end it. Faults, signals
    /// and answers count from the beginning in each run; what native actions keep stays.
    ///
    /// # Panics
    /// As a mock or a native action does that panics.
    pub async fn execute(&self, workflow: WorkflowDefinition, input: Value) -> TestResult {
        self.engine.execute(workflow, input).await
    }
}
