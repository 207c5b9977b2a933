//! What webhooks did, from memory into the records: every second, before
//! somebody reads it, and when the node stops. However many requests come, good
//! or bad, the records are written once a second for each trigger.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nebula_flow::id::WorkflowName;
use nebula_flow::ports::Records;
use nebula_flow::trigger::{self, Fired, State, Trouble};
use nebula_flow::{TenantId, Timestamp, TriggerName};
use tokio::sync::watch;

/// How often the records are brought up to date, if there is news.
const EVERY: Duration = Duration::from_secs(1);

/// Which trigger.
pub(crate) type Which = (WorkflowName, TriggerName);

/// Keeps what webhooks did.
pub(crate) struct HookKeeper {
    records: Arc<dyn Records>,
    tenant: TenantId,
    news: Mutex<BTreeMap<Which, News>>,
    /// Held while news is on its way into the records.
    writing: tokio::sync::Mutex<()>,
}

/// What happened since the records were written.
#[derive(Debug, Clone, Default)]
struct News {
    last: Option<Fired>,
    trouble: Option<Trouble>,
    troubles: u64,
}

impl HookKeeper {
    pub(crate) fn new(records: Arc<dyn Records>, tenant: TenantId) -> Self {
        Self {
            records,
            tenant,
            news: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// A request started an execution.
    pub(crate) fn fired(&self, which: Which, fired: Fired) {
        self.news().entry(which).or_default().last = Some(fired);
    }

    /// A request was refused.
    pub(crate) fn refused(&self, which: Which, at: Timestamp, why: &str) {
        let mut all = self.news();
        let news = all.entry(which).or_default();
        news.troubles = news.troubles.saturating_add(1);
        news.trouble = Some(Trouble {
            at,
            message: why.to_owned(),
        });
    }

    fn news(&self) -> MutexGuard<'_, BTreeMap<Which, News>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what comes in until the node is told to stop.
    pub(crate) async fn run(self: Arc<Self>, mut stopping: watch::Receiver<bool>) {
        loop {
            let stopped = stopping.wait_for(|stop| *stop);
            if tokio::time::timeout(EVERY, stopped).await.is_ok() {
                return;
            }
            self.keep().await;
        }
    }

    /// Keeps what happened until now; what the records do not take is lost, since
    /// nothing waits for it.
    pub(crate) async fn keep(&self) {
        let _writing = self.writing.lock().await;
        let all = std::mem::take(&mut *self.news());
        for ((workflow, name), news) in all {
            let add = |state: &mut State| {
                state.last = news.last.clone().or(state.last.take());
                if let Some(trouble) = &news.trouble {
                    state.note(trouble.at, &trouble.message);
                    state.troubles = state.troubles.saturating_add(news.troubles - 1);
                }
                true
            };
            let which = (&workflow, &name);
            let kept = trigger::update(&*self.records, &self.tenant, which, add).await;
            if let Err(error) = kept {
                tracing::warn!(%workflow, trigger = %name, %error, "what the webhook did cannot be kept");
            }
        }
    }
}
