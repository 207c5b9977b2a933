//! Where a store is, as one text: `sqlite:FOLDER`, `postgres://…`, `memory:`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::postgres::PostgresUrl;

/// Where a store is. It is shown without its password.
#[derive(Clone)]
pub enum StoreUrl {
    /// `memory:`, gone with its process.
    Memory,
    /// `sqlite:FOLDER`, a folder on a disk of this machine.
    Sqlite(PathBuf),
    /// `postgres://USER@HOST/DATABASE`, a database that nodes may share.
    Postgres(PostgresUrl),
}

/// A text that is no store's URL. It never repeats what it was given, which may
/// have a password in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUrl(pub(crate) String);

impl InvalidUrl {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl FromStr for StoreUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        if text == "memory:" {
            return Ok(Self::Memory);
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            let like_a_host = path.starts_with("//") && !path.starts_with("///");
            if path.is_empty() || like_a_host {
                return Err(InvalidUrl::new(
                    "a folder is expected behind `sqlite:`, e.g. `sqlite:/var/lib/nebula`",
                ));
            }
            return Ok(Self::Sqlite(path.into()));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return text.parse().map(Self::Postgres);
        }
        Err(InvalidUrl::new(
            "a store is `sqlite:FOLDER`, `postgres://USER@HOST/DATABASE` or `memory:`",
        ))
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => write!(f, "{url}"),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_store_has_its_url() {
        for url in ["memory:", "sqlite:/var/lib/nebula", "sqlite:data"] {
            assert_eq!(url.parse::<StoreUrl>().expect(url).to_string(), url);
        }
        assert!(matches!(
            "postgresql://nebula@db/nebula".parse(),
            Ok(StoreUrl::Postgres(_))
        ));
        for wrong in [
            "",
            "memory",
            "sqlite:",
            "sqlite://host/x",
            "mysql://root:pw@h/d",
        ] {
            let error = wrong.parse::<StoreUrl>().expect_err(wrong);
            assert!(!error.to_string().contains("pw"), "{error}");
        }
    }
}
