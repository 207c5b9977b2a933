//! What an operator says of a resource.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::kv::KvConfig;
use crate::smtp::SmtpConfig;

mod mysql;

pub use mysql::MysqlUrl;

/// A resource, whom it is for and what it is.
#[derive(Debug, Clone)]
pub struct ResourceConfig {
    /// What nodes of workflows bind.
    pub name: String,
    /// Whose workflows may use it.
    pub tenants: Vec<String>,
    /// Which actions may use it, by id; all that ask for it if empty.
    pub actions: Vec<String>,
    /// What it is.
    pub kind: ResourceKind,
}

/// What a resource is.
#[derive(Debug, Clone)]
pub enum ResourceKind {
    /// A database.
    Sql(SqlConfig),
    /// A mail server.
    Smtp(SmtpConfig),
    /// Small values by key.
    Kv(KvConfig),
}

impl ResourceKind {
    /// As actions and operators call it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sql(_) => "sql",
            Self::Smtp(_) => "smtp",
            Self::Kv(_) => "kv",
        }
    }
}

/// A database and what one statement may take of it.
#[derive(Debug, Clone)]
pub struct SqlConfig {
    /// Where it is.
    pub url: DatabaseUrl,
    /// Whether the database refuses every change.
    pub read_only: bool,
    /// Rows of one statement.
    pub max_rows: u64,
    /// Bytes of the rows of one statement, as MessagePack.
    pub max_bytes: u64,
    /// Of one statement, from its turn to its last row.
    pub timeout: Duration,
    /// Connections at once, for each tenant.
    pub max_connections: u32,
}

impl SqlConfig {
    /// Of a database, closed as far as it can be: read only, 10,000 rows or 16 MiB, 10 s
    /// and 4 connections.
    #[must_use]
    pub const fn new(url: DatabaseUrl) -> Self {
        Self {
            url,
            read_only: true,
            max_rows: 10_000,
            max_bytes: 16 << 20,
            timeout: Duration::from_secs(10),
            max_connections: 4,
        }
    }
}

/// Where a database is. It is shown without its password.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// `sqlite:FILE`, below the folder of resources.
    Sqlite(PathBuf),
    /// `postgres://USER@HOST/DATABASE`.
    Postgres(PostgresUrl),
    /// `mysql://USER@HOST/DATABASE`, of MariaDB too.
    Mysql(MysqlUrl),
}

/// How to reach a PostgreSQL server.
#[derive(Clone)]
pub struct PostgresUrl {
    options: Box<PgConnectOptions>,
    password_file: Option<PathBuf>,
    shown: String,
}

/// A text that is no database's URL. It never repeats what it was given, which may
/// have a password in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUrl(pub(crate) String);

/// Our own parameter.
pub(crate) const PASSWORD_FILE: &str = "password_file";
/// Parameters that libpq knows too, and that mean the same here.
const COMMON: [&str; 11] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

impl FromStr for DatabaseUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            return below(path).map(Self::Sqlite);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return PostgresUrl::parse(text).map(Self::Postgres);
        }
        if mysql::SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
            return MysqlUrl::parse(text).map(Self::Mysql);
        }
        Err(InvalidUrl(
            "a database is `sqlite:FILE`, `postgres://USER@HOST/DATABASE` or \
             `mysql://USER@HOST/DATABASE`"
                .into(),
        ))
    }
}

/// A path that cannot lead out of the folder that it is joined to.
fn below(path: &str) -> Result<PathBuf, InvalidUrl> {
    let normal = |part: Component<'_>| matches!(part, Component::Normal(_));
    if path.is_empty() || !Path::new(path).components().all(normal) {
        return Err(InvalidUrl(
            "a file below `resources.folder` is expected behind `sqlite:`, e.g. `sqlite:orders.db`: \
             no absolute path and no `..`"
                .into(),
        ));
    }
    Ok(path.into())
}

/// A server's URL with the parameters that its client knows, and ours apart.
struct Parsed {
    url: Url,
    shown: String,
    password_file: Option<PathBuf>,
}

impl Parsed {
    fn new(text: &str, common: &[&str]) -> Result<Self, InvalidUrl> {
        const ENCODED: &str =
            "`#`, `/`, `?` and `@` in a password are written %23, %2F, %3F and %40";
        let mut url =
            Url::parse(text).map_err(|e| InvalidUrl(format!("it is not a URL: {e}; {ENCODED}")))?;
        // What stands there is the rest of a password that is not encoded.
        if url.fragment().is_some() || url.path().contains('@') {
            return Err(InvalidUrl(ENCODED.into()));
        }
        let shown = shown(url.clone());
        let (mut known, mut password_file) = (Vec::new(), None);
        for (name, value) in url.query_pairs() {
            match &*name {
                PASSWORD_FILE => password_file = Some(value.as_ref().into()),
                name if common.contains(&name) => {
                    known.push((name.to_owned(), value.into_owned()));
                }
                // Not repeated: it may be the rest of a password.
                _ => {
                    let known = common.join(", ");
                    return Err(InvalidUrl(format!(
                        "it has a parameter that is not one of {PASSWORD_FILE}, {known}"
                    )));
                }
            }
        }
        url.set_query(None);
        if !known.is_empty() {
            url.query_pairs_mut().extend_pairs(known);
        }
        Ok(Self {
            url,
            shown,
            password_file,
        })
    }
}

impl PostgresUrl {
    fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let Parsed {
            url,
            shown,
            password_file,
        } = Parsed::new(text, &COMMON)?;
        let options = PgConnectOptions::from_url(&url).map_err(|error| match error {
            sqlx::Error::Configuration(why) => InvalidUrl(why.to_string()),
            other => InvalidUrl(other.to_string()),
        })?;
        let options = match options.get_application_name() {
            Some(_) => options,
            None => options.application_name("nebula"),
        };
        // Sessions are cleared between two users, and with them what they prepared.
        let options = options
            .disable_statement_logging()
            .statement_cache_capacity(0);
        Ok(Self {
            options: Box::new(options),
            password_file,
            shown,
        })
    }

    /// How to connect; the password is read anew each time, since it may change.
    pub(crate) fn options(&self) -> io::Result<PgConnectOptions> {
        let options = (*self.options).clone();
        Ok(match password(self.password_file.as_deref())? {
            Some(password) => options.password(&password),
            None => options,
        })
    }
}

/// The password in a file, if there is one.
fn password(file: Option<&Path>) -> io::Result<Option<String>> {
    let Some(file) = file else {
        return Ok(None);
    };
    let text =
        secret(file).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", file.display())))?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// The text of a file that not everyone may read.
pub(crate) fn secret(file: &Path) -> io::Result<String> {
    let mut open = File::open(file)?;
    if open.metadata()?.permissions().mode() & 0o007 != 0 {
        return Err(io::Error::other(
            "everyone may read it: run chmod 600 on it",
        ));
    }
    let mut text = String::new();
    open.read_to_string(&mut text)?;
    Ok(text)
}

/// The URL without its password.
pub(crate) fn shown(mut url: Url) -> String {
    const HIDDEN: &str = "***";
    if url.password().is_some() {
        // It fails only for a URL that can have no password.
        let _ = url.set_password(Some(HIDDEN));
    }
    if url.query_pairs().any(|(name, _)| name == "password") {
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .map(|(name, value)| match &*name {
                "password" => (name.into_owned(), HIDDEN.to_owned()),
                _ => (name.into_owned(), value.into_owned()),
            })
            .collect();
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    url.into()
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => f.write_str(&url.shown),
            Self::Mysql(url) => f.write_str(&url.shown),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, wanted) in [
            ("sqlite:orders.db", "sqlite:orders.db"),
            ("sqlite:shop/orders.db", "sqlite:shop/orders.db"),
            (
                "postgres://me:hunter2@db/shop?sslmode=require",
                "postgres://me:***@db/shop?sslmode=require",
            ),
            (
                "postgres://db/shop?user=me&password=hunter2",
                "postgres://db/shop?user=me&password=***",
            ),
            (
                "mysql://me:hunter2@db/shop?ssl-mode=REQUIRED",
                "mysql://me:***@db/shop?ssl-mode=REQUIRED",
            ),
            ("mariadb://me@db/shop", "mariadb://me@db/shop"),
        ] {
            let url: DatabaseUrl = url.parse().expect(url);
            assert_eq!(url.to_string(), wanted);
            assert!(!format!("{url:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_being_repeated() {
        for (url, wanted) in [
            ("mongodb://root:hunter2@h/d", "a database is"),
            ("mysql://h/hunter2", "its user and its database"),
            ("mysql://hunter2@h", "its user and its database"),
            ("mysql://me:hunter2/@h/d", "%2F"),
            ("mysql://me@h/d?ssl-mode=hunter2", "is one of DISABLED"),
            ("mysql://me@h/d?charset=hunter2", "it has a parameter"),
            ("mysql://me@h/d?password=hunter2", "it has a parameter"),
            ("sqlite:", "below `resources.folder`"),
            ("sqlite:/etc/hunter2", "no absolute path"),
            ("sqlite:../hunter2.db", "no absolute path"),
            ("postgres://me:hunter2/@db/shop", "%2F"),
            ("postgres://me:hunter#2@db/shop", "%23"),
            ("postgres://me@db/shop?hunter2=1", "it has a parameter"),
            (
                "postgres://me@db/shop?options=-c%20x=hunter2",
                "it has a parameter",
            ),
        ] {
            let error = url.parse::<DatabaseUrl>().expect_err(url).to_string();
            assert!(error.contains(wanted), "{url}: {error}");
            assert!(!error.contains("hunter"), "{error}");
        }
    }
}
