//! The composition root. [`build`] opens and wires every room once, in the
//! order in which they lean on each other, and binds early; [`Server::spawn`]
//! serves; [`Running::drain`] takes it down in the opposite order.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use nebula_egress::{Egress, EgressConfig, Ledger};
use nebula_engine::{EngineConfig, SystemClock, WorkflowEngine};
use nebula_flow::TenantId;
use nebula_flow::ports::{Records, Runner};
use nebula_hub::Catalog;
use nebula_hub::demand::Demand;
use nebula_hub::serve::Registry;
use nebula_resources::Held;
use nebula_sandbox::{Sandbox, SandboxConfig};
use nebula_storage::{FolderLock, Lost, OpenError, StoreUrl};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::app::{Company, Shared};
use crate::build_error::BuildError;
use crate::config::{Auth, Config, ResourcesConfig};
use crate::hooked::HookKeeper;
use crate::hub;
use crate::keys::{Keys, make_private_dir};
use crate::metrics::Metrics;
use crate::metrics::ports::{CountedLog, CountedRunner};
use crate::node_file::Announcement;
use crate::packages::Packages;
use crate::packs::PACKS;
use crate::reached::ReachKeeper;
use crate::rest::configure_routes;
use crate::running::{Running, Serving};
use crate::sealed::SealedRecords;
use crate::serve::tls;
use crate::serve::{Entrance, serve};

/// A node that is put together and bound, and does not serve yet.
pub struct Server {
    config: Config,
    door: Door,
    address: SocketAddr,
    engine: EngineConfig,
    metrics: Arc<Metrics>,
    ledger: Arc<Ledger>,
    hub: Option<Registry>,
    packages: Arc<Packages>,
    lost: Lost,
    announcement: Announcement,
}

/// Puts a node together: binds, then opens the data folder and wires the rooms.
///
/// # Errors
/// When the address is not one that these settings may be served on, or not
/// free, another process holds the folder, or a part does not start.
pub async fn build(config: Config) -> Result<Server, BuildError> {
    let door = Door::bind(&config).await?;
    let parts = open(&config).await?;
    Server::new(config, door, parts)
}

/// Whether a node with these settings may be served where they say, and its
/// certificate is good; nothing is opened or bound.
///
/// # Errors
/// When whoever reaches it could use it, or keys would travel in the clear, or
/// the certificate does not read.
pub fn check(config: &Config) -> Result<(), BuildError> {
    Door::tls(config).map(drop)
}

/// Where requests come in.
pub(crate) struct Door {
    /// Bound.
    pub(crate) listener: TcpListener,
    /// If the node ends TLS itself.
    pub(crate) tls: Option<TlsAcceptor>,
}

impl Door {
    /// Where it listens.
    pub(crate) fn address(&self, config: &Config) -> Result<SocketAddr, BuildError> {
        self.listener
            .local_addr()
            .map_err(|error| BuildError::Bind {
                address: config.listen,
                error,
            })
    }

    /// The same as the beginning of an URL.
    pub(crate) fn url(&self, address: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    /// Binds, early: who connects from now on is served once the node is ready.
    pub(crate) async fn bind(config: &Config) -> Result<Self, BuildError> {
        let tls = Self::tls(config)?;
        let address = config.listen;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| BuildError::Bind { address, error })?;
        Ok(Self { listener, tls })
    }

    fn tls(config: &Config) -> Result<Option<TlsAcceptor>, BuildError> {
        let is_loopback = config.listen.ip().is_loopback();
        let is_reachable = !is_loopback || config.behind_proxy;
        if is_reachable && config.auth == Auth::Open {
            return Err(BuildError::Open(config.listen));
        }
        if !is_loopback && config.tls.is_none() && !config.behind_proxy {
            return Err(BuildError::Clear(config.listen));
        }
        let acceptor = config.tls.as_ref().map(tls::acceptor).transpose()?;
        Ok(acceptor)
    }
}

/// An engine's ports over a data folder, with everything embedded and no API:
/// for programs that run workflows themselves.
///
/// # Errors
/// When another process holds the folder, or a part does not start.
pub async fn embedded(data_dir: impl AsRef<Path>) -> Result<EngineConfig, BuildError> {
    let parts = open(&Config::dev(data_dir)).await?;
    Ok(parts.engine)
}

/// What a node is put together from, behind its door.
pub(crate) struct Parts {
    /// The engine's ports.
    pub(crate) engine: EngineConfig,
    /// The node's figures.
    pub(crate) metrics: Metrics,
    /// What actions have reached.
    pub(crate) ledger: Arc<Ledger>,
    /// Packages.
    pub(crate) packages: Arc<Packages>,
    /// Says when the store can no longer be written.
    pub(crate) lost: Lost,
    /// The data folder's lock, unless the store has it.
    pub(crate) lock: Option<FolderLock>,
}

/// The lock of a data folder in which the store is not: it makes this process
/// the folder's only one, as the store's lock does where it is.
fn lock(folder: &Path, store: &StoreUrl) -> Result<Option<FolderLock>, OpenError> {
    let inside = match store {
        StoreUrl::Sqlite(path) => path
            .canonicalize()
            .is_ok_and(|path| folder.canonicalize().is_ok_and(|folder| path == folder)),
        StoreUrl::Memory | StoreUrl::Postgres(_) => false,
    };
    if inside {
        return Ok(None);
    }
    FolderLock::take(folder).map(Some)
}

async fn open(config: &Config) -> Result<Parts, BuildError> {
    make_private_dir(&config.data_dir).map_err(|error| BuildError::Folder {
        path: config.data_dir.clone(),
        error,
    })?;
    let url = config.store.clone();
    let url = url.unwrap_or_else(|| StoreUrl::Sqlite(config.data_dir.clone()));
    // The locks come first.
    let lock = lock(&config.data_dir, &url)?;
    let store = nebula_storage::open(&url).await?;
    tracing::info!(store = %url, "the store is open");
    let keys = Keys::open(&config.data_dir)?;
    let records: Arc<dyn Records> =
        Arc::new(SealedRecords::new(store.records, &keys.credentials()));
    let egress = Arc::new(Egress::new(EgressConfig::default()));
    let ledger = Arc::clone(egress.ledger());
    let sandbox = SandboxConfig {
        cache_dir: Some(config.data_dir.join("compiled")),
        cache_key: *keys.compiled(),
        compiler: config.compiler.clone(),
        max_concurrent_calls: config.max_concurrent_calls,
        max_calls_per_tenant: config.max_concurrent_calls,
        records: Some(Arc::clone(&records)),
        resources: Some(Arc::new(held(config))),
        ..SandboxConfig::default()
    };
    let runner: Arc<dyn Runner> = Arc::new(Sandbox::new(sandbox, egress)?);
    let packages = Arc::new(Packages::open(config, Arc::clone(&runner))?);
    let demand = Demand::new(Arc::new(packages.hub().await?));
    let components = Catalog::build(
        Arc::clone(&runner),
        Arc::clone(&records),
        PACKS,
        &config.components,
    )
    .await?
    .with_demand(demand);
    let metrics = match store.figures {
        Some(figures) => Metrics::new().with_store(figures),
        None => Metrics::new(),
    };
    let engine = EngineConfig {
        log: store.log,
        records,
        runner,
        components: Arc::new(components),
        clock: Arc::new(SystemClock),
        limits: config.limits,
        owner: owner(&config.name)?,
        max_active: config.max_active,
        retention: config.retention,
    };
    Ok(Parts {
        engine,
        metrics,
        ledger,
        packages,
        lost: store.lost,
        lock,
    })
}

/// What the settings say that the node holds for actions.
fn held(config: &Config) -> Held {
    let ResourcesConfig { folder, held } = config.resources.clone();
    let folder = folder.unwrap_or_else(|| config.data_dir.join("resources"));
    Held::new(folder, held)
}

/// A name that no other living engine has.
fn owner(node: &str) -> Result<String, BuildError> {
    let chance = getrandom::u32().map_err(BuildError::Randomness)?;
    Ok(format!("{node}-{}-{chance:08x}", std::process::id()))
}

impl Server {
    /// Puts ready-built ports behind the door.
    pub(crate) fn new(config: Config, door: Door, parts: Parts) -> Result<Self, BuildError> {
        let Parts {
            mut engine,
            metrics,
            ledger,
            packages,
            lost,
            lock,
        } = parts;
        let metrics = Arc::new(metrics);
        engine.log = Arc::new(CountedLog::new(engine.log, Arc::clone(&metrics)));
        let slots = config.max_concurrent_calls;
        let runner = CountedRunner::new(engine.runner, Arc::clone(&metrics), slots);
        engine.runner = Arc::new(runner);
        let address = door.address(&config)?;
        let serves_hub = config.hub.serve;
        let hub = serves_hub.then(|| hub::open(&config)).transpose()?;
        let now = nebula_api::Time::from_millis(engine.clock.now().as_millis());
        let url = door.url(address);
        if serves_hub {
            packages.beside(&url);
        }
        let announcement =
            Announcement::write(&config.data_dir, &url, now, lock).map_err(|error| {
                BuildError::Folder {
                    path: config.data_dir.clone(),
                    error,
                }
            })?;
        Ok(Self {
            config,
            door,
            address,
            engine,
            metrics,
            ledger,
            hub,
            packages,
            lost,
            announcement,
        })
    }

    /// Where it will listen.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to work and to serve.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn spawn(self) -> Running {
        let Self {
            config,
            door,
            address,
            engine,
            metrics,
            ledger,
            hub,
            packages,
            lost,
            announcement,
        } = self;
        let url = door.url(address);
        let (stop, stopping) = watch::channel(false);
        let reached = Arc::new(ReachKeeper::new(
            ledger,
            Arc::clone(&engine.records),
            Arc::clone(&engine.clock),
        ));
        let tenant = TenantId::default_tenant();
        let hooks = Arc::new(HookKeeper::new(Arc::clone(&engine.records), tenant));
        let mut keeping = vec![
            Serving(tokio::spawn(Arc::clone(&reached).run(stopping.clone()))),
            Serving(tokio::spawn(Arc::clone(&hooks).run(stopping.clone()))),
        ];
        let log = Arc::downgrade(&engine.log);
        let records = Arc::downgrade(&engine.records);
        let ports = engine.clone();
        let engine = WorkflowEngine::new(engine);
        let company = Company {
            bell: engine.trigger_bell(),
            reached: Arc::clone(&reached),
            hooks: Arc::clone(&hooks),
            metrics: Arc::clone(&metrics),
            packages,
            stopping: stopping.clone(),
        };
        let shared = Shared::new(ports, &config, company);
        let mut router = configure_routes(Arc::new(shared));
        if let Some(hub) = hub {
            router = router.merge(hub::routes(&hub, &config));
            keeping.push(Serving(tokio::spawn(hub.keep_swept(stopping.clone()))));
        }
        let entrance = Entrance {
            listener: door.listener,
            tls: door.tls,
            router,
            connections: metrics.connections.clone(),
            http: config.http,
        };
        let serving = tokio::spawn(serve(entrance, stopping));
        tracing::info!(%url, "the node serves");
        Running {
            address,
            url,
            announcement,
            stop,
            serving: Serving(serving),
            engine,
            reached,
            hooks,
            keeping,
            log,
            records,
            lost,
        }
    }
}
