//! Small values by key, which the workflows of a tenant share. They are in a table that
//! the host makes, of which a tenant sees its own rows of its own resource. A request is
//! one transaction, and those that change values of one tenant take turns.
//!
//! - `config`: what an operator says.
//! - `request`: what a guest asks, checked, and what a change does.
//! - `statements`: the tables.
//! - `sqlite`, `postgres`: the two databases.

mod config;
mod postgres;
mod request;
mod sqlite;
mod statements;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nebula_sandbox::nebula_flow::TenantId;
use nebula_sandbox::resources::{Entry, Keys, Kv, ResourceError, SetValue};

pub use config::{KvConfig, KvUrl};

use config::Place;
use postgres::Postgres;
use request::{Answer, Change, List, Request, Work, check_key};
use sqlite::Sqlite;

/// The values of a tenant. Nothing is opened.
pub(crate) fn open(folder: &Path, name: &str, config: &KvConfig, tenant: &TenantId) -> Arc<dyn Kv> {
    let database: Box<dyn Database> = match &config.url.place {
        Place::Sqlite(file) => Box::new(Sqlite::new(folder, file, config)),
        Place::Postgres(url) => Box::new(Postgres::new(url, config)),
    };
    Arc::new(Values {
        name: name.to_owned(),
        tenant: tenant.as_str().to_owned(),
        config: config.clone(),
        database,
    })
}

/// What keeps values. Each work is one transaction.
#[async_trait]
trait Database: Send + Sync {
    async fn ask(&self, request: Request, work: Work) -> Result<Answer, ResourceError>;
}

/// The values of one tenant in one resource.
struct Values {
    name: String,
    tenant: String,
    config: KvConfig,
    database: Box<dyn Database>,
}

impl Values {
    fn request(&self, within: Duration) -> Request {
        Request::new(&self.name, &self.tenant, &self.config, within)
    }

    async fn change(&self, change: Change, within: Duration) -> Result<Answer, ResourceError> {
        if self.config.read_only {
            let name = &self.name;
            return Err(ResourceError::Refused(format!(
                "the values `{name}` are read only (`resources.{name}.read_only`)"
            )));
        }
        let work = Work::Change(change);
        self.ask(within, work).await
    }

    async fn ask(&self, within: Duration, work: Work) -> Result<Answer, ResourceError> {
        let request = self.request(within);
        if within.is_zero() {
            return Err(request.late());
        }
        self.database.ask(request, work).await
    }

    /// What the database answers to something else than what was asked.
    fn odd(&self) -> ResourceError {
        self.request(Duration::ZERO)
            .away(&"an answer of another kind")
    }
}

#[async_trait]
impl Kv for Values {
    async fn get(&self, key: String, within: Duration) -> Result<Option<Entry>, ResourceError> {
        check_key(&key)?;
        let get = Work::Get(key);
        match self.ask(within, get).await? {
            Answer::Entry(entry) => Ok(entry),
            _ => Err(self.odd()),
        }
    }

    async fn set(&self, set: SetValue, within: Duration) -> Result<Option<u64>, ResourceError> {
        let change = Change::set(&self.name, &self.config, set)?;
        match self.change(change, within).await? {
            Answer::Set(version) => Ok(version.map(i64::unsigned_abs)),
            _ => Err(self.odd()),
        }
    }

    async fn delete(
        &self,
        key: String,
        expected: Option<u64>,
        within: Duration,
    ) -> Result<bool, ResourceError> {
        match self.change(Change::delete(key, expected)?, within).await? {
            Answer::Deleted(deleted) => Ok(deleted),
            _ => Err(self.odd()),
        }
    }

    async fn increment(
        &self,
        key: String,
        by: i64,
        ttl: Option<Duration>,
        within: Duration,
    ) -> Result<i64, ResourceError> {
        match self
            .change(Change::increment(key, by, ttl)?, within)
            .await?
        {
            Answer::Sum(sum) => Ok(sum),
            _ => Err(self.odd()),
        }
    }

    async fn list(
        &self,
        prefix: String,
        after: Option<String>,
        limit: u32,
        within: Duration,
    ) -> Result<Keys, ResourceError> {
        let list = List::new(prefix, after, limit)?;
        let most = usize::try_from(list.limit).unwrap_or(usize::MAX);
        // One more says whether there are more.
        let list = List {
            limit: list.limit + 1,
            ..list
        };
        let list = Work::List(list);
        let Answer::Keys(mut keys) = self.ask(within, list).await? else {
            return Err(self.odd());
        };
        let is_more = keys.len() > most;
        keys.truncate(most);
        let next = keys.last().filter(|_| is_more).cloned();
        Ok(Keys { keys, next })
    }
}
