//! A hub of one's own: a registry after the OCI distribution specification 1.1,
//! over a folder. Any client of registries can use it.
//!
//! Modules in the order a newcomer should read them:
//!
//! - [`name`], [`content`], [`manifest`]: what is named, addressed and described.
//! - [`store`]: the folder.
//! - [`tokens`]: who may pull, push and delete.
//! - [`http`]: the API.
//!
//! Where connections come from, how many there are, and which web page may send
//! them is not decided here: whoever serves the [`router`](Registry::router)
//! does.

mod content;
mod http;
mod manifest;
mod name;
mod store;
pub mod tokens;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nebula_flow::ports::Clock;
use tokio::sync::{Semaphore, watch};

use store::Store;
pub use store::sweep::Swept;
use tokens::Tokens;

/// Manifests that are pushed at once; each may have 4 MiB in memory.
const MANIFESTS: usize = 32;

/// What a registry is told.
#[derive(Debug, Clone)]
pub struct RegistryConfig {
    /// Where it keeps everything.
    pub folder: PathBuf,
    /// Whether pulls need no token.
    pub anonymous_pull: bool,
    /// Whether it takes and deletes nothing.
    pub read_only: bool,
    /// Whether a tag that is a version (`1.2.3`, `v1.2.3`) stays where it points
    /// to: it is not overwritten and not deleted.
    pub immutable_tags: bool,
    /// Bytes of a blob.
    pub max_blob: u64,
    /// Uploads in progress at once.
    pub max_uploads: usize,
    /// How long a body may keep the hub waiting between two of its pieces, and
    /// for a manifest in all.
    pub body_timeout: Duration,
    /// How long what nothing refers to is kept: at least as long as a push
    /// takes, from its first blob to its manifest.
    pub idle: Duration,
    /// How often such content is looked for.
    pub sweep_every: Duration,
}

impl RegistryConfig {
    /// On a folder; every request needs a token.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            anonymous_pull: false,
            read_only: false,
            immutable_tags: false,
            max_blob: 1 << 30,
            max_uploads: 256,
            body_timeout: Duration::from_secs(30),
            idle: Duration::from_secs(24 * 60 * 60),
            sweep_every: Duration::from_secs(60 * 60),
        }
    }
}

/// A refusal as the specification shapes it, for whoever refuses a request before
/// it reaches a registry.
#[must_use]
pub fn denied(message: String) -> axum::response::Response {
    http::denied(message)
}

/// Why a registry does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder cannot be used.
    #[error("the hub's folder {} cannot be used: {error}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// In the system's words.
        error: io::Error,
    },
    /// Another process has it.
    #[error("another process serves the hub in {}: stop that first, or give another folder", path.display())]
    Held {
        /// The folder.
        path: PathBuf,
    },
    /// The tokens cannot be read.
    #[error(transparent)]
    Tokens(#[from] tokens::TokenError),
}

/// A registry over a folder, which it holds alone.
#[derive(Clone)]
pub struct Registry(Arc<Hub>);

/// What all requests share.
struct Hub {
    config: RegistryConfig,
    store: Store,
    tokens: Tokens,
    /// A place for each manifest that is pushed.
    manifests: Semaphore,
}

impl Registry {
    /// Opens the folder, or makes it.
    ///
    /// # Errors
    /// When the folder or its tokens cannot be used, or another process has it.
    pub fn open(config: RegistryConfig, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let store = Store::open(&config.folder, Arc::clone(&clock))?;
        let tokens = Tokens::of(&config.folder, Arc::clone(&clock));
        tokens.list()?;
        Ok(Self(Arc::new(Hub {
            config,
            store,
            tokens,
            manifests: Semaphore::new(MANIFESTS),
        })))
    }

    /// What answers requests: below `/v2/`, and at
    /// `/.well-known/wasm-pkg/registry.json`.
    pub fn router(&self) -> axum::Router {
        http::router(Arc::clone(&self.0))
    }

    /// Removes what nothing refers to and nobody has needed for a while; pushes
    /// and pulls go on meanwhile.
    ///
    /// # Errors
    /// When the folder cannot be read or changed.
    pub async fn sweep(&self) -> io::Result<Swept> {
        let hub = Arc::clone(&self.0);
        let sweep = move || hub.store.sweep(hub.config.idle);
        tokio::task::spawn_blocking(sweep)
            .await
            .map_err(io::Error::other)?
    }

    /// Sweeps every now and then, until told to stop.
    pub async fn keep_swept(self, mut stopping: watch::Receiver<bool>) {
        if self.0.config.read_only {
            return;
        }
        let mut ticks = tokio::time::interval(self.0.config.sweep_every);
        loop {
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => return,
                _ = ticks.tick() => {}
            }
            match self.sweep().await {
                Ok(swept) if swept == Swept::default() => {}
                Ok(swept) => tracing::info!(
                    blobs = swept.blobs,
                    files = swept.files,
                    bytes = swept.bytes,
                    uploads = swept.uploads,
                    "the hub was swept"
                ),
                Err(error) => tracing::error!(%error, "the hub cannot be swept"),
            }
        }
    }
}
