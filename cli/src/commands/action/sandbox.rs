//! The sandbox of the commands that need no node: no grant, no cache, components
//! compiled in a process of their own.

use std::path::Path;
use std::sync::Arc;

use nebula_sandbox::nebula_flow::ports::{Prepared, Records, Runner};
use nebula_sandbox::nebula_flow::{Component, Verified};
use nebula_sandbox::resources::Resources;
use nebula_sandbox::{Sandbox, SandboxConfig};

use super::super::compiler;
use crate::error::{Error, Result};

/// Starts one. Without records its calls keep neither blobs nor states.
pub(in crate::commands) fn start(
    records: Option<Arc<dyn Records>>,
    resources: Option<Arc<dyn Resources>>,
) -> Result<Sandbox> {
    let config = SandboxConfig {
        compiler: Some(compiler()),
        records,
        resources,
        ..SandboxConfig::default()
    };
    Sandbox::new(config, Arc::default())
        .map_err(|e| Error::node(format!("the sandbox cannot start: {e}")))
}

/// Checks a component file.
pub(super) fn check(file: &Path) -> Result<Verified<Component>> {
    nebula_hub::local(file).map_err(|e| Error::refused(e.to_string()))
}

/// Compiles a component and asks it what it is.
pub(super) async fn prepare(
    sandbox: &Sandbox,
    component: &Verified<Component>,
) -> Result<Prepared> {
    let prepared = sandbox.prepare(component).await;
    prepared.map_err(|e| Error::refused(e.to_string()))
}
