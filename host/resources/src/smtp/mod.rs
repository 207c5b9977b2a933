//! Mail servers. Each message has a connection of its own, a bounded number of them at
//! once; it goes to all its recipients or to none.
//!
//! - `config`: what an operator says.
//! - `letter`: a guest's message, checked and written.
//! - `connect`: the way to a server.
//! - `telling`: what goes wrong.

mod config;
mod connect;
mod letter;
mod telling;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};
use nebula_sandbox::resources::{Mail, ResourceError, Smtp};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

pub use config::{Party, SmtpConfig, SmtpUrl};

use connect::{Roots, connect};
use letter::Letter;
use telling::Telling;

/// How long a server may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// A mail server, for one tenant.
pub(crate) struct MailServer {
    name: String,
    config: SmtpConfig,
    roots: Roots,
    turns: Arc<Semaphore>,
}

impl MailServer {
    pub(crate) fn new(name: &str, config: &SmtpConfig) -> Self {
        Self {
            name: name.to_owned(),
            config: config.clone(),
            roots: Roots::default(),
            turns: Arc::new(Semaphore::new(config.max_connections.max(1) as usize)),
        }
    }

    /// Waited too long: for a turn, or for the server.
    fn late(&self, limit: Duration, is_with_the_server: bool) -> ResourceError {
        let (name, limit) = (&self.name, limit.as_millis());
        if is_with_the_server {
            return Telling(name).perhaps();
        }
        ResourceError::Unavailable(format!(
            "the mail server `{name}` took longer than {limit} ms (`resources.{name}.timeout`, or what \
             its call had left); nothing was sent"
        ))
    }
}

#[async_trait]
impl Smtp for MailServer {
    async fn send(&self, mail: Mail, within: Duration) -> Result<String, ResourceError> {
        let limit = self.config.timeout.min(within);
        let until = Instant::now() + limit;
        let letter = Letter::write(&self.name, &self.config, mail)?;
        let turn = timeout_at(until, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            let (name, limit) = (&self.name, limit.as_millis());
            return Err(ResourceError::Unavailable(format!(
                "all connections of `{name}` were busy for {limit} ms (`resources.{name}.max_connections`)"
            )));
        };
        let telling = Telling(&self.name);
        let connection = connect(&self.config.url, &self.roots, telling);
        let connection = timeout_at(until, connection).await;
        let mut connection = connection.unwrap_or_else(|_| Err(self.late(limit, false)))?;
        let mut is_with_the_server = false;
        let sending = deliver(&mut connection, &letter, telling, &mut is_with_the_server);
        let sent = timeout_at(until, sending).await;
        match sent {
            Ok(sent) => {
                // What it says to that changes nothing.
                tokio::spawn(async move {
                    let _ = timeout(GOODBYE, connection.quit()).await;
                    drop(turn);
                });
                sent.map(|()| letter.id)
            }
            Err(_) => Err(self.late(limit, is_with_the_server)),
        }
    }
}

/// Says from whom and to whom, and the message, if the server takes all of that.
async fn deliver(
    connection: &mut AsyncSmtpConnection,
    letter: &Letter,
    telling: Telling<'_>,
    is_with_the_server: &mut bool,
) -> Result<(), ResourceError> {
    let failed = |error| telling.failed(&error);
    let mut addresses = letter.to.iter().chain([&letter.from]);
    let are_ascii = addresses.all(|address| AsRef::<str>::as_ref(address).is_ascii());
    let options = if are_ascii && letter.bytes.is_ascii() {
        Vec::new()
    } else if connection
        .server_info()
        .supports_feature(Extension::SmtpUtfEight)
    {
        let body = MailParameter::Body(MailBodyParameter::EightBitMime);
        vec![MailParameter::SmtpUtfEight, body]
    } else {
        let name = telling.0;
        return Err(ResourceError::Refused(format!(
            "the mail server `{name}` takes addresses in ASCII only"
        )));
    };
    let from = MailFrom::new(Some(letter.from.clone()), options);
    connection.command(from).await.map_err(failed)?;
    for to in &letter.to {
        let to = Rcpt::new(to.clone(), Vec::new());
        connection.command(to).await.map_err(failed)?;
    }
    connection.command(Data).await.map_err(failed)?;
    *is_with_the_server = true;
    let taken = connection.message(&letter.bytes).await;
    taken.map(drop).map_err(|error| telling.unsure(&error))
}
