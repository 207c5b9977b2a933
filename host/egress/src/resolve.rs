//! Names to addresses, once for each request.

use std::fmt;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// How many look-ups may be under way at once. Each holds a thread until the
/// system's resolver answers, whoever still waits for it.
const LOOKUPS: usize = 64;

type Answer = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Gives the addresses of a name. Called once for each request; what it
/// answers is filtered and then connected to, and never asked for again.
#[derive(Clone)]
pub struct Resolver(Arc<dyn Fn(String) -> Answer + Send + Sync>);

impl Resolver {
    /// A resolver from an async function.
    pub fn new<F, A>(lookup: F) -> Self
    where
        F: Fn(String) -> A + Send + Sync + 'static,
        A: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        Self(Arc::new(move |name| Box::pin(lookup(name))))
    }

    /// The system's resolver.
    #[must_use]
    pub fn system() -> Self {
        let slots = Arc::new(Semaphore::new(LOOKUPS));
        Self::new(move |name| {
            let slots = Arc::clone(&slots);
            async move {
                let slot = slots.acquire_owned().await.map_err(io::Error::other)?;
                let lookup = move || {
                    // The slot is free when the thread is, not when the caller gives up.
                    let _slot = slot;
                    Ok((name.as_str(), 0)
                        .to_socket_addrs()?
                        .map(|address| address.ip())
                        .collect())
                };
                tokio::task::spawn_blocking(lookup)
                    .await
                    .map_err(io::Error::other)?
            }
        })
    }

    pub(crate) async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        (self.0)(name.to_owned()).await
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}
