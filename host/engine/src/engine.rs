//! The engine as its callers hold it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nebula_flow::control::{self, Control};
use nebula_flow::deploy::{self, DeployError, DeployedWorkflow, Place};
use nebula_flow::event::{Origin, Restart};
use nebula_flow::plan::Plan;
use nebula_flow::ports::{Durability, LogError, RecordError, Submitted};
use nebula_flow::resolve::{self, Resolve, ResolveStepError, Verdict};
use nebula_flow::restart::{self, Again, RestartError};
use nebula_flow::signal::{self, Signal, SignalError};
use nebula_flow::start::{self, Start, StartError};
use nebula_flow::{
    ExecutionId, SignalName, StepKey, TenantId, Value, WorkflowDefinition, WorkflowId,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::chance;
use crate::config::{Core, EngineConfig};
use crate::handle::ExecutionHandle;
use crate::owner::{Drain, Owner};
use crate::pinned::{self, NoPlan};
use crate::retention;
use crate::triggers::{self, TriggerBell};
use crate::watch::{self, Watch};

/// How often a deploy is tried when another one of the same name is faster.
const DEPLOY_TRIES: u32 = 5;

/// How long [`WorkflowEngine::shutdown`] lets steps in flight run on.
pub const GRACE: Duration = Duration::from_secs(10);

/// Runs executions: takes what is submitted to its log, and carries each to
/// its end. Dropping it stops everything at once, as a crash would: nothing
/// that was accepted is lost, and the next engine on the log goes on with it.
#[derive(Debug)]
pub struct WorkflowEngine {
    core: Arc<Core>,
    orders: mpsc::Sender<Drain>,
    bell: TriggerBell,
    tasks: [JoinHandle<()>; 4],
}

/// Why the engine refused.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The definition is not valid, or could not be kept.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// The input or the key is not valid, or the start could not be kept.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The execution is not one to go on with, or the start could not be kept.
    #[error(transparent)]
    Restart(#[from] RestartError),
    /// The signal was refused, or could not be kept.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// Nobody asks what became of the step, or the word could not be kept.
    #[error(transparent)]
    Resolve(#[from] ResolveStepError),
    /// No workflow has this name or id.
    #[error("no workflow `{0}` is deployed")]
    UnknownWorkflow(String),
    /// The workflow has no such version.
    #[error("workflow `{workflow}` has no version {version}; its newest is {newest}")]
    UnknownVersion {
        /// As it was asked for.
        workflow: String,
        /// As it was asked for.
        version: u32,
        /// What is there.
        newest: u32,
    },
    /// The deployed version cannot be read or does not compile.
    #[error("workflow `{workflow}` cannot be used: {why}")]
    Unusable {
        /// As it was asked for.
        workflow: String,
        /// What is wrong.
        why: String,
    },
    /// No such execution, or the log is not available.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The records are not available.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// The engine was told to shut down.
    #[error("the engine is shutting down; use another, or wait for the next")]
    ShuttingDown,
}

/// How an execution is started.
#[derive(Debug, Clone)]
pub struct ExecutionOptions {
    /// Makes a repeated call name the execution of the first; unique within
    /// the tenant, at most 255 bytes.
    pub idempotency_key: Option<String>,
    /// Which version of the workflow; the newest if absent.
    pub version: Option<u32>,
    /// Which goes first among those that wait for a place, from -100 to 100; the
    /// workflow's if absent.
    pub priority: Option<i8>,
    /// Whether it is paused as soon as it has started.
    pub paused: bool,
    /// How soon the start must be on disk, which it is when the handle is given.
    pub durability: Durability,
}

impl Default for ExecutionOptions {
    /// The newest version, no key; the start may share a commit with the
    /// execution's first events, and so wait for it up to 50 ms.
    fn default() -> Self {
        Self {
            idempotency_key: None,
            version: None,
            priority: None,
            paused: false,
            durability: Durability::WithAppend,
        }
    }
}

impl WorkflowEngine {
    /// Begins to work: claims shards and takes up what is unfinished.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn new(config: EngineConfig) -> Self {
        let (watch, requests) = Watch::new();
        let core = Arc::new(Core::new(config, watch));
        let changes = core.log.changes();
        let (orders, inbox) = mpsc::channel(1);
        let owner = Owner::new(core.clone());
        let bell = TriggerBell::default();
        let tasks = [
            tokio::spawn(owner.run(inbox)),
            tokio::spawn(watch::follow(core.clone(), changes, requests)),
            tokio::spawn(triggers::run(core.clone(), bell.clone())),
            tokio::spawn(retention::run(core.clone())),
        ];
        Self {
            core,
            orders,
            bell,
            tasks,
        }
    }

    /// Deploys a definition as the next version of its name, unless the newest
    /// version is the same already.
    ///
    /// # Errors
    /// [`DeployError::Invalid`] with everything that is wrong with it, or it
    /// could not be kept.
    pub async fn deploy_workflow(
        &self,
        definition: WorkflowDefinition,
    ) -> Result<Arc<DeployedWorkflow>, EngineError> {
        let tenant = TenantId::default_tenant();
        let place = Place {
            records: &*self.core.records,
            components: &*self.core.components,
            tenant: &tenant,
            resources: None,
        };
        let mut tries = 1;
        loop {
            let now = self.core.clock.now();
            let fresh = WorkflowId::mint(now, chance::bits());
            match deploy::deploy(place, definition.clone(), now, fresh).await {
                Ok((deployed, _)) => {
                    self.bell.ring();
                    return Ok(deployed);
                }
                // Someone else deployed this name at the same moment.
                Err(DeployError::Records(RecordError::Conflict { .. })) if tries < DEPLOY_TRIES => {
                    tries += 1
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What to ring when others than this engine deploy or switch triggers on its
    /// store, so that it looks at once.
    #[must_use]
    pub fn trigger_bell(&self) -> TriggerBell {
        self.bell.clone()
    }

    /// Starts an execution of a workflow, by its name or its id. Once it
    /// returns, the start is on disk.
    ///
    /// # Errors
    /// No such workflow or version; the input is not what its schema asks for;
    /// the idempotency key was used for another request; the log or the
    /// records are not available.
    pub async fn execute_workflow(
        &self,
        name_or_id: impl AsRef<str>,
        input: Value,
        options: ExecutionOptions,
    ) -> Result<ExecutionHandle, EngineError> {
        if self.core.stopping.load(Ordering::Relaxed) {
            return Err(EngineError::ShuttingDown);
        }
        let tenant = TenantId::default_tenant();
        let workflow = self
            .deployed(&tenant, name_or_id.as_ref(), options.version)
            .await?;
        let at = self.core.clock.now();
        let execution = ExecutionId::mint(at, chance::bits());
        // Before the start, so that not even the fastest end is missed.
        let handle = ExecutionHandle::new(&self.core, execution);
        let start = Start {
            tenant: &tenant,
            workflow: &workflow,
            input: &input,
            key: options.idempotency_key.as_deref(),
            priority: options.priority,
            paused: options.paused,
            execution,
            at,
            durability: options.durability,
        };
        match start::start(&*self.core.log, &*self.core.records, start).await? {
            Submitted::Accepted => Ok(handle),
            Submitted::Duplicate(first) => self.handle(first).await,
        }
    }

    async fn deployed(
        &self,
        tenant: &TenantId,
        workflow: &str,
        version: Option<u32>,
    ) -> Result<Arc<DeployedWorkflow>, EngineError> {
        let Some(head) = deploy::find(&*self.core.records, tenant, workflow).await? else {
            return Err(EngineError::UnknownWorkflow(
                workflow.chars().take(80).collect(),
            ));
        };
        let workflow = workflow.to_owned();
        let version = version.unwrap_or(head.version);
        if version == 0 || version > head.version {
            return Err(EngineError::UnknownVersion {
                workflow,
                version,
                newest: head.version,
            });
        }
        match pinned::plan(&self.core, tenant, head.id, version).await {
            Ok(plan) => Ok(plan.deployed.clone()),
            Err(error) => Err(unusable(&workflow, error)),
        }
    }

    /// Makes an execution from one that has ended: one that goes on where it failed
    /// or was stopped, or one that begins again, both in its version of the
    /// workflow. Once it returns, the start is on disk.
    ///
    /// # Errors
    /// [`LogError::NotFound`]; it has not ended, or a retry of it would have nothing
    /// left to do; the log or the records are not available.
    pub async fn restart(
        &self,
        id: ExecutionId,
        restart: Restart,
    ) -> Result<ExecutionHandle, EngineError> {
        let tenant = TenantId::default_tenant();
        let plan = self.plan_of(&tenant, id).await?;
        let at = self.core.clock.now();
        let execution = ExecutionId::mint(at, chance::bits());
        let handle = ExecutionHandle::new(&self.core, execution);
        let again = Again {
            tenant: &tenant,
            origin: Origin {
                execution: id,
                restart,
            },
            workflow: &plan.deployed,
            key: None,
            execution,
            at,
        };
        restart::restart(&*self.core.log, &*self.core.records, again).await?;
        Ok(handle)
    }

    /// A hold on an execution that was started anywhere, whatever its state.
    ///
    /// # Errors
    /// [`LogError::NotFound`], or the log is not available.
    pub async fn handle(&self, id: ExecutionId) -> Result<ExecutionHandle, EngineError> {
        let tenant = TenantId::default_tenant();
        let handle = ExecutionHandle::new(&self.core, id);
        if self.core.log.execution(&tenant, id).await?.is_none() {
            return Err(LogError::NotFound(id).into());
        }
        self.core.watch.look(id);
        Ok(handle)
    }

    /// Asks an execution to stop as soon as possible. Once it returns, the
    /// request is on disk; for one that has ended it changes nothing.
    ///
    /// # Errors
    /// [`LogError::NotFound`], or the log is not available.
    pub async fn cancel(
        &self,
        id: ExecutionId,
        reason: impl AsRef<str>,
    ) -> Result<(), EngineError> {
        self.control(id, Control::Cancel, reason).await
    }

    /// Asks something of an execution: to stop, to pause, to go on, to end at
    /// once. Once it returns, the request is on disk; for one that has ended, or
    /// is so already, it changes nothing.
    ///
    /// # Errors
    /// [`LogError::NotFound`], or the log is not available.
    pub async fn control(
        &self,
        id: ExecutionId,
        what: Control,
        reason: impl AsRef<str>,
    ) -> Result<(), EngineError> {
        let (tenant, now) = (TenantId::default_tenant(), self.core.clock.now());
        control::control(&*self.core.log, &tenant, id, what, reason.as_ref(), now).await?;
        Ok(())
    }

    /// Sends an execution a signal that one of its nodes waits for. Once it
    /// returns, the signal is on disk.
    ///
    /// # Errors
    /// [`LogError::NotFound`]; nothing waits for such a signal, or not any more;
    /// its payload is not what its schema asks for; the idempotency key was used
    /// for another request; the log or the records are not available.
    pub async fn signal(
        &self,
        id: ExecutionId,
        name: &SignalName,
        payload: Value,
        idempotency_key: Option<&str>,
    ) -> Result<Submitted, EngineError> {
        let tenant = TenantId::default_tenant();
        let plan = self.plan_of(&tenant, id).await?;
        let signal = Signal {
            tenant: &tenant,
            execution: id,
            plan: &plan,
            name,
            payload: &payload,
            key: idempotency_key,
            at: self.core.clock.now(),
        };
        Ok(signal::signal(&*self.core.log, &*self.core.records, signal).await?)
    }

    /// Says what became of an attempt whose outcome is unknown (a node with
    /// `delivery: at-most-once`). Once it returns, that is on disk.
    ///
    /// # Errors
    /// [`LogError::NotFound`]; nobody asks what became of the step; the log or the
    /// records are not available.
    pub async fn resolve(
        &self,
        id: ExecutionId,
        step: &StepKey,
        verdict: &Verdict,
    ) -> Result<(), EngineError> {
        let tenant = TenantId::default_tenant();
        let plan = self.plan_of(&tenant, id).await?;
        let resolve = Resolve {
            tenant: &tenant,
            execution: id,
            plan: &plan,
            step,
            verdict,
            at: self.core.clock.now(),
        };
        resolve::resolve(&*self.core.log, &*self.core.records, resolve).await?;
        Ok(())
    }

    async fn plan_of(&self, tenant: &TenantId, id: ExecutionId) -> Result<Arc<Plan>, EngineError> {
        let found = self.core.log.execution(tenant, id).await?;
        let found = found.ok_or(LogError::NotFound(id))?;
        pinned::plan(&self.core, tenant, found.workflow, found.workflow_version)
            .await
            .map_err(|error| unusable(found.workflow_name.as_str(), error))
    }

    /// Drains: starts nothing more, lets steps in flight end within [`GRACE`],
    /// puts all that is known on disk and releases the shards.
    pub async fn shutdown(&self) {
        self.shutdown_within(GRACE).await;
    }

    /// As [`shutdown`](Self::shutdown), with a grace period of the caller's.
    /// Once it returns, the engine is at rest, whoever asked first.
    pub async fn shutdown_within(&self, grace: Duration) {
        self.core.stopping.store(true, Ordering::Relaxed);
        // An end in these steps may have to be followed.
        let patience = self.core.clock.now().plus(grace);
        tokio::select! {
            () = self.core.followers.looked() => {}
            () = self.core.clock.until(patience) => {}
        }
        // What it had decided and not started is started by the next engine.
        self.tasks[2].abort();
        self.tasks[3].abort();
        let (done, finished) = oneshot::channel();
        if self.orders.send(Drain { grace, done }).await.is_ok() {
            // An error means that another drain was first, and has ended.
            let _ = finished.await;
        }
        self.tasks[1].abort();
    }
}

fn unusable(workflow: &str, error: NoPlan) -> EngineError {
    match error {
        NoPlan::Unavailable(why) => RecordError::Unavailable(why).into(),
        NoPlan::Broken(why) => EngineError::Unusable {
            workflow: workflow.to_owned(),
            why,
        },
    }
}

impl Drop for WorkflowEngine {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
