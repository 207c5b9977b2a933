//! How the engine calls the actions of a harness, and what goes wrong then.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use nebula_action::ActionError;
use nebula_engine::EXPRESSION_LIMITS;
use nebula_flow::component::Origin;
use nebula_flow::deploy::EVALUATOR;
use nebula_flow::event::{Failure, FailureKind, Usage};
use nebula_flow::payload;
use nebula_flow::ports::{
    Call, Components, Prepared, Report, ResolveError, ResolvedAction, Runner,
};
use nebula_flow::{ActionId, Component, Digest, Effect, TenantId, Value, Verified};
use semver::VersionReq;
use tokio::sync::Notify;

use crate::registry::{Registry, World, failure};
use crate::result::ActionCall;

/// What goes wrong with an attempt.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The action fails, and was not run.
    Fail(ActionError),
    /// The action is not run, and never answers.
    TimeOut,
    /// The action is run, and the engine crashes before it hears of that.
    Crash,
}

/// What runs real components.
#[derive(Clone)]
pub(crate) struct Beyond {
    pub(crate) components: Arc<dyn Components>,
    pub(crate) runner: Arc<dyn Runner>,
}

/// Says when nothing is left to do but to let time pass.
#[derive(Default)]
pub(crate) struct Idle {
    waiting: Mutex<Waiting>,
    /// What other threads work on: calls of real components, digests of large values.
    busy: AtomicUsize,
}

#[derive(Default)]
struct Waiting {
    waker: Option<Waker>,
    is_idle: bool,
}

impl Idle {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called when the thread of the run has nothing to do.
    pub(crate) fn parked(&self) {
        if self.busy.load(Ordering::Acquire) > 0 {
            return;
        }
        let mut waiting = self.waiting();
        if let Some(waker) = waiting.waker.take() {
            waiting.is_idle = true;
            drop(waiting);
            waker.wake();
        }
    }

    /// Returns when the thread has nothing to do, from now on.
    pub(crate) async fn nothing_to_do(&self) {
        self.waiting().is_idle = false;
        poll_fn(|context| {
            let mut waiting = self.waiting();
            if std::mem::take(&mut waiting.is_idle) {
                return Poll::Ready(());
            }
            waiting.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Another thread is at work, for as long as this lives.
pub(crate) struct Busy<'a>(&'a Idle);

impl<'a> Busy<'a> {
    pub(crate) fn new(idle: &'a Idle) -> Self {
        idle.busy.fetch_add(1, Ordering::Acquire);
        Self(idle)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Release);
    }
}

/// The actions of one run.
pub(crate) struct TestRunner {
    registry: Registry,
    world: World,
    beyond: Option<Beyond>,
    idle: Arc<Idle>,
    state: Mutex<State>,
    /// Told when the engine is to crash, or a closure has panicked.
    pub(crate) stopped: Notify,
}

#[derive(Default)]
struct State {
    /// By node, in order.
    faults: BTreeMap<String, VecDeque<Fault>>,
    calls: Vec<ActionCall>,
    unknown: BTreeSet<ActionId>,
    panic: Option<Box<dyn Any + Send>>,
}

impl TestRunner {
    pub(crate) fn new(
        registry: Registry,
        world: World,
        beyond: Option<Beyond>,
        idle: Arc<Idle>,
        faults: BTreeMap<String, VecDeque<Fault>>,
    ) -> Self {
        let state = State {
            faults,
            ..State::default()
        };
        Self {
            registry,
            world,
            beyond,
            idle,
            state: Mutex::new(state),
            stopped: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn calls(&self) -> Vec<ActionCall> {
        self.state().calls.clone()
    }

    /// What a closure panicked with, be it an action or what answers requests.
    pub(crate) fn panic(&self) -> Option<Box<dyn Any + Send>> {
        self.state().panic.take()
    }

    /// The actions that were asked for and are nowhere, and whether expressions ask
    /// for theirs.
    pub(crate) fn unknown(&self) -> Vec<String> {
        self.state()
            .unknown
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    pub(crate) fn unexpected_requests(&self) -> Vec<String> {
        self.world.http.unexpected()
    }

    /// Notes a call; gives what is to go wrong with it.
    fn begin(&self, call: &Call) -> Option<Fault> {
        let step = &call.identity.step;
        // A node may call the same action, within limits of its own.
        let is_expression = call.action.as_str() == EVALUATOR && call.limits == EXPRESSION_LIMITS;
        if is_expression {
            return None;
        }
        let mut state = self.state();
        state.calls.push(ActionCall {
            action: call.action.to_string(),
            step: step.clone(),
            attempt: call.identity.attempt,
            input: payload::decode(&call.input).unwrap_or(Value::Null),
        });
        state.faults.get_mut(step.node.as_str())?.pop_front()
    }

    fn is_own(&self, call: &Call) -> bool {
        call.component.digest() == stand_in().digest()
    }

    /// The call itself.
    async fn answer(&self, call: Call) -> Report {
        if !self.is_own(&call) {
            let Some(beyond) = &self.beyond else {
                return missing(&call.action);
            };
            let _busy = Busy::new(&self.idle);
            let mut running = beyond.runner.run(call);
            let ran = poll_fn(|context| {
                let polled = AssertUnwindSafe(|| running.as_mut().poll(context));
                match catch_unwind(polled) {
                    Ok(polled) => polled.map(Ok),
                    Err(panic) => Poll::Ready(Err(panic)),
                }
            });
            return match ran.await {
                Ok(report) => report,
                Err(panic) => self.panicked(panic).await,
            };
        }
        let Some(registered) = self.registry.get(&call.action) else {
            return missing(&call.action);
        };
        match catch_unwind(AssertUnwindSafe(|| (registered.act)(&call, &self.world))) {
            Ok((result, lines)) => Report {
                result,
                usage: Usage::default(),
                lines,
            },
            Err(panic) => self.panicked(panic).await,
        }
    }

    /// Ends the run, and with it the test.
    async fn panicked(&self, panic: Box<dyn Any + Send>) -> Report {
        self.state().panic = Some(panic);
        self.stop().await
    }

    /// Ends the engine, and never returns.
    async fn stop(&self) -> Report {
        self.stopped.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl Runner for TestRunner {
    async fn prepare(&self, component: &Verified<Component>) -> Result<Prepared, Failure> {
        let _busy = Busy::new(&self.idle);
        match &self.beyond {
            Some(beyond) => beyond.runner.prepare(component).await,
            None => Err(Failure::new(
                FailureKind::Component,
                "the harness runs no components",
            )),
        }
    }

    async fn run(&self, call: Call) -> Report {
        match self.begin(&call) {
            None => self.answer(call).await,
            Some(Fault::Fail(error)) => failed(failure(error)),
            Some(Fault::TimeOut) => {
                call.pulse.beat();
                std::future::pending().await
            }
            Some(Fault::Crash) => {
                self.answer(call).await;
                self.stop().await
            }
        }
    }
}

#[async_trait]
impl Components for TestRunner {
    async fn resolve(
        &self,
        tenant: &TenantId,
        action: &ActionId,
        range: &VersionReq,
    ) -> Result<ResolvedAction, ResolveError> {
        if let Some(registered) = self.registry.get(action) {
            if !Registry::fits(registered, range) {
                return Err(ResolveError::NoVersion {
                    action: action.clone(),
                    range: range.clone(),
                    installed: registered.metadata.version.clone(),
                });
            }
            return Ok(ResolvedAction {
                digest: stand_in().digest(),
                effect: Effect::Effectful,
                metadata: registered.metadata.clone(),
                origin: Origin::Local,
            });
        }
        let _busy = Busy::new(&self.idle);
        let found = match &self.beyond {
            Some(beyond) => beyond.components.resolve(tenant, action, range).await,
            None => Err(ResolveError::UnknownAction {
                action: action.clone(),
                similar: None,
            }),
        };
        if let Err(ResolveError::UnknownAction { .. }) = &found {
            self.state().unknown.insert(action.clone());
        }
        found
    }

    async fn component(
        &self,
        tenant: &TenantId,
        digest: Digest,
    ) -> Result<Verified<Component>, ResolveError> {
        let component = stand_in();
        if digest == component.digest() {
            #[allow(clippy::disallowed_methods, reason = "it has no code that could run")]
            return Ok(Verified::vouch(component, Origin::Local));
        }
        let _busy = Busy::new(&self.idle);
        match &self.beyond {
            Some(beyond) => beyond.components.component(tenant, digest).await,
            None => Err(ResolveError::UnknownComponent(digest)),
        }
    }

    async fn actions(
        &self,
        tenant: &TenantId,
    ) -> Result<BTreeMap<ActionId, ResolvedAction>, ResolveError> {
        let _busy = Busy::new(&self.idle);
        let mut all = match &self.beyond {
            Some(beyond) => beyond.components.actions(tenant).await?,
            None => BTreeMap::new(),
        };
        for registered in self.registry.all() {
            let id = &registered.metadata.id;
            all.insert(
                id.clone(),
                self.resolve(tenant, id, &VersionReq::STAR).await?,
            );
        }
        Ok(all)
    }
}

/// What stands for the components of a harness's own actions.
fn stand_in() -> Component {
    Component::new(Bytes::from_static(b"an action of a test harness"))
}

fn missing(action: &ActionId) -> Report {
    let message = format!("the harness has no action `{action}`");
    failed(Failure::new(FailureKind::Component, message))
}

fn failed(failure: Failure) -> Report {
    Report {
        result: Err(failure),
        usage: Usage::default(),
        lines: Vec::new(),
    }
}
