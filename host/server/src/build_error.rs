//! Why a node cannot be put together, and what its operator does then.

use std::net::SocketAddr;
use std::path::PathBuf;

use nebula_hub::HubError;
use nebula_sandbox::SandboxError;
use nebula_storage::OpenError;

use crate::keys::KeyError;
use crate::serve::tls::TlsError;

/// Why a node cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Whoever reaches the node could use it.
    #[error(
        "{0} can be reached from elsewhere than this machine's loopback, and the node is open to whoever reaches it: \
         set `auth = \"keys\"` and make a key with `nebula key create`, or listen on 127.0.0.1 without a proxy"
    )]
    Open(SocketAddr),
    /// Keys would travel in the clear.
    #[error(
        "{0} is not a loopback address, and keys would travel there in the clear: set `tls.certificate` and `tls.key`, \
         or `behind_proxy = true` if a proxy in front of the node ends TLS"
    )]
    Clear(SocketAddr),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address cannot be had.
    #[error("{address} cannot be listened on: {error}; choose another port, or 0 for a free one")]
    Bind {
        /// As it was asked for.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// The data folder cannot be made or written.
    #[error("the data folder {} cannot be used: {error}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The store does not open.
    #[error(transparent)]
    Storage(#[from] OpenError),
    /// The node's key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The sandbox does not start.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A component is refused.
    #[error(transparent)]
    Component(#[from] HubError),
    /// The hub's folder does not open.
    #[error(transparent)]
    Hub(#[from] nebula_hub::serve::OpenError),
    /// A registry that is none.
    #[error("`packages.registries`: {0}")]
    Registry(#[from] nebula_hub::reference::InvalidReference),
    /// A namespace that is none.
    #[error("`packages.namespace`: `{0}` is not a namespace: words of a-z and 0-9, joined by `-`")]
    Namespace(String),
    /// The cache of packages.
    #[error(transparent)]
    Cache(#[from] nebula_hub::cache::CacheError),
    /// The registries cannot be set up.
    #[error(transparent)]
    Packages(#[from] nebula_hub::install::InstallError),
    /// The system gives no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
}
