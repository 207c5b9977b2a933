//! The store of one node: one SQLite file in WAL mode with `synchronous=FULL`.
//!
//! One thread writes; it commits whatever has queued up in one transaction with
//! one fsync. A few read-only connections serve the reads, which never wait for
//! the writer nor it for them.
//!
//! - [`open`]: the folder, its lock, the connections.
//! - [`schema`]: the tables, and how an older file becomes a newer one.
//! - [`store`]: batches as transactions.
//! - [`read`]: the reads as statements; [`over`]: what is over;
//!   [`slots`]: who waits for a slot.
//! - [`kept`]: records in memory.

mod kept;
mod open;
mod over;
mod read;
mod schema;
mod slots;
mod store;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use bytes::Bytes;
use nebula_flow::id::{Digest, ExecutionId, Shard, TenantId};
use nebula_flow::ports::{EndedQuery, ExecutionQuery, Record, Unfinished};
use rusqlite::Connection;

use kept::{Kept, Known};

use crate::feeds::Feeds;
use crate::figures::Figures;
use crate::log::{Backend, Log};
use crate::lost::Lost;
use crate::open::OpenError;
use crate::pool::{Pool, READERS};
use crate::queue::Queue;
use crate::request::Request;
use crate::rows::{EventRow, ExecutionRow, MessageRow, RecordKey};
use crate::trouble::Trouble;

/// The log and the records in one SQLite file of one folder, which this process
/// alone holds open. Cheap to clone; once the last clone is dropped, everything
/// that was queued is on disk and the folder is free.
#[derive(Clone)]
pub struct Sqlite(Log<SqliteFile>);

doors!(Sqlite);

/// The back end of [`Sqlite`].
#[derive(Debug)]
struct SqliteFile {
    queue: Arc<Queue>,
    feeds: Arc<Feeds>,
    writer: Option<JoinHandle<()>>,
    readers: Arc<Readers>,
}

/// Connections for reading. The folder's lock is theirs, so that it outlives the
/// last of them.
#[derive(Debug)]
struct Readers {
    pool: Pool<Connection>,
    kept: Arc<Kept>,
    folder: open::Folder,
}

impl Sqlite {
    /// Opens the store in this folder, making both if there is none: the file
    /// `nebula.db`, readable by this user alone, and the lock `nebula.lock`.
    ///
    /// # Errors
    /// When another process holds the folder, the file was written by a newer
    /// Nebula or is no store, or the disk is in trouble.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let folder = open::Folder::lock(dir)?;
        let connection = folder.writer()?;
        let mut idle = Vec::new();
        for _ in 0..READERS {
            idle.push(folder.reader()?);
        }
        let feeds = Arc::new(Feeds::new());
        let queue = Arc::new(Queue::new(Arc::clone(&feeds)));
        let serving = Arc::clone(&queue);
        let kept = Arc::<Kept>::default();
        let mut writer = store::Writer::new(connection, Arc::clone(&kept));
        let writer = std::thread::Builder::new()
            .name("nebula-log".into())
            .spawn(move || serving.serve(&mut writer))
            .map_err(|source| folder.trouble(source))?;
        Ok(Self(Log(Arc::new(SqliteFile {
            queue,
            feeds,
            writer: Some(writer),
            readers: Arc::new(Readers {
                pool: Pool::new(idle),
                kept,
                folder,
            }),
        }))))
    }
}

impl Sqlite {
    /// What the writer does, in numbers.
    #[must_use]
    pub fn figures(&self) -> Arc<Figures> {
        self.0.0.queue.figures()
    }

    /// Says when the writer has panicked.
    #[must_use]
    pub fn lost(&self) -> Lost {
        self.0.0.queue.lost()
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sqlite({})", self.0.0.readers.folder.path().display())
    }
}

impl Drop for SqliteFile {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // It needs no runtime and ends after at most what is queued. Had it
            // panicked, the panic was reported when it happened.
            drop(writer.join());
        }
    }
}

impl SqliteFile {
    /// Runs a read on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let readers = Arc::clone(&self.readers);
        let _turn = self.readers.pool.turn().await?;
        tokio::task::spawn_blocking(move || readers.run(read))
            .await
            .unwrap_or_else(|e| Err(Trouble::Unavailable(format!("a read ended early: {e}"))))
    }
}

impl Readers {
    fn run<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let connection = match self.pool.take() {
            Some(connection) => connection,
            None => self
                .folder
                .reader()
                .map_err(|e| Trouble::Unavailable(e.to_string()))?,
        };
        let result = read(&connection);
        self.pool.give(connection);
        result
    }
}

#[async_trait]
impl Backend for SqliteFile {
    async fn send(&self, request: Request) -> Result<(), Trouble> {
        self.queue.push(request).await
    }

    fn feeds(&self) -> &Feeds {
        &self.feeds
    }

    fn has_told_early(&self) -> bool {
        self.queue.has_told_early()
    }

    async fn unfinished(
        &self,
        shard: Shard,
        after: Option<ExecutionId>,
        limit: usize,
    ) -> Result<Vec<Unfinished>, Trouble> {
        self.read(move |c| read::unfinished(c, shard, after, limit))
            .await
    }

    async fn inbox(&self, execution: ExecutionId) -> Result<Vec<(u64, MessageRow)>, Trouble> {
        self.read(move |c| read::inbox(c, execution)).await
    }

    async fn events(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<EventRow>, Trouble> {
        self.read(move |c| read::events(c, execution, after, limit))
            .await
    }

    async fn lines(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Bytes)>, Trouble> {
        self.read(move |c| read::lines(c, execution, after, limit))
            .await
    }

    async fn execution(&self, execution: ExecutionId) -> Result<Option<ExecutionRow>, Trouble> {
        self.read(move |c| read::execution(c, execution)).await
    }

    async fn executions(
        &self,
        tenant: TenantId,
        query: ExecutionQuery,
    ) -> Result<Vec<(ExecutionId, ExecutionRow)>, Trouble> {
        self.read(move |c| read::executions(c, &tenant, &query))
            .await
    }

    async fn ended(
        &self,
        tenant: TenantId,
        query: EndedQuery,
    ) -> Result<Vec<(ExecutionId, ExecutionRow)>, Trouble> {
        self.read(move |c| over::ended(c, &tenant, &query)).await
    }

    async fn record(&self, key: RecordKey) -> Result<Option<Record>, Trouble> {
        let epoch = match self.readers.kept.look(&key) {
            Known::Is(record) => return Ok(record),
            Known::Nothing(epoch) => epoch,
        };
        let wanted = key.clone();
        let record = self.read(move |c| read::record(c, &wanted)).await?;
        self.readers.kept.keep(key, record.as_ref(), epoch);
        Ok(record)
    }

    async fn list(
        &self,
        kind: &'static str,
        tenant: TenantId,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, Trouble> {
        self.read(move |c| read::list(c, kind, &tenant, &prefix, after.as_deref(), limit))
            .await
    }

    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, Trouble> {
        self.read(move |c| read::blob(c, digest)).await
    }
}

#[cfg(test)]
mod tests;
