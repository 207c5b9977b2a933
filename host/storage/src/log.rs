//! The door: the ports over any back end.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use nebula_flow::Timestamp;
use nebula_flow::event::Recorded;
use nebula_flow::id::{Digest, ExecutionId, Shard, TenantId};
use nebula_flow::planted::{self, Bug};
use nebula_flow::ports::{
    Append, Arrival, Change, EndedQuery, EventLog, ExecutionQuery, ExecutionSummary, Expect, Feed,
    Fence, InboxRow, Kind, LogError, LogLine, Outgoing, Record, RecordError, Records, Removal,
    Submission, Submitted, Unfinished,
};

use crate::codec;
use crate::early;
use crate::feeds::{self, Feeds};
use crate::request::{AppendRows, Letter, Request, Submit, Ticket, record_key};
use crate::rows::{EventRow, ExecutionRow, MessageRow, RecordKey};
use crate::trouble::Trouble;

/// Above this many bytes a digest is computed where it blocks nobody.
const DIGEST_INLINE: usize = 64 * 1024;

/// A log and records over one back end.
pub(crate) struct Log<B>(pub(crate) Arc<B>);

impl<B> Clone for Log<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// What a back end is for the ports: a way to its writer, and reads of what is
/// committed. Pages are in ascending order unless said otherwise.
#[async_trait]
pub(crate) trait Backend: Send + Sync + 'static {
    async fn send(&self, request: Request) -> Result<(), Trouble>;
    fn feeds(&self) -> &Feeds;
    /// Whether an arrival was told that is not committed yet.
    fn has_told_early(&self) -> bool;
    async fn unfinished(
        &self,
        shard: Shard,
        after: Option<ExecutionId>,
        limit: usize,
    ) -> Result<Vec<Unfinished>, Trouble>;
    async fn inbox(&self, execution: ExecutionId) -> Result<Vec<(u64, MessageRow)>, Trouble>;
    async fn events(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<EventRow>, Trouble>;
    async fn lines(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Bytes)>, Trouble>;
    async fn execution(&self, execution: ExecutionId) -> Result<Option<ExecutionRow>, Trouble>;
    /// Newest first.
    async fn executions(
        &self,
        tenant: TenantId,
        query: ExecutionQuery,
    ) -> Result<Vec<(ExecutionId, ExecutionRow)>, Trouble>;
    /// In the order of their ends.
    async fn ended(
        &self,
        tenant: TenantId,
        query: EndedQuery,
    ) -> Result<Vec<(ExecutionId, ExecutionRow)>, Trouble>;
    async fn record(&self, key: RecordKey) -> Result<Option<Record>, Trouble>;
    async fn list(
        &self,
        kind: &'static str,
        tenant: TenantId,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, Trouble>;
    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, Trouble>;
}

#[async_trait]
impl<B: Backend> EventLog for Log<B> {
    async fn submit(&self, submission: Submission) -> Result<Submitted, LogError> {
        let body = codec::encode(&submission.message)?;
        let blobs = submission.message.blobs();
        let (ticket, answer) = Ticket::new();
        self.0
            .send(Request::Submit(Submit {
                submission,
                body,
                blobs,
                announced: false,
                ticket,
            }))
            .await?;
        if planted::is(Bug::ReplyBeforeCommit) {
            return Ok(Submitted::Accepted);
        }
        answer.wait().await
    }

    async fn append(&self, fence: Fence, mut append: Append) -> Result<(), LogError> {
        if planted::is(Bug::ShownBeforeCommit) {
            early::show(self.0.feeds(), &append).await;
        }
        // Encoded here, so that the one writer has less to do.
        let events = std::mem::take(&mut append.events);
        let blobs = events.iter().flat_map(|r| r.event.blobs()).collect();
        let end = events.last().filter(|r| feeds::is_small_end(&append, r));
        let end = end.cloned().map(Arc::new);
        let events = events
            .iter()
            .map(|e| codec::encode_event(append.execution, e))
            .collect::<Result<Vec<_>, Trouble>>()?;
        let lines = std::mem::take(&mut append.lines);
        let lines = lines
            .iter()
            .map(codec::encode)
            .collect::<Result<Vec<_>, Trouble>>()?;
        let letter = |outgoing: Outgoing| {
            let body = codec::encode(&outgoing.message)?;
            let blobs = outgoing.message.blobs();
            Ok(Letter {
                outgoing,
                body,
                blobs,
            })
        };
        let outbox = std::mem::take(&mut append.outbox);
        let outbox = outbox
            .into_iter()
            .map(letter)
            .collect::<Result<Vec<_>, Trouble>>()?;
        let (ticket, answer) = Ticket::new();
        self.0
            .send(Request::Append(AppendRows {
                fence,
                head: append,
                events,
                end,
                blobs,
                lines,
                outbox,
                ticket,
            }))
            .await?;
        answer.wait().await
    }

    async fn claim(&self, owner: &str) -> Result<Vec<Fence>, LogError> {
        let (ticket, answer) = Ticket::new();
        self.0
            .send(Request::Claim {
                owner: owner.to_owned(),
                ticket,
            })
            .await?;
        answer.wait().await
    }

    async fn release(&self, fences: &[Fence]) -> Result<(), LogError> {
        let (ticket, answer) = Ticket::new();
        self.0
            .send(Request::Release {
                fences: fences.to_vec(),
                ticket,
            })
            .await?;
        answer.wait().await
    }

    fn arrivals(&self) -> Feed<Arrival> {
        self.0.feeds().arrivals()
    }

    async fn unfinished(
        &self,
        shard: Shard,
        after: Option<ExecutionId>,
        limit: usize,
    ) -> Result<Vec<Unfinished>, LogError> {
        // Who lost an arrival looks here: what was told must be found.
        if self.0.has_told_early() {
            let (ticket, answer) = Ticket::<(), LogError>::new();
            self.0.send(Request::Flush { ticket }).await?;
            answer.wait().await?;
        }
        Ok(self.0.unfinished(shard, after, limit).await?)
    }

    async fn inbox(&self, execution: ExecutionId) -> Result<Vec<InboxRow>, LogError> {
        let rows = self.0.inbox(execution).await?;
        let decode = |(seq, row): (u64, MessageRow)| {
            let message = codec::decode(&row.body, || format!("message {seq} of {execution}"))?;
            Ok(InboxRow {
                seq,
                at: row.at,
                message,
            })
        };
        rows.into_iter().map(decode).collect()
    }

    async fn history(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Recorded>, LogError> {
        let rows = self.0.events(execution, after, limit).await?;
        let mut events = Vec::with_capacity(rows.len());
        for (row, version) in rows.iter().zip(after.saturating_add(1)..) {
            events.push(codec::decode_event(execution, version, row)?);
        }
        if planted::is(Bug::ShownBeforeCommit) {
            early::add(execution, after, limit, &mut events);
        }
        Ok(events)
    }

    async fn lines(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, LogLine)>, LogError> {
        let rows = self.0.lines(execution, after, limit).await?;
        let decode = |(seq, body): (u64, Bytes)| {
            Ok((
                seq,
                codec::decode(&body, || format!("line {seq} of {execution}"))?,
            ))
        };
        rows.into_iter().map(decode).collect()
    }

    async fn execution(
        &self,
        tenant: &TenantId,
        execution: ExecutionId,
    ) -> Result<Option<ExecutionSummary>, LogError> {
        let row = self.0.execution(execution).await?;
        Ok(row
            .filter(|row| row.tenant == *tenant)
            .map(|row| row.summary(execution)))
    }

    async fn executions(
        &self,
        tenant: &TenantId,
        query: &ExecutionQuery,
    ) -> Result<Vec<ExecutionSummary>, LogError> {
        let rows = self.0.executions(tenant.clone(), query.clone()).await?;
        Ok(rows.into_iter().map(|(id, row)| row.summary(id)).collect())
    }

    fn changes(&self) -> Feed<Change> {
        self.0.feeds().changes()
    }

    async fn ended(
        &self,
        tenant: &TenantId,
        query: &EndedQuery,
    ) -> Result<Vec<ExecutionSummary>, LogError> {
        let rows = self.0.ended(tenant.clone(), *query).await?;
        Ok(rows.into_iter().map(|(id, row)| row.summary(id)).collect())
    }

    async fn remove_executions(
        &self,
        tenant: &TenantId,
        executions: &[ExecutionId],
        at: Timestamp,
    ) -> Result<Vec<Removal>, LogError> {
        let (ticket, answer) = Ticket::new();
        self.0
            .send(Request::RemoveExecutions {
                tenant: tenant.clone(),
                executions: executions.to_vec(),
                at,
                ticket,
            })
            .await?;
        answer.wait().await
    }

    async fn sweep(&self, at: Timestamp) -> Result<bool, LogError> {
        let (ticket, answer) = Ticket::new();
        self.0.send(Request::Sweep { at, ticket }).await?;
        answer.wait().await
    }
}

#[async_trait]
impl<B: Backend> Records for Log<B> {
    async fn get(
        &self,
        kind: Kind,
        tenant: &TenantId,
        key: &str,
    ) -> Result<Option<Record>, RecordError> {
        Ok(self.0.record(record_key(kind, tenant, key)).await?)
    }

    async fn put(
        &self,
        kind: Kind,
        tenant: &TenantId,
        key: &str,
        value: Bytes,
        expect: Expect,
    ) -> Result<u64, RecordError> {
        let (ticket, answer) = Ticket::new();
        let key = record_key(kind, tenant, key);
        self.0
            .send(Request::Put {
                key,
                value,
                expect,
                ticket,
            })
            .await?;
        answer.wait().await
    }

    async fn remove(&self, kind: Kind, tenant: &TenantId, key: &str) -> Result<bool, RecordError> {
        let (ticket, answer) = Ticket::new();
        self.0
            .send(Request::Remove {
                key: record_key(kind, tenant, key),
                ticket,
            })
            .await?;
        answer.wait().await
    }

    async fn list(
        &self,
        kind: Kind,
        tenant: &TenantId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, RecordError> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        Ok(self
            .0
            .list(kind.name(), tenant.clone(), prefix, after, limit)
            .await?)
    }

    async fn put_blob(&self, bytes: Bytes) -> Result<Digest, RecordError> {
        let digest = digest_of(bytes.clone()).await?;
        let (ticket, answer) = Ticket::<(), RecordError>::new();
        self.0
            .send(Request::PutBlob {
                digest,
                bytes,
                ticket,
            })
            .await?;
        answer.wait().await?;
        Ok(digest)
    }

    async fn pin_blob(&self, digest: Digest) -> Result<bool, RecordError> {
        let (ticket, answer) = Ticket::new();
        self.0.send(Request::PinBlob { digest, ticket }).await?;
        answer.wait().await
    }

    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, RecordError> {
        let Some(bytes) = self.0.blob(digest).await? else {
            return Ok(None);
        };
        if digest_of(bytes.clone()).await? == digest {
            Ok(Some(bytes))
        } else {
            Err(RecordError::Damaged(format!(
                "the bytes of blob {digest} have another digest"
            )))
        }
    }
}

async fn digest_of(bytes: Bytes) -> Result<Digest, Trouble> {
    if bytes.len() <= DIGEST_INLINE {
        return Ok(Digest::of(&bytes));
    }
    tokio::task::spawn_blocking(move || Digest::of(&bytes))
        .await
        .map_err(|e| Trouble::Unavailable(format!("a digest was not computed: {e}")))
}
