//! The records of a run. A large blob's digest is computed on another thread: that is
//! work, and no time passes meanwhile.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use nebula_flow::ports::{Expect, Kind, Record, RecordError, Records};
use nebula_flow::{Digest, TenantId};
use nebula_storage::Memory;

use crate::runner::{Busy, Idle};

pub(crate) struct TestRecords {
    pub(crate) store: Memory,
    pub(crate) idle: Arc<Idle>,
}

#[async_trait]
impl Records for TestRecords {
    async fn get(
        &self,
        kind: Kind,
        tenant: &TenantId,
        key: &str,
    ) -> Result<Option<Record>, RecordError> {
        self.store.get(kind, tenant, key).await
    }

    async fn put(
        &self,
        kind: Kind,
        tenant: &TenantId,
        key: &str,
        value: Bytes,
        expect: Expect,
    ) -> Result<u64, RecordError> {
        self.store.put(kind, tenant, key, value, expect).await
    }

    async fn remove(&self, kind: Kind, tenant: &TenantId, key: &str) -> Result<bool, RecordError> {
        self.store.remove(kind, tenant, key).await
    }

    async fn list(
        &self,
        kind: Kind,
        tenant: &TenantId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, RecordError> {
        self.store.list(kind, tenant, prefix, after, limit).await
    }

    async fn put_blob(&self, bytes: Bytes) -> Result<Digest, RecordError> {
        let _busy = Busy::new(&self.idle);
        self.store.put_blob(bytes).await
    }

    async fn pin_blob(&self, digest: Digest) -> Result<bool, RecordError> {
        self.store.pin_blob(digest).await
    }

    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, RecordError> {
        let _busy = Busy::new(&self.idle);
        self.store.blob(digest).await
    }
}
