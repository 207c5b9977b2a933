//! A guest's message, checked and written as it travels.

use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MessageBuilder, MultiPart, SinglePart};
use nebula_sandbox::resources::{Mail, ResourceError};

use super::config::{Party, SmtpConfig};

/// What the longest address with a name, or file's name and type, may have, bytes.
const MAX_LINE: usize = 1_000;
/// The longest subject, bytes.
const MAX_SUBJECT: usize = 2_000;
/// Files of one message.
const MAX_FILES: usize = 100;

/// A message on its way.
#[derive(Debug)]
pub(super) struct Letter {
    /// Its `Message-ID`.
    pub(super) id: String,
    pub(super) from: Address,
    pub(super) to: Vec<Address>,
    /// With `\r\n` at the end of its lines.
    pub(super) bytes: Vec<u8>,
}

impl Letter {
    /// Checks and writes a message.
    pub(super) fn write(
        name: &str,
        config: &SmtpConfig,
        mail: Mail,
    ) -> Result<Self, ResourceError> {
        let rules = Rules { name, config };
        rules.size(weight(&mail))?;
        let recipients = mail.to.len() + mail.cc.len() + mail.bcc.len();
        rules.recipients(recipients)?;
        let from = rules.sender(mail.from.as_deref())?;
        let id = format!("<{}@{}>", mail.key, from.email.domain());
        let mut message = lettre::Message::builder()
            .from(from.clone())
            .message_id(Some(id.clone()))
            .subject(line("subject", mail.subject, MAX_SUBJECT)?)
            .raw_header(automatic());
        let mut to = Vec::new();
        let lists: [(_, _, Add); 3] = [
            ("to", mail.to, MessageBuilder::to),
            ("cc", mail.cc, MessageBuilder::cc),
            // It is in the envelope only.
            ("bcc", mail.bcc, |message, _| message),
        ];
        for (field, list, add) in lists {
            for text in list {
                let recipient = rules.recipient(field, text)?;
                if !to.contains(&recipient.email) {
                    to.push(recipient.email.clone());
                }
                message = add(message, recipient);
            }
        }
        for text in mail.reply_to {
            message = message.reply_to(address("reply_to", text)?);
        }
        let body = Body::of(mail.text, mail.html)?;
        let envelope = lettre::address::Envelope::new(Some(from.email.clone()), to.clone());
        let message = message.envelope(envelope.map_err(|e| refused(&e))?);
        let message = match (body, files(mail.attachments)?) {
            (Body::One(part), files) if files.is_empty() => message.singlepart(part),
            (Body::Two(parts), files) if files.is_empty() => message.multipart(parts),
            (body, files) => {
                let parts = match body {
                    Body::One(part) => MultiPart::mixed().singlepart(part),
                    Body::Two(parts) => MultiPart::mixed().multipart(parts),
                };
                message.multipart(files.into_iter().fold(parts, MultiPart::singlepart))
            }
        };
        let bytes = message.map_err(|e| refused(&e))?.formatted();
        rules.size(bytes.len())?;
        Ok(Self {
            id,
            from: from.email,
            to,
            bytes,
        })
    }
}

/// Adds a recipient to a header.
type Add = fn(MessageBuilder, Mailbox) -> MessageBuilder;

/// What the operator allows.
struct Rules<'a> {
    name: &'a str,
    config: &'a SmtpConfig,
}

impl Rules<'_> {
    fn size(&self, bytes: usize) -> Result<(), ResourceError> {
        let (name, most) = (self.name, self.config.max_bytes);
        if bytes as u64 > most {
            return Err(ResourceError::Limit(format!(
                "the message has {bytes} bytes; at most {most} are allowed (`resources.{name}.max_bytes`)"
            )));
        }
        Ok(())
    }

    fn recipients(&self, has: usize) -> Result<(), ResourceError> {
        let (name, most) = (self.name, self.config.max_recipients);
        if has == 0 {
            let message = "the message is to nobody: give `to`, `cc` or `bcc`";
            return Err(ResourceError::Refused(message.into()));
        }
        if has > most as usize {
            return Err(ResourceError::Limit(format!(
                "the message has {has} recipients; at most {most} are allowed \
                 (`resources.{name}.max_recipients`)"
            )));
        }
        Ok(())
    }

    fn sender(&self, asked: Option<&str>) -> Result<Mailbox, ResourceError> {
        let (name, from) = (self.name, &self.config.from);
        let Some(asked) = asked else {
            return match from.first() {
                Some(Party::One(one)) => Ok(one.clone()),
                _ => Err(ResourceError::Refused(format!(
                    "the message says not from whom it is, and neither does `resources.{name}.from`"
                ))),
            };
        };
        let sender = address("from", asked.to_owned())?;
        if from.iter().any(|party| party.has(&sender.email)) {
            return Ok(sender);
        }
        Err(ResourceError::Refused(format!(
            "a message may not be from `{}`: the operator adds it to `resources.{name}.from`",
            sender.email
        )))
    }

    fn recipient(&self, field: &str, text: String) -> Result<Mailbox, ResourceError> {
        let (name, to) = (self.name, &self.config.to);
        let recipient = address(field, text)?;
        if to.is_empty() || to.iter().any(|party| party.has(&recipient.email)) {
            return Ok(recipient);
        }
        Err(ResourceError::Refused(format!(
            "a message may not go to `{}`: the operator adds it to `resources.{name}.to`",
            recipient.email
        )))
    }
}

/// The message's words.
enum Body {
    One(SinglePart),
    Two(MultiPart),
}

impl Body {
    fn of(text: Option<String>, html: Option<String>) -> Result<Self, ResourceError> {
        Ok(match (text, html) {
            (Some(text), Some(html)) => Self::Two(MultiPart::alternative_plain_html(text, html)),
            (Some(text), None) => Self::One(SinglePart::plain(text)),
            (None, Some(html)) => Self::One(SinglePart::html(html)),
            (None, None) => {
                let message = "the message has neither a `text` nor an `html`";
                return Err(ResourceError::Refused(message.into()));
            }
        })
    }
}

fn files(
    attachments: Vec<nebula_sandbox::resources::Attachment>,
) -> Result<Vec<SinglePart>, ResourceError> {
    if attachments.len() > MAX_FILES {
        let has = attachments.len();
        return Err(ResourceError::Limit(format!(
            "the message has {has} attachments; at most {MAX_FILES} are allowed"
        )));
    }
    let file = |file: nebula_sandbox::resources::Attachment| {
        let name = line("attachments.name", file.name, MAX_LINE)?;
        if name.is_empty() {
            return Err(ResourceError::Refused("an attachment has no name".into()));
        }
        let kind = line("attachments.content_type", file.content_type, MAX_LINE)?;
        let kind = ContentType::parse(&kind).map_err(|_| {
            ResourceError::Refused(format!(
                "`attachments.content_type`: `{kind}` is no type, such as `application/pdf`"
            ))
        })?;
        Ok(Attachment::new(name).body(file.content, kind))
    };
    attachments.into_iter().map(file).collect()
}

/// An address, with a name or without.
fn address(field: &str, text: String) -> Result<Mailbox, ResourceError> {
    let text = line(field, text, MAX_LINE)?;
    text.trim().parse().map_err(|error| {
        ResourceError::Refused(format!(
            "`{field}`: `{text}` is no address of one recipient: {error}"
        ))
    })
}

/// A text of one line: what goes into a header may not end it.
fn line(field: &str, text: String, most: usize) -> Result<String, ResourceError> {
    if text.chars().any(char::is_control) {
        return Err(ResourceError::Refused(format!(
            "`{field}` has a line break or another control character in it"
        )));
    }
    if text.len() > most {
        let has = text.len();
        return Err(ResourceError::Limit(format!(
            "`{field}` has {has} bytes; at most {most} are allowed"
        )));
    }
    Ok(text)
}

/// Who answers automatically leaves these alone (RFC 3834).
fn automatic() -> HeaderValue {
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    HeaderValue::new(name, "auto-generated".into())
}

fn refused(error: &lettre::error::Error) -> ResourceError {
    ResourceError::Refused(format!("the message cannot be written: {error}"))
}

/// Bytes of a message before it is written, so that what is too large anyway is not.
fn weight(mail: &Mail) -> usize {
    let texts = mail.text.iter().chain(&mail.html).map(String::len);
    let files = mail.attachments.iter().map(|file| file.content.len());
    texts.chain(files).sum()
}
