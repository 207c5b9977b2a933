//! The one session that writes: each batch is a transaction.
//!
//! A batch that did not commit is tried again for a while. Of a commit that
//! nobody answered nothing is guessed: the batch set its own number in this
//! process's row of `writers`, and that row says whether it is there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nebula_flow::id::Shard;
use sqlx::postgres::PgConnection;
use sqlx::{Row, query, raw_sql};
use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep, timeout};

use super::facts::{self, Holder};
use super::failure::Failed;
use super::session::{self, NoSession};
use super::url::PostgresUrl;
use super::write;
use crate::batch::Store;
use crate::rows::{Facts, Needs, Writes};
use crate::trouble::Trouble;

/// For how long a batch that is undone is tried again.
const PATIENCE: Duration = Duration::from_secs(10);

/// After this the server is taken for gone. It ends statements before that.
const SILENCE: Duration = Duration::from_secs(30);

/// Between two tries, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// The shards that this process holds, as it knows. One bit each.
#[derive(Debug, Default)]
pub(super) struct Held(AtomicU64);

impl Held {
    pub(super) fn contains(&self, shard: Shard) -> bool {
        self.0.load(Ordering::Acquire) & bit(shard) != 0
    }

    /// What is held once this batch is committed.
    fn after(&self, needs: &Needs, writes: &Writes<'_>) -> u64 {
        let mut held = if needs.claims {
            writes
                .renewed
                .iter()
                .fold(0, |held, shard| held | bit(*shard))
        } else {
            self.0.load(Ordering::Acquire)
        };
        for (shard, row) in &writes.shards {
            if row.owner.is_some() {
                held |= bit(*shard);
            } else {
                held &= !bit(*shard);
            }
        }
        held
    }
}

fn bit(shard: Shard) -> u64 {
    1_u64.checked_shl(shard.0.into()).unwrap_or(0)
}

/// The writer's thread has a runtime of its own: nothing that the process runs
/// delays a commit.
pub(super) struct Writer {
    runtime: Runtime,
    desk: Desk,
}

/// What a transaction needs.
pub(super) struct Desk {
    pub(super) url: Arc<PostgresUrl>,
    pub(super) holder: Holder,
    pub(super) held: Arc<Held>,
    /// Set once nobody waits for answers any more.
    pub(super) closing: Arc<AtomicBool>,
    session: Option<PgConnection>,
    /// Of the last batch that was tried.
    batch: i64,
}

/// How a try went wrong.
enum Undone {
    /// Nothing of it is in the database.
    Failed(Failed),
    /// Its commit was not answered, and is not there.
    Gone(String),
    /// Its commit was not answered, and nobody waits to know.
    Unknown(String),
}

impl From<Failed> for Undone {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

impl Writer {
    pub(super) const fn new(runtime: Runtime, desk: Desk) -> Self {
        Self { runtime, desk }
    }
}

impl Store for Writer {
    fn transact<'a>(
        &mut self,
        needs: &Needs,
        decide: &mut dyn FnMut(Facts) -> Writes<'a>,
    ) -> Result<(), Trouble> {
        self.runtime.block_on(self.desk.transact(needs, decide))
    }
}

impl Desk {
    pub(super) fn new(
        url: Arc<PostgresUrl>,
        holder: Holder,
        held: Arc<Held>,
        closing: Arc<AtomicBool>,
    ) -> Self {
        Self {
            url,
            holder,
            held,
            closing,
            session: None,
            batch: 0,
        }
    }

    async fn transact<'a>(
        &mut self,
        needs: &Needs,
        decide: &mut dyn FnMut(Facts) -> Writes<'a>,
    ) -> Result<(), Trouble> {
        if needs.is_empty() {
            decide(Facts::default());
            return Ok(());
        }
        let mut began = Instant::now();
        let mut pause = PAUSES.0;
        loop {
            let why = match self.attempt(needs, decide).await {
                Ok(()) => return Ok(()),
                Err(Undone::Failed(Failed::Refused(trouble))) => return Err(trouble),
                Err(Undone::Failed(Failed::Again(why))) => {
                    tracing::debug!(why, "a transaction was refused for now; trying it again");
                    why
                }
                Err(Undone::Failed(Failed::Lost(why))) => {
                    tracing::warn!(why, "the session that writes was lost; trying again");
                    why
                }
                // However long it took to know: the server is back.
                Err(Undone::Gone(why)) => {
                    began = Instant::now();
                    why
                }
                Err(Undone::Unknown(why)) => why,
            };
            if self.is_closing() || began.elapsed() >= PATIENCE {
                return Err(Trouble::Unavailable(why));
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// One try. The session is kept if it is fit for the next.
    async fn attempt<'a>(
        &mut self,
        needs: &Needs,
        decide: &mut dyn FnMut(Facts) -> Writes<'a>,
    ) -> Result<(), Undone> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => {
                let session = session::open(&self.url).await.map_err(|none| match none {
                    NoSession::Unreachable(why) => Failed::Lost(why),
                    unfit @ NoSession::Unfit(_) => Failed::Refused(unfit.into()),
                })?;
                if self.batch > 0 {
                    self.holder.back = Some(Instant::now());
                }
                session
            }
        };
        self.batch += 1;
        let prepared = match timeout(SILENCE, self.prepare(&mut session, needs, decide)).await {
            Ok(prepared) => prepared,
            Err(_) => Err(Failed::Lost("the server does not answer".into())),
        };
        match prepared {
            Ok(Some(held)) => match commit(&mut session).await {
                Ok(()) => self.held.0.store(held, Ordering::Release),
                Err(why) => return self.resolve(held, why).await,
            },
            Ok(None) => rollback(&mut session).await?,
            Err(lost @ Failed::Lost(_)) => return Err(lost.into()),
            Err(failed) => {
                if rollback(&mut session).await.is_ok() {
                    self.session = Some(session);
                }
                return Err(failed.into());
            }
        }
        self.session = Some(session);
        Ok(())
    }

    /// Everything but the commit; none if there is nothing to commit, else what
    /// is held after it.
    async fn prepare<'a>(
        &self,
        session: &mut PgConnection,
        needs: &Needs,
        decide: &mut dyn FnMut(Facts) -> Writes<'a>,
    ) -> Result<Option<u64>, Failed> {
        raw_sql("BEGIN").execute(&mut *session).await?;
        let facts = facts::read(session, needs, &self.holder).await?;
        let known: BTreeSet<_> = facts.records.keys().cloned().collect();
        let writes = decide(facts);
        if writes.is_empty() && writes.renewed.is_empty() {
            return Ok(None);
        }
        write::write(session, &writes, &known, &self.holder.id).await?;
        let sql = "INSERT INTO writers (id, batch, seen) VALUES ($1, $2, clock_timestamp()) \
                   ON CONFLICT (id) DO UPDATE SET batch = excluded.batch, seen = excluded.seen";
        let noting = query(sql).bind(self.holder.id.as_slice()).bind(self.batch);
        noting.execute(session).await?;
        Ok(Some(self.held.after(needs, &writes)))
    }

    /// Finds out whether a commit that nobody answered is there. Until that is
    /// known nobody is told anything.
    async fn resolve(&mut self, held: u64, why: String) -> Result<(), Undone> {
        tracing::warn!(
            why,
            "a commit was not answered; looking whether it is there"
        );
        loop {
            match self.last_batch().await {
                Ok(batch) if batch == self.batch => {
                    self.held.0.store(held, Ordering::Release);
                    return Ok(());
                }
                Ok(_) => return Err(Undone::Gone(why)),
                Err(_) if self.is_closing() => return Err(Undone::Unknown(why)),
                Err(error) => {
                    tracing::warn!(why = %error, "it cannot be known yet");
                    sleep(PAUSES.1).await;
                }
            }
        }
    }

    /// The number of the last batch that was committed. The look waits until the
    /// transaction of the unanswered one has ended, one way or the other.
    async fn last_batch(&mut self) -> Result<i64, String> {
        let mut session = session::open(&self.url).await.map_err(|none| match none {
            NoSession::Unreachable(why) | NoSession::Unfit(why) => why,
        })?;
        self.holder.back = Some(Instant::now());
        let sql = "SELECT batch FROM writers WHERE id = $1 FOR UPDATE";
        let look = query(sql)
            .bind(self.holder.id.as_slice())
            .fetch_optional(&mut session);
        let row = match timeout(SILENCE, look).await {
            Ok(row) => row.map_err(|e| e.to_string())?,
            Err(_) => return Err("the server does not answer".into()),
        };
        let batch = row.map_or(Ok(0), |row| row.try_get(0));
        self.session = Some(session);
        batch.map_err(|e| e.to_string())
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

async fn commit(session: &mut PgConnection) -> Result<(), String> {
    match timeout(SILENCE, raw_sql("COMMIT").execute(session)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the server does not answer".into()),
    }
}

async fn rollback(session: &mut PgConnection) -> Result<(), Failed> {
    match timeout(SILENCE, raw_sql("ROLLBACK").execute(session)).await {
        Ok(done) => Ok(done.map(drop)?),
        Err(_) => Err(Failed::Lost("the server does not answer".into())),
    }
}
