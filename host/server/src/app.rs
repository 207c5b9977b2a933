//! What requests may use: the ports and the bounds, never the engine, whose bell
//! for triggers is all they know of it.

use std::ops::Deref;
use std::sync::Arc;

use nebula_engine::{EngineConfig, TriggerBell};
use nebula_flow::TenantId;
use nebula_flow::deploy::Resources;
use nebula_flow::ports::{Clock, Components, EventLog, Records};
use tokio::sync::{Semaphore, watch};

use crate::config::{Auth, Config, HttpConfig};
use crate::hooked::HookKeeper;
use crate::metrics::Metrics;
use crate::packages::Packages;
use crate::reached::ReachKeeper;
use crate::service::keys::Touched;
use crate::versions::Versions;
use crate::watch::Watches;

/// What all requests share.
pub(crate) struct Shared {
    /// Executions.
    pub(crate) log: Arc<dyn EventLog>,
    /// Definitions, grants, credentials, keys, blobs.
    pub(crate) records: Arc<dyn Records>,
    /// Actions.
    pub(crate) components: Arc<dyn Components>,
    /// Packages.
    pub(crate) packages: Arc<Packages>,
    /// What the node holds for actions.
    pub(crate) resources: Resources,
    /// What actions have reached.
    pub(crate) reached: Arc<ReachKeeper>,
    /// What webhooks did.
    pub(crate) hooks: Arc<HookKeeper>,
    /// Time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Deployed versions that were read lately.
    pub(crate) versions: Versions,
    /// Tells the engine of triggers that were deployed or switched.
    pub(crate) bell: TriggerBell,
    /// Who waits for which execution.
    pub(crate) watches: Watches,
    /// A place for each live stream.
    pub(crate) streams: Arc<Semaphore>,
    /// What a trigger is polled with that is tried.
    pub(crate) polling: EngineConfig,
    /// When each key was last used.
    pub(crate) touched: Touched,
    /// The node's figures.
    pub(crate) metrics: Arc<Metrics>,
    /// The node's name.
    pub(crate) name: String,
    /// Whether every request needs a key.
    pub(crate) keys_required: bool,
    /// Which values of `Host` are taken.
    pub(crate) hosts: Hosts,
    /// Bounds of the door.
    pub(crate) http: HttpConfig,
    /// Becomes true when the node is told to stop: long answers end then.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Which values of `Host` are taken besides loopback ones, without a port.
pub(crate) struct Hosts {
    /// These.
    pub(crate) names: Vec<String>,
    /// Any IP address: for a node that others reach. A page whose name was
    /// rebound to the node has that name here, never an address.
    pub(crate) any_address: bool,
}

impl Hosts {
    /// As the settings say.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            names: config.hosts.clone(),
            any_address: !config.listen.ip().is_loopback(),
        }
    }
}

/// What one request may use: what all share, on the account of its caller.
#[derive(Clone)]
pub(crate) struct App {
    shared: Arc<Shared>,
    /// On whose account; it comes from the caller's key and from nowhere else.
    pub(crate) tenant: TenantId,
}

impl App {
    /// On the account of a tenant.
    pub(crate) const fn new(shared: Arc<Shared>, tenant: TenantId) -> Self {
        Self { shared, tenant }
    }
}

impl Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.shared
    }
}

/// What a node has besides its ports, and requests use too.
pub(crate) struct Company {
    /// Tells the engine of triggers that were deployed or switched.
    pub(crate) bell: TriggerBell,
    /// What actions have reached.
    pub(crate) reached: Arc<ReachKeeper>,
    /// What webhooks did.
    pub(crate) hooks: Arc<HookKeeper>,
    /// The node's figures.
    pub(crate) metrics: Arc<Metrics>,
    /// Packages.
    pub(crate) packages: Arc<Packages>,
    /// Becomes true when the node is told to stop.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Shared {
    /// Over the ports of the node's engine, as its settings say.
    pub(crate) fn new(ports: EngineConfig, config: &Config, company: Company) -> Self {
        Self {
            watches: Watches::follow(&*ports.log),
            polling: ports.clone(),
            log: ports.log,
            records: ports.records,
            components: ports.components,
            clock: ports.clock,
            versions: Versions::default(),
            streams: Arc::new(Semaphore::new(config.http.max_streams)),
            touched: Touched::default(),
            name: config.name.clone(),
            keys_required: config.auth == Auth::Keys,
            hosts: Hosts::of(config),
            resources: config.resources.kinds(),
            http: config.http.clone(),
            bell: company.bell,
            packages: company.packages,
            reached: company.reached,
            hooks: company.hooks,
            metrics: company.metrics,
            stopping: company.stopping,
        }
    }

    /// Returns once the node is told to stop.
    pub(crate) async fn stopped(&self) {
        let mut stopping = self.stopping.clone();
        if stopping.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
