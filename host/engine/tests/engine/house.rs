//! A small house around the engine: a store that counts and can fail, a
//! runner that does as it is told, and a clock that is turned by hand.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use nebula_engine::{EngineConfig, ExecutionHandle, SystemClock, WorkflowEngine};
use nebula_flow::component::{ActionMetadata, Component, Effect, Origin, TRIGGER, Verified};
use nebula_flow::definition::Retention;
use nebula_flow::deploy::{self, DeployedWorkflow, Place};
use nebula_flow::event::{Failure, FailureKind, Usage};
use nebula_flow::ports::{
    Append, Arrival, Call, Change, Clock, Components, Durability, EndedQuery, EventLog,
    ExecutionQuery, ExecutionSummary, Feed, Fence, InboxRow, Kind, Limits, LogError, LogLine,
    Message, Outcome, Prepared, Records, Removal, Report, ResolveError, ResolvedAction, Runner,
    Submission, Submitted, Unfinished,
};
use nebula_flow::{
    ActionId, Digest, Event, ExecutionId, Payload, Recorded, Shard, TenantId, Timestamp, Value,
    WorkflowDefinition, WorkflowId, payload,
};
use nebula_storage::Memory;
use tokio::sync::{broadcast, watch};

pub(crate) fn tenant() -> TenantId {
    TenantId::default_tenant()
}

// ------------------------------------------------------------------- house --

pub(crate) struct House {
    pub(crate) log: Arc<Counted>,
    pub(crate) records: Arc<Memory>,
    pub(crate) runner: Arc<Scripted>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_active: usize,
    pub(crate) retention: Retention,
    minted: AtomicU64,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    pub(crate) fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let store = Memory::new();
        Self {
            log: Arc::new(Counted {
                store: store.clone(),
                appends: AtomicU32::new(0),
                failing: AtomicU32::new(0),
                panicking: AtomicBool::new(false),
                deaf: Arc::default(),
                claimless: Mutex::default(),
                rumours: broadcast::Sender::new(16),
            }),
            records: Arc::new(store),
            runner: Arc::default(),
            clock,
            max_active: 1000,
            retention: Retention::default(),
            minted: AtomicU64::new(1),
        }
    }

    /// What an action does.
    pub(crate) fn action<F>(
        &self,
        id: &str,
        effect: Effect,
        run: impl Fn(Call) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Report> + Send + 'static,
    {
        let script: Script = Arc::new(move |call| Box::pin(run(call)));
        self.runner
            .scripts
            .lock()
            .unwrap()
            .insert(ActionId::new(id).unwrap(), (effect, script));
    }

    pub(crate) fn engine(&self, owner: &str) -> WorkflowEngine {
        WorkflowEngine::new(EngineConfig {
            log: self.log.clone(),
            records: self.records.clone(),
            runner: self.runner.clone(),
            components: self.runner.clone(),
            clock: self.clock.clone(),
            limits: Limits::default(),
            owner: owner.into(),
            max_active: self.max_active,
            retention: self.retention,
        })
    }

    /// Deploys a definition without an engine.
    pub(crate) async fn deploy(&self, definition: WorkflowDefinition) -> Arc<DeployedWorkflow> {
        let tenant = tenant();
        let place = Place {
            records: &*self.records,
            components: &*self.runner,
            tenant: &tenant,
            resources: None,
        };
        let fresh = WorkflowId::mint(
            self.clock.now(),
            u128::from(self.minted.fetch_add(1, SeqCst)),
        );
        deploy::deploy(place, definition, self.clock.now(), fresh)
            .await
            .unwrap()
            .0
    }

    /// Takes the newest version of a workflow away, as nothing but damage does.
    pub(crate) async fn forget_version(&self, name: &str) {
        let tenant = tenant();
        let found = deploy::find(&*self.records, &tenant, name).await.unwrap();
        let head = found.unwrap();
        let key = format!("{}/{:010}", head.id, head.version);
        let removed = self.records.remove(Kind::WorkflowVersion, &tenant, &key);
        assert!(removed.await.unwrap(), "{key}");
    }

    /// A start from outside the engine, as the API makes it.
    pub(crate) async fn submit(
        &self,
        deployed: &DeployedWorkflow,
        input: Value,
        durability: Durability,
    ) -> ExecutionId {
        let execution = ExecutionId::mint(
            self.clock.now(),
            u128::from(self.minted.fetch_add(1, SeqCst)),
        );
        let message = Message::Start {
            workflow: deployed.id,
            name: deployed.definition.name.clone(),
            version: deployed.version,
            input: Payload::Inline(payload::encode(&input).unwrap()),
            parent: None,
            origin: None,
            follows: None,
            priority: deployed.definition.priority,
            slot: deployed.slot(&input),
            paused: false,
        };
        let at = self.clock.now();
        let submission = Submission {
            tenant: tenant(),
            execution,
            key: None,
            at,
            message,
            expect: None,
            durability,
        };
        assert_eq!(
            self.log.submit(submission).await.unwrap(),
            Submitted::Accepted
        );
        execution
    }

    pub(crate) async fn start(
        &self,
        engine: &WorkflowEngine,
        deployed: &DeployedWorkflow,
        input: Value,
    ) -> ExecutionHandle {
        let id = self.submit(deployed, input, Durability::WithAppend).await;
        engine.handle(id).await.unwrap()
    }

    pub(crate) async fn history(&self, id: ExecutionId) -> Vec<Recorded> {
        self.log.history(id, 0, 10_000).await.unwrap()
    }

    /// The names of an execution's events, steps behind them.
    pub(crate) async fn story(&self, id: ExecutionId) -> Vec<String> {
        self.history(id)
            .await
            .iter()
            .map(|r| told(&r.event))
            .collect()
    }

    pub(crate) async fn summary(&self, id: ExecutionId) -> ExecutionSummary {
        self.log.execution(&tenant(), id).await.unwrap().unwrap()
    }

    /// Waits until the log has what is looked for.
    pub(crate) async fn until(&self, id: ExecutionId, holds: impl Fn(&ExecutionSummary) -> bool) {
        let mut changes = self.log.changes();
        while !holds(&self.summary(id).await) {
            let change = changes.next();
            tokio::time::timeout(Duration::from_secs(20), change)
                .await
                .expect("the log stands still");
        }
    }
}

pub(crate) fn told(event: &Event) -> String {
    match event {
        Event::StepReady { step, .. }
        | Event::MapStarted { step, .. }
        | Event::WaitStarted { step, .. }
        | Event::ChildStarted { step, .. }
        | Event::AttemptStarted { step, .. }
        | Event::AttemptFailed { step, .. }
        | Event::StepUnknown { step, .. }
        | Event::StepContinued { step, .. }
        | Event::StepResumed { step }
        | Event::StepSucceeded { step, .. }
        | Event::StepFailed { step, .. }
        | Event::StepSkipped { step, .. } => format!("{} {step}", event.name()),
        _ => event.name().into(),
    }
}

// --------------------------------------------------------------- the runner --

type Script = Arc<dyn Fn(Call) -> BoxFuture<'static, Report> + Send + Sync>;

/// A runner that does as it is told, and the components that it "has".
#[derive(Default)]
pub(crate) struct Scripted {
    scripts: Mutex<HashMap<ActionId, (Effect, Script)>>,
    calls: Mutex<Vec<String>>,
}

impl Scripted {
    /// The steps that were run, in order, with the attempt behind `@`.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

pub(crate) fn value(call: &Call) -> Value {
    payload::decode(&call.input).unwrap()
}

pub(crate) fn gives(value: &Value) -> Report {
    let bytes = payload::encode(value).unwrap();
    report(Ok(Outcome::Success(bytes)))
}

pub(crate) fn fails(kind: FailureKind, message: &str) -> Report {
    report(Err(Failure::new(kind, message)))
}

pub(crate) fn report(result: Result<Outcome, Failure>) -> Report {
    Report {
        result,
        usage: Usage::default(),
        lines: Vec::new(),
    }
}

#[async_trait]
impl Runner for Scripted {
    async fn prepare(&self, _: &Verified<Component>) -> Result<Prepared, Failure> {
        Err(Failure::new(
            FailureKind::Component,
            "the scripted runner prepares nothing",
        ))
    }

    async fn run(&self, call: Call) -> Report {
        let identity = &call.identity;
        self.calls
            .lock()
            .unwrap()
            .push(format!("{}@{}", identity.step, identity.attempt));
        let script = self
            .scripts
            .lock()
            .unwrap()
            .get(&call.action)
            .map(|(_, script)| script.clone());
        match script {
            Some(script) => script(call).await,
            None => fails(FailureKind::Component, "no such action"),
        }
    }
}

#[async_trait]
impl Components for Scripted {
    async fn resolve(
        &self,
        _: &TenantId,
        action: &ActionId,
        _: &semver::VersionReq,
    ) -> Result<ResolvedAction, ResolveError> {
        let scripts = self.scripts.lock().unwrap();
        let (effect, _) = scripts
            .get(action)
            .ok_or_else(|| ResolveError::UnknownAction {
                action: action.clone(),
                similar: None,
            })?;
        let metadata = ActionMetadata {
            id: action.clone(),
            name: action.to_string(),
            version: semver::Version::new(1, 0, 0),
            description: String::new(),
            category: String::new(),
            // By its name it is a trigger, or is none.
            input_schema: match action.as_str().starts_with("new.") {
                true => nebula_flow::json!({ TRIGGER: true }),
                false => Value::Bool(true),
            },
            output_schema: Value::Bool(true),
            credentials: Vec::new(),
            hosts: match effect {
                Effect::Effectful => vec!["*".into()],
                Effect::Pure => Vec::new(),
            },
        };
        Ok(ResolvedAction {
            digest: component().digest(),
            effect: *effect,
            metadata: Arc::new(metadata),
            origin: Origin::Embedded,
        })
    }

    async fn component(
        &self,
        _: &TenantId,
        digest: Digest,
    ) -> Result<Verified<Component>, ResolveError> {
        let component = component();
        if digest != component.digest() {
            return Err(ResolveError::UnknownComponent(digest));
        }
        #[allow(clippy::disallowed_methods, reason = "nothing of it is ever run")]
        Ok(Verified::vouch(component, Origin::Embedded))
    }

    async fn actions(
        &self,
        _: &TenantId,
    ) -> Result<BTreeMap<ActionId, ResolvedAction>, ResolveError> {
        Ok(BTreeMap::new())
    }
}

fn component() -> Component {
    Component::new(Bytes::from_static(b"scripted"))
}

// ------------------------------------------------------------------ the log --

/// A store that counts appends and refuses some.
pub(crate) struct Counted {
    store: Memory,
    appends: AtomicU32,
    failing: AtomicU32,
    panicking: AtomicBool,
    deaf: Arc<AtomicBool>,
    claimless: Mutex<Option<&'static str>>,
    rumours: broadcast::Sender<Arrival>,
}

impl Counted {
    /// From now on no message is heard of when it arrives.
    pub(crate) fn deafen(&self) {
        self.deaf.store(true, SeqCst);
    }

    /// From now on they are heard of again.
    pub(crate) fn undeafen(&self) {
        self.deaf.store(false, SeqCst);
    }

    /// From now on the claims of this owner find the store unavailable.
    pub(crate) fn fail_claims(&self, owner: &'static str) {
        *self.claimless.lock().unwrap() = Some(owner);
    }

    pub(crate) fn appends(&self) -> u32 {
        self.appends.load(SeqCst)
    }

    /// The next appends find the store unavailable.
    pub(crate) fn fail_appends(&self, count: u32) {
        self.failing.store(count, SeqCst);
    }

    /// The next append panics.
    pub(crate) fn panic_once(&self) {
        self.panicking.store(true, SeqCst);
    }

    /// Announces a message that never gets to disk.
    pub(crate) fn announce(&self, arrival: Arrival) {
        self.rumours.send(arrival).unwrap();
    }

    pub(crate) fn refusals_left(&self) -> u32 {
        self.failing.load(SeqCst)
    }
}

#[async_trait]
impl EventLog for Counted {
    async fn submit(&self, submission: Submission) -> Result<Submitted, LogError> {
        self.store.submit(submission).await
    }

    async fn append(&self, fence: Fence, append: Append) -> Result<(), LogError> {
        assert!(!self.panicking.swap(false, SeqCst), "told to panic");
        if self
            .failing
            .fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1))
            .is_ok()
        {
            return Err(LogError::Unavailable("told to fail".into()));
        }
        self.store.append(fence, append).await?;
        self.appends.fetch_add(1, SeqCst);
        Ok(())
    }

    async fn claim(&self, owner: &str) -> Result<Vec<Fence>, LogError> {
        if *self.claimless.lock().unwrap() == Some(owner) {
            return Err(LogError::Unavailable("told to fail".into()));
        }
        self.store.claim(owner).await
    }

    async fn release(&self, fences: &[Fence]) -> Result<(), LogError> {
        self.store.release(fences).await
    }

    fn arrivals(&self) -> Feed<Arrival> {
        let rumours = stream::unfold(self.rumours.subscribe(), |mut rumours| async move {
            Some((rumours.recv().await.ok()?, rumours))
        });
        let feed = stream::select(self.store.arrivals(), rumours);
        let deaf = self.deaf.clone();
        Box::pin(feed.filter(move |_| std::future::ready(!deaf.load(SeqCst))))
    }

    async fn unfinished(
        &self,
        shard: Shard,
        after: Option<ExecutionId>,
        limit: usize,
    ) -> Result<Vec<Unfinished>, LogError> {
        self.store.unfinished(shard, after, limit).await
    }

    async fn inbox(&self, execution: ExecutionId) -> Result<Vec<InboxRow>, LogError> {
        self.store.inbox(execution).await
    }

    async fn history(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogError> {
        self.store.history(execution, after, limit).await
    }

    async fn lines(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, LogLine)>, LogError> {
        self.store.lines(execution, after, limit).await
    }

    async fn execution(
        &self,
        tenant: &TenantId,
        execution: ExecutionId,
    ) -> Result<Option<ExecutionSummary>, LogError> {
        self.store.execution(tenant, execution).await
    }

    async fn executions(
        &self,
        tenant: &TenantId,
        query: &ExecutionQuery,
    ) -> Result<Vec<ExecutionSummary>, LogError> {
        self.store.executions(tenant, query).await
    }

    fn changes(&self) -> Feed<Change> {
        self.store.changes()
    }

    async fn ended(
        &self,
        tenant: &TenantId,
        query: &EndedQuery,
    ) -> Result<Vec<ExecutionSummary>, LogError> {
        self.store.ended(tenant, query).await
    }

    async fn remove_executions(
        &self,
        tenant: &TenantId,
        executions: &[ExecutionId],
        at: Timestamp,
    ) -> Result<Vec<Removal>, LogError> {
        self.store.remove_executions(tenant, executions, at).await
    }

    async fn sweep(&self, at: Timestamp) -> Result<bool, LogError> {
        self.store.sweep(at).await
    }
}

// ---------------------------------------------------------------- the clock --

/// Time that passes only when it is told to.
pub(crate) struct HandClock(watch::Sender<u64>);

impl HandClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(1_800_000_000_000)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0
            .send_modify(|now| *now += u64::try_from(by.as_millis()).unwrap());
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(*self.0.borrow())
    }

    async fn until(&self, at: Timestamp) {
        let _ = self
            .0
            .subscribe()
            .wait_for(|now| *now >= at.as_millis())
            .await;
    }
}
