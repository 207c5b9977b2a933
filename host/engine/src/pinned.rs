//! What never changes once it is deployed, kept in memory: compiled plans by
//! workflow and version, components by digest.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use nebula_flow::deploy;
use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::plan::Plan;
use nebula_flow::ports::{RecordError, ResolveError};
use nebula_flow::{Component, Digest, TenantId, Verified, WorkflowId};

use crate::chance::Backoff;
use crate::config::Core;

/// Beyond this many plans or components the memory starts anew.
const KEPT: usize = 1024;

#[derive(Default)]
pub(crate) struct Pinned {
    plans: Kept<(WorkflowId, u32), Arc<Plan>>,
    components: Kept<Digest, Verified<Component>>,
}

struct Kept<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Kept<K, V> {
    fn get(&self, key: &K) -> Option<V> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    fn put(&self, key: K, value: V) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= KEPT {
            map.clear();
        }
        map.insert(key, value);
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoPlan {
    /// Trying again may help.
    #[error("{0}")]
    Unavailable(String),
    /// It will not.
    #[error("{0}")]
    Broken(String),
}

/// The compiled plan of a deployed version.
pub(crate) async fn plan(
    core: &Core,
    tenant: &TenantId,
    workflow: WorkflowId,
    version: u32,
) -> Result<Arc<Plan>, NoPlan> {
    if let Some(plan) = core.pinned.plans.get(&(workflow, version)) {
        return Ok(plan);
    }
    let deployed = match deploy::version(&*core.records, tenant, workflow, version).await {
        Ok(Some(deployed)) => deployed,
        Ok(None) => {
            return Err(NoPlan::Broken(format!(
                "version {version} of {workflow} does not exist"
            )));
        }
        Err(error @ RecordError::Unavailable(_)) => {
            return Err(NoPlan::Unavailable(error.to_string()));
        }
        Err(error) => return Err(NoPlan::Broken(error.to_string())),
    };
    let plan = Plan::compile(Arc::new(deployed)).map_err(|diagnostics| {
        let first = diagnostics
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        NoPlan::Broken(format!(
            "version {version} of {workflow} does not compile: {first}"
        ))
    })?;
    let plan = Arc::new(plan);
    core.pinned.plans.put((workflow, version), plan.clone());
    Ok(plan)
}

/// The same, for as long as that takes while the records are not available.
///
/// # Errors
/// Why there will never be one.
pub(crate) async fn patient_plan(
    core: &Core,
    tenant: &TenantId,
    workflow: WorkflowId,
    version: u32,
) -> Result<Arc<Plan>, String> {
    let mut backoff = Backoff::new();
    loop {
        match plan(core, tenant, workflow, version).await {
            Ok(plan) => return Ok(plan),
            Err(NoPlan::Broken(why)) => return Err(why),
            Err(error @ NoPlan::Unavailable(_)) => {
                tracing::warn!(%workflow, version, %error, "a workflow cannot be read; trying again");
                backoff.pause(&*core.clock).await;
            }
        }
    }
}

/// A pinned component, for as long as that takes while components are not available.
pub(crate) async fn component(
    core: &Core,
    tenant: &TenantId,
    digest: Digest,
) -> Result<Verified<Component>, Failure> {
    if let Some(component) = core.pinned.components.get(&digest) {
        return Ok(component);
    }
    let mut backoff = Backoff::new();
    let component = loop {
        match core.components.component(tenant, digest).await {
            Ok(component) => break component,
            Err(error @ ResolveError::Unavailable(_)) => {
                tracing::warn!(%digest, %error, "a component cannot be read; trying again");
                backoff.pause(&*core.clock).await;
            }
            Err(error) => return Err(Failure::new(FailureKind::Component, error.to_string())),
        }
    };
    core.pinned.components.put(digest, component.clone());
    Ok(component)
}
