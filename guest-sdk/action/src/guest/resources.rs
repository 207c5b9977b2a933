//! Resources through the host.

use alloc::string::String;
use alloc::vec::Vec;

use super::Backend;
use super::bindings::nebula::action::resources;
use crate::resource::{Attachment, Dialect, Message, ResourceError};

/// A database.
#[derive(Debug)]
pub struct Database(resources::Sql);

/// Rows of one of its statements.
#[derive(Debug)]
pub struct Cursor(resources::Rows);

/// A mail server.
#[derive(Debug)]
pub struct MailServer(resources::Smtp);

/// Small values by key.
#[derive(Debug)]
pub struct Values(resources::Kv);

impl Backend {
    pub(crate) fn database(&self, name: &str) -> Result<Database, ResourceError> {
        resources::Sql::open(name).map(Database).map_err(told)
    }

    pub(crate) fn mail_server(&self, name: &str) -> Result<MailServer, ResourceError> {
        resources::Smtp::open(name).map(MailServer).map_err(told)
    }

    pub(crate) fn values(&self, name: &str) -> Result<Values, ResourceError> {
        resources::Kv::open(name).map(Values).map_err(told)
    }
}

impl Database {
    pub(crate) fn dialect(&self) -> Dialect {
        match self.0.dialect() {
            resources::Dialect::Sqlite => Dialect::Sqlite,
            resources::Dialect::Postgresql => Dialect::PostgreSql,
            resources::Dialect::Mysql => Dialect::MySql,
        }
    }

    pub(crate) fn query(
        &self,
        statement: &str,
        parameters: Vec<u8>,
    ) -> Result<Cursor, ResourceError> {
        let rows = self.0.query(statement, &parameters);
        rows.map(Cursor).map_err(told)
    }

    pub(crate) fn execute(
        &self,
        statement: &str,
        parameters: Vec<u8>,
    ) -> Result<u64, ResourceError> {
        self.0.execute(statement, &parameters).map_err(told)
    }
}

impl Cursor {
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, ResourceError> {
        self.0.next().map_err(told)
    }
}

impl MailServer {
    pub(crate) fn send(&self, message: &Message) -> Result<String, ResourceError> {
        let file = |file: &Attachment| resources::Attachment {
            name: file.name.clone(),
            content_type: file.content_type.clone(),
            content: file.content.clone(),
        };
        let message = resources::Message {
            from: message.from.clone(),
            to: message.to.clone(),
            cc: message.cc.clone(),
            bcc: message.bcc.clone(),
            reply_to: message.reply_to.clone(),
            subject: message.subject.clone(),
            text: message.text.clone(),
            html: message.html.clone(),
            attachments: message.attachments.iter().map(file).collect(),
        };
        self.0.send(&message).map_err(told)
    }
}

impl Values {
    pub(crate) fn get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, ResourceError> {
        let found = self.0.get(key).map_err(told)?;
        Ok(found.map(|entry| (entry.value, entry.version)))
    }

    pub(crate) fn set(
        &self,
        key: &str,
        value: Vec<u8>,
        ttl: Option<u64>,
        expected: Option<u64>,
    ) -> Result<Option<u64>, ResourceError> {
        self.0.set(key, &value, ttl, expected).map_err(told)
    }

    pub(crate) fn delete(&self, key: &str, expected: Option<u64>) -> Result<bool, ResourceError> {
        self.0.delete(key, expected).map_err(told)
    }

    pub(crate) fn increment(
        &self,
        key: &str,
        by: i64,
        ttl: Option<u64>,
    ) -> Result<i64, ResourceError> {
        self.0.increment(key, by, ttl).map_err(told)
    }

    pub(crate) fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<String>, Option<String>), ResourceError> {
        let found = self.0.list(prefix, after, limit).map_err(told)?;
        Ok((found.keys, found.next))
    }
}

fn told(error: resources::ResourceError) -> ResourceError {
    match error {
        resources::ResourceError::Undeclared(name) => ResourceError::Undeclared(name),
        resources::ResourceError::Unbound(why) => ResourceError::Unbound(why),
        resources::ResourceError::Refused(why) => ResourceError::Refused(why),
        resources::ResourceError::Constraint(why) => ResourceError::Constraint(why),
        resources::ResourceError::Limit(why) => ResourceError::Limit(why),
        resources::ResourceError::Unavailable(why) => ResourceError::Unavailable(why),
    }
}
