//! Removes finished executions that their workflow's retention does not keep, and
//! what nothing needs any more. Every node does this for the workflows whose shard
//! it holds; what belongs to none is swept by the holder of the first shard. Small
//! transactions with pauses between them, beside the work.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nebula_flow::definition::Retention;
use nebula_flow::deploy::{self, Head};
use nebula_flow::ports::{LogError, RecordError};
use nebula_flow::retention::{self, Progress};
use nebula_flow::{Shard, TenantId, Timestamp, WorkflowId};

use crate::config::Core;

/// Between two rounds, and before the first.
const ROUND: Duration = Duration::from_secs(30);

/// After each transaction there is a pause of so many times what it took,
const REST: u32 = 9;

/// and of at least this.
const PAUSE: Duration = Duration::from_millis(5);

/// How many workflows are read at once.
const PAGE: usize = 256;

/// Why a round ended early. The next one begins anew.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Records(#[from] RecordError),
}

/// What the versions that were the newest say, so that they are read once.
type Known = HashMap<WorkflowId, (u32, Option<Retention>)>;

/// Works until it is dropped, or the engine takes no new work any more.
pub(crate) async fn run(core: Arc<Core>) {
    let mut known = Known::new();
    let tenant = TenantId::default_tenant();
    loop {
        core.clock.until(core.clock.now().plus(ROUND)).await;
        if core.stopping.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = round(&core, &tenant, &mut known).await {
            tracing::warn!(%error, "what is over is not all removed; trying again later");
        }
    }
}

async fn round(core: &Core, tenant: &TenantId, known: &mut Known) -> Result<(), Interrupted> {
    let mut after: Option<String> = None;
    loop {
        let page = deploy::list(&*core.records, tenant, after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|(name, _)| name.clone());
        for (_, head) in page {
            if core.leads(head.id) {
                of_workflow(core, tenant, &head, known).await?;
            }
        }
        if is_last {
            break;
        }
    }
    while core.holds(Shard(0)) && !core.stopping.load(Ordering::Relaxed) {
        let begun = core.clock.now();
        if !core.log.sweep(begun).await? {
            break;
        }
        pause(core, begun).await;
    }
    Ok(())
}

async fn of_workflow(
    core: &Core,
    tenant: &TenantId,
    head: &Head,
    known: &mut Known,
) -> Result<(), Interrupted> {
    let own = match known.get(&head.id) {
        Some((version, own)) if *version == head.version => *own,
        _ => {
            let deployed = deploy::version(&*core.records, tenant, head.id, head.version).await?;
            let own = deployed.and_then(|deployed| deployed.definition.retention);
            known.insert(head.id, (head.version, own));
            own
        }
    };
    let retention = own.unwrap_or(core.retention);
    if retention.keeps_all() {
        return Ok(());
    }
    let mut progress = Progress::default();
    while !progress.done && core.leads(head.id) && !core.stopping.load(Ordering::Relaxed) {
        let begun = core.clock.now();
        let log = &*core.log;
        progress = retention::remove_some(log, tenant, head.id, retention, begun, progress).await?;
        if progress.done && progress.after.is_none() {
            return Ok(());
        }
        pause(core, begun).await;
    }
    if progress.removed > 0 {
        let (workflow, removed) = (head.id, progress.removed);
        tracing::info!(%workflow, removed, "finished executions were removed, as its retention says");
    }
    Ok(())
}

/// Leaves the store to others for a while.
async fn pause(core: &Core, begun: Timestamp) {
    let now = core.clock.now();
    let pause = PAUSE.max(now.since(begun).saturating_mul(REST));
    core.clock.until(now.plus(pause)).await;
}
