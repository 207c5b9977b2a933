//! What all requests about packages share: the node's cache, whom it trusts, the
//! registries that it asks.

use std::sync::{Arc, OnceLock};

use nebula_flow::ports::Runner;
use nebula_hub::cache::Cache;
use nebula_hub::fetch::Hub;
use nebula_hub::install::{InstallError, Installer, Watcher};
use nebula_hub::oci::{Credentials, Remote};
use nebula_hub::reference::Registry;
use nebula_hub::trust::TrustFile;
use tokio::sync::Mutex;

use crate::app::App;
use crate::build_error::BuildError;
use crate::config::Config;

/// The cache's folder, in the data folder.
const CACHE: &str = "packages";
/// The trust policy, in the data folder.
const TRUST: &str = "trust.toml";

/// What all requests about packages share.
pub(crate) struct Packages {
    cache: Cache,
    trust: TrustFile,
    registries: Vec<Registry>,
    /// The hub beside the API, once it is bound.
    own: OnceLock<Registry>,
    credentials: Credentials,
    runner: Arc<dyn Runner>,
    /// The namespace of a bare name.
    pub(crate) namespace: String,
    /// One install at a time: what was agreed to is what is recorded.
    pub(crate) installing: Mutex<()>,
}

impl Packages {
    /// As the settings say. No registry is asked yet.
    pub(crate) fn open(config: &Config, runner: Arc<dyn Runner>) -> Result<Self, BuildError> {
        let settings = &config.packages;
        let registries = settings.registries.iter();
        let registries = registries.map(|text| text.parse::<Registry>());
        if !nebula_hub::package::name::is_part(&settings.namespace) {
            return Err(BuildError::Namespace(settings.namespace.clone()));
        }
        Ok(Self {
            cache: Cache::open(config.data_dir.join(CACHE))?,
            trust: TrustFile::at(config.data_dir.join(TRUST)),
            registries: registries.collect::<Result<_, _>>()?,
            own: OnceLock::new(),
            credentials: Credentials::new(std::env::vars()),
            runner,
            namespace: settings.namespace.clone(),
            installing: Mutex::new(()),
        })
    }

    /// The node's registries, to pull from what is needed and lost.
    pub(crate) async fn hub(&self) -> Result<Hub, InstallError> {
        self.hub_of(&self.registries).await
    }

    /// These registries.
    pub(crate) async fn hub_of(&self, registries: &[Registry]) -> Result<Hub, InstallError> {
        let mut remotes = Vec::new();
        for registry in registries {
            let remote = Remote::new(registry.clone(), &self.credentials).await;
            remotes.push(remote.map_err(nebula_hub::fetch::FetchError::from)?);
        }
        Ok(Hub::new(self.cache.clone(), remotes))
    }

    /// These registries, by their signed indexes where somebody is trusted to sign
    /// one.
    pub(crate) async fn offering(
        &self,
        app: &App,
        registries: &[Registry],
    ) -> Result<Hub, InstallError> {
        let hub = self.hub_of(registries).await?;
        let policy = self.trust.policy()?;
        Ok(hub.consulting(&policy, app.clock.now()).await?)
    }

    /// The registries that are asked unless others are named: the configured
    /// ones, else the hub beside the API.
    pub(crate) fn registries(&self) -> &[Registry] {
        match self.own.get() {
            Some(own) if self.registries.is_empty() => std::slice::from_ref(own),
            _ => &self.registries,
        }
    }

    /// Tells of the hub beside the API, by its URL.
    pub(crate) fn beside(&self, url: &str) {
        if let Ok(own) = url.parse() {
            // The first word stays.
            let _ = self.own.set(own);
        }
    }

    /// What installs, over these registries, on the caller's account.
    pub(crate) fn installer(&self, app: &App, hub: Hub) -> Installer {
        Installer {
            hub: Arc::new(hub),
            trust: self.trust.clone(),
            records: Arc::clone(&app.records),
            runner: Arc::clone(&self.runner),
            clock: Arc::clone(&app.clock),
            tenant: app.tenant.clone(),
            watcher: Watcher::nobody(),
        }
    }
}
