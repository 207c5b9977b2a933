//! Polls triggers: calls their actions as steps are called, under the same limits and
//! with what the trigger binds. Only the owner of the workflow's shard does.

use std::sync::Arc;

use nebula_flow::component::Effect;
use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::grant::{self, Capabilities, NoCapabilities};
use nebula_flow::plan::Plan;
use nebula_flow::ports::{Call, Limits, Outcome, Pulse, Report};
use nebula_flow::trigger::poll::{self, Asked, Found, Look, Turn};
use nebula_flow::trigger::{Next, Place, TriggerError};
use nebula_flow::{Component, TenantId, TriggerName, Verified};

use crate::config::{Core, EngineConfig};
use crate::task::call::guarded;
use crate::{pinned, values};

/// What became of a poll.
#[derive(Debug)]
pub struct PollReport {
    /// What it found.
    pub found: Result<Found, Failure>,
    /// What it logged: level and message, in order.
    pub lines: Vec<(String, String)>,
}

/// Calls the action of a trigger. Nothing is started, and no cursor moves.
pub async fn poll_once(ports: &EngineConfig, tenant: &TenantId, asked: &Asked) -> PollReport {
    let component = ports.components.component(tenant, asked.action.digest);
    match component.await {
        Ok(component) => call(ports, tenant, asked, component).await,
        Err(error) => failed(Failure::new(FailureKind::Component, error.to_string())),
    }
}

/// Does the next thing that is due for a trigger, if anything is.
pub(crate) async fn turn(
    core: &Core,
    tenant: &TenantId,
    plan: &Plan,
    trigger: &TriggerName,
) -> Result<Next, TriggerError> {
    if !core.leads(plan.deployed.id) {
        return Ok(Next::At(None));
    }
    let place = Place {
        log: &*core.log,
        records: &*core.records,
        tenant,
    };
    let look = || Look {
        workflow: &plan.deployed,
        trigger,
        now: core.clock.now(),
    };
    let asked = match poll::turn(place, look()).await? {
        Turn::Next(next) => return Ok(next),
        Turn::Poll(asked) => asked,
    };
    let report = match pinned::component(core, tenant, asked.action.digest).await {
        Ok(component) => call(core, tenant, &asked, component).await,
        Err(failure) => failed(failure),
    };
    let workflow = &plan.definition().name;
    for (level, message) in &report.lines {
        tracing::debug!(%workflow, %trigger, level, message, "a trigger says");
    }
    poll::decide(place, look(), &asked, report.found).await
}

const fn failed(failure: Failure) -> PollReport {
    PollReport {
        found: Err(failure),
        lines: Vec::new(),
    }
}

async fn call(
    ports: &EngineConfig,
    tenant: &TenantId,
    asked: &Asked,
    component: Verified<Component>,
) -> PollReport {
    let call = match prepared(ports, tenant, asked, component).await {
        Ok(call) => call,
        Err(failure) => return failed(failure),
    };
    let Report { result, lines, .. } = guarded(ports, call, None).await;
    let found = result.and_then(|outcome| match outcome {
        Outcome::Success(output) => Found::read(values::decode(&output)?),
        Outcome::Skip(_) | Outcome::Branch(..) | Outcome::Wait(..) | Outcome::Continue(_) => {
            let message = "a trigger gives what it found: it does not skip, branch or wait";
            Err(Failure::new(FailureKind::InvalidOutput, message))
        }
    });
    PollReport { found, lines }
}

async fn prepared(
    ports: &EngineConfig,
    tenant: &TenantId,
    asked: &Asked,
    component: Verified<Component>,
) -> Result<Call, Failure> {
    let capabilities = if asked.action.effect == Effect::Effectful {
        capabilities(ports, tenant, asked).await?
    } else {
        Capabilities::default()
    };
    Ok(Call {
        tenant: tenant.clone(),
        component,
        action: asked.action.metadata.id.clone(),
        input: values::encode(&asked.input)?,
        identity: asked.identity.clone(),
        ready_at: ports.clock.now(),
        resumption: None,
        limits: Limits {
            timeout: asked
                .poll
                .timeout
                .map_or(ports.limits.timeout, |span| span.0),
            ..ports.limits
        },
        capabilities: Arc::new(capabilities),
        pulse: Arc::new(Pulse::default()),
    })
}

/// What the call may reach. Trouble of the records fails the poll, which is tried again.
async fn capabilities(
    ports: &EngineConfig,
    tenant: &TenantId,
    asked: &Asked,
) -> Result<Capabilities, Failure> {
    let metadata = &asked.action.metadata;
    let bound = &asked.poll.credentials;
    let found = grant::capabilities(&*ports.records, tenant, metadata, bound).await;
    let mut capabilities = found.map_err(|error| {
        let kind = match &error {
            NoCapabilities::NotStored(_) => FailureKind::Capability,
            NoCapabilities::Records(_) => FailureKind::Host,
        };
        Failure::new(kind, error.to_string())
    })?;
    capabilities.resources.clone_from(&asked.poll.resources);
    Ok(capabilities)
}
