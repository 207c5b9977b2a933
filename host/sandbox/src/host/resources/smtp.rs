//! Mail servers.

use std::sync::Arc;

use nebula_flow::Digest;
use wasmtime::component::Resource;

use crate::bindings::nebula::action::resources::{self, Message, ResourceError};
use crate::charge::{HASHED_BYTE, TEXT_BYTE};
use crate::resources::{Attachment, Mail, Piece, Smtp};
use crate::state::State;

/// A mail server that a guest has open.
#[expect(unreachable_pub, reason = "the generated bindings name it anew")]
pub struct MailServer {
    /// By which the action asks for it.
    name: String,
    server: Arc<dyn Smtp>,
}

impl State {
    /// A message without the call's secrets, with its key.
    fn mail(&mut self, server: &str, message: Message) -> wasmtime::Result<Mail> {
        let file = |file: resources::Attachment| Attachment {
            name: file.name,
            content_type: file.content_type,
            content: file.content,
        };
        let mut mail = Mail {
            key: String::new(),
            from: message.from,
            to: message.to,
            cc: message.cc,
            bcc: message.bcc,
            reply_to: message.reply_to,
            subject: message.subject,
            text: message.text,
            html: message.html,
            attachments: message.attachments.into_iter().map(file).collect(),
        };
        for part in mail.parts_mut() {
            match part {
                Piece::Text(text) => *text = self.covered(std::mem::take(text)),
                Piece::Bytes(bytes) => self.redactor.cover(bytes),
            }
        }
        let content = mail.content();
        self.charge_each(TEXT_BYTE + HASHED_BYTE, content.len());
        let operation = format!("smtp\0{server}\0{}", Digest::of(&content).hex());
        let identity = &self.caller("resources.smtp.send")?.identity;
        mail.key = identity.idempotency_key(&operation);
        Ok(mail)
    }
}

impl resources::HostSmtp for State {
    fn open(
        &mut self,
        name: String,
    ) -> wasmtime::Result<Result<Resource<MailServer>, ResourceError>> {
        let server = self.held("smtp", &name, |held, user, name| held.smtp(user, name));
        Ok(match server {
            Ok(server) => Ok(self.table.push(MailServer { name, server })?),
            Err(error) => Err(error.into()),
        })
    }

    async fn send(
        &mut self,
        server: Resource<MailServer>,
        message: Message,
    ) -> wasmtime::Result<Result<String, ResourceError>> {
        let MailServer { name, server } = self.table.get(&server)?;
        let (name, server) = (name.clone(), Arc::clone(server));
        let mail = self.mail(&name, message)?;
        let within = self.left();
        let _waiting = self.waits();
        Ok(server.send(mail, within).await.map_err(Into::into))
    }

    fn drop(&mut self, server: Resource<MailServer>) -> wasmtime::Result<()> {
        self.table.delete(server)?;
        Ok(())
    }
}
