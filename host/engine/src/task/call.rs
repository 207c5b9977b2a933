//! One attempt of an action: what the call needs, the run under a guard of
//! the host's own, and its output as a payload.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nebula_flow::component::Effect;
use nebula_flow::event::{Failure, FailureKind, Usage};
use nebula_flow::grant::{self, Capabilities, NoCapabilities};
use nebula_flow::plan::{ActionTask, Plan, Task as PlanTask};
use nebula_flow::ports::{
    Call, Identity, Limits, Outcome, Pulse, RecordError, Report, Resumption, Woken,
};
use nebula_flow::time::Span;
use nebula_flow::{ExecutionId, Payload, StepKey, TenantId, Timestamp, Value};

use crate::chance::Backoff;
use crate::config::{Core, EngineConfig};
use crate::{pinned, values};

/// What a runner may take beyond a call's time-out before the host gives up on
/// it: half the time-out (`sandbox.md`: a typed outcome within 1.5 × the limit).
const GUARD: (u32, u32) = (3, 2);

/// At least so much, for what surrounds short calls.
const GUARD_FLOOR: Duration = Duration::from_secs(1);

/// How often within its time a heartbeat is looked for.
const LOOKS: u32 = 4;

/// One attempt, on its own: it holds what it needs.
pub(super) struct Attempt {
    pub(super) core: Arc<Core>,
    pub(super) tenant: TenantId,
    pub(super) plan: Arc<Plan>,
    pub(super) execution: ExecutionId,
    pub(super) step: StepKey,
    pub(super) attempt: u32,
    pub(super) input: Payload,
    pub(super) ready_at: Timestamp,
    pub(super) resumption: Option<Resumption<Payload>>,
    pub(super) pulse: Arc<Pulse>,
}

/// How an attempt ended.
pub(super) struct Ran {
    pub(super) result: Result<(Outcome, Payload), Failure>,
    pub(super) usage: Usage,
    pub(super) lines: Vec<(String, String)>,
    /// The output, decoded, and how many bytes it has.
    pub(super) value: Option<(Arc<Value>, u64)>,
}

impl Ran {
    pub(super) const fn failed(failure: Failure) -> Self {
        Self {
            result: Err(failure),
            usage: Usage {
                fuel: 0,
                memory_bytes: 0,
                duration_us: 0,
                cpu_us: 0,
            },
            lines: Vec::new(),
            value: None,
        }
    }
}

/// The action that a step runs.
pub(super) fn action<'p>(plan: &'p Plan, step: &StepKey) -> Option<&'p ActionTask> {
    match plan.task(plan.index(&step.node)?, step.path.len())? {
        PlanTask::Action(action) => Some(action),
        _ => None,
    }
}

impl Attempt {
    pub(super) async fn run(self) -> Ran {
        let call = match self.call().await {
            Ok(call) => call,
            Err(failure) => return Ran::failed(failure),
        };
        let heartbeat = action(&self.plan, &self.step).and_then(|task| task.heartbeat);
        let report = guarded(&self.core, call, heartbeat).await;
        let mut ran = Ran {
            result: Ok((Outcome::Skip(None), Payload::null())),
            usage: report.usage,
            lines: report.lines,
            value: None,
        };
        ran.result = match report.result {
            Ok(outcome) => self.keep(outcome, &mut ran.value).await,
            Err(failure) => Err(failure),
        };
        ran
    }

    async fn call(&self) -> Result<Call, Failure> {
        let Some(task) = action(&self.plan, &self.step) else {
            return Err(Failure::new(
                FailureKind::Host,
                format!("the plan has no action for step {}", self.step),
            ));
        };
        let effectful = task.action.effect == Effect::Effectful;
        let limits = &self.core.limits;
        Ok(Call {
            tenant: self.tenant.clone(),
            component: pinned::component(&self.core, &self.tenant, task.action.digest).await?,
            action: task.action.metadata.id.clone(),
            input: values::bytes(&self.core, &self.input).await?,
            identity: Identity {
                workflow: self.plan.definition().name.clone(),
                execution: self.execution,
                step: self.step.clone(),
                attempt: self.attempt,
                restarts: 0,
            },
            ready_at: self.ready_at,
            resumption: match &self.resumption {
                Some(resumption) => Some(self.resumption(resumption).await?),
                None => None,
            },
            limits: Limits {
                timeout: task.timeout.unwrap_or(limits.timeout),
                ..*limits
            },
            capabilities: if effectful {
                Arc::new(self.capabilities(task).await?)
            } else {
                Arc::default()
            },
            pulse: self.pulse.clone(),
        })
    }

    async fn resumption(&self, stored: &Resumption<Payload>) -> Result<Resumption<Bytes>, Failure> {
        Ok(Resumption {
            state: values::bytes(&self.core, &stored.state).await?,
            woken: match &stored.woken {
                Woken::Continued => Woken::Continued,
                Woken::Time => Woken::Time,
                Woken::Signal(says) => Woken::Signal(values::bytes(&self.core, says).await?),
                Woken::TimedOut => Woken::TimedOut,
            },
        })
    }

    /// What the call may reach, for as long as that takes while the records are
    /// not available.
    async fn capabilities(&self, task: &ActionTask) -> Result<Capabilities, Failure> {
        let records = &*self.core.records;
        let metadata = &task.action.metadata;
        let mut backoff = Backoff::new();
        loop {
            let found = grant::capabilities(records, &self.tenant, metadata, &task.credentials);
            let error = match found.await {
                Ok(mut capabilities) => {
                    capabilities.resources.clone_from(&task.resources);
                    return Ok(capabilities);
                }
                Err(error) => error,
            };
            let kind = match error {
                NoCapabilities::NotStored(_) => FailureKind::Capability,
                NoCapabilities::Records(RecordError::Unavailable(_)) => {
                    let execution = self.execution;
                    tracing::warn!(%execution, %error, "grants cannot be read; trying again");
                    backoff.pause(&*self.core.clock).await;
                    continue;
                }
                NoCapabilities::Records(_) => FailureKind::Host,
            };
            return Err(Failure::new(kind, error.to_string()));
        }
    }

    /// Checks what the guest gave and keeps it where it can be referred to.
    async fn keep(
        &self,
        outcome: Outcome,
        value: &mut Option<(Arc<Value>, u64)>,
    ) -> Result<(Outcome, Payload), Failure> {
        let bytes = match &outcome {
            Outcome::Success(bytes) | Outcome::Branch(_, bytes) => bytes,
            Outcome::Wait(_, state) | Outcome::Continue(state) => {
                let payload = values::payload(&self.core, state.clone()).await?;
                return Ok((outcome, payload));
            }
            Outcome::Skip(_) => return Ok((outcome, Payload::null())),
        };
        let decoded = values::decode(bytes)?;
        // Items are read once, when they are gathered, and then as bytes.
        if self.step.path.is_empty() {
            *value = Some((Arc::new(decoded), bytes.len() as u64));
        }
        let payload = values::payload(&self.core, bytes.clone()).await?;
        Ok((outcome, payload))
    }
}

/// Runs a call; a runner that does not answer in time is given up, and so is a
/// guest that gives no heartbeat for too long.
pub(crate) async fn guarded(
    core: &EngineConfig,
    call: Call,
    heartbeat: Option<Duration>,
) -> Report {
    let timeout = call.limits.timeout;
    let limit = (timeout * GUARD.0 / GUARD.1).max(timeout + GUARD_FLOOR);
    let began = core.clock.now();
    let guard = core.clock.until(began.plus(limit));
    let pulse = call.pulse.clone();
    let why = tokio::select! {
        biased;
        report = core.runner.run(call) => return report,
        () = guard => {
            format!("the call took longer than its time-out of {} ms", timeout.as_millis())
        }
        quiet = quiet(core, &pulse, heartbeat) => {
            format!("the call gave no heartbeat for {}", Span(quiet))
        }
    };
    let lasted = core.clock.now().since(began);
    Report {
        result: Err(Failure::new(FailureKind::TimedOut, why)),
        usage: Usage {
            duration_us: u64::try_from(lasted.as_micros()).unwrap_or(u64::MAX),
            ..Usage::default()
        },
        lines: Vec::new(),
    }
}

/// Returns when no heartbeat came for so long, counted from when the guest began.
async fn quiet(core: &EngineConfig, pulse: &Pulse, limit: Option<Duration>) -> Duration {
    let Some(limit) = limit else {
        return std::future::pending().await;
    };
    let look = (limit / LOOKS).max(Duration::from_millis(1));
    let (mut beats, mut since) = (0, core.clock.now());
    loop {
        core.clock.until(core.clock.now().plus(look)).await;
        let (seen, now) = (pulse.beats(), core.clock.now());
        if seen != beats || seen == 0 {
            (beats, since) = (seen, now);
        } else if now.since(since) >= limit {
            return limit;
        }
    }
}
