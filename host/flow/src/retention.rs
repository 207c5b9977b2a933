//! Which finished executions are removed: those that their workflow's retention
//! does not keep, in the order of their ends. Nothing is removed that has not
//! ended, or that an execution which has not ended refers to; the log sees to
//! that. Who waits for an end has a minute to read it.

use std::time::Duration;

use crate::definition::Retention;
use crate::id::{ExecutionId, TenantId, WorkflowId};
use crate::ports::{EndedQuery, EventLog, ExecutionSummary, LogError, Removal};
use crate::time::Timestamp;

/// For so long after its end every execution is kept.
pub const AT_LEAST: Duration = Duration::from_secs(60);

/// For so long a blob is kept that nothing uses: it may be one that is put, and
/// about to be used. Who uses one that is gone is refused, and puts it again.
pub const BLOB_GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// At most so many are removed in one transaction.
pub const AT_ONCE: usize = 64;

/// Unless it is only one, those of one transaction have together at most so many
/// events.
pub const EVENTS_AT_ONCE: u64 = 2_000;

/// How far a look at the finished executions of a workflow has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Behind this one.
    pub after: Option<(Timestamp, ExecutionId)>,
    /// How many it has removed.
    pub removed: usize,
    /// Whether there are none behind it.
    pub done: bool,
}

/// Removes the next few executions of a workflow that its retention does not
/// keep, in one transaction.
///
/// # Errors
/// When the log is not available.
pub async fn remove_some(
    log: &dyn EventLog,
    tenant: &TenantId,
    workflow: WorkflowId,
    retention: Retention,
    now: Timestamp,
    progress: Progress,
) -> Result<Progress, LogError> {
    let query = |age: Duration, beyond| EndedQuery {
        workflow,
        before: now.minus(age.max(AT_LEAST)),
        beyond,
        after: progress.after,
        limit: AT_ONCE,
    };
    let mut found = match retention.count {
        Some(count) => log.ended(tenant, &query(Duration::ZERO, count)).await?,
        None => Vec::new(),
    };
    if let Some(age) = retention.age {
        let old = log.ended(tenant, &query(age.0, 0)).await?;
        // Both begin with the same ones: the longer list has the other in it.
        if old.len() > found.len() {
            found = old;
        }
    }
    let page = light(&found);
    let ids: Vec<_> = page.iter().map(|summary| summary.id).collect();
    let removed = match ids.is_empty() {
        true => Vec::new(),
        false => log.remove_executions(tenant, &ids, now).await?,
    };
    let last = page
        .last()
        .and_then(|last| Some((last.finished_at?, last.id)));
    Ok(Progress {
        after: last.or(progress.after),
        removed: progress.removed + removed.iter().filter(|r| **r == Removal::Removed).count(),
        done: page.len() == found.len() && found.len() < AT_ONCE,
    })
}

/// The first of these, as many as one transaction may remove.
fn light(found: &[ExecutionSummary]) -> &[ExecutionSummary] {
    let mut events = 0_u64;
    let fits = found.iter().take_while(|summary| {
        events = events.saturating_add(summary.version);
        events <= EVENTS_AT_ONCE
    });
    &found[..fits.count().max(found.len().min(1))]
}
