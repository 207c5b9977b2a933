//! What a node is told: inert data, nothing is opened or bound here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nebula_flow::ports::Limits;
use nebula_sandbox::Compiler;

/// The port on which people find a node.
pub const PORT: u16 = 7300;

/// A node's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything is kept; made if it is absent.
    pub data_dir: PathBuf,
    /// Where the API listens; loopback, port 0 for a free one.
    pub listen: SocketAddr,
    /// The node's name, in health answers and as owner of shards.
    pub name: String,
    /// Component files to offer besides the packs of this binary.
    pub components: Vec<PathBuf>,
    /// What one call of an action may cost.
    pub limits: Limits,
    /// How many executions are in memory at once.
    pub max_active: usize,
    /// How many calls run in the sandbox at once.
    pub max_concurrent_calls: u32,
    /// The program that compiles components in a process of its own; without it
    /// only components that the caller built may be offered.
    pub compiler: Option<Compiler>,
    /// The API's door.
    pub door: DoorConfig,
}

/// Bounds of the API's door.
#[derive(Debug, Clone)]
pub struct DoorConfig {
    /// Values of `Host` that are taken besides loopback ones, without a port.
    pub hosts: Vec<String>,
    /// Connections at once; further ones wait in the system's queue.
    pub max_connections: usize,
    /// For a request's head, and for a connection between two requests.
    pub head_timeout: Duration,
    /// For a request's body.
    pub body_timeout: Duration,
    /// How long requests may go on once the node is told to stop.
    pub drain_timeout: Duration,
    /// Bytes of a body of JSON or YAML.
    pub max_body: usize,
    /// Bytes of the body that is a workflow's input; as JSON a value has about
    /// twice the bytes that it has as a payload.
    pub max_input_body: usize,
}

impl Config {
    /// A node with everything embedded, on loopback.
    #[must_use]
    pub fn dev(data_dir: impl AsRef<Path>) -> Self {
        Self {
            data_dir: data_dir.as_ref().to_path_buf(),
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT),
            name: "nebula".into(),
            components: Vec::new(),
            limits: Limits::default(),
            max_active: 4_096,
            max_concurrent_calls: 64,
            compiler: None,
            door: DoorConfig::default(),
        }
    }

    /// With another address; still loopback.
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

impl Default for DoorConfig {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            max_connections: 1_024,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            max_body: 1 << 20,
            max_input_body: 2 * nebula_flow::payload::MAX_PAYLOAD,
        }
    }
}
