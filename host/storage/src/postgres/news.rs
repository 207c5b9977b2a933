//! News between the nodes of one database, by `NOTIFY`. They are told after
//! their commit and outside of it, so that no commit waits for another's; what
//! is not heard is found by looking.
//!
//! A node alone tells nobody anything: it begins once another one says hello.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nebula_flow::id::{ExecutionId, TenantId};
use nebula_flow::ports::{Arrival, Change, InboxRow, Message};
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{Executor, Row, query};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::read::{self, Readers};
use super::url::PostgresUrl;
use super::wire::{self, Note};
use super::writer::Held;
use crate::cells::{self, at, id_bytes, number};
use crate::codec;
use crate::feeds::{Feeds, News, Outlet};
use crate::rows::MessageRow;
use crate::trouble::Trouble;

/// How many notes may wait to be told; beyond that only that there were some.
const WAITING: usize = 16_384;

/// How often those who watch are told to look for themselves, while there are
/// other nodes: one of them may have ended between a commit and its news.
const LOOK: Duration = Duration::from_secs(10);

/// How long a server may take to show that it is there.
const ANSWER: Duration = Duration::from_secs(5);

/// Between two tries to tell, or to listen again.
const PAUSE: Duration = Duration::from_millis(500);

/// What both directions share.
#[derive(Debug)]
pub(super) struct Line {
    /// This process, as notifications name it.
    pub(super) me: String,
    pub(super) held: Arc<Held>,
    /// Whether another node was ever heard of.
    peers: AtomicBool,
    /// Whether notes were dropped.
    overrun: AtomicBool,
    notes: mpsc::Sender<Note>,
}

impl Line {
    /// A line, and what is to be told over it.
    pub(super) fn new(me: String, held: Arc<Held>) -> (Arc<Self>, mpsc::Receiver<Note>) {
        let (notes, waiting) = mpsc::channel(WAITING);
        let line = Self {
            me,
            held,
            peers: AtomicBool::new(false),
            overrun: AtomicBool::new(false),
            notes,
        };
        (Arc::new(line), waiting)
    }

    pub(super) fn tell(&self, note: Note) {
        if self.notes.try_send(note).is_err() {
            self.overrun.store(true, Ordering::Release);
        }
    }

    fn has_peers(&self) -> bool {
        self.peers.load(Ordering::Acquire)
    }
}

/// The way out, as the feeds know it.
#[derive(Debug)]
pub(super) struct Out(pub(super) Arc<Line>);

impl Outlet for Out {
    fn send(&self, news: &News) {
        if !self.0.has_peers() {
            return;
        }
        let note = match news {
            News::Arrival(Arrival::Message { execution, row, .. }) => {
                Note::Arrived(*execution, row.seq)
            }
            News::Admitted {
                execution, last, ..
            } => Note::Arrived(*execution, *last),
            News::Known(execution, seq) => Note::Arrived(*execution, *seq),
            News::Change(Change::Appended {
                tenant,
                execution,
                version,
                status,
                ..
            }) => Note::Appended {
                tenant: tenant.clone(),
                execution: *execution,
                version: *version,
                status: *status,
            },
            News::Arrival(Arrival::Admitted { .. } | Arrival::Lagged)
            | News::Change(Change::Lagged) => return,
        };
        // The owner of a shard that is held here has heard of it.
        let ours = matches!(note, Note::Arrived(id, _) if self.0.held.contains(id.shard()));
        if !ours {
            self.0.tell(note);
        }
    }
}

/// Tells what is to be told, many notes at once, until the store is dropped.
pub(super) async fn tell(
    line: Arc<Line>,
    readers: Arc<Readers>,
    mut waiting: mpsc::Receiver<Note>,
) {
    let mut notes = Vec::new();
    let channel = readers.url().channel();
    while waiting.recv_many(&mut notes, WAITING).await > 0 {
        if line.overrun.swap(false, Ordering::AcqRel) {
            notes.clear();
            notes.push(Note::Lagged);
        }
        let texts = wire::pack(&line.me, notes.drain(..));
        let statement = || {
            query("SELECT pg_notify($1, note) FROM unnest($2::text[]) AS note")
                .bind(channel.as_str())
                .bind(texts.as_slice())
        };
        while let Err(trouble) = readers.rows(statement).await {
            tracing::warn!(?trouble, "other nodes cannot be told yet");
            sleep(PAUSE).await;
        }
    }
}

/// Begins to listen.
pub(super) async fn listen(url: &PostgresUrl) -> Result<PgListener, sqlx::Error> {
    let options = url.options().map_err(sqlx::Error::Io)?;
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(ANSWER)
        .connect_lazy_with(options);
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(&url.channel()).await?;
    Ok(listener)
}

/// What is needed to hear, and to pass on.
pub(super) struct Ear {
    pub(super) line: Arc<Line>,
    pub(super) readers: Arc<Readers>,
    pub(super) feeds: Arc<Feeds>,
}

impl Ear {
    /// Listens until the store is dropped.
    pub(super) async fn run(self, mut listener: PgListener) {
        loop {
            self.line.tell(Note::Hello);
            let why = self.hear(&mut listener).await;
            tracing::warn!(why, "other nodes are not heard; listening again");
            drop(listener);
            listener = loop {
                match listen(self.readers.url()).await {
                    Ok(listener) => break listener,
                    Err(error) => {
                        tracing::debug!(%error, "no session to listen in yet");
                        sleep(PAUSE).await;
                    }
                }
            };
            self.look();
        }
    }

    /// Passes on what is heard, until the session breaks; why.
    async fn hear(&self, listener: &mut PgListener) -> String {
        let mut looked = Instant::now();
        loop {
            match timeout(LOOK, listener.try_recv()).await {
                Ok(Ok(Some(heard))) => self.heard(heard.payload()).await,
                Ok(Ok(None)) => return "the session was lost".into(),
                Ok(Err(error)) => return error.to_string(),
                Err(_) => match timeout(ANSWER, (&mut *listener).execute("SELECT 1")).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return error.to_string(),
                    Err(_) => return "the server does not answer".into(),
                },
            }
            if self.line.has_peers() && looked.elapsed() >= LOOK {
                looked = Instant::now();
                self.feeds.tell(News::Change(Change::Lagged));
            }
        }
    }

    async fn heard(&self, text: &str) {
        let (sender, notes) = wire::unpack(text);
        if sender == self.line.me {
            return;
        }
        self.line.peers.store(true, Ordering::Release);
        let mut arrived = Vec::new();
        for note in notes {
            match note {
                Note::Arrived(id, seq) if self.line.held.contains(id.shard()) => {
                    arrived.push((id, seq));
                }
                Note::Arrived(..) | Note::Here => {}
                Note::Appended {
                    tenant,
                    execution,
                    version,
                    status,
                } => self.feeds.tell(News::Change(Change::Appended {
                    tenant,
                    execution,
                    version,
                    status,
                    end: None,
                })),
                Note::Lagged => self.look(),
                Note::Hello => self.line.tell(Note::Here),
            }
        }
        if !arrived.is_empty() && !self.fetch(&arrived).await {
            self.feeds.tell(News::Arrival(Arrival::Lagged));
        }
    }

    /// Tells the owner of messages that are in inboxes; whether that went well.
    async fn fetch(&self, arrived: &[(ExecutionId, u64)]) -> bool {
        let Ok(messages) = self.readers.messages(arrived).await else {
            return false;
        };
        let mut good = true;
        for (tenant, execution, priority, seq, row) in messages {
            let what = || format!("message {seq} of {execution}");
            match codec::decode::<Message>(&row.body, what) {
                Ok(message) => {
                    let row = Arc::new(InboxRow {
                        seq,
                        at: row.at,
                        message,
                    });
                    self.feeds.tell(News::Arrival(Arrival::Message {
                        tenant,
                        execution,
                        priority,
                        row,
                    }));
                }
                Err(_) => good = false,
            }
        }
        good
    }

    /// Has everyone here look at the log.
    fn look(&self) {
        self.feeds.tell(News::Arrival(Arrival::Lagged));
        self.feeds.tell(News::Change(Change::Lagged));
    }
}

impl Readers {
    /// Messages that may have been taken meanwhile, each with its tenant.
    async fn messages(
        &self,
        wanted: &[(ExecutionId, u64)],
    ) -> Result<Vec<(TenantId, ExecutionId, i8, u64, MessageRow)>, Trouble> {
        let sql = "SELECT e.tenant, i.execution, i.seq, i.at, i.body, e.priority \
                   FROM unnest($1::bytea[], $2::int8[]) AS w (execution, seq) \
                   JOIN inbox AS i ON i.execution = w.execution AND i.seq = w.seq \
                   JOIN executions AS e ON e.id = i.execution ORDER BY i.execution, i.seq";
        let ids: Vec<_> = wanted.iter().map(|(id, _)| id_bytes(*id)).collect();
        let seqs: Vec<_> = wanted.iter().map(|(_, seq)| number(*seq)).collect();
        let statement = || sqlx::query(sql).bind(ids.as_slice()).bind(seqs.as_slice());
        read::all(&self.rows(statement).await?, |row| {
            let message = MessageRow {
                at: at(row.try_get(3)?),
                body: read::bytes(row, 4)?,
            };
            let tenant = cells::tenant(row.try_get(0)?)?;
            let seq = cells::unsigned("seq", row.try_get(2)?)?;
            let priority = cells::priority(row.try_get(5)?)?;
            Ok((tenant, read::id(row, 1)?, priority, seq, message))
        })
    }
}
