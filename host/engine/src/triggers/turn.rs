//! Does what is due for one trigger.

use std::sync::Arc;

use nebula_flow::deploy::Head;
use nebula_flow::plan::Plan;
use nebula_flow::schedule::Schedule;
use nebula_flow::trigger::cron::{self, Look};
use nebula_flow::trigger::{Next, Place, TriggerError};
use nebula_flow::{ExecutionId, TenantId, TriggerName};
use tokio::task::JoinSet;

use super::{Key, What};
use crate::chance::{self, Backoff};
use crate::config::Core;
use crate::pinned::{self, NoPlan};
use crate::polls;

/// Does what is due for one trigger: with a schedule, until nothing is.
pub(super) async fn turn(
    core: Arc<Core>,
    tenant: TenantId,
    key: Key,
    head: Head,
    what: What,
) -> (Key, Next) {
    let mut backoff = Backoff::new();
    loop {
        let why = match pinned::plan(&core, &tenant, head.id, head.version).await {
            Ok(plan) => {
                let done = match &what {
                    What::Schedule(schedule) => {
                        let slot = slot(&core, &tenant, &key.1, &plan, schedule).await;
                        slot.map_err(|error| error.to_string())
                    }
                    What::Poll => poll(core.clone(), tenant.clone(), plan, key.1.clone()).await,
                };
                match (done, &what) {
                    (Ok(Next::Again), What::Schedule(..)) => {
                        backoff = Backoff::new();
                        continue;
                    }
                    // Others poll too.
                    (Ok(next), _) => return (key, next),
                    (Err(why), _) => why,
                }
            }
            Err(NoPlan::Unavailable(why)) => why,
            Err(NoPlan::Broken(why)) => {
                tracing::error!(workflow = %key.0, trigger = %key.1, why, "a trigger's workflow cannot be used");
                return (key, Next::Gone);
            }
        };
        tracing::warn!(workflow = %key.0, trigger = %key.1, why, "a trigger cannot be fired; trying again");
        backoff.pause(&*core.clock).await;
    }
}

/// Does the next thing that is due for a trigger that polls, on a task of its own: a
/// guest that computes holds up no schedule. Dropping it ends the task.
async fn poll(
    core: Arc<Core>,
    tenant: TenantId,
    plan: Arc<Plan>,
    trigger: TriggerName,
) -> Result<Next, String> {
    let mut apart = JoinSet::new();
    apart.spawn(async move { polls::turn(&core, &tenant, &plan, &trigger).await });
    match apart.join_next().await {
        Some(Ok(done)) => done.map_err(|error| error.to_string()),
        Some(Err(error)) => Err(error.to_string()),
        None => Ok(Next::Again),
    }
}

/// Does the next thing that is due by a schedule, if anything is.
async fn slot(
    core: &Core,
    tenant: &TenantId,
    trigger: &TriggerName,
    plan: &Plan,
    schedule: &Schedule,
) -> Result<Next, TriggerError> {
    let now = core.clock.now();
    let look = Look {
        workflow: &plan.deployed,
        trigger,
        schedule,
        now,
        execution: ExecutionId::mint(now, chance::bits()),
    };
    let place = Place {
        log: &*core.log,
        records: &*core.records,
        tenant,
    };
    cron::turn(place, look).await
}
