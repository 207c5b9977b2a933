//! Both ports for a public store, which is a [`Log`] over a back end that
//! nobody outside needs to know.
//!
//! [`Log`]: crate::log::Log

/// Implements `EventLog` and `Records` by the field `0`.
macro_rules! doors {
    ($store:ty) => {
        const _: () = {
            use bytes::Bytes;
            use nebula_flow::Timestamp;
            use nebula_flow::event::Recorded;
            use nebula_flow::id::{Digest, ExecutionId, Shard, TenantId};
            use nebula_flow::ports::*;

            #[async_trait::async_trait]
            impl EventLog for $store {
                async fn submit(&self, submission: Submission) -> Result<Submitted, LogError> {
                    self.0.submit(submission).await
                }
                async fn append(&self, fence: Fence, append: Append) -> Result<(), LogError> {
                    self.0.append(fence, append).await
                }
                async fn claim(&self, owner: &str) -> Result<Vec<Fence>, LogError> {
                    self.0.claim(owner).await
                }
                async fn release(&self, fences: &[Fence]) -> Result<(), LogError> {
                    self.0.release(fences).await
                }
                fn arrivals(&self) -> Feed<Arrival> {
                    self.0.arrivals()
                }
                async fn unfinished(
                    &self,
                    shard: Shard,
                    after: Option<ExecutionId>,
                    limit: usize,
                ) -> Result<Vec<Unfinished>, LogError> {
                    self.0.unfinished(shard, after, limit).await
                }
                async fn inbox(&self, execution: ExecutionId) -> Result<Vec<InboxRow>, LogError> {
                    self.0.inbox(execution).await
                }
                async fn history(
                    &self,
                    execution: ExecutionId,
                    after: u64,
                    limit: usize,
                ) -> Result<Vec<Recorded>, LogError> {
                    self.0.history(execution, after, limit).await
                }
                async fn lines(
                    &self,
                    execution: ExecutionId,
                    after: u64,
                    limit: usize,
                ) -> Result<Vec<(u64, LogLine)>, LogError> {
                    self.0.lines(execution, after, limit).await
                }
                async fn execution(
                    &self,
                    tenant: &TenantId,
                    execution: ExecutionId,
                ) -> Result<Option<ExecutionSummary>, LogError> {
                    self.0.execution(tenant, execution).await
                }
                async fn executions(
                    &self,
                    tenant: &TenantId,
                    query: &ExecutionQuery,
                ) -> Result<Vec<ExecutionSummary>, LogError> {
                    self.0.executions(tenant, query).await
                }
                fn changes(&self) -> Feed<Change> {
                    self.0.changes()
                }
                async fn ended(
                    &self,
                    tenant: &TenantId,
                    query: &EndedQuery,
                ) -> Result<Vec<ExecutionSummary>, LogError> {
                    self.0.ended(tenant, query).await
                }
                async fn remove_executions(
                    &self,
                    tenant: &TenantId,
                    executions: &[ExecutionId],
                    at: Timestamp,
                ) -> Result<Vec<Removal>, LogError> {
                    self.0.remove_executions(tenant, executions, at).await
                }
                async fn sweep(&self, at: Timestamp) -> Result<bool, LogError> {
                    self.0.sweep(at).await
                }
            }

            #[async_trait::async_trait]
            impl Records for $store {
                async fn get(
                    &self,
                    kind: Kind,
                    tenant: &TenantId,
                    key: &str,
                ) -> Result<Option<Record>, RecordError> {
                    self.0.get(kind, tenant, key).await
                }
                async fn put(
                    &self,
                    kind: Kind,
                    tenant: &TenantId,
                    key: &str,
                    value: Bytes,
                    expect: Expect,
                ) -> Result<u64, RecordError> {
                    self.0.put(kind, tenant, key, value, expect).await
                }
                async fn remove(
                    &self,
                    kind: Kind,
                    tenant: &TenantId,
                    key: &str,
                ) -> Result<bool, RecordError> {
                    self.0.remove(kind, tenant, key).await
                }
                async fn list(
                    &self,
                    kind: Kind,
                    tenant: &TenantId,
                    prefix: &str,
                    after: Option<&str>,
                    limit: usize,
                ) -> Result<Vec<(String, Record)>, RecordError> {
                    self.0.list(kind, tenant, prefix, after, limit).await
                }
                async fn put_blob(&self, bytes: Bytes) -> Result<Digest, RecordError> {
                    self.0.put_blob(bytes).await
                }
                async fn pin_blob(&self, digest: Digest) -> Result<bool, RecordError> {
                    self.0.pin_blob(digest).await
                }
                async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, RecordError> {
                    self.0.blob(digest).await
                }
            }
        };
    };
}
