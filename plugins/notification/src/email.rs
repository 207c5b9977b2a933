//! `notification.email`: a message by mail, over a server that the operator configured.
//!
//! ```yaml
//! tell:
//!   action: notification.email
//!   resources: { mail: mail }
//!   input:
//!     to: ["${ $input.customer }"]
//!     subject: "Your order ${ $input.order }"
//!     text: It is on its way.
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nebula_sdk::action::resource::{Attachment, Message};
use nebula_sdk::prelude::*;

/// By which name the action asks for its mail server.
const MAIL: &str = "mail";

/// What `notification.email` takes. Addresses are `ada@example.com` or
/// `Ada <ada@example.com>`.
#[data]
#[derive(Debug)]
pub struct Input {
    /// From whom; the operator's address if absent. Which others there may be the operator
    /// says.
    #[serde(default)]
    pub from: Option<String>,
    /// To whom.
    #[serde(default)]
    pub to: Vec<String>,
    /// Who else sees it.
    #[serde(default)]
    pub cc: Vec<String>,
    /// Who else gets it, unseen by the others.
    #[serde(default)]
    pub bcc: Vec<String>,
    /// To whom answers go; to the sender if empty.
    #[serde(default)]
    pub reply_to: Vec<String>,
    /// One line.
    pub subject: String,
    /// As plain text. It, or `html`, or both are needed.
    #[serde(default)]
    pub text: Option<String>,
    /// As HTML, such as `markdown.render` gives.
    #[serde(default)]
    pub html: Option<String>,
    /// What comes with it.
    #[serde(default)]
    pub attachments: Vec<File>,
}

/// A file that comes with a message.
#[data]
#[derive(Debug)]
pub struct File {
    /// Its name.
    pub name: String,
    /// For example `application/pdf`; `text/plain` of a text and
    /// `application/octet-stream` of bytes if absent.
    #[serde(default)]
    pub content_type: Option<String>,
    /// What is in it.
    pub content: String,
    /// How `content` stands here.
    #[serde(default)]
    pub encoding: Encoding,
}

/// How the content of a file stands in an input.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As it is.
    #[default]
    Text,
    /// Its bytes in base64, such as `http.request` gives.
    Base64,
}

/// What `notification.email` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// The message's `Message-ID`, the same on every attempt.
    pub message_id: String,
    /// How many recipients the server took it for.
    pub recipients: u32,
}

/// Sends a message by mail, over a server that the operator configured.
#[derive(Action)]
#[action(
    id = "notification.email",
    name = "Send an e-mail",
    resources(mail = "smtp")
)]
pub struct Email;

impl SimpleAction for Email {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, ctx: &ActionContext) -> Result<Output> {
        let message = message(input)?;
        let recipients = message.to.len() + message.cc.len() + message.bcc.len();
        let mail: Smtp = ctx.resource(MAIL).await?;
        let message_id = mail.send(&message).await?;
        Ok(Output {
            message_id,
            recipients: recipients as u32,
        })
    }
}

fn message(input: Input) -> Result<Message> {
    let attachments = input.attachments.into_iter().map(attachment);
    Ok(Message {
        from: input.from,
        to: input.to,
        cc: input.cc,
        bcc: input.bcc,
        reply_to: input.reply_to,
        subject: input.subject,
        text: input.text,
        html: input.html,
        attachments: attachments.collect::<Result<_>>()?,
    })
}

fn attachment(file: File) -> Result<Attachment> {
    let (content, otherwise) = match file.encoding {
        Encoding::Text => (file.content.into_bytes(), "text/plain; charset=utf-8"),
        Encoding::Base64 => {
            let bytes = STANDARD.decode(file.content.trim()).map_err(|error| {
                let name = &file.name;
                ActionError::invalid_input(format!("the attachment `{name}` is no base64: {error}"))
            })?;
            (bytes, "application/octet-stream")
        }
    };
    Ok(Attachment {
        name: file.name,
        content_type: file.content_type.unwrap_or_else(|| otherwise.to_owned()),
        content,
    })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use nebula_sdk::action::native::Mail;
    use std::sync::{Arc, Mutex};

    /// Runs the action with a server that answers so; what it gave, and what was sent.
    fn run(input: &Value, answer: Result<(), ResourceError>) -> (Result<Value>, Vec<Mail>) {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sent);
        let ctx = ActionContext::for_test().with_smtp("mail", move |mail| {
            seen.lock().unwrap().push(mail.clone());
            answer.clone()
        });
        let output = ctx.run::<Email>(input).map(|ended| match ended {
            ProcessResult::Success(output) => output,
            other => panic!("{other:?}"),
        });
        let sent = sent.lock().unwrap().clone();
        (output, sent)
    }

    #[test]
    fn a_message_has_what_its_input_says() {
        let input = json!({
            "to": ["Ada <ada@a.example>"], "bcc": ["b@b.example"], "reply_to": ["shop@a.example"],
            "subject": "Order 7", "text": "It is on its way.", "html": "<p>It is</p>",
            "attachments": [
                { "name": "order.csv", "content": "id\n7\n", "content_type": "text/csv" },
                { "name": "a.bin", "content": "AAEC", "encoding": "base64" },
            ],
        });
        let (output, sent) = run(&input, Ok(()));
        let mail = &sent[0];
        let wanted = json!({ "message_id": mail.id, "recipients": 2 });
        assert_eq!(output, Ok(wanted));
        assert_eq!(mail.message.to, ["Ada <ada@a.example>"]);
        assert_eq!(mail.message.html.as_deref(), Some("<p>It is</p>"));
        assert_eq!(mail.message.attachments[0].content_type, "text/csv");
        assert_eq!(mail.message.attachments[1].content, [0, 1, 2]);
        let (_, again) = run(&input, Ok(()));
        assert_eq!(again[0].id, mail.id, "the same step, and the same message");
        let mut other = input;
        other["subject"] = json!("Order 8");
        let (_, other) = run(&other, Ok(()));
        assert_ne!(other[0].id, mail.id);
    }

    #[test]
    fn what_makes_no_message_is_refused_before_a_server_is_asked() {
        let with = |field: &str, value: Value| {
            let mut input = json!({ "to": ["a@a.example"], "subject": "s", "text": "t" });
            input[field] = value;
            input
        };
        for (input, wanted) in [
            (with("to", json!([])), "to nobody"),
            (with("text", json!(null)), "neither a `text`"),
            (
                with("subject", json!("s\r\nBcc: x@x.example")),
                "a line break",
            ),
            (with("to", json!(["a@a.example\nx"])), "a line break"),
            (
                with(
                    "attachments",
                    json!([{ "name": "a", "content": "?", "encoding": "base64" }]),
                ),
                "no base64",
            ),
        ] {
            let (output, sent) = run(&input, Ok(()));
            let error = output.expect_err("refused");
            assert!(error.to_string().contains(wanted), "{error}");
            assert!(sent.is_empty() && !error.is_retryable(), "{sent:?}");
        }
    }

    #[test]
    fn a_server_in_trouble_is_asked_again_and_one_that_refuses_is_not() {
        let input = json!({ "to": ["a@a.example"], "subject": "s", "text": "t" });
        let busy = ResourceError::Unavailable("busy".into());
        assert!(run(&input, Err(busy)).0.is_err_and(|e| e.is_retryable()));
        let gone = ResourceError::Refused("550 no such user".into());
        assert_eq!(
            run(&input, Err(gone)).0,
            Err(ActionError::permanent("550 no such user"))
        );
    }
}
