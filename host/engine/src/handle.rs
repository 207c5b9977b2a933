//! A caller's hold on one execution.

use std::sync::{Arc, Weak};

use nebula_flow::ExecutionId;
use tokio::runtime::Handle;

use crate::config::Core;
use crate::watch::{ExecutionResult, Waiting, stopped};

/// A caller's hold on one execution. Dropping it changes nothing for the
/// execution.
#[derive(Clone)]
pub struct ExecutionHandle {
    id: ExecutionId,
    waiting: Waiting,
    runtime: Handle,
    // After `waiting`, so that the receiver is gone when the entry is looked at.
    _interest: Arc<Interest>,
}

struct Interest {
    id: ExecutionId,
    core: Weak<Core>,
}

impl Drop for Interest {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            core.watch.leave(self.id);
        }
    }
}

impl ExecutionHandle {
    pub(crate) fn new(core: &Arc<Core>, id: ExecutionId) -> Self {
        Self {
            id,
            waiting: core.watch.wait_for(id),
            runtime: core.runtime.clone(),
            _interest: Arc::new(Interest {
                id,
                core: Arc::downgrade(core),
            }),
        }
    }

    /// Which execution.
    #[must_use]
    pub const fn id(&self) -> ExecutionId {
        self.id
    }

    /// Waits for the end. When the engine is shut down before it, the result's
    /// status is not final and its error says so.
    pub async fn wait(&self) -> ExecutionResult {
        let mut waiting = self.waiting.clone();
        let result = match waiting.wait_for(Option::is_some).await {
            Ok(result) => result.clone(),
            Err(_) => None,
        };
        result.map_or_else(|| stopped(self.id), Arc::unwrap_or_clone)
    }

    /// Calls back once, with the result that [`wait`](Self::wait) gives; at
    /// once if the execution has ended already.
    pub fn on_complete(&self, callback: impl FnOnce(ExecutionResult) + Send + 'static) {
        let handle = self.clone();
        self.runtime
            .spawn(async move { callback(handle.wait().await) });
    }
}

impl std::fmt::Debug for ExecutionHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ExecutionHandle").field(&self.id).finish()
    }
}
