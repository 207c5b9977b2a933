//! The bug [`Bug::ShownBeforeCommit`], which tests plant: what is appended is
//! shown a while before it is on disk.
//!
//! [`Bug::ShownBeforeCommit`]: nebula_flow::planted::Bug::ShownBeforeCommit

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nebula_flow::event::Recorded;
use nebula_flow::id::{ExecutionId, TenantId};
use nebula_flow::ports::{Append, Change};

use crate::feeds::{Feeds, News};

/// So long before.
const EARLY: Duration = Duration::from_millis(20);

type Shown = BTreeMap<ExecutionId, Vec<Recorded>>;

fn all() -> MutexGuard<'static, Shown> {
    static ALL: Mutex<Shown> = Mutex::new(BTreeMap::new());
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows the events of an append.
pub(crate) async fn show(feeds: &Feeds, append: &Append) {
    let Some(last) = append.events.last() else {
        return;
    };
    all()
        .entry(append.execution)
        .or_default()
        .extend(append.events.iter().cloned());
    feeds.tell(News::Change(Change::Appended {
        tenant: TenantId::default_tenant(),
        execution: append.execution,
        version: last.version,
        status: append.status,
        end: None,
    }));
    tokio::time::sleep(EARLY).await;
}

/// Adds what is shown early behind a page of events.
pub(crate) fn add(execution: ExecutionId, after: u64, limit: usize, page: &mut Vec<Recorded>) {
    let last = page.last().map_or(after, |recorded| recorded.version);
    if let Some(shown) = all().get(&execution) {
        let rest = shown.iter().filter(|recorded| recorded.version > last);
        page.extend(rest.take(limit - page.len()).cloned());
    }
}
