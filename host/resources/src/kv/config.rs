//! What an operator says of small values by key.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::config::{DatabaseUrl, InvalidUrl, PostgresUrl};

/// Where values are kept, and how many.
#[derive(Debug, Clone)]
pub struct KvConfig {
    /// Where they are.
    pub url: KvUrl,
    /// Whether nothing changes them.
    pub read_only: bool,
    /// Bytes of one value, as MessagePack.
    pub max_value_bytes: u64,
    /// Keys of one tenant.
    pub max_keys: u64,
    /// Of one request, from its turn on.
    pub timeout: Duration,
    /// Connections at once, for each tenant.
    pub max_connections: u32,
}

impl KvConfig {
    /// In a database: 64 KiB, 10,000 keys, 10 s and 4 connections.
    #[must_use]
    pub const fn new(url: KvUrl) -> Self {
        Self {
            url,
            read_only: false,
            max_value_bytes: 64 << 10,
            max_keys: 10_000,
            timeout: Duration::from_secs(10),
            max_connections: 4,
        }
    }
}

/// Where values are: `sqlite:FILE`, below the folder of resources, or
/// `postgres://USER@HOST/DATABASE`. It is shown without its password.
#[derive(Clone)]
pub struct KvUrl {
    pub(super) place: Place,
    shown: String,
}

/// The database.
#[derive(Clone)]
pub(super) enum Place {
    Sqlite(PathBuf),
    Postgres(PostgresUrl),
}

impl FromStr for KvUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let known = ["sqlite:", "postgres://", "postgresql://"];
        let is_known = known.iter().any(|scheme| text.starts_with(scheme));
        let url = is_known.then(|| text.parse::<DatabaseUrl>()).transpose()?;
        let shown = url.as_ref().map(ToString::to_string).unwrap_or_default();
        let place = match url {
            Some(DatabaseUrl::Sqlite(file)) => Place::Sqlite(file),
            Some(DatabaseUrl::Postgres(url)) => Place::Postgres(url),
            Some(DatabaseUrl::Mysql(_)) | None => {
                return Err(InvalidUrl(
                    "values are kept in `sqlite:FILE` or `postgres://USER@HOST/DATABASE`".into(),
                ));
            }
        };
        Ok(Self { place, shown })
    }
}

impl fmt::Display for KvUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for KvUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}
