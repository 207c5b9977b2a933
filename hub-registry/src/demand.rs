//! Components that are pulled when they are needed: an installed package says
//! where they are, and their digest was checked when it was installed. Those who
//! ask for one digest at once share one pull; a bounded number runs at a time,
//! and each has its time-out, so that a registry that hangs delays only those
//! who need it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use nebula_flow::Digest;
use nebula_flow::ports::ResolveError;
use tokio::sync::{OnceCell, Semaphore};

use crate::artifact::{Descriptor, WASM};
use crate::fetch::Hub;
use crate::installed::InstalledPackage;

/// Pulls at a time.
const MAX_PULLS: usize = 4;

type Pull = Arc<OnceCell<Bytes>>;

/// Pulls components when they are needed.
pub struct Demand {
    hub: Arc<Hub>,
    permits: Semaphore,
    running: Mutex<HashMap<Digest, Pull>>,
}

impl Demand {
    /// From these registries.
    #[must_use]
    pub fn new(hub: Arc<Hub>) -> Self {
        Self {
            hub,
            permits: Semaphore::new(MAX_PULLS),
            running: Mutex::default(),
        }
    }

    /// The bytes of a package's component.
    ///
    /// # Errors
    /// When no registry has them, sends others or does not answer; trying again
    /// may help.
    pub async fn pull(
        &self,
        package: &InstalledPackage,
        digest: Digest,
    ) -> Result<Bytes, ResolveError> {
        let components = &package.components;
        let component = components.iter().find(|c| c.digest == digest);
        let component = component.ok_or(ResolveError::UnknownComponent(digest))?;
        let wanted = Descriptor {
            media_type: WASM.to_owned(),
            digest,
            size: component.size,
            artifact_type: None,
            annotations: std::collections::BTreeMap::new(),
        };
        let pull = Arc::clone(self.running().entry(digest).or_default());
        // Whoever is first pulls; if that fails, the next one tries.
        let bytes = pull.get_or_try_init(|| async {
            let _permit = self.permits.acquire().await;
            tracing::info!(package = %package.name, %digest, "a component is pulled that the store does not have");
            self.hub.component(&package.name, &wanted).await
        });
        let bytes = bytes.await.cloned().map_err(|error| {
            ResolveError::Unavailable(format!(
                "component {digest} of {} {} is waited for: {error}",
                package.name, package.version
            ))
        });
        self.running().remove(&digest);
        bytes
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Pull>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
