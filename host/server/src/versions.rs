//! Deployed versions that were read lately. A version never changes, so that
//! what is kept here never goes stale.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nebula_flow::WorkflowId;
use nebula_flow::deploy::DeployedWorkflow;

/// How many versions are kept; beyond it, all are forgotten and read anew.
const CAPACITY: usize = 1_024;

type Kept = HashMap<(WorkflowId, u32), Arc<DeployedWorkflow>>;

/// The versions of a node.
#[derive(Default)]
pub(crate) struct Versions(Mutex<Kept>);

impl Versions {
    /// A version that was kept.
    pub(crate) fn get(&self, id: WorkflowId, version: u32) -> Option<Arc<DeployedWorkflow>> {
        self.kept().get(&(id, version)).cloned()
    }

    /// Keeps a version.
    pub(crate) fn keep(&self, deployed: Arc<DeployedWorkflow>) -> Arc<DeployedWorkflow> {
        let mut kept = self.kept();
        if kept.len() >= CAPACITY {
            kept.clear();
        }
        kept.insert((deployed.id, deployed.version), Arc::clone(&deployed));
        deployed
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
