//! A node that serves, and how it is taken down.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use nebula_engine::WorkflowEngine;
use nebula_flow::ports::{EventLog, Records};
use nebula_storage::Lost;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::hooked::HookKeeper;
use crate::node_file::Announcement;
use crate::reached::ReachKeeper;

/// How long a drained node waits for its last tasks to let go of the store.
const RELEASE: Duration = Duration::from_secs(10);

/// A node that serves. Dropping it stops everything at once, as a crash would.
pub struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    pub(crate) announcement: Announcement,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) serving: Serving,
    pub(crate) engine: WorkflowEngine,
    pub(crate) reached: Arc<ReachKeeper>,
    pub(crate) hooks: Arc<HookKeeper>,
    pub(crate) keeping: Vec<Serving>,
    pub(crate) log: Weak<dyn EventLog>,
    pub(crate) records: Weak<dyn Records>,
    pub(crate) lost: Lost,
}

/// A task of the node; aborted when dropped.
pub(crate) struct Serving(pub(crate) JoinHandle<()>);

impl Running {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as the beginning of an URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until the node's store is lost: it cannot be written any more, and only
    /// another node that opens it can go on.
    pub fn lost(&self) -> impl Future<Output = ()> + 'static {
        self.lost.clone().wait()
    }

    /// Takes no more connections, lets requests and steps in flight end, and
    /// gives the folder back.
    pub async fn drain(self) {
        let Self {
            announcement,
            stop,
            mut serving,
            engine,
            reached,
            hooks,
            keeping,
            log,
            records,
            ..
        } = self;
        stop.send_replace(true);
        if (&mut serving.0).await.is_err() {
            tracing::error!("the server had panicked");
        }
        engine.shutdown().await;
        // An error is a panic of the keeper; what it left is kept here.
        for mut keeping in keeping {
            let _ = (&mut keeping.0).await;
        }
        reached.keep().await;
        hooks.keep().await;
        drop((engine, serving, reached, hooks));
        // The folder is free once the last task that was stopped has let go.
        let patience = tokio::time::Instant::now() + RELEASE;
        while log.strong_count() + records.strong_count() > 0
            && tokio::time::Instant::now() < patience
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        drop(announcement);
        tracing::info!("the node has stopped");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}
