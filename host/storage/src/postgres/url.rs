//! `postgres://USER@HOST/DATABASE?…`: which database, and how it is used.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use nebula_flow::time::Span;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::url::InvalidUrl;

/// For how long an owner's shards are its own after its last sign of life. It
/// gives one every 2 s.
const LEASE: Duration = Duration::from_secs(10);

/// Shorter than a few signs of life, or longer than anybody wants to wait.
const LEASES: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(3)..=Duration::from_secs(600);

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

/// Settings of a server under which what it acknowledged may be lost.
pub(super) const UNSAFE: [&str; 3] = ["fsync", "full_page_writes", "synchronous_commit"];

/// Which database, and how it is used. It is shown without its password.
#[derive(Clone)]
pub struct PostgresUrl {
    options: Box<PgConnectOptions>,
    shown: String,
    /// In which schema of the database the tables are.
    pub(super) schema: String,
    /// See [`LEASE`].
    pub(super) lease: Duration,
    /// Those of [`UNSAFE`] that the operator takes.
    pub(super) allow_unsafe: BTreeSet<String>,
    password_file: Option<PathBuf>,
}

impl PostgresUrl {
    /// How to connect; the password is read anew each time, since it may change.
    pub(super) fn options(&self) -> io::Result<PgConnectOptions> {
        let options = (*self.options).clone();
        let Some(file) = &self.password_file else {
            return Ok(options);
        };
        let text = secret(file)
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", file.display())))?;
        Ok(options.password(text.trim_end_matches(['\r', '\n'])))
    }

    /// The channel of the database on which its nodes tell each other news.
    pub(super) fn channel(&self) -> String {
        format!("nebula:{}", self.schema)
    }
}

/// The text of a file that not everyone may read.
fn secret(file: &Path) -> io::Result<String> {
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

impl FromStr for PostgresUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let mut url =
            Url::parse(text).map_err(|e| InvalidUrl::new(format!("it is not a URL: {e}")))?;
        // What stands there is the rest of a password that is not encoded.
        if url.fragment().is_some() || url.path().contains('@') {
            return Err(InvalidUrl::new(
                "`#`, `/`, `?` and `@` in a password are written %23, %2F, %3F and %40",
            ));
        }
        let mut own = Own::default();
        let mut common = Vec::new();
        for (name, value) in url.query_pairs() {
            if COMMON.contains(&&*name) {
                common.push((name.into_owned(), value.into_owned()));
            } else {
                own.read(&name, &value)?;
            }
        }
        let shown = shown(&url);
        url.set_query(None);
        if !common.is_empty() {
            url.query_pairs_mut().extend_pairs(common);
        }
        let options = PgConnectOptions::from_url(&url).map_err(|error| match error {
            sqlx::Error::Configuration(why) => InvalidUrl::new(why.to_string()),
            other => InvalidUrl::new(other.to_string()),
        })?;
        let options = if options.get_application_name().is_some() {
            options
        } else {
            options.application_name("nebula")
        };
        Ok(Self {
            options: Box::new(options.disable_statement_logging()),
            shown,
            schema: own.schema.unwrap_or_else(|| "nebula".into()),
            lease: own.lease.unwrap_or(LEASE),
            allow_unsafe: own.allow_unsafe,
            password_file: own.password_file,
        })
    }
}

/// Parameters that only Nebula knows.
#[derive(Default)]
struct Own {
    schema: Option<String>,
    lease: Option<Duration>,
    allow_unsafe: BTreeSet<String>,
    password_file: Option<PathBuf>,
}

impl Own {
    fn read(&mut self, name: &str, value: &str) -> Result<(), InvalidUrl> {
        match name {
            "schema" if is_schema(value) => self.schema = Some(value.to_owned()),
            "schema" => {
                return Err(InvalidUrl::new(
                    "`schema`: 1 to 40 of a-z, 0-9 and `_` are expected, beginning with a letter, not with `pg_`",
                ));
            }
            "lease" => match value.parse::<Span>() {
                Ok(Span(lease)) if LEASES.contains(&lease) => self.lease = Some(lease),
                Ok(_) => {
                    return Err(InvalidUrl::new("`lease`: it is not between 3s and 10m"));
                }
                Err(error) => return Err(InvalidUrl::new(format!("`lease`: {error}"))),
            },
            "allow_unsafe" => {
                for setting in value.split(',') {
                    if !UNSAFE.contains(&setting) {
                        return Err(InvalidUrl::new(format!(
                            "`allow_unsafe`: names of {} are expected, joined by commas",
                            UNSAFE.join(", ")
                        )));
                    }
                    self.allow_unsafe.insert(setting.to_owned());
                }
            }
            "password_file" if !value.is_empty() => self.password_file = Some(value.into()),
            // Not repeated: it may be the rest of a password.
            _ => {
                return Err(InvalidUrl::new(format!(
                    "it has a parameter that is not one of schema, lease, allow_unsafe, password_file, {}",
                    COMMON.join(", ")
                )));
            }
        }
        Ok(())
    }
}

fn is_schema(name: &str) -> bool {
    (1..=40).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.starts_with("pg_")
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The URL without its password.
fn shown(url: &Url) -> String {
    const HIDDEN: &str = "***";
    let mut shown = url.clone();
    if url.password().is_some() {
        // It fails only for a URL that can have no password.
        let _ = shown.set_password(Some(HIDDEN));
    }
    if url.query().is_some() {
        let pairs = url.query_pairs().map(|(name, value)| match &*name {
            "password" => (name, HIDDEN.into()),
            _ => (name, value),
        });
        shown.query_pairs_mut().clear().extend_pairs(pairs);
    }
    shown.into()
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> PostgresUrl {
        text.parse().expect(text)
    }

    #[test]
    fn a_url_says_which_database_and_how_it_is_used() {
        let url = read(
            "postgres://me@db.example:5433/work?schema=flows&lease=30s&sslmode=verify-full\
             &allow_unsafe=fsync,full_page_writes",
        );
        let options = url.options().expect("no file to read");
        assert_eq!(options.get_host(), "db.example");
        assert_eq!(options.get_port(), 5433);
        assert_eq!(options.get_username(), "me");
        assert_eq!(options.get_database(), Some("work"));
        assert!(matches!(
            options.get_ssl_mode(),
            sqlx::postgres::PgSslMode::VerifyFull
        ));
        assert_eq!(url.channel(), "nebula:flows");
        assert_eq!(url.lease, Duration::from_secs(30));
        let allowed: Vec<_> = url.allow_unsafe.iter().map(String::as_str).collect();
        assert_eq!(allowed, ["fsync", "full_page_writes"]);

        let plain = read("postgresql:///work?host=/run/postgresql&user=me");
        let options = plain.options().expect("no file to read");
        assert_eq!(options.get_username(), "me");
        assert!(options.get_socket().is_some());
        assert_eq!((plain.schema.as_str(), plain.lease), ("nebula", LEASE));
        assert!(plain.allow_unsafe.is_empty());
    }

    #[test]
    fn a_password_is_never_shown() {
        for text in [
            "postgres://me:s3cret@db/work",
            "postgres://me:s3cret@db/work?schema=flows",
            "postgres://me@db/work?password=s3cret&schema=flows",
        ] {
            let url = read(text);
            assert!(!format!("{url} {url:?}").contains("s3cret"), "{url}");
            assert!(url.to_string().contains("***"), "{url}");
        }
    }

    #[test]
    fn a_wrong_url_is_refused_without_being_repeated() {
        for wrong in [
            "postgres://me:s3#cret@db/work",
            "postgres://me:12?s3cret@db/work",
            "postgres://me:12/s3cret@db/work",
            "postgres://me:s3cret@db:x/work",
            "postgres://me:s3cret@db/work?pasword=s3cret",
            "postgres://me@db/work?s3cret=1",
            "postgres://me@db/work?options=-cfsync",
            "postgres://me@db/work?schema=S3cret",
            "postgres://me@db/work?schema=pg_toast",
            "postgres://me@db/work?schema=",
            "postgres://me@db/work?lease=1s",
            "postgres://me@db/work?lease=1h",
            "postgres://me@db/work?lease=s3cret",
            "postgres://me@db/work?allow_unsafe=s3cret",
            "postgres://me@db/work?password_file=",
            "postgres://me@db/work?sslmode=perhaps",
        ] {
            let Err(error) = wrong.parse::<PostgresUrl>() else {
                panic!("{wrong} is taken");
            };
            let told = error.to_string();
            assert!(
                !told.contains("cret") || wrong.contains("lease"),
                "{wrong}: {told}"
            );
        }
    }

    #[test]
    fn a_password_file_is_read_for_each_connection() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("password");
        let text = format!("postgres://me@db/work?password_file={}", file.display());
        let url = read(&text);
        let error = url.options().expect_err("there is none");
        assert!(error.to_string().contains("password"), "{error}");
        std::fs::write(&file, "s3cret\n").expect("writes");
        let mode = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&file, mode).expect("sets");
        };
        mode(0o644);
        let error = url.options().expect_err("everyone may read it");
        assert!(error.to_string().contains("chmod 600"), "{error}");
        mode(0o600);
        url.options().expect("reads");
        assert!(!url.to_string().contains("s3cret"));
    }
}
