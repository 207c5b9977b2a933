//! How to reach a server of MySQL or MariaDB.

use std::io;
use std::path::PathBuf;

use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use super::{InvalidUrl, Parsed, password};

/// How to reach a server of MySQL or MariaDB.
#[derive(Clone)]
pub struct MysqlUrl {
    options: Box<MySqlConnectOptions>,
    password_file: Option<PathBuf>,
    pub(super) shown: String,
}

/// How it begins.
pub(super) const SCHEMES: [&str; 2] = ["mysql://", "mariadb://"];
const SSL_MODE: &str = "ssl-mode";
/// Parameters that MySQL's own programs know too, and that mean the same here.
const COMMON: [&str; 5] = ["socket", "ssl-ca", "ssl-cert", "ssl-key", SSL_MODE];
const SSL_MODES: &str = "DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY";

impl MysqlUrl {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let Parsed {
            url,
            shown,
            password_file,
        } = Parsed::new(text, &COMMON)?;
        // Nobody is root, or in another database, by leaving out a word.
        if url.username().is_empty() || url.path().trim_matches('/').is_empty() {
            return Err(InvalidUrl(
                "its user and its database are needed: `mysql://USER@HOST/DATABASE`".into(),
            ));
        }
        let mode = url.query_pairs().find(|(name, _)| name == SSL_MODE);
        if mode.is_some_and(|(_, mode)| mode.parse::<MySqlSslMode>().is_err()) {
            return Err(InvalidUrl(format!("`{SSL_MODE}` is one of {SSL_MODES}")));
        }
        let options = MySqlConnectOptions::from_url(&url)
            .map_err(|_| InvalidUrl("its user, password or database is no UTF-8 text".into()))?;
        // What a session is set to is said in one place, when it begins.
        let options = options
            .set_names(false)
            .timezone(None)
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .statement_cache_capacity(0)
            .disable_statement_logging();
        Ok(Self {
            options: Box::new(options),
            password_file,
            shown,
        })
    }

    /// How to connect; the password is read anew each time, since it may change.
    pub(crate) fn options(&self) -> io::Result<MySqlConnectOptions> {
        let options = (*self.options).clone();
        Ok(match password(self.password_file.as_deref())? {
            Some(password) => options.password(&password),
            None => options,
        })
    }
}
