//! What every request may use: the ports and the bounds, never the engine.

use std::sync::Arc;

use nebula_flow::TenantId;
use nebula_flow::ports::{Clock, Components, EventLog, Records};
use tokio::sync::watch;

use crate::config::DoorConfig;
use crate::reached::ReachKeeper;
use crate::versions::Versions;
use crate::watch::Watches;

/// What every request may use.
pub(crate) struct App {
    /// Executions.
    pub(crate) log: Arc<dyn EventLog>,
    /// Definitions, grants, credentials, blobs.
    pub(crate) records: Arc<dyn Records>,
    /// Actions.
    pub(crate) components: Arc<dyn Components>,
    /// What actions have reached.
    pub(crate) reached: Arc<ReachKeeper>,
    /// Time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Deployed versions that were read lately.
    pub(crate) versions: Versions,
    /// Who waits for which execution.
    pub(crate) watches: Watches,
    /// On whose account; there is one tenant until there are credentials for more.
    pub(crate) tenant: TenantId,
    /// The node's name.
    pub(crate) name: String,
    /// Bounds of the door.
    pub(crate) door: DoorConfig,
    /// Becomes true when the node is told to stop: long answers end then.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Shared by all requests.
pub(crate) type Shared = Arc<App>;

impl App {
    /// Returns once the node is told to stop.
    pub(crate) async fn stopped(&self) {
        let mut stopping = self.stopping.clone();
        if stopping.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
