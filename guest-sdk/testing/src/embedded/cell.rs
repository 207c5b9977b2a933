//! The one sandbox of this process: components are compiled once, however many tests
//! run them. It works on a runtime of its own, since those of tests end with them.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use nebula_flow::event::{Failure, FailureKind, Usage};
use nebula_flow::ports::{Call, Prepared, Report, Runner};
use nebula_flow::{Component, Verified};
use nebula_sandbox::{Sandbox, SandboxConfig};
use nebula_storage::Memory;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// How many calls run at once.
const CALLS: u32 = 16;

/// The sandbox and where it works.
pub(super) struct Cell {
    runtime: Runtime,
    pub(super) sandbox: Sandbox,
}

/// Ends with whoever waits for it.
struct Task<T>(JoinHandle<T>);

impl Cell {
    /// The one of this process, which starts when it is first asked for.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub(super) fn of_this_process() -> Result<&'static Self, String> {
        static CELL: OnceLock<Result<Cell, String>> = OnceLock::new();
        CELL.get_or_init(Self::start).as_ref().map_err(Clone::clone)
    }

    fn start() -> Result<Self, String> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("nebula-embedded")
            .enable_all()
            .build()
            .map_err(|e| format!("the sandbox has no runtime: {e}"))?;
        let config = SandboxConfig {
            max_concurrent_calls: CALLS,
            max_calls_per_tenant: CALLS,
            // Each harness is a tenant of its own there.
            records: Some(Arc::new(Memory::new())),
            // Without a compiling process: whoever tests a component has built it.
            ..SandboxConfig::default()
        };
        let entered = runtime.enter();
        let sandbox = Sandbox::new(config, Arc::default());
        drop(entered);
        Ok(Self {
            sandbox: sandbox.map_err(|e| format!("the sandbox cannot start: {e}"))?,
            runtime,
        })
    }

    /// Runs a future where the sandbox works; none if it was cut off.
    pub(super) async fn here<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let mut task = Task(self.runtime.spawn(future));
        (&mut task.0).await.ok()
    }

    /// Checks, compiles and describes a component.
    pub(super) async fn prepare(
        &self,
        component: Verified<Component>,
    ) -> Result<Prepared, Failure> {
        let sandbox = self.sandbox.clone();
        let prepared = self.here(async move { sandbox.prepare(&component).await });
        prepared.await.unwrap_or_else(|| Err(cut_off()))
    }

    /// Runs a call.
    pub(super) async fn run(&self, call: Call) -> Report {
        let sandbox = self.sandbox.clone();
        let ran = self.here(async move { sandbox.run(call).await }).await;
        ran.unwrap_or_else(|| Report {
            result: Err(cut_off()),
            usage: Usage::default(),
            lines: Vec::new(),
        })
    }
}

fn cut_off() -> Failure {
    Failure::new(FailureKind::Host, "the call was cut off")
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
