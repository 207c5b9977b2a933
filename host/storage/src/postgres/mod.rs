//! The store that nodes share: a schema of a PostgreSQL database.
//!
//! One session writes; it commits whatever has queued up in one transaction. A
//! few sessions serve the reads, one listens to the other nodes. Ownership is a
//! row for each shard, and each transaction that appends holds its shards' rows
//! against a change of owner: an owner that was stopped for too long, and whose
//! shards another one took, cannot write.
//!
//! - [`url`]: which database, and how it is used.
//! - [`session`]: sessions are checked and set up before they are used.
//! - [`schema`]: the tables, and how an older schema becomes a newer one.
//! - [`writer`]: batches as transactions, and what happened to a commit that
//!   nobody answered.
//! - [`facts`], [`write`]: what a batch reads, locks and writes.
//! - [`read`]: the reads as statements; [`over`]: what is over.
//! - [`news`], [`wire`]: what nodes tell each other.
//! - [`failure`]: what errors mean.

mod facts;
mod failure;
mod news;
mod over;
mod read;
mod schema;
mod session;
mod slots;
mod url;
mod wire;
mod write;
mod writer;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use nebula_flow::id::{Digest, ExecutionId, Shard, TenantId};
use nebula_flow::ports::{Durability, EndedQuery, ExecutionQuery, Record, Unfinished};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgListener};
use tokio::task::JoinSet;

use self::facts::Holder;
use self::news::{Ear, Line, Out};
use self::read::Readers;
pub use self::url::PostgresUrl;
use self::writer::{Desk, Held, Writer};
use crate::feeds::Feeds;
use crate::figures::Figures;
use crate::log::{Backend, Log};
use crate::lost::Lost;
use crate::open::OpenError;
use crate::queue::Queue;
use crate::request::Request;
use crate::rows::{EventRow, ExecutionRow, MessageRow, RecordKey};
use crate::trouble::Trouble;

/// How long the last handle waits for what is still queued, should the server
/// not answer.
const CLOSING: Duration = Duration::from_secs(10);

/// The log and the records in one schema of a PostgreSQL database, which other
/// processes may have open too. Cheap to clone; once the last clone is dropped,
/// everything that was queued is on disk, if the server answers.
#[derive(Clone)]
pub struct Postgres(Log<Database>);

doors!(Postgres);

/// The back end of [`Postgres`].
#[derive(Debug)]
struct Database {
    queue: Arc<Queue>,
    feeds: Arc<Feeds>,
    readers: Arc<Readers>,
    held: Arc<Held>,
    closing: Arc<AtomicBool>,
    /// Says when the writer has ended.
    ended: std::sync::Mutex<Receiver<()>>,
    /// Aborted when dropped.
    _news: JoinSet<()>,
}

impl Postgres {
    /// Opens the store in this database, making its schema and tables if there
    /// are none.
    ///
    /// # Errors
    /// When the server cannot be reached, is not fit (see `docs/server.md`), or
    /// a newer Nebula or another program wrote the schema.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn open(url: &PostgresUrl) -> Result<Self, OpenError> {
        let trouble = |reason: String| OpenError::Database {
            store: url.to_string(),
            reason,
        };
        let mut session = session::open(url).await.map_err(|e| e.opening(url))?;
        schema::migrate(&mut session, url).await?;
        let id = register(&mut session)
            .await
            .map_err(|e| trouble(e.to_string()))?;
        let listener = news::listen(url)
            .await
            .map_err(|e| trouble(e.to_string()))?;
        Self::begin(url, session, id, listener).map_err(|e| trouble(e.to_string()))
    }

    fn begin(
        url: &PostgresUrl,
        session: PgConnection,
        id: Vec<u8>,
        listener: PgListener,
    ) -> io::Result<Self> {
        let url = Arc::new(url.clone());
        let held = Arc::new(Held::default());
        let closing = Arc::new(AtomicBool::new(false));
        let me = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let (line, waiting) = Line::new(me, Arc::clone(&held));
        let feeds = Arc::new(Feeds::with_outlet(Box::new(Out(Arc::clone(&line)))));
        let queue = Arc::new(Queue::new(Arc::clone(&feeds)));
        let holder = Holder {
            id,
            lease: url.lease,
            back: None,
        };
        let desk = Desk::new(
            Arc::clone(&url),
            holder,
            Arc::clone(&held),
            Arc::clone(&closing),
        );
        let ended = spawn_writer(Arc::clone(&queue), desk)?;
        let readers = Arc::new(Readers::new(url, session));
        let ear = Ear {
            line: Arc::clone(&line),
            readers: Arc::clone(&readers),
            feeds: Arc::clone(&feeds),
        };
        let mut news = JoinSet::new();
        news.spawn(news::tell(line, Arc::clone(&readers), waiting));
        news.spawn(ear.run(listener));
        Ok(Self(Log(Arc::new(Database {
            queue,
            feeds,
            readers,
            held,
            closing,
            ended: std::sync::Mutex::new(ended),
            _news: news,
        }))))
    }

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

/// Makes this process known to the database, under a name that no other has.
async fn register(session: &mut PgConnection) -> Result<Vec<u8>, sqlx::Error> {
    let old = "DELETE FROM writers WHERE seen < clock_timestamp() - interval '30 days'";
    sqlx::query(old).execute(&mut *session).await?;
    let sql = "INSERT INTO writers (id, batch, seen) \
               VALUES (uuid_send(gen_random_uuid()), 0, clock_timestamp()) RETURNING id";
    sqlx::query(sql).fetch_one(session).await?.try_get(0)
}

fn spawn_writer(queue: Arc<Queue>, desk: Desk) -> io::Result<Receiver<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (alive, ended) = channel();
    std::thread::Builder::new()
        .name("nebula-log".into())
        .spawn(move || {
            let _alive = alive;
            queue.serve(&mut Writer::new(runtime, desk));
        })?;
    Ok(ended)
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Postgres({})", self.0.0.readers.url())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        self.queue.close();
        let ended = self
            .ended
            .get_mut()
            .map(|ended| ended.recv_timeout(CLOSING));
        if matches!(ended, Ok(Err(std::sync::mpsc::RecvTimeoutError::Timeout))) {
            tracing::warn!("the server does not answer; what was queued may not be stored");
        }
    }
}

#[async_trait]
impl Backend for Database {
    async fn send(&self, mut request: Request) -> Result<(), Trouble> {
        // The owner's append, for which it could wait, comes from another node.
        if let Request::Submit(submit) = &mut request
            && !self.held.contains(submit.submission.execution.shard())
        {
            submit.submission.durability = Durability::Now;
        }
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
        self.readers.unfinished(shard, after, limit).await
    }

    async fn inbox(&self, execution: ExecutionId) -> Result<Vec<(u64, MessageRow)>, Trouble> {
        self.readers.inbox(execution).await
    }

    async fn events(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<EventRow>, Trouble> {
        self.readers.events(execution, after, limit).await
    }

    async fn lines(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Bytes)>, Trouble> {
        self.readers.lines(execution, after, limit).await
    }

    async fn execution(&self, execution: ExecutionId) -> Result<Option<ExecutionRow>, Trouble> {
        self.readers.execution(execution).await
    }

    async fn executions(
        &self,
        tenant: TenantId,
        query: ExecutionQuery,
    ) -> Result<Vec<(ExecutionId, ExecutionRow)>, Trouble> {
        self.readers.executions(&tenant, &query).await
    }

    async fn ended(
        &self,
        tenant: TenantId,
        query: EndedQuery,
    ) -> Result<Vec<(ExecutionId, ExecutionRow)>, Trouble> {
        self.readers.ended(&tenant, &query).await
    }

    async fn record(&self, key: RecordKey) -> Result<Option<Record>, Trouble> {
        self.readers.record(&key).await
    }

    async fn list(
        &self,
        kind: &'static str,
        tenant: TenantId,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, Trouble> {
        self.readers
            .list(kind, &tenant, &prefix, after.as_deref(), limit)
            .await
    }

    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, Trouble> {
        self.readers.blob(digest).await
    }
}

#[cfg(test)]
mod tests;
