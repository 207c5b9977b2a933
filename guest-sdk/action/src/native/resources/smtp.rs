//! Mail servers of a unit test: a function takes their messages.

use std::fmt;
use std::sync::Arc;

use crate::context::ActionContext;
use crate::native::Backend;
use crate::resource::{Message, ResourceError};

/// A message that an action gave to a mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The name by which the action asked for the server.
    pub resource: String,
    /// As the action wrote it.
    pub message: Message,
    /// The `Message-ID` that it is given.
    pub id: String,
}

/// What takes the messages of one server.
#[derive(Clone)]
pub(in crate::native) struct Double(Arc<Take>);

type Take = dyn Fn(&Mail) -> Result<(), ResourceError> + Send + Sync;

impl fmt::Debug for Double {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Double(…)")
    }
}

/// A mail server.
#[derive(Debug)]
pub struct MailServer {
    name: String,
    double: Double,
    key: Box<str>,
}

impl ActionContext {
    /// With a mail server, and what takes its messages, or says why not.
    #[must_use]
    pub fn with_smtp(
        self,
        name: impl Into<String>,
        take: impl Fn(&Mail) -> Result<(), ResourceError> + Send + Sync + 'static,
    ) -> Self {
        let double = Double(Arc::new(take));
        self.backend
            .state()
            .mail_servers
            .insert(name.into(), double);
        self
    }
}

impl Backend {
    pub(crate) fn mail_server(&self, name: &str) -> Result<MailServer, ResourceError> {
        let double = self.state().mail_servers.get(name).cloned();
        let unbound = || super::unbound("mail server", name, "smtp", "with_smtp");
        Ok(MailServer {
            name: name.to_owned(),
            double: double.ok_or_else(unbound)?,
            key: self.idempotency_key(&format!("smtp\0{name}")).into(),
        })
    }
}

impl MailServer {
    /// What the host would refuse, too: a message to nobody, without words, or with a line
    /// break in its headers.
    pub(crate) fn send(&self, message: &Message) -> Result<String, ResourceError> {
        let Message {
            to,
            cc,
            bcc,
            reply_to,
            ..
        } = message;
        let headers = [to, cc, bcc, reply_to].into_iter().flatten();
        let mut headers = headers.chain(&message.from).chain([&message.subject]);
        let why = if to.is_empty() && cc.is_empty() && bcc.is_empty() {
            "the message is to nobody: give `to`, `cc` or `bcc`"
        } else if message.text.is_none() && message.html.is_none() {
            "the message has neither a `text` nor an `html`"
        } else if headers.any(|header| header.chars().any(char::is_control)) {
            "an address or the subject has a line break or another control character in it"
        } else {
            let content = crate::native::fingerprint(format!("{message:?}").as_bytes());
            let id = format!(
                "<{}@test>",
                crate::native::fingerprint(format!("{}{content}", self.key).as_bytes())
            );
            let mail = Mail {
                resource: self.name.clone(),
                message: message.clone(),
                id,
            };
            return (self.double.0)(&mail).map(|()| mail.id);
        };
        Err(ResourceError::Refused(why.into()))
    }
}
