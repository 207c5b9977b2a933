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

/// Starts one whose calls keep neither blobs nor states, and have no resources.
pub(in crate::commands) fn start() -> Result<Sandbox> {
    start_with(SandboxConfig::default())
}

/// Starts one for calls of one action, perhaps to profile them.
pub(super) fn start_for_calls(
    records: Arc<dyn Records>,
    resources: Arc<dyn Resources>,
    profiles: bool,
) -> Result<Sandbox> {
    start_with(SandboxConfig {
        records: Some(records),
        resources: Some(resources),
        profiles,
        ..SandboxConfig::default()
    })
}

fn start_with(config: SandboxConfig) -> Result<Sandbox> {
    let config = SandboxConfig {
        compiler: Some(compiler()),
        ..config
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
