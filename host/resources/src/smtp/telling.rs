//! What goes wrong with a mail server, in a guest's words. What a server says to who logs
//! in is nobody's business; what it says to a message is, one line of it.

use std::error::Error as _;
use std::fmt::Display;

use lettre::transport::smtp::Error;
use nebula_sandbox::resources::ResourceError;

use super::connect::Reply;

/// What of a server's words is repeated, characters.
const MAX_WORDS: usize = 300;

/// Of which resource is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Telling<'a>(pub(super) &'a str);

impl Telling<'_> {
    /// The way to the server is closed. Why is the operator's to know.
    pub(super) fn unreachable(self, why: &dyn Display) -> ResourceError {
        let name = self.0;
        tracing::warn!(resource = name, %why, "a mail server cannot be reached");
        ResourceError::Unavailable(format!("the mail server `{name}` cannot be reached"))
    }

    /// The server does not offer TLS.
    pub(super) fn plain(self) -> ResourceError {
        let name = self.0;
        ResourceError::Refused(format!(
            "the mail server `{name}` offers no STARTTLS, and nothing is sent without: the operator \
             mends `resources.{name}.url`"
        ))
    }

    /// The server does not let us in.
    pub(super) fn unknown(self, error: &Error) -> ResourceError {
        let name = self.0;
        let code = error.status().map(|code| code.to_string());
        tracing::warn!(resource = name, ?code, "a mail server refuses its user");
        if error.is_permanent() || error.is_client() {
            return ResourceError::Refused(format!(
                "the mail server `{name}` does not let its user in: the operator mends user and \
                 password in `resources.{name}.url`"
            ));
        }
        ResourceError::Unavailable(format!("the mail server `{name}` lets nobody in just now"))
    }

    /// A reply before TLS must have this code.
    pub(super) fn expect(self, code: u16, reply: &Reply) -> Result<(), ResourceError> {
        if reply.code == code {
            return Ok(());
        }
        let words = format!("{} {}", reply.code, reply.lines.join(" "));
        Err(self.says(reply.code < 500, &words))
    }

    /// A command failed.
    pub(super) fn failed(self, error: &Error) -> ResourceError {
        let name = self.0;
        let words = error.source().map(ToString::to_string).unwrap_or_default();
        if let Some(code) = error.status() {
            return self.says(error.is_transient(), &format!("{code} {words}"));
        }
        if error.is_client() {
            return ResourceError::Refused(format!("the mail server `{name}`: {words}"));
        }
        tracing::warn!(resource = name, %error, "a mail server does not answer as it should");
        ResourceError::Unavailable(format!(
            "the connection to the mail server `{name}` was lost"
        ))
    }

    /// The connection failed when the whole message was with the server.
    pub(super) fn unsure(self, error: &Error) -> ResourceError {
        if error.status().is_some() {
            return self.failed(error);
        }
        tracing::warn!(resource = self.0, %error, "a mail server does not say whether it took a message");
        self.perhaps()
    }

    /// Nobody knows whether a message was sent.
    pub(super) fn perhaps(self) -> ResourceError {
        let name = self.0;
        ResourceError::Unavailable(format!(
            "the mail server `{name}` has the message and did not say whether it took it: it may have \
             been sent"
        ))
    }

    fn says(self, is_transient: bool, words: &str) -> ResourceError {
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        let words: String = words.chars().map(clean).take(MAX_WORDS).collect();
        let message = format!("the mail server `{}` says: {}", self.0, words.trim_end());
        if is_transient {
            ResourceError::Unavailable(message)
        } else {
            ResourceError::Refused(message)
        }
    }
}
