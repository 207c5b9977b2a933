//! The hub: beside a node's API, or without a node. Who may use it, its tokens
//! say; where its connections come from is the door's affair, as for the API.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::{Router, middleware};
use nebula_engine::SystemClock;
use nebula_hub::serve::tokens::Tokens;
use nebula_hub::serve::{Registry, RegistryConfig};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::Hosts;
use crate::build_error::BuildError;
use crate::config::Config;
use crate::node::Door;
use crate::rest::door;
use crate::serve::{Entrance, serve};

/// A hub that is put together and bound, and does not serve yet.
pub struct Hub {
    config: Config,
    door: Door,
    url: String,
    registry: Registry,
}

/// A hub that serves. Dropping it stops everything at once, as a crash would.
pub struct RunningHub {
    url: String,
    stop: watch::Sender<bool>,
    tasks: [Task; 2],
}

/// A task; aborted when dropped.
struct Task(JoinHandle<()>);

/// Puts a hub together that is served without a node.
///
/// # Errors
/// When the address is not one that these settings may be served on, or not
/// free, or the folder cannot be used.
pub async fn build(config: Config) -> Result<Hub, BuildError> {
    let door = Door::bind(&config).await?;
    let url = door.url(door.address(&config)?);
    let registry = open(&config)?;
    Ok(Hub {
        config,
        door,
        url,
        registry,
    })
}

/// Where the hub of these settings keeps everything.
#[must_use]
pub fn folder(config: &Config) -> PathBuf {
    let folder = config.hub.folder.as_deref();
    folder.map_or_else(|| config.data_dir.join("hub"), Path::to_path_buf)
}

/// The tokens of a hub's folder.
#[must_use]
pub fn tokens(folder: &Path) -> Tokens {
    Tokens::of(folder, Arc::new(SystemClock))
}

/// Opens the hub's folder, and sees to it that its owner has a token.
pub(crate) fn open(config: &Config) -> Result<Registry, BuildError> {
    let folder = folder(config);
    let settings = RegistryConfig {
        anonymous_pull: config.hub.anonymous_pull,
        read_only: config.hub.read_only,
        immutable_tags: config.hub.immutable_tags,
        max_blob: config.hub.max_blob,
        body_timeout: config.http.body_timeout,
        ..RegistryConfig::new(&folder)
    };
    let registry = Registry::open(settings, Arc::new(SystemClock))?;
    tokens(&folder)
        .local()
        .map_err(nebula_hub::serve::OpenError::from)?;
    Ok(registry)
}

/// The hub's routes, behind the checks that every request of this machine
/// passes.
pub(crate) fn routes(registry: &Registry, config: &Config) -> Router {
    let hosts = Arc::new(Hosts::of(config));
    registry
        .router()
        .layer(middleware::from_fn_with_state(hosts, door::pass_to_hub))
}

impl Hub {
    /// Begins to serve.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn spawn(self) -> RunningHub {
        let Self {
            config,
            door,
            url,
            registry,
        } = self;
        let (stop, stopping) = watch::channel(false);
        let router = routes(&registry, &config);
        let entrance = Entrance {
            listener: door.listener,
            tls: door.tls,
            router,
            connections: Gauge::default(),
            http: config.http,
        };
        let sweeping = tokio::spawn(registry.keep_swept(stopping.clone()));
        let serving = tokio::spawn(serve(entrance, stopping));
        tracing::info!(%url, "the hub serves");
        RunningHub {
            url,
            stop,
            tasks: [Task(serving), Task(sweeping)],
        }
    }
}

impl RunningHub {
    /// Where it listens, as the beginning of an URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Takes no more connections and lets requests end.
    pub async fn drain(self) {
        self.stop.send_replace(true);
        for mut task in self.tasks {
            if (&mut task.0).await.is_err() {
                tracing::error!("a task of the hub had panicked");
            }
        }
        tracing::info!("the hub has stopped");
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The address of a registry, as references to packages begin with it: an URL
/// without its scheme.
#[must_use]
pub fn reference(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}
