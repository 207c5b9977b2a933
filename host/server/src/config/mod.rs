//! What a node is told: inert data, nothing is opened or bound here.
//!
//! - [`Config`]: the settings as the node uses them.
//! - `http`, `hub`, `log`, `packages`, `resources`: groups of settings, each with its own defaults.
//! - `layers`: defaults, a file, the environment, the command line, and
//!   which of them a value came from.
//! - `file`: the file.
//! - `setting`: values as text and back.

mod file;
mod http;
mod hub;
mod layers;
mod log;
mod packages;
mod resources;
mod setting;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nebula_flow::definition::{MAX_AGE, MAX_COUNT, Retention};
use nebula_flow::ports::Limits;
use nebula_flow::time::Span;
use nebula_sandbox::Compiler;
use nebula_storage::StoreUrl;

pub use self::http::HttpConfig;
pub use self::hub::HubConfig;
pub use self::layers::{Layers, Mistake, Mistakes, Shown, Source};
pub use self::log::{LogConfig, LogFormat};
pub use self::packages::PackagesConfig;
pub use self::resources::ResourcesConfig;
use self::setting::{Bytes, Setting, one_of};

/// The port on which people find a node.
pub const PORT: u16 = 7300;
/// The port on which people find a hub that is served without a node.
const HUB_PORT: u16 = 7301;

/// A node's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything is kept that has no other place; made if it is absent.
    pub data_dir: PathBuf,
    /// Where executions and records are kept; without it in the data folder.
    pub store: Option<StoreUrl>,
    /// Where the API listens; port 0 for a free one.
    pub listen: SocketAddr,
    /// The node's name, in health answers and as owner of shards.
    pub name: String,
    /// Who may use the API.
    pub auth: Auth,
    /// Whether a proxy in front of the node ends TLS.
    pub behind_proxy: bool,
    /// With what the node ends TLS itself.
    pub tls: Option<TlsConfig>,
    /// Values of `Host` that are taken besides loopback ones, without a port.
    pub hosts: Vec<String>,
    /// Component files to offer besides the packs of this binary.
    pub components: Vec<PathBuf>,
    /// What one call of an action may cost.
    pub limits: Limits,
    /// How many executions are in memory at once.
    pub max_active: usize,
    /// Which finished executions are kept of workflows that do not say; all of
    /// them by default.
    pub retention: Retention,
    /// How many calls run in the sandbox at once.
    pub max_concurrent_calls: u32,
    /// The program that compiles components in a process of its own; without it
    /// only components that the caller built may be offered.
    pub compiler: Option<Compiler>,
    /// Bounds of the API's connections and requests.
    pub http: HttpConfig,
    /// The hub beside the API.
    pub hub: HubConfig,
    /// Where packages come from.
    pub packages: PackagesConfig,
    /// What the node holds for actions.
    pub resources: ResourcesConfig,
}

/// Who may use the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Whoever reaches it; on loopback only.
    Open,
    /// Bearers of a key.
    Keys,
}

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The node's certificate, then those that lead to its root.
    pub certificate: PathBuf,
    /// The private key; only its owner may read the file.
    pub key: PathBuf,
}

impl Config {
    /// A node with everything embedded, on loopback, open to whoever is there.
    #[must_use]
    pub fn dev(data_dir: impl AsRef<Path>) -> Self {
        Self {
            data_dir: data_dir.as_ref().to_path_buf(),
            store: None,
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT),
            name: "nebula".into(),
            auth: Auth::Open,
            behind_proxy: false,
            tls: None,
            hosts: Vec::new(),
            components: Vec::new(),
            limits: Limits::default(),
            max_active: 4_096,
            retention: Retention::default(),
            max_concurrent_calls: 64,
            compiler: None,
            http: HttpConfig::default(),
            hub: HubConfig::of_dev(),
            packages: PackagesConfig::default(),
            resources: ResourcesConfig::default(),
        }
    }

    /// A node that others use: every request needs a key.
    #[must_use]
    pub fn serve(data_dir: impl AsRef<Path>) -> Self {
        Self {
            auth: Auth::Keys,
            hub: HubConfig::default(),
            ..Self::dev(data_dir)
        }
    }

    /// A hub without a node: of these settings only those of the door, the hub
    /// and the data folder count.
    #[must_use]
    pub fn hub(data_dir: impl AsRef<Path>) -> Self {
        let hub = HubConfig {
            serve: true,
            ..HubConfig::default()
        };
        Self {
            hub,
            ..Self::serve(data_dir)
        }
        .with_port(HUB_PORT)
    }

    /// These settings as defaults, below what file, environment and command
    /// line say.
    ///
    /// # Errors
    /// Every mistake, each with its place.
    pub fn read(self, mut layers: Layers) -> Result<Settings, Mistakes> {
        let from = &mut layers;
        let certificate = from.get(
            "tls.certificate",
            self.tls.as_ref().map(|t| t.certificate.clone()),
        );
        let key = from.get("tls.key", self.tls.map(|t| t.key));
        if certificate.is_some() != key.is_some() {
            from.refuse(
                "tls",
                "a certificate and a key belong together",
                "set both `tls.certificate` and `tls.key`, or neither",
            );
        }
        let config = Self {
            data_dir: from.get("data", self.data_dir),
            store: from.get("store", self.store),
            listen: from.get("listen", self.listen),
            name: from.get("name", self.name),
            auth: from.get("auth", self.auth),
            behind_proxy: from.get("behind_proxy", self.behind_proxy),
            tls: certificate
                .zip(key)
                .map(|(certificate, key)| TlsConfig { certificate, key }),
            hosts: from.get("hosts", self.hosts),
            components: from.get("components", self.components),
            limits: Limits {
                fuel: from.get_in("limits.fuel", self.limits.fuel, 1_000..=1_000_000_000_000),
                memory_bytes: from
                    .get_in(
                        "limits.memory",
                        Bytes(self.limits.memory_bytes),
                        Bytes(1 << 20)..=Bytes(4 << 30),
                    )
                    .0,
                timeout: from.get_in(
                    "limits.timeout",
                    self.limits.timeout,
                    Duration::from_millis(1)..=Duration::from_secs(86_400),
                ),
            },
            max_active: from.get_in("limits.executions", self.max_active, 1..=1_000_000),
            max_concurrent_calls: from.get_in(
                "limits.calls",
                self.max_concurrent_calls,
                1..=10_000,
            ),
            retention: retention(self.retention, from),
            compiler: self.compiler,
            http: self.http.read(from),
            hub: self.hub.read(from),
            packages: self.packages.read(from),
            resources: self.resources.read(from),
        };
        let log = LogConfig::default().read(from);
        let shown = layers.finish()?;
        Ok(Settings { config, log, shown })
    }

    /// With another address.
    #[must_use]
    pub const fn with_listen(mut self, listen: SocketAddr) -> Self {
        self.listen = listen;
        self
    }

    /// With another port; 0 takes a free one.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.listen.set_port(port);
        self
    }

    /// With another store.
    #[must_use]
    pub fn with_store(mut self, store: Option<StoreUrl>) -> Self {
        self.store = store;
        self
    }

    /// Without the hub beside the API.
    #[must_use]
    pub const fn without_hub(mut self) -> Self {
        self.hub.serve = false;
        self
    }

    /// With a program that compiles components in a process of its own.
    #[must_use]
    pub fn with_compiler(mut self, compiler: Compiler) -> Self {
        self.compiler = Some(compiler);
        self
    }

    /// With component files besides the packs.
    #[must_use]
    pub fn with_components(mut self, components: Vec<PathBuf>) -> Self {
        self.components = components;
        self
    }
}

fn retention(default: Retention, from: &mut Layers) -> Retention {
    let age = default.age.map(|age| age.0);
    let age = from.get_in("retention.age", age, None..=Some(MAX_AGE));
    let count = from.get_in("retention.count", default.count, None..=Some(MAX_COUNT));
    if age == Some(Duration::ZERO) || count == Some(0) {
        from.refuse(
            "retention",
            "an age or a count of 0 keeps nothing",
            "leave it out to keep all",
        );
    }
    Retention {
        age: age.map(Span),
        count,
    }
}

/// A process's settings, and where each came from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The node's.
    pub config: Config,
    /// How the process logs.
    pub log: LogConfig,
    /// Every setting, in the order of the documentation.
    pub shown: Vec<Shown>,
}

impl Setting for Auth {
    fn read(text: &str) -> Result<Self, String> {
        one_of(text, &[("open", Self::Open), ("keys", Self::Keys)])
    }

    fn show(&self) -> String {
        match self {
            Self::Open => "open".into(),
            Self::Keys => "keys".into(),
        }
    }
}

impl Setting for StoreUrl {
    fn read(text: &str) -> Result<Self, String> {
        text.parse::<Self>().map_err(|error| error.to_string())
    }

    /// Without its password.
    fn show(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests;
