//! What actions have reached, from the egress's ledger into the records: every
//! few seconds, before somebody reads it, and when the node stops. A crash
//! loses the last seconds of these counts, and nothing else waits for them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nebula_egress::Ledger;
use nebula_egress::ledger::Entry;
use nebula_flow::ports::{Clock, RecordError, Records};
use nebula_flow::reached::{self, HostReached, Reached, Refusal};
use nebula_flow::{ActionId, TenantId, Timestamp};
use tokio::sync::{Mutex, watch};

/// How often the records are brought up to date, if there is news.
const EVERY: Duration = Duration::from_secs(3);

/// Keeps what actions have reached.
pub(crate) struct ReachKeeper {
    ledger: Arc<Ledger>,
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    /// Held while entries are on their way from the one to the other, so that
    /// whoever has waited for [`keep`](Self::keep) reads all that was noted before.
    writing: Mutex<()>,
}

impl ReachKeeper {
    pub(crate) fn new(
        ledger: Arc<Ledger>,
        records: Arc<dyn Records>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            ledger,
            records,
            clock,
            writing: Mutex::default(),
        }
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

    /// Keeps what was noted until now. What the records do not take is tried
    /// again the next time.
    pub(crate) async fn keep(&self) {
        let _writing = self.writing.lock().await;
        let mut by_action = BTreeMap::<_, Vec<_>>::new();
        for entry in self.ledger.take() {
            let who = (entry.tenant.clone(), entry.action.clone());
            by_action.entry(who).or_default().push(entry);
        }
        for ((tenant, action), entries) in by_action {
            // What does not name an action of a tenant was no action's request.
            let (Ok(tenant), Ok(action)) = (TenantId::new(&tenant), ActionId::new(&action)) else {
                continue;
            };
            if let Err(error) = self.add(&tenant, &action, &entries).await {
                tracing::warn!(%action, %error, "what the action has reached cannot be kept now");
                self.ledger.put_back(entries);
            }
        }
    }

    async fn add(
        &self,
        tenant: &TenantId,
        action: &ActionId,
        entries: &[Entry],
    ) -> Result<(), RecordError> {
        let now = self.clock.now();
        let mut news = Reached::default();
        for entry in entries {
            let tally = &entry.tally;
            let host = HostReached {
                requests: tally.reached,
                last_at: tally.last_reached.map(|at| wall(now, at)),
                refused: tally.refused,
                last_refusal: tally.last_refusal.as_ref().map(|(at, reason)| Refusal {
                    at: wall(now, *at),
                    reason: reason.clone(),
                }),
            };
            news.hosts.insert(entry.host.clone(), host);
        }
        reached::add_reached(&*self.records, tenant, action, &news).await
    }
}

/// When that was, by the wall clock.
fn wall(now: Timestamp, at: Instant) -> Timestamp {
    let ago = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(ago))
}
