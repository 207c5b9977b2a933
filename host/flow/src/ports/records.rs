//! What is kept by name, and blobs by content hash.

use async_trait::async_trait;
use bytes::Bytes;

use crate::id::{Digest, TenantId};

/// Everything that is kept by name: definitions, grants, credentials; and
/// blobs by content hash. Typed wrappers stand beside what they keep.
#[async_trait]
pub trait Records: Send + Sync + 'static {
    /// The record of this name, if there is one.
    async fn get(
        &self,
        kind: Kind,
        tenant: &TenantId,
        key: &str,
    ) -> Result<Option<Record>, RecordError>;

    /// Sets a record; returns its new version. Once it returns, it is on disk.
    async fn put(
        &self,
        kind: Kind,
        tenant: &TenantId,
        key: &str,
        value: Bytes,
        expect: Expect,
    ) -> Result<u64, RecordError>;

    /// Removes a record; whether there was one.
    async fn remove(&self, kind: Kind, tenant: &TenantId, key: &str) -> Result<bool, RecordError>;

    /// Records whose key begins with `prefix` and is greater than `after`, in
    /// order of the key.
    async fn list(
        &self,
        kind: Kind,
        tenant: &TenantId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, RecordError>;

    /// Keeps bytes under their digest. Once it returns, they are on disk, and stay
    /// for as long as an execution uses them, for
    /// [`BLOB_GRACE`](crate::retention::BLOB_GRACE) at least.
    async fn put_blob(&self, bytes: Bytes) -> Result<Digest, RecordError>;

    /// Keeps a blob for good, if it is there; whether it is.
    async fn pin_blob(&self, digest: Digest) -> Result<bool, RecordError>;

    /// The bytes of this digest, if they are kept.
    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, RecordError>;
}

/// The kinds of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A workflow by name: its id and newest version.
    Workflow,
    /// One version of a workflow, by `id/version` (version with 10 digits).
    WorkflowVersion,
    /// A grant, by `action/host`.
    Grant,
    /// That an action may read a credential in plain text, by `action/credential`.
    Reveal,
    /// A credential, by name. Encrypted at rest.
    Credential,
    /// A key of the API, by its id: who may do what, and a hash of its secret.
    ApiKey,
    /// What an action has reached, by its id.
    Reached,
    /// Where a trigger stands, by `workflow/trigger` (names): its switch, what is
    /// done of its schedule or its cursor with what it owes, what it did last.
    Trigger,
    /// A version of a package that is installed, by `namespace/name/version`.
    Package,
    /// Whose the first segment of action ids is, by that segment.
    Claim,
    /// A blob of an action, by its digest in hex, and how much a tenant has of them.
    Blob,
    /// What an action keeps, by `workflow/node/NODE` or `workflow/key/NAMESPACE/KEY`.
    State,
}

impl Kind {
    /// The name it has in stores.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Workflow => "workflow",
            Self::WorkflowVersion => "workflow_version",
            Self::Grant => "grant",
            Self::Reveal => "reveal",
            Self::Credential => "credential",
            Self::ApiKey => "api_key",
            Self::Reached => "reached",
            Self::Trigger => "trigger",
            Self::Package => "package",
            Self::Claim => "claim",
            Self::Blob => "blob",
            Self::State => "state",
        }
    }
}

/// A record's bytes and how often they were set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// 1 for the first.
    pub version: u64,
    /// JSON, by the wrapper beside the type.
    pub value: Bytes,
}

/// What must hold for a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Any,
    /// No such record.
    Absent,
    /// The record has this version.
    Version(u64),
}

/// Why the records refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordError {
    /// What was expected does not hold: someone else was faster.
    #[error("{kind} `{key}` was changed by someone else")]
    Conflict {
        /// Of record.
        kind: &'static str,
        /// Its name.
        key: String,
    },
    /// The store is in trouble; trying again may help.
    #[error("the records are not available: {0}")]
    Unavailable(String),
    /// What the store holds is not what it should be.
    #[error("the records are damaged: {0}")]
    Damaged(String),
}
