//! A store of which one call fails: the n-th of its kind, with nothing done, or
//! done and not said; or of which the calls of one kind take their time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use nebula_flow::ports::{
    Append, Arrival, Change, EndedQuery, EventLog, ExecutionQuery, ExecutionSummary, Expect, Feed,
    Fence, InboxRow, Kind, LogError, LogLine, Record, RecordError, Records, Removal, Submission,
    Submitted, Unfinished,
};
use nebula_flow::{Digest, ExecutionId, Recorded, Shard, TenantId, Timestamp};
use nebula_storage::Memory;

/// Which call fails, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strike {
    /// By its name in the port.
    pub(crate) call: &'static str,
    /// The n-th of them, from 1.
    pub(crate) nth: u32,
    /// Whether all is done all the same.
    pub(crate) done: bool,
}

/// Both ports of a store, of which one call fails.
pub(crate) struct Struck {
    store: Arc<Memory>,
    strike: Strike,
    calls: AtomicU32,
    /// What each call of the kind takes besides.
    slow: Duration,
}

impl Struck {
    /// One of which nothing fails, and calls of this kind are slow.
    pub(crate) fn slow(store: Arc<Memory>, call: &'static str, slow: Duration) -> Arc<Self> {
        Arc::new(Self {
            store,
            strike: Strike {
                call,
                nth: 0,
                done: false,
            },
            calls: AtomicU32::new(0),
            slow,
        })
    }

    pub(crate) fn new(store: Arc<Memory>, strike: Strike) -> Arc<Self> {
        Arc::new(Self {
            store,
            strike,
            calls: AtomicU32::new(0),
            slow: Duration::ZERO,
        })
    }

    /// Whether so many calls were made, and it failed.
    pub(crate) fn has_struck(&self) -> bool {
        self.calls.load(SeqCst) >= self.strike.nth
    }

    async fn call<T, E>(
        &self,
        name: &str,
        fails: fn(String) -> E,
        call: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        let Strike {
            call: wanted,
            nth,
            done,
        } = self.strike;
        if name == wanted && !self.slow.is_zero() {
            tokio::time::sleep(self.slow).await;
        }
        let strikes = name == wanted && self.calls.fetch_add(1, SeqCst) + 1 == nth;
        if strikes && !done {
            return Err(fails("told to fail".into()));
        }
        let result = call.await;
        if strikes {
            return Err(fails("told to fail, and it is done".into()));
        }
        result
    }
}

#[async_trait]
impl EventLog for Struck {
    async fn submit(&self, submission: Submission) -> Result<Submitted, LogError> {
        let call = self.store.submit(submission);
        self.call("submit", LogError::Unavailable, call).await
    }

    async fn append(&self, fence: Fence, append: Append) -> Result<(), LogError> {
        let call = self.store.append(fence, append);
        self.call("append", LogError::Unavailable, call).await
    }

    async fn claim(&self, owner: &str) -> Result<Vec<Fence>, LogError> {
        let call = self.store.claim(owner);
        self.call("claim", LogError::Unavailable, call).await
    }

    async fn release(&self, fences: &[Fence]) -> Result<(), LogError> {
        let call = self.store.release(fences);
        self.call("release", LogError::Unavailable, call).await
    }

    fn arrivals(&self) -> Feed<Arrival> {
        self.store.arrivals()
    }

    async fn unfinished(
        &self,
        shard: Shard,
        after: Option<ExecutionId>,
        limit: usize,
    ) -> Result<Vec<Unfinished>, LogError> {
        let call = self.store.unfinished(shard, after, limit);
        self.call("unfinished", LogError::Unavailable, call).await
    }

    async fn inbox(&self, execution: ExecutionId) -> Result<Vec<InboxRow>, LogError> {
        let call = self.store.inbox(execution);
        self.call("inbox", LogError::Unavailable, call).await
    }

    async fn history(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogError> {
        let call = self.store.history(execution, after, limit);
        self.call("history", LogError::Unavailable, call).await
    }

    async fn lines(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, LogLine)>, LogError> {
        let call = self.store.lines(execution, after, limit);
        self.call("lines", LogError::Unavailable, call).await
    }

    async fn execution(
        &self,
        tenant: &TenantId,
        execution: ExecutionId,
    ) -> Result<Option<ExecutionSummary>, LogError> {
        let call = self.store.execution(tenant, execution);
        self.call("execution", LogError::Unavailable, call).await
    }

    async fn executions(
        &self,
        tenant: &TenantId,
        query: &ExecutionQuery,
    ) -> Result<Vec<ExecutionSummary>, LogError> {
        let call = self.store.executions(tenant, query);
        self.call("executions", LogError::Unavailable, call).await
    }

    fn changes(&self) -> Feed<Change> {
        self.store.changes()
    }

    async fn ended(
        &self,
        tenant: &TenantId,
        query: &EndedQuery,
    ) -> Result<Vec<ExecutionSummary>, LogError> {
        let call = self.store.ended(tenant, query);
        self.call("ended", LogError::Unavailable, call).await
    }

    async fn remove_executions(
        &self,
        tenant: &TenantId,
        executions: &[ExecutionId],
        at: Timestamp,
    ) -> Result<Vec<Removal>, LogError> {
        let call = self.store.remove_executions(tenant, executions, at);
        self.call("remove_executions", LogError::Unavailable, call)
            .await
    }

    async fn sweep(&self, at: Timestamp) -> Result<bool, LogError> {
        let call = self.store.sweep(at);
        self.call("sweep", LogError::Unavailable, call).await
    }
}

#[async_trait]
impl Records for Struck {
    async fn get(
        &self,
        kind: Kind,
        tenant: &TenantId,
        key: &str,
    ) -> Result<Option<Record>, RecordError> {
        let call = self.store.get(kind, tenant, key);
        self.call("get", RecordError::Unavailable, call).await
    }

    async fn put(
        &self,
        kind: Kind,
        tenant: &TenantId,
        key: &str,
        value: Bytes,
        expect: Expect,
    ) -> Result<u64, RecordError> {
        let call = self.store.put(kind, tenant, key, value, expect);
        self.call("put", RecordError::Unavailable, call).await
    }

    async fn remove(&self, kind: Kind, tenant: &TenantId, key: &str) -> Result<bool, RecordError> {
        let call = self.store.remove(kind, tenant, key);
        self.call("remove", RecordError::Unavailable, call).await
    }

    async fn list(
        &self,
        kind: Kind,
        tenant: &TenantId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, RecordError> {
        let call = self.store.list(kind, tenant, prefix, after, limit);
        self.call("list", RecordError::Unavailable, call).await
    }

    async fn put_blob(&self, bytes: Bytes) -> Result<Digest, RecordError> {
        let call = self.store.put_blob(bytes);
        self.call("put_blob", RecordError::Unavailable, call).await
    }

    async fn pin_blob(&self, digest: Digest) -> Result<bool, RecordError> {
        let call = self.store.pin_blob(digest);
        self.call("pin_blob", RecordError::Unavailable, call).await
    }

    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, RecordError> {
        let call = self.store.blob(digest);
        self.call("blob", RecordError::Unavailable, call).await
    }
}
