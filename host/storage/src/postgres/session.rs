//! Sessions with the server: each is checked and set up before it is used.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions, Row};
use tokio::time::timeout;

use super::url::{PostgresUrl, UNSAFE};
use crate::open::OpenError;
use crate::trouble::Trouble;

/// How long a session may take to begin.
const CONNECT: Duration = Duration::from_secs(5);

/// The oldest server that is used.
const OLDEST: i32 = 15;

/// Why there is no session.
#[derive(Debug)]
pub(super) enum NoSession {
    /// The server cannot be reached, or does not let us in.
    Unreachable(String),
    /// It must not be used as it is.
    Unfit(String),
}

impl NoSession {
    pub(super) fn opening(self, url: &PostgresUrl) -> OpenError {
        let store = url.to_string();
        match self {
            Self::Unreachable(reason) => OpenError::Database { store, reason },
            Self::Unfit(reason) => OpenError::Unfit { store, reason },
        }
    }
}

impl From<sqlx::Error> for NoSession {
    fn from(error: sqlx::Error) -> Self {
        Self::Unreachable(error.to_string())
    }
}

impl From<NoSession> for Trouble {
    fn from(none: NoSession) -> Self {
        match none {
            NoSession::Unreachable(why) => Self::Unavailable(format!("no session: {why}")),
            NoSession::Unfit(why) => Self::Unavailable(why),
        }
    }
}

/// Begins a session.
pub(super) async fn open(url: &PostgresUrl) -> Result<PgConnection, NoSession> {
    let options = url
        .options()
        .map_err(|e| NoSession::Unreachable(format!("the password cannot be read: {e}")))?;
    let begin = async {
        let mut session = options.connect().await?;
        check(&mut session, url).await?;
        set_up(&mut session, url).await?;
        Ok::<_, NoSession>(session)
    };
    timeout(CONNECT, begin).await.unwrap_or_else(|_| {
        let why = format!("the server did not answer within {} s", CONNECT.as_secs());
        Err(NoSession::Unreachable(why))
    })
}

/// What a server says of itself.
struct Server {
    version: i32,
    in_recovery: bool,
    encoding: String,
    /// The values of [`UNSAFE`].
    settings: [String; 3],
}

/// Refuses a server on which acknowledged writes could be lost, or that cannot
/// do what is asked of it.
async fn check(session: &mut PgConnection, url: &PostgresUrl) -> Result<(), NoSession> {
    let sql = "SELECT current_setting('server_version_num')::int / 10000, pg_is_in_recovery(), \
               current_setting('server_encoding'), current_setting('fsync'), \
               current_setting('full_page_writes'), current_setting('synchronous_commit')";
    let row = sqlx::query(sql).fetch_one(session).await?;
    let server = Server {
        version: row.try_get(0)?,
        in_recovery: row.try_get(1)?,
        encoding: row.try_get(2)?,
        settings: [row.try_get(3)?, row.try_get(4)?, row.try_get(5)?],
    };
    match server.fault(url) {
        Some(fault) => Err(NoSession::Unfit(fault)),
        None => Ok(()),
    }
}

impl Server {
    fn fault(&self, url: &PostgresUrl) -> Option<String> {
        if self.version < OLDEST {
            return Some(format!(
                "it is PostgreSQL {}, and {OLDEST} or newer is needed",
                self.version
            ));
        }
        if self.in_recovery {
            return Some("it is a standby that takes no writes: name the primary".into());
        }
        if self.encoding != "UTF8" {
            return Some(format!(
                "the database's encoding is {}: make one with ENCODING 'UTF8'",
                self.encoding
            ));
        }
        let set = UNSAFE.iter().zip(&self.settings);
        let mut risks = set
            .filter(|(name, value)| *value == "off" && !url.allow_unsafe.contains(**name))
            .map(|(name, _)| *name);
        risks.next().map(|name| {
            format!(
                "{name} is off, so a crash of the server may lose what it acknowledged: turn it on, \
                 or take the risk with `allow_unsafe={name}` in the URL"
            )
        })
    }
}

/// Commits are on disk before they are answered, whatever the server's default
/// is; `remote_apply` is more than that, and stays. A session whose process was
/// stopped within a transaction is ended by the server, so that it blocks
/// nobody; one whose machine is gone is noticed. Every statement is a walk
/// along an index, however small the tables are when it is planned.
async fn set_up(session: &mut PgConnection, url: &PostgresUrl) -> Result<(), sqlx::Error> {
    let sql = format!(
        "SET search_path = \"{}\"; \
         SELECT set_config('synchronous_commit', 'on', false) \
             WHERE current_setting('synchronous_commit') <> 'remote_apply'; \
         SET default_transaction_isolation = 'read committed'; \
         SET statement_timeout = '25s'; SET lock_timeout = '6s'; \
         SET idle_in_transaction_session_timeout = '5s'; \
         SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
         SET jit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; \
         SET enable_hashjoin = off; SET enable_mergejoin = off",
        url.schema
    );
    // The schema's name has letters, digits and `_` only.
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(session).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_could_lose_writes_or_is_too_old_is_refused() {
        let fault =
            |version, in_recovery, encoding: &str, settings: [&str; 3], parameters: &str| {
                let url: PostgresUrl = format!("postgres://me@db/work{parameters}")
                    .parse()
                    .expect("is one");
                let server = Server {
                    version,
                    in_recovery,
                    encoding: encoding.into(),
                    settings: settings.map(Into::into),
                };
                server.fault(&url)
            };
        let safe = ["on", "on", "on"];
        assert_eq!(fault(15, false, "UTF8", safe, ""), None);
        assert_eq!(
            fault(18, false, "UTF8", ["on", "on", "remote_apply"], ""),
            None
        );
        for (found, wanted) in [
            (fault(14, false, "UTF8", safe, ""), "PostgreSQL 14"),
            (fault(15, true, "UTF8", safe, ""), "standby"),
            (fault(15, false, "LATIN1", safe, ""), "LATIN1"),
            (
                fault(15, false, "UTF8", ["off", "on", "on"], ""),
                "allow_unsafe=fsync",
            ),
            (
                fault(
                    15,
                    false,
                    "UTF8",
                    ["on", "off", "on"],
                    "?allow_unsafe=fsync",
                ),
                "full_page_writes is off",
            ),
            (
                fault(15, false, "UTF8", ["on", "on", "off"], ""),
                "synchronous_commit is off",
            ),
        ] {
            assert!(
                found.as_deref().is_some_and(|f| f.contains(wanted)),
                "{wanted}: {found:?}"
            );
        }
        let all = "?allow_unsafe=fsync,full_page_writes,synchronous_commit";
        assert_eq!(fault(15, false, "UTF8", ["off", "off", "off"], all), None);
    }
}
