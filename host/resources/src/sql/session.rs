//! Sessions with a server. A statement runs on a task of its own, as a transaction; its
//! session is cleared of whatever a guest left in it before the next one has it. A
//! session is kept only if its statement came to an end.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use nebula_sandbox::resources::{Dialect, ResourceError, Rows, Sql, Statement};
use tokio::sync::mpsc::{self, Sender};
use tokio::time::{timeout, timeout_at};

use super::AHEAD;
use super::pool::Pool;
use super::statement::Job;
use crate::config::SqlConfig;

/// How long a session may take to begin, to be cleared or to be stopped.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A server, and how it is spoken with.
pub(crate) trait Server: Clone + Send + Sync + 'static {
    /// A session with it.
    type Session: Send + 'static;
    /// Which SQL it speaks.
    const DIALECT: Dialect;

    /// Begins a session; why there is none is for the operator.
    fn open(&self, job: &Job) -> impl Future<Output = Result<Self::Session, String>> + Send;

    /// Begins the transaction of a statement.
    fn begin(
        session: &mut Self::Session,
        job: &Job,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Runs the statement; how many rows it changed.
    fn statement<T: Send + 'static>(
        session: &mut Self::Session,
        job: &Job,
        work: Work,
        telling: &Telling<'_, T>,
    ) -> impl Future<Output = Result<u64, Failed>> + Send;

    /// Ends the transaction: `COMMIT` or `ROLLBACK`.
    fn end(
        session: &mut Self::Session,
        how: &'static str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// The session without what a guest may have left in it; none if that cannot be had.
    fn cleared(session: Self::Session) -> impl Future<Output = Option<Self::Session>> + Send;

    /// What an error of the server, or of the way to it, means for who asked.
    fn failure(job: &Job, error: &sqlx::Error) -> ResourceError;

    /// Whether the session has ended with this error.
    fn is_lost(error: &sqlx::Error) -> bool;

    /// By what the server knows a session, for [`stop`](Self::stop).
    fn id(session: &Self::Session) -> u64;

    /// Ends what the server still does for a session that is no more; 0 if none began.
    fn stop(&self, id: u64) -> impl Future<Output = ()> + Send;
}

/// A database of a server.
pub(crate) struct Database<S: Server> {
    name: String,
    config: SqlConfig,
    server: S,
    pool: Arc<Pool<S::Session>>,
}

type Answer<T> = Result<T, ResourceError>;

/// What is wanted of a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Read,
    Change,
}

/// What there is to say while it runs.
pub(crate) enum Said {
    Part(Vec<u8>),
    Changed(u64),
}

/// To whom it is said.
pub(crate) struct Telling<'a, T> {
    out: &'a Sender<Answer<T>>,
    wrap: fn(Said) -> Option<T>,
}

impl<T> Telling<'_, T> {
    pub(super) async fn tell(&self, said: Said) -> Result<(), Failed> {
        let Some(said) = (self.wrap)(said) else {
            return Ok(());
        };
        let gone = |_| Failed::Lost(ResourceError::Unavailable("it was given up".into()));
        self.out.send(Ok(said)).await.map_err(gone)
    }
}

/// How a statement failed.
pub(crate) enum Failed {
    /// It is undone, and the session as it was.
    Undone(ResourceError),
    /// The session is of no more use.
    Lost(ResourceError),
}

impl Failed {
    /// What an error means for the session.
    pub(super) fn of<S: Server>(job: &Job, error: &sqlx::Error) -> Self {
        let told = S::failure(job, error);
        match error {
            sqlx::Error::Database(_) if !S::is_lost(error) => Self::Undone(told),
            _ => Self::Lost(told),
        }
    }
}

impl<S: Server> Database<S> {
    pub(crate) fn new(name: String, server: S, config: &SqlConfig) -> Self {
        Self {
            name,
            pool: Pool::new(config.max_connections),
            config: config.clone(),
            server,
        }
    }

    /// Does the work on a task of its own, which ends when its time is over or nobody
    /// waits for it.
    async fn with<T: Send + 'static>(
        &self,
        statement: Statement,
        work: Work,
        wrap: fn(Said) -> Option<T>,
    ) -> Result<mpsc::Receiver<Answer<T>>, ResourceError> {
        let job = Job::new(&self.name, &self.config, statement)?;
        let turn = self.pool.turn(&job).await?;
        let (out, answers) = mpsc::channel(AHEAD);
        let (pool, server) = (Arc::clone(&self.pool), self.server.clone());
        tokio::spawn(async move {
            let telling = Telling { out: &out, wrap };
            let id = AtomicU64::new(0);
            let serving = async {
                let mut session = begun(&server, &pool, &job).await?;
                id.store(S::id(&session), Ordering::Relaxed);
                match run::<S, T>(&mut session, &job, work, &telling).await {
                    Ok(()) => Ok((session, None)),
                    Err(Failed::Undone(error)) => Ok((session, Some(error))),
                    Err(Failed::Lost(error)) => Err(Some(error)),
                }
            };
            let served = tokio::select! {
                biased;
                served = timeout_at(job.until, serving) => {
                    served.unwrap_or_else(|_| Err(Some(job.late())))
                }
                () = out.closed() => Err(None),
            };
            // Nobody may be there to hear of an error.
            match served {
                Ok((session, error)) => {
                    if let Some(error) = error {
                        let _ = timeout_at(job.until, out.send(Err(error))).await;
                    }
                    drop(out);
                    if let Some(session) = S::cleared(session).await {
                        pool.give(session);
                    }
                    drop(turn);
                }
                Err(error) => {
                    let stopping = async {
                        server.stop(id.into_inner()).await;
                        drop(turn);
                    };
                    let telling = async {
                        if let Some(error) = error {
                            let _ = timeout_at(job.until + PATIENCE, out.send(Err(error))).await;
                        }
                    };
                    tokio::join!(stopping, telling);
                }
            }
        });
        Ok(answers)
    }
}

#[async_trait]
impl<S: Server> Sql for Database<S> {
    fn dialect(&self) -> Dialect {
        S::DIALECT
    }

    async fn query(&self, statement: Statement) -> Result<Rows, ResourceError> {
        let part = |said| match said {
            Said::Part(part) => Some(Some(part)),
            Said::Changed(_) => Some(None),
        };
        self.with(statement, Work::Read, part).await.map(Rows::new)
    }

    async fn execute(&self, statement: Statement) -> Result<u64, ResourceError> {
        let changed = |said| match said {
            Said::Changed(rows) => Some(rows),
            Said::Part(_) => None,
        };
        let mut answer = self.with(statement, Work::Change, changed).await?;
        let gone = || ResourceError::Unavailable("the statement was given up".into());
        answer.recv().await.ok_or_else(gone)?
    }
}

/// Runs a guest's statement in the transaction that was begun, and ends that.
async fn run<S: Server, T: Send + 'static>(
    session: &mut S::Session,
    job: &Job,
    work: Work,
    telling: &Telling<'_, T>,
) -> Result<(), Failed> {
    let changed = match S::statement(session, job, work, telling).await {
        Ok(changed) => changed,
        Err(Failed::Undone(error)) => {
            let undone = S::end(session, "ROLLBACK").await;
            undone.map_err(|e| Failed::Lost(S::failure(job, &e)))?;
            return Err(Failed::Undone(error));
        }
        Err(lost) => return Err(lost),
    };
    let ended = S::end(session, "COMMIT").await;
    ended.map_err(|e| Failed::of::<S>(job, &e))?;
    // Reading changes nothing, whatever the server counts.
    let changed = if job.is_read { 0 } else { changed };
    telling.tell(Said::Changed(changed)).await
}

/// A session in whose transaction the statement may run. One that was idle may have
/// been lost meanwhile: then there is a new one.
async fn begun<S: Server>(
    server: &S,
    pool: &Pool<S::Session>,
    job: &Job,
) -> Result<S::Session, Option<ResourceError>> {
    while let Some(mut session) = pool.take() {
        if S::begin(&mut session, job).await.is_ok() {
            return Ok(session);
        }
    }
    let unreachable = |why: &str| {
        let name = &job.name;
        // The server's words may name its users and addresses.
        tracing::warn!(resource = name, %why, "a database cannot be reached");
        Some(ResourceError::Unavailable(format!(
            "the database `{name}` cannot be reached"
        )))
    };
    let mut session = match timeout(PATIENCE, server.open(job)).await {
        Ok(Ok(session)) => session,
        Ok(Err(why)) => return Err(unreachable(&why)),
        Err(_) => return Err(unreachable("the server does not answer")),
    };
    let begun = S::begin(&mut session, job).await;
    begun.map_err(|e| Some(S::failure(job, &e)))?;
    Ok(session)
}
