//! Mail servers.

use std::time::Duration;

use async_trait::async_trait;

use super::ResourceError;

/// A mail server, whoever uses it.
#[async_trait]
pub trait Smtp: Send + Sync {
    /// Sends a message to all its recipients, or to none, within this time; its
    /// `Message-ID`. Dropped before its end, it may have been sent or not.
    ///
    /// # Errors
    /// When the server has not said that it took the message.
    async fn send(&self, mail: Mail, within: Duration) -> Result<String, ResourceError>;
}

/// One message of a guest. Nothing in it was checked. Addresses are `ada@example.com` or
/// `Ada <ada@example.com>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mail {
    /// The same whenever the same step sends the same message: 64 hex digits.
    pub key: String,
    /// From whom; the operator's address if absent.
    pub from: Option<String>,
    /// To whom.
    pub to: Vec<String>,
    /// Who else sees it.
    pub cc: Vec<String>,
    /// Who else gets it, unseen by the others.
    pub bcc: Vec<String>,
    /// To whom answers go.
    pub reply_to: Vec<String>,
    /// One line.
    pub subject: String,
    /// As plain text.
    pub text: Option<String>,
    /// As HTML.
    pub html: Option<String>,
    /// What comes with it.
    pub attachments: Vec<Attachment>,
}

/// A file that comes with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The file's name.
    pub name: String,
    /// For example `application/pdf`.
    pub content_type: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

impl Mail {
    /// Each of its texts and files, which tell it from another: all but its key.
    pub(crate) fn parts_mut(&mut self) -> impl Iterator<Item = Piece<'_>> {
        let Self {
            key: _,
            from,
            to,
            cc,
            bcc,
            reply_to,
            subject,
            text,
            html,
            attachments,
        } = self;
        let lists = [to, cc, bcc, reply_to].into_iter().flatten();
        let one = from.iter_mut().chain([subject]).chain(text).chain(html);
        let files = attachments.iter_mut().flat_map(|file| {
            let texts = [&mut file.name, &mut file.content_type];
            let texts = texts.into_iter().map(Piece::Text);
            texts.chain([Piece::Bytes(&mut file.content)])
        });
        lists.chain(one).map(Piece::Text).chain(files)
    }

    /// What tells it from another message, for a hash: its parts, each after its place
    /// and its length, so that no two messages give the same.
    pub(crate) fn content(&self) -> Vec<u8> {
        let mut content = Vec::new();
        let mut add = |place: &str, bytes: &[u8]| {
            content.extend(place.as_bytes());
            content.extend((bytes.len() as u64).to_be_bytes());
            content.extend(bytes);
        };
        for (place, text) in [
            ("from", self.from.as_ref()),
            ("subject", Some(&self.subject)),
            ("text", self.text.as_ref()),
            ("html", self.html.as_ref()),
        ] {
            if let Some(text) = text {
                add(place, text.as_bytes());
            }
        }
        for (place, list) in [
            ("to", &self.to),
            ("cc", &self.cc),
            ("bcc", &self.bcc),
            ("reply-to", &self.reply_to),
        ] {
            for text in list {
                add(place, text.as_bytes());
            }
        }
        for file in &self.attachments {
            add("name", file.name.as_bytes());
            add("type", file.content_type.as_bytes());
            add("file", &file.content);
        }
        content
    }
}

/// A part of a message.
pub(crate) enum Piece<'a> {
    Text(&'a mut String),
    Bytes(&'a mut Vec<u8>),
}
