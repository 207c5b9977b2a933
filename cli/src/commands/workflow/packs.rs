//! Real components for tests of workflows: the packs that this binary brings along,
//! put together only when a test needs one of them.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use nebula_sandbox::nebula_flow::event::{Failure, FailureKind, Usage};
use nebula_sandbox::nebula_flow::ports::{
    Call, Components, Prepared, Report, ResolveError, ResolvedAction, Runner,
};
use nebula_sandbox::nebula_flow::{ActionId, Component, Digest, TenantId, Verified};
use semver::VersionReq;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use crate::folders;
use crate::output;

/// The packs. They run on the runtime on which this was made, whoever calls.
pub(super) struct Packs {
    runtime: Handle,
    opened: OnceCell<Result<Arc<Opened>, String>>,
}

struct Opened {
    components: Arc<dyn Components>,
    runner: Arc<dyn Runner>,
    /// Removed at the end.
    temporary: Option<PathBuf>,
}

impl Packs {
    pub(super) fn new() -> Self {
        Self {
            runtime: Handle::current(),
            opened: OnceCell::new(),
        }
    }

    /// Removes what was kept for this one command.
    pub(super) fn close(&self) {
        if let Some(Ok(opened)) = self.opened.get()
            && let Some(folder) = &opened.temporary
        {
            // What is left in the folder of temporary files is the system's to remove.
            let _ = std::fs::remove_dir_all(folder);
        }
    }

    async fn opened(&self) -> Result<Arc<Opened>, String> {
        let opened = self.opened.get_or_init(|| async {
            let opening = self.here(async { open().await.map(Arc::new) });
            opening
                .await
                .unwrap_or_else(|| Err("the command is about to end".into()))
        });
        opened.await.clone()
    }

    async fn components(&self) -> Result<Arc<dyn Components>, ResolveError> {
        let opened = self.opened().await.map_err(ResolveError::Damaged)?;
        Ok(opened.components.clone())
    }

    /// Runs a future where the packs run; none if that ends before.
    async fn here<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let mut task = Task(self.runtime.spawn(future));
        (&mut task.0).await.ok()
    }
}

/// Ends with whoever waits for it.
struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// In a folder where compiled packs are kept, or if another test is in there, in one
/// of this command's own.
async fn open() -> Result<Opened, String> {
    let cache = folders::of_user("XDG_CACHE_HOME", ".cache").map(|cache| cache.join("nebula"));
    if let Some(cache) = cache {
        let folder = cache.join("workflow-test");
        if !folder.exists() {
            output::note("the packs are compiled, this once: it takes some seconds");
        }
        if let Ok(opened) = open_in(&folder, None).await {
            return Ok(opened);
        }
    }
    let folder = std::env::temp_dir().join(format!("nebula-test-{}", std::process::id()));
    let opened = open_in(&folder, Some(folder.clone())).await;
    opened.map_err(|e| format!("the packs cannot be put together: {e}"))
}

async fn open_in(
    folder: &Path,
    temporary: Option<PathBuf>,
) -> Result<Opened, nebula_server::BuildError> {
    let ports = nebula_server::embedded(folder).await?;
    Ok(Opened {
        components: ports.components,
        runner: ports.runner,
        temporary,
    })
}

#[async_trait]
impl Components for Packs {
    async fn resolve(
        &self,
        tenant: &TenantId,
        action: &ActionId,
        range: &VersionReq,
    ) -> Result<ResolvedAction, ResolveError> {
        let components = self.components().await?;
        let (tenant, action, range) = (tenant.clone(), action.clone(), range.clone());
        let asked = async move { components.resolve(&tenant, &action, &range).await };
        self.here(asked).await.unwrap_or_else(|| Err(gone()))
    }

    async fn component(
        &self,
        tenant: &TenantId,
        digest: Digest,
    ) -> Result<Verified<Component>, ResolveError> {
        let components = self.components().await?;
        let tenant = tenant.clone();
        let asked = async move { components.component(&tenant, digest).await };
        self.here(asked).await.unwrap_or_else(|| Err(gone()))
    }

    async fn actions(
        &self,
        tenant: &TenantId,
    ) -> Result<BTreeMap<ActionId, ResolvedAction>, ResolveError> {
        let components = self.components().await?;
        let tenant = tenant.clone();
        let asked = async move { components.actions(&tenant).await };
        self.here(asked).await.unwrap_or_else(|| Err(gone()))
    }
}

#[async_trait]
impl Runner for Packs {
    async fn prepare(&self, component: &Verified<Component>) -> Result<Prepared, Failure> {
        let opened = self.opened().await.map_err(trouble)?;
        let component = component.clone();
        let asked = async move { opened.runner.prepare(&component).await };
        let prepared = self.here(asked).await;
        prepared.unwrap_or_else(|| Err(trouble(gone().to_string())))
    }

    async fn run(&self, call: Call) -> Report {
        let ran = match self.opened().await {
            Ok(opened) => {
                self.here(async move { opened.runner.run(call).await })
                    .await
            }
            Err(why) => Some(failed(why)),
        };
        ran.unwrap_or_else(|| failed(gone().to_string()))
    }
}

fn gone() -> ResolveError {
    ResolveError::Damaged("the call was cut off".into())
}

fn trouble(why: String) -> Failure {
    Failure::new(FailureKind::Component, why)
}

fn failed(why: String) -> Report {
    Report {
        result: Err(trouble(why)),
        usage: Usage::default(),
        lines: Vec::new(),
    }
}
