//! One run from its start to its end, on a thread of its own. All that the engine
//! does happens on that thread; whenever nothing is left to do there, the harness
//! sends a signal that is waited for, or turns the clock on to the next instant.
//!
//! - `waits`: signals, and what is waited for without an end.
//! - `gather`: what became of it, read from its log.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;

use nebula_action::native::Credential;
use nebula_engine::{
    EngineConfig, EngineError, ExecutionHandle, ExecutionOptions, ExecutionResult, WorkflowEngine,
};
use nebula_flow::definition::{Code, Retention};
use nebula_flow::deploy::{DeployError, EVALUATOR};
use nebula_flow::event::Recorded;
use nebula_flow::grant;
use nebula_flow::ports::{Clock, EventLog, ExecutionQuery, ExecutionSummary, Limits, Status};
use nebula_flow::{ExecutionId, SignalName, TenantId, Timestamp, Value, WorkflowDefinition};
use nebula_storage::Memory;
use tokio::runtime;
use tokio::sync::oneshot;

use crate::clock::VirtualClock;
use crate::component::Built;
#[cfg(feature = "embedded")]
use crate::embedded::Embedded;
use crate::native;
use crate::records::TestRecords;
use crate::registry::{Registry, World};
use crate::result::{TestError, TestResult};
use crate::runner::{Beyond, Fault, Idle, TestRunner};

mod gather;
mod waits;

/// How often the clock is turned on without any event before the run is given up. What
/// the engine does by itself comes about every second: more than a week.
const PATIENCE: u32 = 1_000_000;

/// How many executions a run may have.
const EXECUTIONS: usize = 10_000;

/// How many events and lines are read at once.
const PAGE: usize = 10_000;

/// All that a run is made of.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) registry: Registry,
    pub(crate) world: World,
    pub(crate) beyond: Option<Beyond>,
    pub(crate) built: Built,
    pub(crate) limits: Limits,
    pub(crate) faults: BTreeMap<String, VecDeque<Fault>>,
    /// Others than the one that is run, in the order in which they are deployed.
    pub(crate) workflows: Vec<WorkflowDefinition>,
    pub(crate) signals: VecDeque<(SignalName, Value)>,
    pub(crate) credentials: BTreeMap<String, Credential>,
    pub(crate) now: Timestamp,
}

/// Runs a workflow.
pub(crate) async fn run(setup: Setup, workflow: WorkflowDefinition, input: Value) -> TestResult {
    let (tell, told) = oneshot::channel();
    thread::Builder::new()
        .name("nebula-test".into())
        .spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(|| on_this_thread(setup, workflow, input)));
            // Whoever waited has left.
            let _ = tell.send(ended);
        })
        .unwrap_or_else(|e| panic!("a thread for the run: {e}"));
    match told.await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => panic!("the thread of the run is gone"),
    }
}

fn on_this_thread(setup: Setup, workflow: WorkflowDefinition, input: Value) -> TestResult {
    let idle = Arc::new(Idle::default());
    let parked = idle.clone();
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(move || parked.parked())
        .build()
        .unwrap_or_else(|e| panic!("a runtime for the run: {e}"));
    let run = async move {
        match ready(setup).await {
            Ok(setup) => {
                let mut run = Run::new(setup, &workflow, idle);
                run.whole(workflow, input).await
            }
            Err(error) => TestResult::not_begun(error),
        }
    };
    // Not as the runtime's first future, which may be polled without having been woken.
    match runtime.block_on(async { tokio::spawn(run).await }) {
        Ok(result) => result,
        Err(error) => resume_unwind(error.into_panic()),
    }
}

/// As for the first time, with what runs the components that it was given.
async fn ready(mut setup: Setup) -> Result<Setup, TestError> {
    setup.world.http = setup.world.http.fresh();
    if setup.built.components.is_empty() {
        return Ok(setup);
    }
    #[cfg(feature = "embedded")]
    {
        let opened = Embedded::open(&setup.built, &setup.world, setup.beyond.take()).await;
        setup.beyond = Some(opened.map_err(TestError::Component)?.beyond());
        Ok(setup)
    }
    #[cfg(not(feature = "embedded"))]
    Err(TestError::NeedsFeature)
}

struct Run {
    setup: Setup,
    store: Memory,
    clock: VirtualClock,
    runner: Arc<TestRunner>,
    idle: Arc<Idle>,
    tenant: TenantId,
    crashes: usize,
    /// Where the executions stood, and how often the clock was turned on since then.
    stood: (u64, u32),
}

/// How a run goes on.
enum Turn {
    On,
    Over(TestError),
}

impl Run {
    fn new(mut setup: Setup, workflow: &WorkflowDefinition, idle: Arc<Idle>) -> Self {
        let all = setup.workflows.iter().chain([workflow]);
        let bound: Vec<String> = all.flat_map(|w| setup.registry.bind(w)).collect();
        for name in bound {
            setup
                .credentials
                .entry(name)
                .or_insert_with(|| "mock".into());
        }
        let runner = TestRunner::new(
            setup.registry.clone(),
            setup.world.clone(),
            setup.beyond.clone(),
            idle.clone(),
            setup.faults.clone(),
        );
        Self {
            store: Memory::new(),
            clock: VirtualClock::new(setup.now),
            runner: Arc::new(runner),
            idle,
            tenant: TenantId::default_tenant(),
            crashes: 0,
            stood: (0, 0),
            setup,
        }
    }

    async fn whole(&mut self, workflow: WorkflowDefinition, input: Value) -> TestResult {
        if let Some(node) = self.unknown_fault(&workflow) {
            return TestResult::not_begun(TestError::NoSuchNode(node));
        }
        let engine = self.engine();
        let handle = match self.begin(&engine, workflow.clone(), input).await {
            Ok(handle) => handle,
            Err(error) => return TestResult::not_begun(error),
        };
        let id = handle.id();
        let error = self.follow(engine, handle).await;
        self.result(id, &workflow, error).await
    }

    fn unknown_fault(&self, workflow: &WorkflowDefinition) -> Option<String> {
        let all = || self.setup.workflows.iter().chain([workflow]);
        let has = |node: &str| {
            let undone = node.strip_prefix("undo_");
            all().any(|w| {
                w.nodes.contains_key(node) || undone.is_some_and(|n| w.nodes.contains_key(n))
            })
        };
        self.setup.faults.keys().find(|node| !has(node)).cloned()
    }

    fn engine(&self) -> WorkflowEngine {
        WorkflowEngine::new(EngineConfig {
            log: Arc::new(self.store.clone()),
            records: Arc::new(TestRecords {
                store: self.store.clone(),
                idle: self.idle.clone(),
            }),
            runner: self.runner.clone(),
            components: self.runner.clone(),
            clock: Arc::new(self.clock.clone()),
            limits: self.setup.limits,
            owner: format!("test-{}", self.crashes),
            max_active: EXECUTIONS,
            retention: Retention::default(),
        })
    }

    async fn begin(
        &self,
        engine: &WorkflowEngine,
        workflow: WorkflowDefinition,
        input: Value,
    ) -> Result<ExecutionHandle, TestError> {
        for (name, credential) in &self.setup.credentials {
            let credential = native::stored(credential);
            let put = grant::put_credential(&self.store, &self.tenant, name, &credential);
            put.await.map_err(EngineError::from)?;
        }
        let name = workflow.name.clone();
        for mut each in self.setup.workflows.iter().cloned().chain([workflow]) {
            // What is tested is started by the test alone.
            each.triggers.clear();
            let deployed = engine.deploy_workflow(each).await;
            deployed.map_err(|error| self.refused(error))?;
        }
        let options = ExecutionOptions::default();
        Ok(engine
            .execute_workflow(name.as_str(), input, options)
            .await?)
    }

    /// Why a workflow was not deployed.
    fn refused(&self, error: EngineError) -> TestError {
        let EngineError::Deploy(DeployError::Invalid(problems)) = error else {
            return error.into();
        };
        if problems.iter().any(|p| p.code != Code::UnknownAction) {
            return TestError::Invalid(problems);
        }
        let is_node = |pointer: &str| pointer.ends_with("/action");
        let nodes = problems.iter().filter(|p| is_node(&p.pointer)).count();
        match problems.into_iter().find(|p| !is_node(&p.pointer)) {
            Some(p) if nodes == 0 => TestError::NeedsComponent { pointer: p.pointer },
            expression => {
                let mut actions = self.runner.unknown();
                if expression.is_some() {
                    actions.retain(|action| action != EVALUATOR);
                }
                TestError::UnknownActions { actions }
            }
        }
    }

    /// Lets it run until it has ended, or nothing would ever end it.
    async fn follow(
        &mut self,
        mut engine: WorkflowEngine,
        mut handle: ExecutionHandle,
    ) -> Option<TestError> {
        let runner = self.runner.clone();
        let idle = self.idle.clone();
        loop {
            tokio::select! {
                biased;
                result = handle.wait() => return why(result),
                () = runner.stopped.notified() => {
                    if let Some(panic) = runner.panic() {
                        resume_unwind(panic);
                    }
                    let id = handle.id();
                    drop((engine, handle));
                    self.crashes += 1;
                    engine = self.engine();
                    handle = match engine.handle(id).await {
                        Ok(handle) => handle,
                        Err(error) => return Some(error.into()),
                    };
                }
                () = idle.nothing_to_do() => match self.turn(&engine).await {
                    Ok(Turn::On) => {}
                    Ok(Turn::Over(error)) | Err(error) => return Some(error),
                },
            }
        }
    }

    /// Nothing is left to do at this instant.
    async fn turn(&mut self, engine: &WorkflowEngine) -> Result<Turn, TestError> {
        let open = self.open().await?;
        let now = self.clock.now();
        let stands = open.iter().map(|s| s.version).sum();
        self.stood = match self.stood {
            (stood, times) if stood == stands => (stood, times + 1),
            _ => (stands, 0),
        };
        if self.stood.1 > PATIENCE {
            return Ok(Turn::Over(TestError::StandsStill));
        }
        let waits = |s: &ExecutionSummary| s.status == Status::Waiting || s.waits_for_slot;
        if open.iter().all(waits) {
            if self.send(engine, &open).await? {
                return Ok(Turn::On);
            }
            match open.iter().filter_map(|s| s.wake_at).min() {
                Some(due) if due > now => {
                    self.clock.advance(due);
                    return Ok(Turn::On);
                }
                Some(_) => {}
                None => return Ok(Turn::Over(self.waits(&open).await?)),
            }
        }
        // A time-out, a retry, or what the engine does by itself.
        match self.clock.earliest() {
            Some(next) => {
                self.clock.advance(next);
                Ok(Turn::On)
            }
            None => Ok(Turn::Over(TestError::StandsStill)),
        }
    }

    /// The executions that have not ended.
    async fn open(&self) -> Result<Vec<ExecutionSummary>, TestError> {
        let query = ExecutionQuery {
            limit: EXECUTIONS,
            ..ExecutionQuery::default()
        };
        let all = self.store.executions(&self.tenant, &query).await;
        let mut all = all.map_err(EngineError::from)?;
        all.retain(|s| !s.status.is_final());
        Ok(all)
    }

    async fn history(&self, id: ExecutionId) -> Result<Vec<Recorded>, EngineError> {
        let mut all: Vec<Recorded> = Vec::new();
        loop {
            let after = all.last().map_or(0, |last| last.version);
            let page = self.store.history(id, after, PAGE).await?;
            let full = page.len() == PAGE;
            all.extend(page);
            if !full {
                return Ok(all);
            }
        }
    }
}

fn why(result: ExecutionResult) -> Option<TestError> {
    match (result.status, result.error) {
        (Status::Succeeded, None) => None,
        (Status::Cancelled | Status::Terminated, _) | (_, None) => {
            Some(TestError::Ended(result.status))
        }
        (_, Some(failure)) => Some(TestError::Failed(failure)),
    }
}
