//! Mail servers.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Resource, ResourceError};
use crate::backend::MailServer;
use crate::context::ActionContext;

/// A mail server.
///
/// ```
/// # use nebula_action::resource::{Message, ResourceError, Smtp};
/// # async fn tell(mail: &Smtp) -> Result<(), ResourceError> {
/// let message = Message::new("Ada <ada@example.com>", "Your order")
///     .with_text("It is on its way.");
/// let id = mail.send(&message).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Smtp(MailServer);

/// A message. Addresses are `ada@example.com` or `Ada <ada@example.com>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// From whom; the operator's address if absent. Which others there may be the
    /// operator says.
    pub from: Option<String>,
    /// To whom.
    pub to: Vec<String>,
    /// Who else sees it.
    pub cc: Vec<String>,
    /// Who else gets it, unseen by the others.
    pub bcc: Vec<String>,
    /// To whom answers go; to the sender if empty.
    pub reply_to: Vec<String>,
    /// One line.
    pub subject: String,
    /// As plain text. It, or `html`, or both are needed.
    pub text: Option<String>,
    /// As HTML.
    pub html: Option<String>,
    /// What comes with it.
    pub attachments: Vec<Attachment>,
}

/// A file that comes with a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// The file's name.
    pub name: String,
    /// For example `application/pdf`.
    pub content_type: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

impl Message {
    /// One to somebody, without words.
    #[must_use]
    pub fn new(to: impl Into<String>, subject: impl Into<String>) -> Self {
        Self {
            to: Vec::from([to.into()]),
            subject: subject.into(),
            ..Self::default()
        }
    }

    /// With this as plain text.
    #[must_use]
    pub fn with_text(self, text: impl Into<String>) -> Self {
        let text = Some(text.into());
        Self { text, ..self }
    }

    /// With this as HTML.
    #[must_use]
    pub fn with_html(self, html: impl Into<String>) -> Self {
        let html = Some(html.into());
        Self { html, ..self }
    }

    /// With a file.
    #[must_use]
    pub fn with_attachment(mut self, attachment: Attachment) -> Self {
        self.attachments.push(attachment);
        self
    }
}

impl Resource for Smtp {
    const KIND: &'static str = "smtp";

    fn open(ctx: &ActionContext, name: &str) -> Result<Self, ResourceError> {
        ctx.backend.mail_server(name).map(Self)
    }
}

impl Smtp {
    /// Sends a message to all its recipients, or to none; gives its `Message-ID`. That is
    /// the same whenever the same step sends the same message, so that a mailbox may know
    /// one that was sent twice.
    ///
    /// # Errors
    /// [`Unavailable`](ResourceError::Unavailable) when the server is in trouble, or did
    /// not say whether it took the message; the others when it will not be taken.
    pub async fn send(&self, message: &Message) -> Result<String, ResourceError> {
        self.0.send(message)
    }
}
